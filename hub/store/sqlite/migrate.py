"""Migrates a database to this version's schema, or reports why it cannot be used."""

from __future__ import annotations

import errno
import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path

from hub.errors import StartFault
from hub.store.health import primary_code
from hub.store.sqlite.sql import checked, one

log = logging.getLogger(__name__)

#: "SHUB": identifies a database of sitehub.
APPLICATION_ID = 0x53485542
#: Schemas up to this one were of versions that were never released: 0001 has the next number. Until
#: the first release, 0001 itself is changed, and this is raised if older data does not fit it.
_UNRELEASED = 30
_HEADER = b"SQLite format 3\0"
#: The first version with STRICT tables.
_MIN_SQLITE = (3, 37)
#: A migration of gigabytes takes minutes: the log says how far it is, this often.
_TELL_SECONDS = 5.0
#: Instructions of SQLite's machine between two looks at the time: some milliseconds.
_TICK_OPCODES = 1_000_000


class UnreleasedSchema(StartFault):
    """The database was written by a version from before the first release."""


def migrations() -> dict[int, str]:
    """Return the SQL of each migration by the number of its schema, in order."""
    folder = resources.files("hub.store") / "schema"
    steps = {
        _UNRELEASED + int(entry.name[:4]): entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name[:4].isdigit() and entry.name.endswith(".sql")
    }
    return dict(sorted(steps.items()))


def bring_up_to_date(path: Path, steps: dict[int, str]) -> None:
    """Create the database, or migrate it after making a copy beside it.

    `steps`: as `migrations` returns them. Raises StartFault if the database cannot be used; it is
    then unchanged, except for the steps that had succeeded.
    """
    if sqlite3.sqlite_version_info < _MIN_SQLITE:
        raise StartFault(
            f"SQLite {sqlite3.sqlite_version} is too old: "
            "install a Python with SQLite 3.37 or later"
        )
    is_new = not path.exists() or path.stat().st_size == 0
    if not is_new:
        _check_header(path)
    try:
        _create_file(path)
        with closing(checked(sqlite3.connect(path, isolation_level=None))) as connection:
            _bring_up_to_date(connection, path, steps, is_new)
    except (sqlite3.DatabaseError, OSError) as error:
        raise unusable(path, error) from error


def refuse_unknown(path: Path, steps: dict[int, str]) -> None:
    """Raise StartFault if a database has none of the schemas `steps`, or is another program's.

    Raises UnreleasedSchema for an older one. Changes nothing. Reads the write-ahead log too: the
    file alone may be older. Ignores other faults: the start reports them.
    """
    if not path.is_file():
        return
    # A connection that may write would checkpoint the log, and so hide that it was there.
    wal = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    with suppress(sqlite3.DatabaseError):
        address = f"{path.absolute().as_uri()}?{mode}"
        with closing(checked(sqlite3.connect(address, uri=True))) as connection:
            _checked_version(connection, path, steps)


def refuse_unusable(path: Path, steps: dict[int, str]) -> None:
    """Raise StartFault if a file is no database, or as `refuse_unknown` does. Changes nothing."""
    if path.exists() and path.stat().st_size:
        _check_header(path)
        refuse_unknown(path, steps)


def unusable(path: Path, error: sqlite3.Error | OSError) -> StartFault:
    """Return the fault of a database that cannot be used, with the remedy for its cause."""
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC:
        return StartFault(f"the disk of {path} is full: free some space, then try again")
    return StartFault(f"{path} cannot be used ({error}): {_CURES.get(code, CURE)}")


# Packs hold every record: restoring all of a backup would lose those that came after it.
CURE = (
    "put it away, and put the one of a backup, and only that, in its place; then "
    '"sitehub doctor --rebuild" adds the records that came after it'
)
#: A disk that cannot be read gets worse.
_UNREADABLE = f"replace the disk; {CURE}"
_NOT_PERMITTED = "make this user the owner of it and of the files beside it"
_IN_USE = "another program has it open: stop that program"
_CURES = {
    sqlite3.SQLITE_IOERR: _UNREADABLE,
    sqlite3.SQLITE_READONLY: _NOT_PERMITTED,
    sqlite3.SQLITE_CANTOPEN: _NOT_PERMITTED,
    sqlite3.SQLITE_PERM: _NOT_PERMITTED,
    sqlite3.SQLITE_BUSY: _IN_USE,
    sqlite3.SQLITE_LOCKED: _IN_USE,
}


