"""SQL statements with many rows of values: each statement costs a turn of the interpreter lock."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import TypeVar

T = TypeVar("T")

_ROWS_PER_STATEMENT = 64


def insert_rows(
    connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[object, ...]]
) -> None:
    """Insert rows with few statements. `sql` has `{rows}` in place of the values."""
    for some in chunks(rows):
        connection.execute(with_rows(sql, len(some), len(some[0])), list(chain(*some)))


def chunks(rows: Sequence[tuple[T, ...]]) -> Iterator[Sequence[tuple[T, ...]]]:
    """Split rows so that SQLite's limits hold and few different statements are prepared."""
    return (
        rows[start : start + _ROWS_PER_STATEMENT]
        for start in range(0, len(rows), _ROWS_PER_STATEMENT)
    )


@lru_cache(maxsize=512)
def with_rows(sql: str, count: int, width: int) -> str:
    """Return a statement with `count` rows of `width` values in place of `{rows}`."""
    row = f"({', '.join('?' * width)})"
    return sql.replace("{rows}", ", ".join([row] * count))
