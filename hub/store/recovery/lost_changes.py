"""That changes of everything but records may be missing, until a person takes note.

Packs bring records back. What people, cameras and rules were changed to, alarms, holds and users
are in the database alone.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hub.store.rows import is_moment
from hub.store.sqlite.sql import one
from hub.store.tables.settings import save_setting

#: The setting: since when, in UNIX milliseconds.
CHANGES_LOST = "store.changes_lost"

_KNOWN = "SELECT value FROM setting WHERE key = ?"
_NEWEST = "SELECT received_at FROM record ORDER BY seq DESC LIMIT 1"


def known_until(connection: sqlite3.Connection, database: Path) -> int:
    """Return when the newest record came that the database knows."""
    newest = one(connection, _NEWEST)
    if isinstance(newest, int) and is_moment(newest):
        return newest
    return int(database.stat().st_mtime * 1000)


def note_lost_changes(connection: sqlite3.Connection, since: int) -> None:
    """Note that changes since then may be missing, unless it is noted that earlier ones are."""
    known = lost_since(one(connection, _KNOWN, (CHANGES_LOST,)))
    if known is None or since < known:
        save_setting(connection, CHANGES_LOST, str(since))


def lost_since(setting: object) -> int | None:
    """Decode the setting; None if nothing is missing. One that is damaged says 0."""
    if not isinstance(setting, str):
        return None
    return int(setting) if setting.isdecimal() and is_moment(int(setting)) else 0
