"""Reading a data directory beside a hub, and where none runs."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import trio

from hub.store.offline import inspection
from hub.store.offline.inspection import Stopped
from hub.store.offline.pack_inspection import check_packs
from hub.store.tables.holds import NewHold
from tests.support.clock import FrozenClock
from tests.support.stores import batch, drop_day, opened


def ignore(part: float | None) -> None:
    """A progress that nobody watches."""


@pytest.fixture
async def stopped(tmp_path: Path, clock: FrozenClock) -> Path:
    """The data directory of a hub that has ended, with three records and their pictures."""
    async with opened(tmp_path, clock) as store:
        for seed in range(3):
            await store.records.append(batch(clock, seed))
    return tmp_path


def change(data_dir: Path, sql: str) -> None:
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        connection.execute(sql)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def test_a_sound_directory_is_read_without_leaving_a_trace(stopped: Path) -> None:
    before = files_of(stopped)
    assert inspection.quick_check(stopped, ignore) == ""
    assert inspection.check_records(stopped, ignore).checked == 3
    pictures = check_packs(stopped, ignore)
    assert (pictures.checked, pictures.bad) == (9, 0)
    assert inspection.newest_record_at(stopped) is not None
    assert files_of(stopped) == before


async def test_a_running_store_is_read_beside_its_writer(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        for seed in range(4):
            await store.records.append(batch(clock, seed))
            found = await trio.to_thread.run_sync(check_packs, tmp_path, ignore)
            assert (found.checked, found.bad) == (3 * (seed + 1), 0)
        assert await trio.to_thread.run_sync(inspection.quick_check, tmp_path, ignore) == ""


async def test_the_directory_of_a_hub_that_was_killed_is_read_with_its_log(
    tmp_path: Path, clock: FrozenClock
) -> None:
    running, killed = tmp_path / "running", tmp_path / "killed"
    async with opened(running, clock) as store:
        await store.records.append(batch(clock))
        shutil.copytree(running, killed)
    log = (killed / "hub.sqlite-wal").read_bytes()
    assert check_packs(killed, ignore).checked == 3
    assert inspection.quick_check(killed, ignore) == ""
    assert (killed / "hub.sqlite-wal").read_bytes() == log


async def test_a_picture_that_was_changed_or_lost_is_named(stopped: Path) -> None:
    (pack,) = (stopped / "media").glob("*.pack")
    data = bytearray(pack.read_bytes())
    data[len(data) // 2] ^= 1
    pack.write_bytes(data)
    found = check_packs(stopped, ignore)
    assert (found.checked, found.bad) == (9, 1)
    assert found.named[0].startswith(pack.name)
    pack.unlink()
    found = check_packs(stopped, ignore)
    assert (found.checked, found.bad, len(found.named)) == (9, 9, 5)


@pytest.mark.parametrize("column", ["detail", "extra", "images"])
async def test_a_record_that_cannot_be_decoded_is_named(stopped: Path, column: str) -> None:
    change(stopped, f"UPDATE record SET {column} = x'7b' WHERE seq = 2")
    found = inspection.check_records(stopped, ignore)
    assert (found.checked, found.bad, found.named) == (3, 1, ("2",))


async def test_a_damaged_database_is_told(stopped: Path) -> None:
    path = stopped / "hub.sqlite"
    data = bytearray(path.read_bytes())
    # The page of an index, after the pages of the schema.
    data[-4096:] = b"\xff" * 4096
    path.write_bytes(data)
    try:
        found = inspection.quick_check(stopped, ignore)
    except sqlite3.DatabaseError as error:
        found = str(error)
    assert found


@pytest.mark.parametrize(
    ("content", "problem"),
    [(None, "missing"), (b"", "empty"), (b"no database" * 100, "unreadable")],
)
async def test_a_database_that_is_none_is_told(
    stopped: Path, content: bytes | None, problem: str
) -> None:
    path = stopped / "hub.sqlite"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert inspection.database_state(stopped).problem == problem


async def test_the_database_of_another_program_or_version_is_told(stopped: Path) -> None:
    change(stopped, "PRAGMA user_version = 9999")
    assert inspection.database_state(stopped).problem == "newer"
    change(stopped, "PRAGMA user_version = 1")
    assert inspection.database_state(stopped).problem == "unreleased"
    change(stopped, "PRAGMA application_id = 1")
    assert inspection.database_state(stopped).problem == "foreign"


async def test_a_new_directory_has_no_problem(tmp_path: Path) -> None:
    state = inspection.database_state(tmp_path)
    assert (state.exists, state.problem) == (False, "")


async def test_a_progress_can_stop_a_check(stopped: Path) -> None:
    def stop(part: float | None) -> None:
        raise Stopped

    with closing(sqlite3.connect(stopped / "hub.sqlite", isolation_level=None)) as connection:
        connection.executescript("""
            CREATE TABLE many (n INTEGER PRIMARY KEY, t TEXT);
            WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 30000)
            INSERT INTO many SELECT x, 'text' FROM c;
        """)
    with pytest.raises(Stopped):
        inspection.quick_check(stopped, stop)


async def test_a_check_is_interrupted_when_a_hub_opens_the_database(
    stopped: Path, clock: FrozenClock
) -> None:
    with inspection.opened(stopped) as connection:
        async with opened(stopped, clock):
            with pytest.raises(sqlite3.OperationalError, match="interrupted"):
                connection.execute(
                    "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c "
                    "WHERE x < 10000000) SELECT count(*) FROM c"
                ).fetchall()


async def test_held_evidence_is_read_after_its_day_has_gone(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        for seed in (1, 2, 3):
            await store.records.append(batch(clock, seed))
        clock.advance(86_400)
        await store.records.append(batch(clock, 4))
        hold = NewHold(reason="police", until=None, created_by="ann", created_at=clock.ms)
        await store.holds.create(hold, [2])
        await drop_day(store, "2026-11-25")
        found = await trio.to_thread.run_sync(check_packs, tmp_path, ignore)
    assert (found.checked, found.bad) == (6, 0)
    (pack,) = (tmp_path / "media" / "held").glob("*.pack")
    pack.unlink()
    assert (check_packs(tmp_path, ignore).bad) == 3


async def test_what_is_no_entry_of_a_pack_is_named(stopped: Path) -> None:
    (pack,) = (stopped / "media").glob("*.pack")
    data = pack.read_bytes()
    # The header of the first group.
    pack.write_bytes(bytes(8) + data[8:])
    found = check_packs(stopped, ignore)
    assert found.bad == 1
    assert found.named[0].startswith(f"{pack.name} (bytes 0 to ")
