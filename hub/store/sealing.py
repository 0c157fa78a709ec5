"""Encrypts secrets that must be recoverable, with a key kept in a file beside the database.

So the database alone reveals none of them. Each is bound to the row that it belongs to.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.durable_files import SECRET, write_file
from hub.errors import StartFault

_KEY_BYTES = 32
_NONCE_BYTES = 12

Random = Callable[[int], bytes]


class SecretBox:
    """Encrypts and decrypts text with AES-GCM. `random(n)` returns n random bytes."""

    def __init__(self, key: bytes, random: Random) -> None:
        self._key = key
        self._cipher = AESGCM(key)
        self._random = random

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt text for one row, which `context` identifies."""
        nonce = self._random(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """Decrypt the text of this row. Raises InvalidTag if the key or the row does not match."""
        nonce, rest = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        return self._cipher.decrypt(nonce, rest, context.encode()).decode()

    def open_or_none(self, sealed: bytes, context: str) -> str | None:
        """Decrypt the text of this row; None if it is damaged, or of another key or row."""
        try:
            return self.open(sealed, context)
        except (InvalidTag, ValueError):  # too short, or no text
            return None

    def derived(self, purpose: str) -> bytes:
        """Derive a key for another purpose; it reveals nothing about this one."""
        return hmac.digest(self._key, purpose.encode(), "sha256")

    def fits(self, sealed: bytes, context: str) -> bool:
        """Whether this key sealed the text of this row."""
        return self.open_or_none(sealed, context) is not None


def read_key(path: Path) -> bytes | None:
    """Read the key in a file; None if there is no file. StartFault if it cannot be read."""
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartFault(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise StartFault(f"{path} is not a key file of sitehub: restore the right one")
    return key


def create_key(path: Path, random: Random) -> bytes:
    """Create a key and, atomically, its file, which only the owner may read.

    On Windows the permissions of the directory protect it. Raises OSError.
    """
    key = random(_KEY_BYTES)
    write_file(path, key.hex().encode() + b"\n", SECRET)
    return key
