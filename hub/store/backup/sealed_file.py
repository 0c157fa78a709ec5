"""Sealed files: a stream that is encrypted with a passphrase, in the age format, version 1.

`age -d` opens them where sitehub is not there (https://age-encryption.org/v1). scrypt makes of the
passphrase the key that wraps the key of the file. The data follows in chunks of ChaCha20-Poly1305,
whose nonce is their number (11 bytes, from 0) and a byte that is 1 for the last one, else 0. So a
chunk that is changed, missing, repeated or moved does not open, and neither does a file that was
cut off.

Files of builds before the age format (`SHSEAL01`) are still read: a header of 64 bytes (log2 of N,
r and p of scrypt, the size of a chunk, salt, a check of the passphrase), then chunks of AES-256-GCM
with the same nonces, each of which authenticates the header.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
import struct
from collections.abc import Callable
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from hub.errors import BackupFault, DamagedBackup, WrongPassphrase
from hub.folding import MAX_NORMALISED, normalise

#: How many bytes of a file tell whether it is sealed.
BEGIN_BYTES = 8
MIN_PASSPHRASE_LENGTH = 8
_MAGIC = b"age-encryption.org/v1\n"
_OLD_MAGIC = b"SHSEAL01"
_HEADER = re.compile(
    rb"age-encryption\.org/v1\n-> scrypt ([A-Za-z0-9+/]{22}) ([1-9][0-9]?)\n([A-Za-z0-9+/]{43})\n"
    rb"--- ([A-Za-z0-9+/]{43})\n"
)
_HEADER_LINES, _MAX_HEADER_BYTES = 4, 256
_OLD_HEADER = struct.Struct(">8sBBBBI16s32s")
_CHUNK_BYTES = 64 * 1024
_MAX_OLD_CHUNK_BYTES = 16 * 1024 * 1024
_TAG_BYTES = 16
_SALT_BYTES = _FILE_KEY_BYTES = _NONCE_BYTES = 16
_KEY_BYTES = 32
_SALT_LABEL = b"age-encryption.org/v1/scrypt"
_WRONG_PASSPHRASE = (
    "the passphrase does not fit this backup (mind upper and lower case), or it is damaged"
)
#: The key that a passphrase makes wraps one key only.
_WRAP_NONCE = bytes(12)
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


def is_sealed(begin: bytes) -> bool:
    """Whether a file that begins with these BEGIN_BYTES is sealed."""
    return begin in (_MAGIC[:BEGIN_BYTES], _OLD_MAGIC)


class SealedWriter:
    """Encrypts what is written to it into `sink`. Call `close` at the end, or it stays cut off.

    `log_n`: the cost of a guess at the passphrase doubles with each.
    """

    def __init__(self, sink: Sink, passphrase: str, *, log_n: int = _LOG_N) -> None:
        check_passphrase(passphrase)
        salt, file_key = os.urandom(_SALT_BYTES), os.urandom(_FILE_KEY_BYTES)
        wrapped = ChaCha20Poly1305(_wrap_key(passphrase, salt, log_n)).encrypt(
            _WRAP_NONCE, file_key, None
        )
        header = b"%b-> scrypt %b %d\n%b\n---" % (_MAGIC, _encode(salt), log_n, _encode(wrapped))
        nonce = os.urandom(_NONCE_BYTES)
        sink.write(b"%b %b\n%b" % (header, _encode(_header_mac(file_key, header)), nonce))
        self._cipher = ChaCha20Poly1305(_expand(file_key, nonce, b"payload"))
        self._sink = sink
        self._buffer = bytearray()
        self._number = 0

    def write(self, data: bytes) -> None:
        self._buffer += data
        # The last chunk is not empty unless the whole file is: keep one until more comes.
        start = 0
        while len(self._buffer) - start > _CHUNK_BYTES:
            self._write_chunk(bytes(self._buffer[start : start + _CHUNK_BYTES]), is_last=False)
            start += _CHUNK_BYTES
        del self._buffer[:start]

    def close(self) -> None:
        """Write the last chunk. Leaves the sink open."""
        self._write_chunk(bytes(self._buffer), is_last=True)
        self._buffer.clear()

    def _write_chunk(self, data: bytes, *, is_last: bool) -> None:
        self._sink.write(self._cipher.encrypt(_nonce(self._number, is_last), data, None))
        self._number += 1


class SealedReader:
    """Decrypts a sealed file. Raises BackupFault for a wrong passphrase or a damaged file."""

    def __init__(self, source: Source, passphrase: str) -> None:
        begin = source.read(BEGIN_BYTES)
        read_header = _read_old_header if begin == _OLD_MAGIC else _read_header
        self._decrypt, chunk_bytes = read_header(begin, source, passphrase)
        self._source = source
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
            self._opened = self._decrypt(_nonce(self._number, self._is_over), sealed)
        except (InvalidTag, ValueError):
            raise DamagedBackup(
                f"the backup is damaged or cut off: chunk {self._number} does not open"
            ) from None
        self._position = 0
        self._number += 1


#: Opens a chunk with its nonce.
_Decrypt = Callable[[bytes, bytes], bytes]


def _read_header(begin: bytes, source: Source, passphrase: str) -> tuple[_Decrypt, int]:
    """Return what opens the chunks that follow the header, and their size."""
    text = begin
    while text.count(b"\n") < _HEADER_LINES and len(text) < _MAX_HEADER_BYTES:
        byte = source.read(1)
        if not byte:
            raise DamagedBackup("the backup is cut off: its header is incomplete")
        text += byte
    found = _HEADER.fullmatch(text)
    if found is None:
        raise BackupFault("the backup was sealed in a way that this version does not know")
    salt, log_n, wrapped, mac = found.groups()
    key = _wrap_key(passphrase, _decode(salt), _checked(int(log_n)))
    try:
        file_key = ChaCha20Poly1305(key).decrypt(_WRAP_NONCE, _decode(wrapped), None)
    except InvalidTag:
        raise WrongPassphrase(_WRONG_PASSPHRASE) from None
    header = text[: text.rindex(b"---") + 3]
    nonce = source.read(_NONCE_BYTES)
    if len(nonce) < _NONCE_BYTES:
        raise DamagedBackup("the backup is cut off: its header is incomplete")
    if not hmac.compare_digest(_decode(mac), _header_mac(file_key, header)):
        raise DamagedBackup("the backup is damaged: its header was changed")
    cipher = ChaCha20Poly1305(_expand(file_key, nonce, b"payload"))
    return lambda chunk_nonce, sealed: cipher.decrypt(chunk_nonce, sealed, None), _CHUNK_BYTES


def _read_old_header(begin: bytes, source: Source, passphrase: str) -> tuple[_Decrypt, int]:
    """As `_read_header`, of a file from before the age format."""
    header = begin + source.read(_OLD_HEADER.size - len(begin))
    if len(header) < _OLD_HEADER.size:
        raise DamagedBackup("the backup is cut off: its header is incomplete")
    _, log_n, r, p, zero, chunk_bytes, salt, check = _OLD_HEADER.unpack(header)
    if zero or (r, p) != (_R, _P):
        raise BackupFault("the backup was sealed in a way that this version does not know")
    if not 1 <= chunk_bytes <= _MAX_OLD_CHUNK_BYTES:
        raise DamagedBackup("the backup is damaged: its header asks for chunks of a wrong size")
    derived = _derive(passphrase, salt, _checked(log_n), 2 * _KEY_BYTES)
    if not hmac.compare_digest(check, derived[_KEY_BYTES:]):
        raise WrongPassphrase(_WRONG_PASSPHRASE)
    cipher = AESGCM(derived[:_KEY_BYTES])
    return lambda chunk_nonce, sealed: cipher.decrypt(chunk_nonce, sealed, header), chunk_bytes


def _checked(log_n: int) -> int:
    if not _MIN_LOG_N <= log_n <= _MAX_LOG_N:
        raise DamagedBackup("the backup is damaged: opening it would take too much memory")
    return log_n


def _wrap_key(passphrase: str, salt: bytes, log_n: int) -> bytes:
    return _derive(passphrase, _SALT_LABEL + salt, log_n, _KEY_BYTES)


def _derive(passphrase: str, salt: bytes, log_n: int, length: int) -> bytes:
    # What is behind is taken as it is: every character of a passphrase counts.
    text = (normalise("NFC", passphrase) + passphrase[MAX_NORMALISED:]).encode()
    return Scrypt(salt=salt, length=length, n=1 << log_n, r=_R, p=_P).derive(text)


def _header_mac(file_key: bytes, header: bytes) -> bytes:
    return hmac.digest(_expand(file_key, b"", b"header"), header, "sha256")


def _expand(file_key: bytes, salt: bytes, info: bytes) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, salt, info).derive(file_key)


def _encode(data: bytes) -> bytes:
    return base64.b64encode(data).rstrip(b"=")


def _decode(text: bytes) -> bytes:
    return base64.b64decode(text + b"=" * (-len(text) % 4))


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
