"""Who a simulated camera is: serial number, security code, key pair, name and place."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from typing import Literal

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

Place = Literal["gate", "lobby", "corridor", "carpark", "yard", "workshop"]

#: Where cameras hang, in the order in which a site grows.
PLACES: tuple[tuple[Place, str], ...] = (
    ("gate", "Main gate"),
    ("lobby", "Lobby"),
    ("carpark", "Car park"),
    ("corridor", "Corridor 2F"),
    ("yard", "Loading yard"),
    ("workshop", "Workshop"),
)

#: What cameras of this make have (D8).
KEY_BITS = 1024


class CameraIdentity(Struct, frozen=True):
    """What is burnt into one camera. `private_key` is PEM; `did` is None until it is given one."""

    sn: str
    code: str
    private_key: str
    name: str
    place: Place
    did: str | None = None

    def signer(self) -> rsa.RSAPrivateKey:
        key = load_pem_private_key(self.private_key.encode(), password=None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    @property
    def ip(self) -> str:
        """The address that it tells of itself (1.1): one of a site's own network."""
        return f"192.168.1.{random.Random(self.sn).randint(10, 250)}"

    def public_pem(self) -> str:
        """What the hub is told of the key: PEM, SubjectPublicKeyInfo."""
        public = self.signer().public_key()
        return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def make_cameras(count: int, seed: int = 0, *, one_key: bool = False) -> tuple[CameraIdentity, ...]:
    """New cameras. Serial numbers and codes follow from the seed; keys are always new ones.

    A key takes some 20 ms to make: call it in a thread. `one_key` gives all the same key pair, as
    vendors do with a whole series.
    """
    chance = random.Random(seed)
    shared = _new_key() if one_key else None
    return tuple(
        CameraIdentity(
            sn=f"SIM{_letters(chance, 4)}{number:04d}{_letters(chance, 4)}",
            code=_letters(chance, 8),
            private_key=shared or _new_key(),
            name=_name(number),
            place=PLACES[number % len(PLACES)][0],
        )
        for number in range(count)
    )


def to_json(identities: Sequence[CameraIdentity]) -> bytes:
    """Cameras as a file holds them. It is a secret: it has their private keys."""
    return msgspec.json.format(msgspec.json.encode(identities), indent=2)


def from_json(data: bytes) -> tuple[CameraIdentity, ...]:
    """Cameras from a file. Raises msgspec.ValidationError where it is none of ours."""
    return msgspec.json.decode(data, type=tuple[CameraIdentity, ...])


def _name(number: int) -> str:
    name = PLACES[number % len(PLACES)][1]
    round_ = number // len(PLACES)
    return name if not round_ else f"{name} {round_ + 1}"


def _letters(chance: random.Random, count: int) -> str:
    return "".join(chance.choices(string.ascii_uppercase + string.digits, k=count))


def _new_key() -> str:
    key = rsa.generate_private_key(65537, KEY_BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