def _check_header(path: Path) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(len(_HEADER))
    except OSError as error:
        raise StartFault(f"{path} cannot be read: {error.strerror}") from error
    if header != _HEADER:
        raise StartFault(f"{path} is not a database: {CURE}")


def _create_file(path: Path) -> None:
    """Create the file with mode 0600, which SQLite also gives to the files beside it."""
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    if os.name != "nt":
        path.chmod(0o600)


def _bring_up_to_date(
    connection: sqlite3.Connection, path: Path, steps: dict[int, str], is_new: bool
) -> None:
    version = _checked_version(connection, path, steps)
    pending = [number for number in steps if number > version]
    if is_new:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    elif pending:
        _copy_beside(connection, path, pending[0])
    for number in pending:
        _apply(connection, number, steps[number])


def _checked_version(connection: sqlite3.Connection, path: Path, steps: dict[int, str]) -> int:
    newest = max(steps)
    owner = one(connection, "PRAGMA application_id")
    version = one(connection, "PRAGMA user_version")
    tables = one(connection, "SELECT count(*) FROM sqlite_schema")
    if tables and owner != APPLICATION_ID:
        raise StartFault(f"{path} is the database of another program: {CURE}")
    if not isinstance(version, int) or version > newest:
        copy = _copy_of(path, newest + 1)
        or_restore = f", or restore the copy {copy.name}" if copy.exists() else ""
        raise StartFault(
            f"{path} was written by a newer sitehub (schema {version}, this one knows {newest}): "
            f"install the newer version{or_restore}"
        )
    if 0 < version < min(steps):
        raise UnreleasedSchema(
            f"{path} was written by a sitehub from before the first release (schema {version}), "
            "which cannot be read any more: move the data directory away, and start with a new one"
        )
    return version


def _copy_of(path: Path, number: int) -> Path:
    """Return the path of the copy that is made before migration `number`."""
    return path.with_name(f"{path.name}.before-{number:04d}")


def _copy_beside(connection: sqlite3.Connection, path: Path, number: int) -> None:
    """Make a copy that the older version can use. It gets its name only once it is complete."""
    copy = _copy_of(path, number)
    partial = copy.with_name(copy.name + ".partial")
    partial.unlink(missing_ok=True)
    _create_file(partial)
    with closing(sqlite3.connect(partial, isolation_level=None)) as target:
        connection.backup(target)
    partial.replace(copy)


def _apply(connection: sqlite3.Connection, number: int, text: str) -> None:
    """Run one migration in one transaction, which also sets the schema's number.

    While it lasts, the log tells how far it is.
    """
    statements = list(_statements(text))
    progress = _Progress(number, len(statements))
    connection.set_progress_handler(progress.tick, _TICK_OPCODES)
    try:
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
            progress.done += 1
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {number}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    finally:
        connection.set_progress_handler(None, 0)


def _statements(text: str) -> Iterator[str]:
    """Split SQL into its statements. Those of a trigger stay together."""
    statement = ""
    for part in text.split(";")[:-1]:
        statement += f"{part};"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement:
        raise ValueError(f"a migration ends within a statement: {statement}")


class _Progress:
    """Tells the log how far a migration is. `done`: its statements."""

    def __init__(self, number: int, total: int) -> None:
        self._number = number
        self._total = total
        self._began = self._told = time.monotonic()
        self.done = 0

    def tick(self) -> int:
        """Called while a statement runs. Returns 0: it goes on."""
        now = time.monotonic()
        if now - self._told >= _TELL_SECONDS:
            self._told = now
            log.info(
                "the database is being migrated to schema %d: step %d of %d, since %.0f s",
                self._number,
                self.done + 1,
                self._total,
                now - self._began,
            )
        return 0
