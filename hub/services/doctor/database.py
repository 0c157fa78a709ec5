"""The database as a whole: usable by this version, with its key file, and with all its packs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from hub.errors import StartFault
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.findings import Finding, failed, moment_text, ok, warning
from hub.store.names import KEY_FILE
from hub.store.offline.inspection import (
    changes_lost_since,
    database_state,
    key_fits,
    lost_parts,
    set_aside_names,
    sqlite_has_wal_reset_bug,
)
from hub.store.recovery.start_check import check_start
from hub.store.sealing import read_key

_MOST_NAMED = 5


def check_sqlite(context: CheckContext) -> Iterator[Finding]:
    """Tell SQLite's version."""
    code = "sqlite-old" if sqlite_has_wal_reset_bug() else "sqlite-ok"
    yield ok("sqlite", code, version=sqlite3.sqlite_version)


def check_database(context: CheckContext) -> Iterator[Finding]:
    """Tell whether this version can use the database."""
    state = database_state(context.data_dir)
    if state.problem:
        yield failed("database", f"database-{state.problem}", reason=state.reason)
    elif context.hub is None and (fault := _start_fault(context.data_dir)):
        yield failed("database", "database-start", reason=fault)
    elif not state.exists:
        yield ok("database", "database-none")
    elif state.version < state.known_version:
        yield ok("database", "database-older", version=str(state.version))
    else:
        if (since := changes_lost_since(context.data_dir)) is not None:
            yield failed("database", "changes-lost", since=moment_text(since / 1000))
        lost = lost_parts(context.data_dir)
        for part in lost[:_MOST_NAMED]:
            yield failed("database", "pictures-lost", what=part.text)
        if not lost and since is None:
            yield ok("database", "database-ok", version=str(state.version))


def _start_fault(data_dir: Path) -> str:
    """Return why the start of a hub would stop, "" if it would not."""
    try:
        return check_start(data_dir).fault
    except (OSError, sqlite3.Error) as error:
        return str(error)


def check_key(context: CheckContext) -> Iterator[Finding]:
    """Tell whether hub.key is the key of the database."""
    try:
        key = read_key(context.data_dir / KEY_FILE)
    except StartFault as fault:
        yield failed("key", "key-unreadable", reason=fault.message)
        return
    state = database_state(context.data_dir)
    if not state.exists or state.problem:
        return  # there is nothing to compare it with
    if key is None:
        yield failed("key", "key-missing")
        return
    try:
        fits = key_fits(context.data_dir, key)
    except sqlite3.Error as error:
        yield failed("key", "key-unreadable", reason=str(error))
        return
    yield ok("key", "key-ok") if fits else failed("key", "key-wrong")


def check_set_aside(context: CheckContext) -> Iterator[Finding]:
    """Tell of pictures that a start put aside instead of deleting them."""
    names = set_aside_names(context.data_dir)
    if names:
        yield warning("set-aside", "set-aside", files=", ".join(names[:_MOST_NAMED]))
    else:
        yield ok("set-aside", "set-aside-none")
