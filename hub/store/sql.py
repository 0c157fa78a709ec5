"""The smallest things that are done with a statement and its values."""

from __future__ import annotations

import sqlite3


def one(connection: sqlite3.Connection, sql: str, values: tuple[object, ...] = ()) -> object:
    """The first column of the first row, None where there is no row."""
    row = connection.execute(sql, values).fetchone()
    return None if row is None else row[0]


def execute(sql: str, values: tuple[object, ...], connection: sqlite3.Connection) -> None:
    """One statement as a job, by `partial(execute, SQL, values)`."""
    connection.execute(sql, values)


def clamp(number: int) -> int:
    """The nearest number that SQLite can hold."""
    return max(-(2**63), min(2**63 - 1, number))
