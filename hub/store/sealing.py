"""Secrets that must be recovered, sealed with a key that lies beside the database, not in it.

So the database file alone gives none of them away. Each is bound to the row that it belongs to.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import StartFault
from hub.store.disk import Disk

_KEY_SIZE = 32
_NONCE_SIZE = 12

Random = Callable[[int], bytes]


class SecretBox:
    """Seals and opens with AES-GCM."""

    def __init__(self, key: bytes, random: Random) -> None:
        self._key = key
        self._cipher = AESGCM(key)
        self._random = random

    def seal(self, text: str, context: str) -> bytes:
        """Encrypt for one row: `context` is its identity."""
        nonce = self._random(_NONCE_SIZE)
        return nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """The text that was sealed for this row. InvalidTag where key or row is another."""
        nonce, rest = sealed[:_NONCE_SIZE], sealed[_NONCE_SIZE:]
        return self._cipher.decrypt(nonce, rest, context.encode()).decode()

    def derived(self, purpose: str) -> bytes:
        """A key for something else than sealing, which tells nothing of this one."""
        return hmac.digest(self._key, purpose.encode(), "sha256")

    def fits(self, sealed: bytes, context: str) -> bool:
        """Whether this key sealed it."""
        try:
            self.open(sealed, context)
        except InvalidTag:
            return False
        return True


def read_key(path: Path) -> bytes | None:
    """The key in a file, None where there is no file."""
    try:
        key = bytes.fromhex(path.read_text("ascii"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StartFault(f"{path} cannot be read: {error.strerror}") from error
    except ValueError:
        key = b""
    if len(key) != _KEY_SIZE:
        raise StartFault(f"{path} is not a key file of sitehub: bring back the right one")
    return key


def create_key(path: Path, random: Random, disk: Disk) -> bytes:
    """Make a key and its file, whole or not at all, which only the owner may read.

    On Windows the directory's own permissions (those of the user's profile) guard it.
    """
    key = random(_KEY_SIZE)
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(key.hex().encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    disk.flush_directory(path.parent)
    return key
