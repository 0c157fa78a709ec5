"""Copies of a database that no hub uses: one to go back to, and a sample to try a migration on."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from hub.durable_files import flush_directory, flush_file
from hub.errors import StartFault
from hub.store.names import PUT_BACK
from hub.store.sqlite.sql import checked, one
from hub.update.steps import Steps

#: The record log and the pictures of devices: nearly all bytes of a database. A sample has these
#: tables without their rows.
_LOG_TABLES = frozenset(
    {
        *("record", "term", "span", "upload", "latest_access", "day", "dropped_day"),
        *("record_count", "record_total", "record_attributes", "device_picture"),
    }
)
#: Rows of any other table that a sample contains.
_SAMPLE_ROWS = 20_000
_OBJECTS = """
SELECT type, name, sql FROM sqlite_schema
WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY type = 'table' DESC
"""
_PRAGMAS = ("application_id", "user_version")


class DatabaseFile:
    """A database that no other process has open. Its write-ahead log belongs to it."""

    def __init__(self, path: Path, steps: Steps | None = None) -> None:
        self._path = path
        self._steps = steps or Steps()

    def copy(self, target: Path) -> None:
        """Make a durable copy; nothing is at `target` before it is complete.

        Does nothing if there is no database. Raises StartFault or OSError.
        """
        if not self._path.exists():
            return
        partial = target.with_name(f"{target.name}.partial")
        self._remove(partial)
        os.close(os.open(partial, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            with (
                closing(_open_source(self._path)) as source,
                closing(sqlite3.connect(partial, isolation_level=None)) as copy,
            ):
                source.backup(copy)
        except sqlite3.Error as error:
            raise StartFault(f"{self._path}: {error}") from error
        flush_file(partial)
        self._steps.rename(partial, target)

    def stamp(self) -> str:
        """Return a text that changes with the database; empty if its log has not been taken over.

        Raises OSError.
        """
        if not self._path.exists() or self._path.with_name(f"{self._path.name}-wal").exists():
            return ""
        found = self._path.stat()
        return f"{found.st_ino} {found.st_size} {found.st_mtime_ns}"

    def put_back(self, copy: Path) -> None:
        """Replace the database by the copy, which is used up. Repeating it completes it.

        What the packs got since the copy was made is taken over by the next start. Raises OSError.
        """
        # On a full disk without the mark: the start then stops if it has anything to take over.
        with suppress(OSError):
            self._steps.write(self._path.with_name(PUT_BACK), b"")
        # First, or SQLite would replay this log into the copy.
        self._remove_log(self._path)
        self._steps.rename(copy, self._path)

    def _remove(self, path: Path) -> None:
        self._steps.remove(path)
        self._remove_log(path)

    def _remove_log(self, path: Path) -> None:
        for suffix in ("-wal", "-shm", "-journal"):
            self._steps.remove(path.with_name(f"{path.name}{suffix}"))


def copy_sample(database: Path, target: Path) -> None:
    """Write a small database with the schema and the settings of `database`, but without its log.

    The database may be in use. Raises StartFault if it cannot be read.
    """
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        with (
            closing(_open_source(database)) as source,
            closing(sqlite3.connect(target, isolation_level=None)) as sample,
        ):
            source.execute("BEGIN")
            sample.execute("BEGIN")
            _copy_tables(source, sample)
            sample.execute("COMMIT")
            for pragma in _PRAGMAS:
                sample.execute(f"PRAGMA {pragma} = {one(source, f'PRAGMA {pragma}')}")
    except sqlite3.Error as error:
        raise StartFault(f"{database} cannot be copied: {error}") from error
    flush_directory(target.parent)


def _open_source(database: Path) -> sqlite3.Connection:
    """Open a database to copy it. Its write-ahead log stays: its loss would stop the next start."""
    wal = database.with_name(f"{database.name}-wal")
    mode = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    address = f"{database.absolute().as_uri()}?{mode}"
    return checked(sqlite3.connect(address, uri=True, isolation_level=None))


def _copy_tables(source: sqlite3.Connection, sample: sqlite3.Connection) -> None:
    for kind, name, text in source.execute(_OBJECTS).fetchall():
        sample.execute(text)
        if kind == "table" and name not in _LOG_TABLES:
            _copy_rows(source, sample, name)


def _copy_rows(source: sqlite3.Connection, sample: sqlite3.Connection, table: str) -> None:
    # Without generated columns, which cannot be inserted.
    columns = [row[1] for row in source.execute(f'PRAGMA table_info("{table}")')]
    names = ", ".join(f'"{column}"' for column in columns)
    rows = source.execute(f'SELECT {names} FROM "{table}" LIMIT {_SAMPLE_ROWS}')
    places = ", ".join("?" * len(columns))
    sample.executemany(f'INSERT INTO "{table}" ({names}) VALUES ({places})', rows)
