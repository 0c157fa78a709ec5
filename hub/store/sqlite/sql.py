"""Helpers for single SQL statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager


def checked(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Return the connection once it has read the schema; else close it, and raise sqlite3.Error.

    If a text of a damaged schema is no UTF-8, sqlite3 fails to decode SQLite's message about it.
    """
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except BaseException as error:
        connection.close()
        if not isinstance(error, UnicodeDecodeError):
            raise
        damage = sqlite3.DatabaseError("malformed database schema")
        damage.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise damage from error
    return connection


def one(
    connection: sqlite3.Connection,
    sql: str,
    values: tuple[object, ...] | Mapping[str, object] = (),
) -> object:
    """Return the first column of the first row, None if there is no row."""
    row = connection.execute(sql, values).fetchone()
    return None if row is None else row[0]


def execute(sql: str, values: tuple[object, ...], connection: sqlite3.Connection) -> None:
    """Run one statement. `partial(execute, SQL, values)` is a job."""
    connection.execute(sql, values)


def clamp(number: int) -> int:
    """Return the nearest number that SQLite can hold."""
    return max(-(2**63), min(2**63 - 1, number))


@contextmanager
def secure_deletion(connection: sqlite3.Connection) -> Iterator[None]:
    """While in the block, SQLite overwrites what it deletes, also in pages that become free."""
    connection.execute("PRAGMA secure_delete = ON").fetchall()
    try:
        yield
    finally:
        connection.execute("PRAGMA secure_delete = FAST").fetchall()
