"""Migrates a database to this version's schema, or reports why it cannot be used."""

from __future__ import annotations

import errno
import os
import sqlite3
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path

from hub.errors import StartFault
from hub.store.health import primary_code
from hub.store.sqlite.sql import one

#: "SHUB": identifies a database of sitehub.
APPLICATION_ID = 0x53485542
_HEADER = b"SQLite format 3\0"
#: The first version with STRICT tables.
_MIN_SQLITE = (3, 37)


def migrations() -> dict[int, str]:
    """Return the SQL of each migration by its number, in order."""
    folder = resources.files("hub.store") / "schema"
    steps = {
        int(entry.name[:4]): entry.read_text("utf-8")
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
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            _bring_up_to_date(connection, path, steps, is_new)
    except (sqlite3.DatabaseError, OSError) as error:
        raise unusable(path, error) from error


def refuse_newer(path: Path, newest: int) -> None:
    """Raise StartFault if a database has a newer schema or belongs to another program.

    Changes nothing. Reads the write-ahead log too, because the file alone may be older. Ignores
    other faults: the start reports them.
    """
    if not path.is_file():
        return
    # A connection that may write would checkpoint the log, and so hide that it was there.
    wal = path.with_name(f"{path.name}-wal")
    mode = "mode=ro" if wal.exists() and wal.stat().st_size else "mode=ro&immutable=1"
    with suppress(sqlite3.DatabaseError):
        address = f"{path.absolute().as_uri()}?{mode}"
        with closing(sqlite3.connect(address, uri=True)) as connection:
            _checked_version(connection, path, newest)


def refuse_unusable(path: Path, newest: int) -> None:
    """Raise StartFault if a file is no database, or as `refuse_newer` does. Changes nothing."""
    if path.exists() and path.stat().st_size:
        _check_header(path)
        refuse_newer(path, newest)


def unusable(path: Path, error: sqlite3.Error | OSError) -> StartFault:
    """Return the fault of a database that cannot be used, with the remedy for its cause."""
    code = primary_code(error)
    if code == sqlite3.SQLITE_FULL or getattr(error, "errno", None) == errno.ENOSPC:
        return StartFault(f"the disk of {path} is full: free some space, then start again")
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
    version = _checked_version(connection, path, max(steps))
    pending = [number for number in steps if number > version]
    if is_new:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    elif pending:
        _copy_beside(connection, path, pending[0])
    for number in pending:
        _apply(connection, number, steps[number])


def _checked_version(connection: sqlite3.Connection, path: Path, newest: int) -> int:
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
    """Run one migration in one transaction, which also sets the schema's number."""
    try:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{text}\n"
            f"PRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {number};\nCOMMIT;"
        )
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
