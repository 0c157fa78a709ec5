"""A log that lost what was committed is told from one that a crash left in the middle of a write.

All logs are written by SQLite.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.sqlite.wal_file import lost_committed

HEADER, FRAME = 32, 24 + 4096


class Wal:
    """A database whose log grows; `ends`: the number of frames after each transaction."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path.with_name(f"{path.name}-wal")
        self._connection = connection
        self._number = 0
        self.ends: list[int] = []

    def commit(self, rows: int = 1) -> None:
        self._number += 1
        self._connection.execute("BEGIN")
        for row in range(rows):
            text = f"{self._number} {row} ".ljust(3000, "x")
            self._connection.execute("INSERT INTO t (text) VALUES (?)", (text,))
        self._connection.execute("COMMIT")
        self.ends.append((self.path.stat().st_size - HEADER) // FRAME)

    def left(self, target: Path) -> bytearray:
        """Return the log as it lies on the disk."""
        shutil.copy(self.path, target)
        return bytearray(target.read_bytes())


@pytest.fixture
def wal(tmp_path: Path) -> Iterator[Wal]:
    path = tmp_path / "hub.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        wal = Wal(path, connection)
        for rows in (1, 4, 2, 7, 1):
            wal.commit(rows)
        yield wal


def lost(path: Path, data: bytes) -> bool:
    path.write_bytes(data)
    return lost_committed(path)


def at(frame: int) -> int:
    return HEADER + FRAME * frame


@pytest.mark.parametrize("place", [0, 4, 9, 17, 24, 3000])
def test_a_bad_byte_before_the_last_transaction_is_noticed(
    wal: Wal, tmp_path: Path, place: int
) -> None:
    good = wal.left(tmp_path / "left")
    # Only its last frame says where the transaction before the last one ends.
    for frame in range(wal.ends[-2] - (place < 16)):
        data = good.copy()
        data[at(frame) + place] ^= 0x55
        assert lost(tmp_path / "left", data), frame


@pytest.mark.parametrize("place", range(HEADER))
def test_a_bad_byte_of_the_header_is_noticed(wal: Wal, tmp_path: Path, place: int) -> None:
    data = wal.left(tmp_path / "left")
    data[place] ^= 0x55
    assert lost(tmp_path / "left", data)
    # It is flushed before the first frame: a crash cannot leave it so in front of one.
    assert lost(tmp_path / "left", data[: at(1)])
    assert not lost(tmp_path / "left", data[:HEADER])


@pytest.mark.parametrize("size", [512, 4096])
@pytest.mark.parametrize("frames", [1, 15])
def test_a_first_sector_of_zeros_is_noticed(
    wal: Wal, tmp_path: Path, size: int, frames: int
) -> None:
    data = wal.left(tmp_path / "left")
    data[:size] = bytes(size)
    assert lost(tmp_path / "left", data[: at(frames)])


def test_how_far_the_check_of_a_long_log_is_is_logged(
    wal: Wal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = wal.left(tmp_path / "left")
    monkeypatch.setattr("hub.store.sqlite.wal_file._LOGGED_BYTES", 5 * FRAME)
    caplog.set_level("INFO")
    assert not lost(tmp_path / "left", data)
    told = [record.getMessage() for record in caplog.records]
    path = tmp_path / "left"
    assert told == [
        f"checked {at(frames)} of {len(data)} bytes of {path}" for frames in (5, 10, 15, 20, 25)
    ]


def test_a_sound_log_is_sound_wherever_it_ends(wal: Wal, tmp_path: Path) -> None:
    """As a kill -9 leaves it: what was written is there, up to some byte."""
    good = wal.left(tmp_path / "left")
    for end in range(0, len(good) + 1, 997):
        assert not lost(tmp_path / "left", good[:end])


@pytest.mark.parametrize("seed", range(60))
def test_a_last_transaction_without_the_head_of_its_last_frame_is_legal(
    wal: Wal, tmp_path: Path, seed: int
) -> None:
    """As a power failure leaves it: it was not flushed yet, and any sector may be missing."""
    rng = random.Random(seed)
    wal.commit(rng.randint(1, 9))
    data = wal.left(tmp_path / "left")
    for start in range(at(wal.ends[-2]), len(data), 512):
        if rng.random() < 0.4:
            data[start : start + 512] = bytes(len(data[start : start + 512]))
    data[at(wal.ends[-1] - 1) : at(wal.ends[-1] - 1) + 24] = bytes(24)
    assert not lost(tmp_path / "left", data)


@pytest.mark.parametrize("place", [0, 16, 24, 3000])
def test_a_bad_byte_in_the_last_transaction_is_noticed(
    wal: Wal, tmp_path: Path, place: int
) -> None:
    wal.commit(5)
    good = wal.left(tmp_path / "left")
    first, end = wal.ends[-2:]
    for frame in range(first, end):
        data = good.copy()
        data[at(frame) + place] ^= 0x55
        # Whether the first frame is one of a commit that was taken back only its content can tell.
        is_told = frame > first or (place == 16 and end > first + 1)
        assert lost(tmp_path / "left", data) == is_told, frame
        path = tmp_path / "left"
        assert lost_committed(path, [b"6 4 xxx"])
        assert lost_committed(path, [b"7 4 xxx"]) == is_told


def test_frames_of_an_earlier_round_of_the_log_are_legal(wal: Wal, tmp_path: Path) -> None:
    wal._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    wal.commit()
    wal.commit()
    data = wal.left(tmp_path / "left")
    assert len(data) > at(12)
    assert not lost(tmp_path / "left", data)
    data[at(0) + 900] ^= 0x55
    assert lost(tmp_path / "left", data)


@pytest.mark.parametrize(("longest", "longer"), [(9, 5), (5, 9), (9, 9)])
def test_what_was_taken_back_and_overwritten_is_legal(
    wal: Wal, tmp_path: Path, longest: int, longer: int
) -> None:
    """Commits whose flush failed: the next one begins where they began."""
    before = wal.left(tmp_path / "left")
    start = len(before)
    logs = []
    for rows in (longest, longer, 1):
        # Each is written by a process that sees the log without the ones before it.
        folder = tmp_path / f"of {rows} {len(logs)}"
        folder.mkdir()
        shutil.copy(wal.path.with_name("hub.sqlite"), folder)
        (folder / "hub.sqlite-wal").write_bytes(before)
        with closing(sqlite3.connect(folder / "hub.sqlite", isolation_level=None)) as connection:
            connection.execute("PRAGMA wal_autocheckpoint = 0")
            other = Wal(folder / "hub.sqlite", connection)
            other._number = 100 + len(logs)
            other.commit(rows)
            logs.append(other.left(tmp_path / "left"))
    data = bytearray()
    for log in logs:
        data = log + data[len(log) :]
    assert len(data) > start + FRAME
    assert not lost(tmp_path / "left", data)
