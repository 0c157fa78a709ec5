"""One-time codes: how a hub and the centre of many sites prove to each other that they know one.

Neither sends the code. Each sends a digest with it as the key, over the certificate at which the
connection ends: who only stands between the two has another certificate, and can make no digest.
One line of JSON goes each way.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Annotated, Literal

import trio
from msgspec import Meta, Struct

from hub.errors import BadParameter

DEFAULT_PORT = 8461
#: Of a line, either way.
_MAX_LINE = 32 * 1024
#: Without I, L, O and U, which are read as other characters or words.
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_READ_AS = str.maketrans("ILO", "110", " -")
_LETTERS, _GROUP = 16, 4

Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
#: Why a centre admits no hub. `between`: the connection that it has is not the hub's.
Refusal = Literal["unknown", "expired", "used", "often", "between", "unable"]


class Ask(Struct, frozen=True):
    """What a hub asks. `id`: of the code; `key`: its public key as PEM."""

    id: Hex
    key: Annotated[str, Meta(max_length=1000)]
    proof: Hex


class Answer(Struct, frozen=True):
    """What a centre answers. `target`: the file of a target, without the key."""

    refusal: Refusal | None = None
    target: str = ""
    proof: str = ""


def new_code() -> str:
    """Return a code as it is typed, of 75 random bits and a check character."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS - 1))
    letters += _ALPHABET[_weighted(letters) % len(_ALPHABET)]
    return "-".join(letters[at : at + _GROUP] for at in range(0, _LETTERS, _GROUP))


def secret_of(code: str) -> bytes:
    """Return what proofs are made with. Raises BadParameter if the code is mistyped."""
    letters = code.upper().translate(_READ_AS)
    if len(letters) != _LETTERS or set(letters) - set(_ALPHABET):
        raise BadParameter(
            f"{_LETTERS} letters and digits are expected, as they were given out", field="code"
        )
    if _weighted(letters) % len(_ALPHABET):
        raise BadParameter("it is mistyped: compare it with what was given out", field="code")
    return hashlib.sha256(f"sitehub code {letters}".encode("ascii")).digest()


def id_of(secret: bytes) -> str:
    """Return what names a code, and does not tell it."""
    return hmac.new(secret, b"id", "sha256").hexdigest()


def proof_of_hub(secret: bytes, end: bytes, key: str) -> str:
    """Return the proof of a hub. `end`: the certificate of the centre, as the hub sees it."""
    return _proof(secret, b"hub", end, key.encode())


def proof_of_centre(secret: bytes, end: bytes, key: str, target: str) -> str:
    """Return the proof of a centre: that it is the one, and that nobody has changed `target`."""
    return _proof(secret, b"centre", end, key.encode(), target.encode())


def is_same(proof: str, expected: str) -> bool:
    return hmac.compare_digest(proof.encode(), expected.encode())


async def read_line(stream: trio.abc.ReceiveStream) -> bytes:
    """Return a line, or what came before the end, or before there was more than is taken."""
    said = bytearray()
    while b"\n" not in said and len(said) <= _MAX_LINE and (more := await stream.receive_some()):
        said += more
    return bytes(said[:_MAX_LINE]).partition(b"\n")[0]


def _proof(secret: bytes, *parts: bytes) -> str:
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    return hmac.new(secret, digests, "sha256").hexdigest()


def _weighted(letters: str) -> int:
    """Return a sum that any single wrong letter changes; modulo 32 it is 0 of a whole code.

    The weight of the last letter is 31, or -1.
    """
    return sum((2 * at + 1) * _ALPHABET.index(letter) for at, letter in enumerate(letters))
