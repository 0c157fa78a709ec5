"""The doctor decodes the rows of all tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.names import KEY_FILE
from hub.store.offline.entries import check_entries
from hub.store.rows import DamagedRows
from hub.store.tables.firmware import FirmwareTable
from hub.store.tables.table import RowSource
from tests.support.full_store import fill_directory

#: Pictures that can be read from the device again, what is compared, and what every text is.
NOT_DECODED = {
    *("device_picture", "latest_access", "hold_record", "held_record", "alarm_record"),
    *("alarm_change", "camera_group", "setting"),
}
#: Of the records: another check decodes them, and a start that cannot read them stops.
OF_RECORDS = {"record", "record_log", "start", "upload", "day", "span", "term"} | {
    "record_attributes",
    "record_count",
    "record_total",
}


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A data directory with rows in every table."""
    fill_directory(tmp_path)
    return tmp_path


def change(data_dir: Path, *statements: str) -> None:
    with closing(sqlite3.connect(data_dir / "hub.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        for statement in statements:
            assert connection.execute(statement).rowcount > 0, statement


def test_every_table_has_rows(data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "hub.sqlite")) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
        empty = {
            name
            for (name,) in names
            if connection.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)
        }
    assert empty == {"dropped_day"}


def test_sound_tables_have_no_damaged_rows(data_dir: Path) -> None:
    checked, damaged = check_entries(data_dir)
    assert checked > 20
    assert damaged.count() == 0


def test_a_damaged_row_of_any_table_is_found(data_dir: Path) -> None:
    change(data_dir, "INSERT INTO dropped_day VALUES (1000, 1001, '2020-01-01')")
    with closing(sqlite3.connect(data_dir / "hub.sqlite")) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        tables = {name for (name,) in names} - NOT_DECODED - OF_RECORDS
        statements = [_damage(connection, table) for table in tables]
    change(data_dir, *statements)
    _, damaged = check_entries(data_dir)
    assert {table for table in tables if not damaged.has(table)} == set()


def _damage(connection: sqlite3.Connection, table: str) -> str:
    """Return SQL that makes numbers negative, and adds a wrong byte to texts."""
    junk = {"INTEGER": "-1 - abs({0})", "TEXT": "{0} || CAST(x'ff' AS TEXT)"}
    changes = [
        f"{name} = {junk[kind].format(name)}"
        for _, name, kind, *_, key in connection.execute(f"PRAGMA table_info({table})")
        if kind in junk and (not key or kind == "TEXT")
    ]
    return f"UPDATE {table} SET {', '.join(changes)}"


def test_secrets_that_cannot_be_decrypted_are_found_if_the_key_is_right(data_dir: Path) -> None:
    change(data_dir, "UPDATE device SET code = x'00'", "UPDATE api_key SET secret = x'00'")
    _, damaged = check_entries(data_dir)
    assert damaged.has("device")
    assert damaged.has("api_key")
    (data_dir / KEY_FILE).write_text("00" * 32)
    _, damaged = check_entries(data_dir)
    assert damaged.count() == 0  # the check of the key says so


def test_a_release_one_of_whose_files_is_unknown_is_left_out(data_dir: Path) -> None:
    change(data_dir, f"UPDATE firmware_component SET sha256 = '{'0' * 64}'")
    with closing(sqlite3.connect(data_dir / "hub.sqlite")) as connection:
        damaged = DamagedRows(is_told=False)
        assert FirmwareTable.load(RowSource(connection, damaged)).releases == []
    assert damaged.has("firmware_component")
