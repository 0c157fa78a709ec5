"""Prepares the data directory for `rebuild` and `set_aside`: a database that can be used."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from msgspec import Struct

from hub.store.disk import DIRECTORY_MODE, Disk
from hub.store.media.held_index import HELD
from hub.store.media.packs import SUFFIX
from hub.store.names import DATABASE, MEDIA, WAL
from hub.store.recovery.database_view import DatabaseView, Wal, current_view, has_wal
from hub.store.recovery.quarantine import quarantine_file
from hub.store.sqlite.migrate import bring_up_to_date, migrations, refuse_unknown


class PreparedDatabase(Struct, frozen=True):
    """`is_new`: the database is a new one. `dropped`: days whose pack the next start deletes.

    `quarantined`: files that were moved into media/set-aside.
    """

    is_new: bool
    dropped: frozenset[str]
    quarantined: tuple[str, ...]


def prepare_database(data_dir: Path, disk: Disk, *, keep_held: bool = False) -> PreparedDatabase:
    """Quarantine a database that is damaged or not ours, and a log that belongs to another one.

    `keep_held`: the caller puts held evidence of a lost database back; else it is quarantined.

    Raises StartFault if this version does not know the database's schema, OSError, sqlite3.Error.
    """
    database, media = data_dir / DATABASE, data_dir / MEDIA
    media.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    refuse_unknown(database, migrations())
    view, wal = _view(data_dir)
    unusable: list[Path] = []
    if view is None and database.exists():
        unusable.append(database)
    if (view is None or wal is Wal.FOREIGN) and has_wal(data_dir):
        unusable.append(data_dir / WAL)
    if view is None and not keep_held:
        unusable += sorted((media / HELD).glob(f"*{SUFFIX}"))  # a new database would use the names
    quarantined = tuple(quarantine_file(path, media, disk).name for path in unusable)
    if quarantined:
        # The index of a write-ahead log that is not there any more.
        database.with_name(f"{DATABASE}-shm").unlink(missing_ok=True)
        (data_dir / WAL).unlink(missing_ok=True)
    bring_up_to_date(database, migrations())
    return PreparedDatabase(
        view is None, frozenset() if view is None else view.dropped, quarantined
    )


def _view(data_dir: Path) -> tuple[DatabaseView | None, Wal]:
    database = data_dir / DATABASE
    if not database.exists() or database.stat().st_size == 0:
        return None, Wal.NONE
    try:
        return current_view(data_dir)
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # in use, or not readable now
        return None, Wal.NONE
