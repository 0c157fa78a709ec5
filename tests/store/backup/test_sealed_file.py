"""Sealed files: what opens them, and what does not."""

from __future__ import annotations

import hashlib
import io
import random
import struct

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hub.errors import BackupFault
from hub.store.backup.sealed_file import SealedReader, SealedWriter

PASSPHRASE = "correct horse"
CHUNK = 1024 * 1024
HEADER = 64


def sealed(data: bytes, passphrase: str = PASSPHRASE) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, passphrase, log_n=10)
    for start in range(0, len(data), 300_000):
        writer.write(data[start : start + 300_000])
    writer.close()
    return file.getvalue()


def opened(file: bytes, passphrase: str = PASSPHRASE) -> bytes:
    reader = SealedReader(io.BytesIO(file), passphrase)
    parts = []
    while part := reader.read(70_000):
        parts.append(part)
    return b"".join(parts)


def test_the_layout_is_the_documented_one() -> None:
    """Opens a file as docs/operations.md describes it, without the hub's code."""
    data = random.Random(1).randbytes(2 * CHUNK + 5)
    file = sealed(data)
    magic, log_n, r, p, zero, chunk_bytes, salt, check = struct.unpack(">8s4BI16s32s", file[:64])
    assert (magic, r, p, zero) == (b"SHSEAL01", 8, 1, 0)
    derived = hashlib.scrypt(
        PASSPHRASE.encode(), salt=salt, n=2**log_n, r=r, p=p, dklen=64, maxmem=2**28
    )
    assert derived[32:] == check
    chunks = [file[at : at + chunk_bytes + 16] for at in range(64, len(file), chunk_bytes + 16)]
    plain = b""
    for number, chunk in enumerate(chunks):
        nonce = number.to_bytes(11, "big") + (b"\1" if number == len(chunks) - 1 else b"\0")
        plain += AESGCM(derived[:32]).decrypt(nonce, chunk, file[:64])
    assert plain == data


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_what_was_sealed_is_opened(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert opened(sealed(data)) == data


def test_a_foreign_passphrase_is_told_from_damage() -> None:
    with pytest.raises(BackupFault, match="the passphrase does not fit"):
        opened(sealed(b"secret"), "wrong horse")


def test_a_passphrase_may_be_typed_in_another_normal_form() -> None:
    assert opened(sealed(b"secret", "Zu\u0308rich 12"), "Z\u00fcrich 12") == b"secret"


def test_a_short_passphrase_is_refused() -> None:
    with pytest.raises(BackupFault, match="at least 8 characters"):
        sealed(b"", "1234567")


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_a_file_that_ends_between_two_chunks_is_cut_off(chunks: int) -> None:
    file = sealed(bytes(2 * CHUNK + 5))
    with pytest.raises(BackupFault, match="cut off"):
        opened(file[: HEADER + chunks * (CHUNK + 16)])


def test_chunks_that_changed_places_do_not_open() -> None:
    file = sealed(bytes(3 * CHUNK))
    size = CHUNK + 16
    first, second, third = (file[HEADER + n * size : HEADER + (n + 1) * size] for n in range(3))
    with pytest.raises(BackupFault, match="chunk 0 does not open"):
        opened(file[:HEADER] + second + first + third)


@pytest.mark.parametrize("seed", range(40))
def test_a_flipped_bit_or_a_cut_is_noticed(seed: int) -> None:
    source = random.Random(seed)
    file = bytearray(sealed(source.randbytes(5000)))
    if seed % 2:
        file[source.randrange(len(file))] ^= 1 << source.randrange(8)
    else:
        del file[source.randrange(len(file)) :]
    with pytest.raises(BackupFault):
        opened(bytes(file))


@pytest.mark.parametrize(("at", "value"), [(8, 31), (8, 19), (8, 63), (9, 255), (10, 255)])
def test_a_header_that_asks_for_gigabytes_of_memory_is_refused(at: int, value: int) -> None:
    file = bytearray(sealed(b"secret"))
    file[at] = value
    with pytest.raises(BackupFault, match="too much memory"):
        opened(bytes(file))


def test_a_header_that_asks_for_huge_chunks_is_refused() -> None:
    file = bytearray(sealed(b"secret"))
    file[12:16] = b"\xff\xff\xff\xff"
    with pytest.raises(BackupFault, match="wrong size"):
        opened(bytes(file))
