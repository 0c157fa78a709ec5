"""The file of an update: a signed header, then the executable.

    16 bytes    MAGIC
    4 bytes     length of the header, big-endian
    the header  JSON: {"version", "platform", "size", "sha256"}
    64 bytes    Ed25519 signature of everything before it
    the rest    the executable, `size` bytes with this SHA-256

The public key is built into the executable (`packaging/build.py`). Without it, signatures cannot
be checked.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Callable
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.errors import UpdateRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (
        Ed25519PrivateKey,
        Ed25519PublicKey,
    )

MAGIC = b"SITEHUB-UPDATE-1"
#: In this package, if the executable was built with a key: PEM text.
KEY_FILE = "update-key.pem"
MAX_BYTES = 200 * 1024 * 1024

_MAX_HEADER_BYTES = 4096
_SIGNATURE_BYTES = 64
_CHUNK_BYTES = 1024 * 1024
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


class UpdateHeader(Struct, frozen=True):
    """What the header says. `sha256` is lower-case hex, `size` in bytes."""

    version: str
    platform: str
    size: int
    sha256: str


def this_platform() -> str:
    """Return the platform of this process, such as linux-x86_64."""
    machine = platform.machine().lower()
    system = {"win32": "windows"}.get(sys.platform, sys.platform)
    return f"{system}-{_MACHINES.get(machine, machine)}"


def built_in_key() -> Ed25519PublicKey | None:
    """Return the public key that this executable was built with, if any."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    file = resources.files("hub.update") / KEY_FILE
    if not file.is_file():
        return None
    key = load_pem_public_key(file.read_bytes())
    if not isinstance(key, Ed25519PublicKey):
        raise TypeError(f"{KEY_FILE} is not an Ed25519 key")
    return key


def is_update_file(file: BinaryIO) -> bool:
    """Return whether the file begins as an update does. The position stays."""
    begin = file.read(len(MAGIC))
    file.seek(-len(begin), 1)
    return begin == MAGIC


def read_header(file: BinaryIO, key: Ed25519PublicKey | None) -> UpdateHeader:
    """Read the header, up to the executable. With `key`, raises UpdateRefused unless it signed it.

    Without `key` the header is read as it stands.
    """
    begin = file.read(len(MAGIC) + 4)
    length = int.from_bytes(begin[len(MAGIC) :])
    if not begin.startswith(MAGIC) or not 0 < length <= _MAX_HEADER_BYTES:
        raise UpdateRefused("format", "this is not an update of sitehub")
    text, signature = file.read(length), file.read(_SIGNATURE_BYTES)
    if key is not None and not _is_signed(key, begin + text, signature):
        raise UpdateRefused(
            "signature", "the update is not signed with the key that this sitehub was built with"
        )
    try:
        return decode_json(text, UpdateHeader)
    except msgspec.DecodeError:
        raise UpdateRefused("format", "the header of the update is damaged") from None


def copy_executable(
    file: BinaryIO, write: Callable[[bytes], object], header: UpdateHeader | None
) -> str:
    """Pass the rest of `file` to `write`, and return its SHA-256.

    Raises UpdateRefused if it is too long, or not what `header` announces.
    """
    digest, size = hashlib.sha256(), 0
    most = MAX_BYTES if header is None else min(header.size, MAX_BYTES)
    while chunk := file.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > most:
            break
        digest.update(chunk)
        write(chunk)
    if header is None and size > MAX_BYTES:
        raise UpdateRefused(
            "size",
            f"the file is larger than {MAX_BYTES // 1024**2} MB",
            most=str(MAX_BYTES // 1024**2),
        )
    if header is not None and (size != header.size or digest.hexdigest() != header.sha256):
        raise UpdateRefused("damaged", "the update is damaged or incomplete: copy it again")
    return digest.hexdigest()


def write_update(
    executable: Path, target: Path, key: Ed25519PrivateKey, version: str, platform_name: str
) -> None:
    """Write the update file of an executable, signed with `key`."""
    content = executable.read_bytes()
    header = UpdateHeader(version, platform_name, len(content), hashlib.sha256(content).hexdigest())
    text = msgspec.json.encode(header)
    signed = MAGIC + len(text).to_bytes(4) + text
    target.write_bytes(signed + key.sign(signed) + content)


def _is_signed(key: Ed25519PublicKey, signed: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True
