"""Migrations, and the refusal of databases that cannot be used."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.errors import StartFault
from hub.store.sqlite import migrate
from hub.store.sqlite.migrate import (
    APPLICATION_ID,
    UnreleasedSchema,
    bring_up_to_date,
    migrations,
    refuse_unknown,
    unusable,
)
from tests.support.clock import FrozenClock
from tests.support.stores import batch, is_whole, opened

STEPS = {1: "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1);"}
NEXT = {**STEPS, 2: "ALTER TABLE a ADD COLUMN y TEXT; UPDATE a SET y = 'new';"}


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def test_every_table_is_explained() -> None:
    tables = re.findall(r"(.*\n)CREATE TABLE (\w+)", "".join(migrations().values()))
    assert [name for before, name in tables if "--" not in before] == []


def test_migrations_are_numbered_without_a_gap() -> None:
    assert list(migrations()) == list(range(31, 31 + len(migrations())))


@pytest.mark.parametrize("schema", range(1, 31))
async def test_data_from_before_the_first_release_is_refused_and_left_alone(
    schema: int, tmp_path: Path, clock: FrozenClock
) -> None:
    path = tmp_path / "hub.sqlite"
    bring_up_to_date(path, {schema: "CREATE TABLE device (sn TEXT) STRICT;"})
    content = path.read_bytes()
    with pytest.raises(UnreleasedSchema) as refused:
        async with opened(tmp_path, clock):
            pass
    assert refused.value.message == (
        f"{path} was written by a sitehub from before the first release (schema {schema}), which "
        "cannot be read any more: move the data directory away, and start with a new one"
    )
    assert path.read_bytes() == content
    assert not [name for name in os.listdir(tmp_path) if "before" in name]


def test_a_new_database_has_the_application_id(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    bring_up_to_date(path, STEPS)
    assert rows(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert rows(path, "PRAGMA user_version") == [(1,)]
    assert not list(tmp_path.glob("*.before-*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
async def test_files_of_the_store_are_readable_by_their_owner_only(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
        assert data.stat().st_mode & 0o777 == 0o700
        assert (data / "media").stat().st_mode & 0o777 == 0o700
        files = [path for path in data.rglob("*") if path.is_file()]
        assert {path.name for path in files} >= {"hub.sqlite", "hub.sqlite-wal", "hub.key"}
        assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}


def test_a_migration_first_makes_a_copy_of_the_database(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    bring_up_to_date(path, STEPS)
    bring_up_to_date(path, NEXT)
    assert rows(path, "SELECT x, y FROM a") == [(1, "new")]
    copy = tmp_path / "hub.sqlite.before-0002"
    assert rows(copy, "SELECT * FROM a") == [(1,)]
    assert rows(copy, "PRAGMA user_version") == [(1,)]


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    bring_up_to_date(path, STEPS)
    broken = {**STEPS, 2: "UPDATE a SET x = 2; INSERT INTO nowhere VALUES (1);"}
    with pytest.raises(StartFault, match="no such table"):
        bring_up_to_date(path, broken)
    assert rows(path, "SELECT x FROM a") == [(1,)]
    assert rows(path, "PRAGMA user_version") == [(1,)]
    bring_up_to_date(path, NEXT)
    assert rows(path, "PRAGMA user_version") == [(2,)]


def test_a_newer_schema_is_refused_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    bring_up_to_date(path, NEXT)
    with pytest.raises(StartFault, match=r"newer sitehub.*install the newer version$"):
        bring_up_to_date(path, STEPS)
    assert rows(path, "PRAGMA user_version") == [(2,)]


def test_a_newer_schema_is_refused_with_the_name_of_the_copy_before_it(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    bring_up_to_date(path, STEPS)
    bring_up_to_date(path, NEXT)
    with pytest.raises(StartFault, match=r"newer version, or restore the copy .*before-0002$"):
        bring_up_to_date(path, STEPS)


def test_refuse_unknown_finds_a_newer_schema_in_the_wal(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    refuse_unknown(path, STEPS)
    assert not path.exists()
    bring_up_to_date(path, STEPS)
    refuse_unknown(path, STEPS)
    with closing(sqlite3.connect(path)) as hub:
        hub.execute("PRAGMA journal_mode = WAL")
        # The version is in the write-ahead log only, not yet in the file.
        hub.execute(f"PRAGMA user_version = {max(NEXT)}")
        with pytest.raises(StartFault, match=r"newer sitehub.*install the newer version$"):
            refuse_unknown(path, STEPS)
        refuse_unknown(path, NEXT)


def test_refuse_unknown_ignores_a_database_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    content = b"not a database, and long enough for a header" * 10
    path.write_bytes(content)
    refuse_unknown(path, STEPS)
    assert path.read_bytes() == content


def test_the_remedy_for_a_full_disk_is_to_free_space(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    filling = {1: "PRAGMA max_page_count = 2; CREATE TABLE a (x); CREATE TABLE b (x);"}
    with pytest.raises(StartFault, match=r"the disk of .* is full: free some space"):
        bring_up_to_date(path, filling)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (sqlite3.SQLITE_READONLY, "make this user the owner of it"),
        (sqlite3.SQLITE_CANTOPEN, "make this user the owner of it"),
        (sqlite3.SQLITE_BUSY, "another program has it open: stop that program"),
        (sqlite3.SQLITE_CORRUPT, "the one of a backup"),
        (sqlite3.SQLITE_IOERR_READ, "replace the disk"),
    ],
)
def test_the_remedy_for_an_unusable_database_fits_its_cause(code: int, advice: str) -> None:
    error = sqlite3.OperationalError("so it is")
    error.sqlite_errorcode = code
    assert advice in unusable(Path("hub.sqlite"), error).message


@pytest.mark.parametrize("content", [b"not a database at all", b"SQLite format 3\0" + bytes(84)])
def test_a_file_that_is_no_database_is_refused_and_left_alone(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "hub.sqlite"
    path.write_bytes(content)
    with pytest.raises(StartFault, match="the one of a backup"):
        bring_up_to_date(path, STEPS)
    assert path.read_bytes() == content


def test_the_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StartFault, match="another program"):
        bring_up_to_date(path, STEPS)


def test_an_empty_file_is_a_new_database(tmp_path: Path) -> None:
    path = tmp_path / "hub.sqlite"
    path.touch()
    bring_up_to_date(path, STEPS)
    assert rows(path, "SELECT x FROM a") == [(1,)]


async def test_a_database_with_a_damaged_page_stops_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock):
        pass
    path = data / "hub.sqlite"
    path.write_bytes(path.read_bytes()[:4096] + bytes(8192))
    with pytest.raises(StartFault, match="the one of a backup"):
        async with opened(data, clock):
            pass


async def test_a_directory_that_cannot_be_made_stops_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StartFault, match="data directory"):
        async with opened(tmp_path / "file" / "data", clock):
            pass


async def test_the_copy_made_before_a_migration_is_a_complete_store(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        await store.records.append(batch(clock, 1))
    newest = max(migrations())
    bring_up_to_date(data / "hub.sqlite", {**migrations(), newest + 1: "CREATE TABLE later (x);"})
    with pytest.raises(StartFault, match="newer"):
        async with opened(data, clock):
            pass
    shutil.copy(data / f"hub.sqlite.before-{newest + 1:04d}", data / "hub.sqlite")
    async with opened(data, clock) as store:
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])


def test_a_long_migration_tells_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(migrate, "_TELL_SECONDS", 0.0)
    monkeypatch.setattr(migrate, "_TICK_OPCODES", 1)
    caplog.set_level("INFO")
    bring_up_to_date(tmp_path / "hub.sqlite", NEXT)
    assert "the database is being migrated to schema 2: step 2 of 2, since 0 s" in caplog.text


def test_a_statement_of_a_migration_may_have_statements_in_it(tmp_path: Path) -> None:
    trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM a; SELECT ';'; END;"
    bring_up_to_date(tmp_path / "hub.sqlite", {1: f"CREATE TABLE a (x); {trigger} SELECT 1;"})
    assert rows(tmp_path / "hub.sqlite", "SELECT name FROM sqlite_schema") == [("a",), ("t",)]
