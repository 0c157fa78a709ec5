"""Marks in the database's main file whether the store was closed.

While the mark says that it was not, a write-ahead log must exist: a start that finds none knows
that it was taken away, and with it records that were acknowledged. A store that was closed leaves
no log.
"""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from hub.store.sqlite.log_state import begin_wal, count_write

#: The setting that is "0" while the store is open, and after a crash.
CLEAN = "store.clean"
_MARK = "INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)"


def mark_open(connection: sqlite3.Connection) -> None:
    """Mark the store as open, in the main file; begin a new write-ahead log."""
    connection.execute(_MARK, (CLEAN, "0"))
    if empty_wal(connection):
        begin_wal(connection)
    else:
        count_write(connection, None)


def save_clean(connection: sqlite3.Connection) -> None:
    """Mark the store as closed, in the write-ahead log: the main file follows with `empty_wal`."""
    connection.execute(_MARK, (CLEAN, "1"))


def empty_wal(connection: sqlite3.Connection) -> bool:
    """Copy the whole write-ahead log into the main file, and empty it, unless somebody reads it.

    Returns whether it is empty.
    """
    is_busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not is_busy


def empty_wal_now(connection: sqlite3.Connection) -> bool:
    """Empty the log unless somebody reads it, in which case this does not wait; then begin anew.

    Returns whether it was emptied.
    """
    busy_timeout = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        is_empty = empty_wal(connection)
    finally:
        connection.execute(f"PRAGMA busy_timeout = {busy_timeout}")
    if is_empty:
        begin_wal(connection)
    return is_empty


class Checkpoint(Struct, frozen=True):
    """`pages`: how many were in the log. `is_whole`: whether all of them were copied."""

    pages: int
    is_whole: bool


def checkpoint(connection: sqlite3.Connection) -> Checkpoint:
    """Copy the log into the main file as far as no reader needs it."""
    is_busy, pages, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return Checkpoint(pages, not is_busy and pages == copied)
