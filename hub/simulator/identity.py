"""The identity of a simulated camera: serial number, security code, key pair, name and place."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from msgspec import Struct

from hub.decoders import decode_json
from hub.simulator.scenario.population import PLACES, CameraPlace

#: The size of the keys in cameras of this make (D8).
KEY_BITS = 1024


class CameraIdentity(Struct, frozen=True):
    """Properties of one camera. `private_key` is PEM; `did` is None until the hub assigns it."""

    sn: str
    code: str
    private_key: str
    name: str
    place: CameraPlace
    did: str | None = None

    def signer(self) -> rsa.RSAPrivateKey:
        key = load_pem_private_key(self.private_key.encode(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    @property
    def ip(self) -> str:
        """The address that it reports (1.1): a fixed one in a private network."""
        return f"192.168.1.{random.Random(self.sn).randint(10, 250)}"

    @property
    def devid(self) -> str:
        """The short number that a camera of edition 3 has for itself (D12)."""
        return str(random.Random(f"{self.sn} devid").randint(1, 99_999))

    @property
    def mac(self) -> str:
        """Its hardware address, a locally administered one."""
        digits = random.Random(f"{self.sn} mac").randbytes(5).hex(":")
        return f"02:{digits}"

    def public_pem(self) -> str:
        """Return the public key as enrolled in the hub: PEM, SubjectPublicKeyInfo."""
        public = self.signer().public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def make_cameras(count: int, seed: int = 0, *, one_key: bool = False) -> tuple[CameraIdentity, ...]:
    """Make new cameras. The seed determines serial numbers and codes, but not the keys.

    Making a key takes about 20 ms: call it in a thread. With `one_key` all cameras share one key
    pair, as vendors do for a whole series.
    """
    rng = random.Random(seed)
    shared = _new_key() if one_key else None
    return tuple(
        CameraIdentity(
            sn=f"SIM{_letters(rng, 4)}{number:04d}{_letters(rng, 4)}",
            code=_letters(rng, 8),
            private_key=shared or _new_key(),
            name=_name(number),
            place=PLACES[number % len(PLACES)][0],
        )
        for number in range(count)
    )


def to_json(identities: Sequence[CameraIdentity]) -> bytes:
    """Encode cameras for a file. The file is secret: it contains their private keys."""
    return msgspec.json.format(msgspec.json.encode(identities), indent=2)


def from_json(data: bytes) -> tuple[CameraIdentity, ...]:
    """Decode a file that `to_json` encoded. Raises msgspec.DecodeError."""
    return decode_json(data, tuple[CameraIdentity, ...])


def _name(number: int) -> str:
    name = PLACES[number % len(PLACES)][1]
    round_ = number // len(PLACES)
    return name if not round_ else f"{name} {round_ + 1}"


def _letters(rng: random.Random, count: int) -> str:
    return "".join(rng.choices(string.ascii_uppercase + string.digits, k=count))


def _new_key() -> str:
    key = rsa.generate_private_key(65537, KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
