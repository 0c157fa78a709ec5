"""Sealed files: what opens them, and what does not."""

from __future__ import annotations

import base64
import io
import os
import random
import shutil
from contextlib import suppress
from pathlib import Path

import pytest

from hub.errors import BackupFault
from hub.store.backup.sealed_file import SealedReader, SealedWriter

if os.name != "nt":
    import pty

PASSPHRASE = "correct horse"
CHUNK = 64 * 1024
#: With a cost of two digits, and the nonce of the data.
HEADER = 166


def sealed(data: bytes, passphrase: str = PASSPHRASE) -> bytes:
    file = io.BytesIO()
    writer = SealedWriter(file, passphrase, log_n=10)
    for start in range(0, len(data), 30_000):
        writer.write(data[start : start + 30_000])
    writer.close()
    return file.getvalue()


def opened(file: bytes, passphrase: str = PASSPHRASE) -> bytes:
    reader = SealedReader(io.BytesIO(file), passphrase)
    parts = []
    while part := reader.read(70_000):
        parts.append(part)
    return b"".join(parts)


#: Made by `age -p`, with the passphrase above.
BY_AGE = base64.b64decode(
    "YWdlLWVuY3J5cHRpb24ub3JnL3YxCi0+IHNjcnlwdCA0bzFhMm5qdmVlUm0rTGQ2UWxjREJnIDE4CnEvTmlnalUzZ1J3"
    "L3owSjJ2NC8zNHpheFlFeUcwNjZqTG51aHE2a2ZBOU0KLS0tIEdoSHd3dUNZNVNOZm11SWZPRFFoUFFzTXZQMWJoYStR"
    "YlFnQy9BcVR4Y1EKn2ETo94esZb1dQbG/9c2rl5uMvvvj6397aZ62JTXgpOECZEdqc7h9jW1GB0oDA=="
)
#: Sealed before the age format.
OLD = base64.b64decode(
    "U0hTRUFMMDEKCAEAABAAAHWyQIPov5Sc1+RwVlrZTgc08MewMkvVTo4ecR6nCFLfoX85fHlwTmXMoC6RsQ+QwlObis3V"
    "NzC6Fk6FwyIIYe7wi4935F8EpJFXZziDhg=="
)


@pytest.mark.parametrize("file", [BY_AGE, OLD], ids=["by age", "old"])
def test_what_others_sealed_is_opened(file: bytes) -> None:
    assert opened(file) == b"what was there"
    with pytest.raises(BackupFault, match="does not fit"):
        opened(file, "wrong horse")
    with pytest.raises(BackupFault, match="chunk 0 does not open"):
        opened(file[:-1])


@pytest.mark.skipif(os.name == "nt" or not shutil.which("age"), reason="needs age and a terminal")
def test_age_opens_what_the_hub_seals(tmp_path: Path) -> None:
    data = random.Random(1).randbytes(2 * CHUNK + 5)
    (tmp_path / "sealed").write_bytes(sealed(data))
    child, terminal = pty.fork()
    if child == 0:
        os.execlp("age", "age", "-d", "-o", tmp_path / "opened", tmp_path / "sealed")
    asked = b""
    while b":" not in asked:  # It asks for the passphrase.
        asked += os.read(terminal, 1000)
    os.write(terminal, f"{PASSPHRASE}\n".encode())
    with suppress(OSError):  # The end of a terminal.
        while os.read(terminal, 1000):
            pass
    assert os.waitpid(child, 0)[1] == 0
    assert (tmp_path / "opened").read_bytes() == data


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK])
def test_what_was_sealed_is_opened(size: int) -> None:
    data = random.Random(size).randbytes(size)
    assert opened(sealed(data)) == data


def test_a_foreign_passphrase_is_refused() -> None:
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


@pytest.mark.parametrize(
    "file", [sealed(b"secret").replace(b" 10\n", b" 31\n"), OLD[:8] + b"\x1f" + OLD[9:]]
)
def test_a_header_that_asks_for_gigabytes_of_memory_is_refused(file: bytes) -> None:
    with pytest.raises(BackupFault, match="too much memory"):
        opened(file)


def test_a_header_that_asks_for_huge_chunks_is_refused() -> None:
    with pytest.raises(BackupFault, match="wrong size"):
        opened(OLD[:12] + b"\xff\xff\xff\xff" + OLD[16:])


def test_a_changed_header_is_refused() -> None:
    file = sealed(b"secret")
    mac = file.index(b"--- ") + 4
    other = b"B" if file[mac : mac + 1] == b"A" else b"A"
    with pytest.raises(BackupFault, match="its header was changed"):
        opened(file[:mac] + other + file[mac + 1 :])
