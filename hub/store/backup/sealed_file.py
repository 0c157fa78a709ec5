"""Sealed files: a stream that is encrypted with a passphrase. docs/operations.md has the layout.

    header   magic "SHSEAL01", log2 of N, r, p, 0 (1 byte each), size of a chunk (4 bytes),
             salt (16 bytes), check (32 bytes)
    chunk    AES-256-GCM of at most so many bytes, then its tag (16 bytes)

Numbers are big-endian. scrypt gives 64 bytes: the key, and the check, which tells a wrong
passphrase from a damaged file. The nonce of a chunk is its number (11 bytes, from 0) and a byte
that is 1 for the last chunk, else 0; the header is authenticated with each chunk. So a chunk that
is changed, missing, repeated or moved does not open, and neither does a file that was cut off.
"""

from __future__ import annotations

import hmac
import os
import struct
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hub.errors import BackupFault
from hub.folding import MAX_NORMALISED, normalise

MAGIC = b"SHSEAL01"
MIN_PASSPHRASE_LENGTH = 8
_HEADER = struct.Struct(">8sBBBBI16s32s")
_CHUNK_BYTES = 1024 * 1024
_MAX_CHUNK_BYTES = 16 * 1024 * 1024
_TAG_BYTES = 16
_SALT_BYTES = 16
_KEY_BYTES = 32
#: 128 MB of memory and about half a second.
_LOG_N, _R, _P = 17, 8, 1
#: What a file may ask of the reader: at most 256 MB.
_MIN_LOG_N, _MAX_LOG_N = 10, 18


class Sink(Protocol):
    """Where a backup is written to."""

    def write(self, data: bytes, /) -> object: ...


class Source(Protocol):
    """Where a backup is read from: fewer bytes than asked for only at the end."""

    def read(self, size: int, /) -> bytes: ...


def check_passphrase(passphrase: str) -> None:
    """Raise BackupFault if a passphrase is too short to seal a backup with."""
    if len(passphrase) < MIN_PASSPHRASE_LENGTH:
        raise BackupFault(f"a passphrase has at least {MIN_PASSPHRASE_LENGTH} characters")


class SealedWriter:
    """Encrypts what is written to it into `sink`. Call `close` at the end, or it stays cut off.

    `log_n`: the cost of a guess at the passphrase doubles with each.
    """

    def __init__(self, sink: Sink, passphrase: str, *, log_n: int = _LOG_N) -> None:
        check_passphrase(passphrase)
        salt = os.urandom(_SALT_BYTES)
        key, check = _derive(passphrase, salt, 1 << log_n)
        self._header = _HEADER.pack(MAGIC, log_n, _R, _P, 0, _CHUNK_BYTES, salt, check)
        self._cipher = AESGCM(key)
        self._sink = sink
        self._buffer = bytearray()
        self._number = 0
        sink.write(self._header)

    def write(self, data: bytes) -> None:
        self._buffer += data
        # The last chunk is not empty unless the whole file is: keep one until more comes.
        while len(self._buffer) > _CHUNK_BYTES:
            self._write_chunk(bytes(self._buffer[:_CHUNK_BYTES]), is_last=False)
            del self._buffer[:_CHUNK_BYTES]

    def close(self) -> None:
        """Write the last chunk. Leaves the sink open."""
        self._write_chunk(bytes(self._buffer), is_last=True)
        self._buffer.clear()

    def _write_chunk(self, data: bytes, *, is_last: bool) -> None:
        nonce = _nonce(self._number, is_last)
        self._sink.write(self._cipher.encrypt(nonce, data, self._header))
        self._number += 1


class SealedReader:
    """Decrypts a sealed file. Raises BackupFault for a wrong passphrase or a damaged file."""

    def __init__(self, source: Source, passphrase: str) -> None:
        self._source = source
        self._header = source.read(_HEADER.size)
        if len(self._header) < _HEADER.size:
            raise BackupFault("the backup is cut off: its header is incomplete")
        magic, log_n, r, p, zero, chunk_bytes, salt, check = _HEADER.unpack(self._header)
        if magic != MAGIC or zero:
            raise BackupFault("the backup was sealed in a way that this version does not know")
        if not (_MIN_LOG_N <= log_n <= _MAX_LOG_N and r == _R and p == _P):
            raise BackupFault("the backup is damaged: opening it would take too much memory")
        if not 1 <= chunk_bytes <= _MAX_CHUNK_BYTES:
            raise BackupFault("the backup is damaged: its header asks for chunks of a wrong size")
        key, expected = _derive(passphrase, salt, 1 << log_n)
        if not hmac.compare_digest(check, expected):
            raise BackupFault("the passphrase does not fit this backup")
        self._cipher = AESGCM(key)
        self._sealed_bytes = chunk_bytes + _TAG_BYTES
        self._ahead = source.read(self._sealed_bytes)
        self._number = 0
        self._is_over = False
        self._opened = b""
        self._position = 0

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        parts: list[bytes] = []
        while size > 0 and self._has_more():
            part = self._opened[self._position : self._position + size]
            self._position += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def _has_more(self) -> bool:
        while self._position == len(self._opened):
            if self._is_over:
                return False
            self._open_next()
        return True

    def _open_next(self) -> None:
        sealed, self._ahead = self._ahead, self._source.read(self._sealed_bytes)
        self._is_over = not self._ahead
        try:
            nonce = _nonce(self._number, self._is_over)
            self._opened = self._cipher.decrypt(nonce, sealed, self._header)
        except (InvalidTag, ValueError):
            raise BackupFault(
                f"the backup is damaged or cut off: chunk {self._number} does not open"
            ) from None
        self._position = 0
        self._number += 1


def _derive(passphrase: str, salt: bytes, n: int) -> tuple[bytes, bytes]:
    """Return the key and the check of a passphrase."""
    # What is behind is taken as it is: every character of a passphrase counts.
    text = (normalise("NFC", passphrase) + passphrase[MAX_NORMALISED:]).encode()
    derived = Scrypt(salt=salt, length=2 * _KEY_BYTES, n=n, r=_R, p=_P).derive(text)
    return derived[:_KEY_BYTES], derived[_KEY_BYTES:]


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
