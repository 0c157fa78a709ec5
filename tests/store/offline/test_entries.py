"""The doctor decodes the rows of all tables."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from hub.store.damage import DamagedRows
from hub.store.names import KEY_FILE
from hub.store.offline.entries import check_entries
from hub.store.tables.firmware import load_firmware
from tests.support.full_store import fill_directory

#: Pictures that can be read from the device again, and what is not decoded but compared.
NOT_DECODED = {
    *("device_picture", "latest_access", "hold_record", "held_record", "alarm_record"),
    "alarm_change",
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
    assert damaged.counts() == {}


def test_a_damaged_row_of_any_table_is_found(data_dir: Path) -> None:
    with closing(sqlite3.connect(data_dir / "hub.sqlite")) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        tables = {name for (name,) in names} - NOT_DECODED - OF_RECORDS
        columns = {
            table: next(
                (name, kind)
                for _, name, kind, not_null, _, key in reversed(
                    connection.execute(f"PRAGMA table_info({table})").fetchall()
                )
                if kind in ("TEXT", "INTEGER") and (not_null or table == "hold")
            )
            for table in tables
        }
    change(data_dir, "INSERT INTO dropped_day VALUES (1000, 1001, '2020-01-01')")
    change(
        data_dir,
        *(
            f"UPDATE {table} SET {name} = "
            + ("CAST(x'ff' AS TEXT)" if kind == "TEXT" else "-9223372036854775808")
            for table, (name, kind) in columns.items()
        ),
    )
    _, damaged = check_entries(data_dir)
    assert tables - set(damaged.counts()) == set()


def test_secrets_that_cannot_be_decrypted_are_found_if_the_key_is_right(data_dir: Path) -> None:
    change(data_dir, "UPDATE device SET code = x'00'", "UPDATE api_key SET secret = x'00'")
    _, damaged = check_entries(data_dir)
    assert set(damaged.counts()) == {"device", "api_key"}
    assert all("code" in wrong for wrong in damaged.of("device").values())
    (data_dir / KEY_FILE).write_text("00" * 32)
    _, damaged = check_entries(data_dir)
    assert damaged.counts() == {}  # the check of the key says so


def test_a_release_one_of_whose_files_is_unknown_is_left_out(data_dir: Path) -> None:
    change(data_dir, f"UPDATE firmware_component SET sha256 = '{'0' * 64}'")
    with closing(sqlite3.connect(data_dir / "hub.sqlite")) as connection:
        damaged = DamagedRows(is_told=False)
        assert load_firmware(connection, damaged).releases == []
    assert set(damaged.counts()) == {"firmware_component"}
