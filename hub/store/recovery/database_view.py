"""What a database says about its packs, read without changing anything.

A write-ahead log does not name its database: SQLite applies any log that lies beside it. So the
database is read twice, without its log and with it, and the two must follow from each other.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from enum import Enum
from pathlib import Path

from msgspec import Struct

from hub.store.media.day_index import is_sound_day
from hub.store.names import DATABASE, WAL
from hub.store.rows import read_text
from hub.store.sqlite.log_state import Writes, decode_writes, read_log_row
from hub.store.sqlite.sql import checked, one
from hub.store.sqlite.wal_file import HEADER_BYTES, lost_committed

#: The setting that is there while a rebuild is not complete: the id of the log whose groups it
#: takes over, "" for any.
REBUILDING = "store.rebuilding"
_BUSY_SECONDS = 5.0
_CLEAN = "SELECT value FROM setting WHERE key = 'store.clean'"
_IS_REBUILDING = f"SELECT EXISTS (SELECT 1 FROM setting WHERE key = '{REBUILDING}')"
_DAYS = "SELECT day, bytes FROM day"
_DROPPED = "SELECT day FROM dropped_day"
_LOG = "SELECT log_id, last_group, checkpointed FROM record_log"
_WRITES = "SELECT writes FROM record_log"
_HAS_TABLES = "SELECT count(*) FROM sqlite_schema WHERE name IN ('record', 'day', 'setting')"
_OUR_TABLES = 3


class DatabaseView(Struct, frozen=True):
    """What a database says.

    `checkpointed`: the last group that was in the main file when the write-ahead log began.
    `ends`: the committed end of each day's pack. `dropped`: days that are being removed.
    `is_rebuilding`: a rebuild was interrupted.
    """

    is_clean: bool
    log_id: str
    last_group: int
    checkpointed: int
    ends: dict[str, int]
    dropped: frozenset[str]
    #: None if it is not known.
    writes: Writes | None = None
    is_rebuilding: bool = False


class Wal(Enum):
    """The state of the write-ahead log beside a database."""

    NONE = "the hub ended properly, there is none"
    SOUND = "it belongs to the database"
    LOST = "the hub did not end properly, yet there is none, or it was cut off in its header"
    FOREIGN = "it belongs to another database, or to another state of this one"


def has_wal(data_dir: Path) -> bool:
    """Whether there is a write-ahead log. What is shorter than its header is none to SQLite."""
    path = data_dir / WAL
    return path.exists() and path.stat().st_size >= HEADER_BYTES


def is_log_damaged(data_dir: Path, view: DatabaseView | None) -> bool:
    """Whether transactions that were committed are lost in the write-ahead log. Raises OSError.

    `view`: what the database says with this log.
    """
    writes = None if view is None else view.writes
    marks = () if writes is None else writes.following()
    return has_wal(data_dir) and lost_committed(data_dir / WAL, marks)


def read_view(data_dir: Path, *, with_wal: bool) -> DatabaseView | None:
    """Read the database; None if it is none of sitehub's, or empty.

    Raises sqlite3.Error if it is damaged, also by a log that does not belong to it.
    """
    # An immutable database is read as it is; a read-only one never checkpoints.
    mode = "mode=ro" if with_wal else "mode=ro&immutable=1"
    address = f"{(data_dir / DATABASE).absolute().as_uri()}?{mode}"
    with closing(checked(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS))) as connection:
        connection.text_factory = read_text
        if one(connection, _HAS_TABLES) != _OUR_TABLES:
            return None
        writes = decode_writes(one(connection, _WRITES))
        log_id, last_group, checkpointed = read_log_row(connection.execute(_LOG).fetchone())
        return DatabaseView(
            one(connection, _CLEAN) != "0",
            log_id,
            last_group,
            checkpointed,
            {day: end for day, end in connection.execute(_DAYS) if is_sound_day(day, end)},
            frozenset(day for (day,) in connection.execute(_DROPPED)),
            writes,
            bool(one(connection, _IS_REBUILDING)),
        )


def current_view(data_dir: Path) -> tuple[DatabaseView | None, Wal]:
    """Return what the database says, and the state of its write-ahead log.

    Without the log, if that does not belong to it. None: see `read_view`. Raises sqlite3.Error.
    """
    if not has_wal(data_dir):
        view = read_view(data_dir, with_wal=False)
        return view, Wal.NONE if view is None or view.is_clean else Wal.LOST
    try:
        main = read_view(data_dir, with_wal=False)
    except sqlite3.DatabaseError:
        main = None  # a first checkpoint may have been interrupted
    try:
        view = read_view(data_dir, with_wal=True)
    except sqlite3.DatabaseError:
        if main is None:
            raise
        return main, Wal.FOREIGN
    if main is None or view is None or _follows(main, view):
        return view, Wal.SOUND
    return main, Wal.FOREIGN


def _follows(main: DatabaseView, view: DatabaseView) -> bool:
    """Whether a write-ahead log leads from what the main file says to `view`."""
    # While it is rebuilt, the log may get another id, and nothing is counted.
    if main.is_rebuilding:
        return True
    if view.writes is not None and main.writes is not None and not view.writes.follow(main.writes):
        return False
    return view.log_id == main.log_id and view.checkpointed <= main.last_group <= view.last_group
