"""A consistent copy of the database of a running hub, and what belongs to it.

SQLite's backup API copies the pages in small steps. One read transaction stays open meanwhile, so
the copy shows one moment, the copying never begins again, and the writer does not wait; only its
write-ahead log cannot begin anew until the copy is complete. `VACUUM INTO` would do the same in one
statement, but delays single commits by hundreds of milliseconds (docs/measured.md has the figures).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from hub.errors import BackupFault, UnreadableDatabase
from hub.store.backup.pace import Pace
from hub.store.disk import Disk
from hub.store.health import DAMAGE, describe, primary_code
from hub.store.media.held_index import HELD
from hub.store.media.packs import SUFFIX
from hub.store.names import DATABASE, FIRMWARE, MEDIA
from hub.store.people.holdings import doubt_holdings
from hub.store.sqlite.log_state import load_log_state, new_log_id
from hub.store.sqlite.migrate import APPLICATION_ID, migrations, refuse_unknown
from hub.store.sqlite.sql import checked, one, secure_deletion
from hub.store.targets.targets import hold_restored

#: 1 MB, if pages have 4 KB.
_STEP_PAGES = 256
_FLUSH_STEPS = 8
_BUSY_SECONDS = 5.0

_DAYS = "SELECT day, bytes FROM day WHERE bytes > 0 ORDER BY day"
_FIRMWARE = "SELECT sha256, size FROM firmware_file ORDER BY sha256"
_RECORDS = "SELECT count(*) FROM record"
_LAST_SEQ = "SELECT seq FROM sqlite_sequence WHERE name = 'record'"
_HELD = "SELECT day, id, bytes FROM held_pack WHERE bytes > 0 ORDER BY id"
# Each step of an erasure changes one of them.
_ERASED = """
SELECT (SELECT count(*) FROM erasure), (SELECT total(records) FROM erasure),
    (SELECT count(*) FROM record WHERE erased = 1)
"""
#: As `Retention.forget_day` does: the records go in steps after the start.
_FORGET_DAY = """
INSERT OR REPLACE INTO dropped_day (first_seq, last_seq, day)
SELECT first_seq, last_seq, day FROM day WHERE day = ?
"""


class PackPart(Struct, frozen=True):
    """A pack up to its committed end, which is all of it that a snapshot knows.

    `name` is its path in the data directory.
    """

    name: str
    bytes: int


class Snapshot(Struct, frozen=True):
    """A copy of the database in a file, and the files that it names. Sizes are in bytes."""

    database: Path
    bytes: int
    schema: int
    log_id: str
    records: int
    last_seq: int
    #: How far erasures had come. If records are erased later, the packs do not fit any more.
    erased: tuple[float, ...]
    packs: tuple[PackPart, ...]
    #: By their paths in the data directory.
    firmware: dict[str, int]

    @property
    def pack_bytes(self) -> int:
        return sum(pack.bytes for pack in self.packs)

    @property
    def firmware_bytes(self) -> int:
        return sum(self.firmware.values())


def database_bytes(data_dir: Path) -> int:
    """Return how much room a copy of the database takes, at most."""
    files = (data_dir / DATABASE, data_dir / f"{DATABASE}-wal")
    return sum(path.stat().st_size for path in files if path.exists())


def take_snapshot(data_dir: Path, target: Path, pace: Pace) -> Snapshot:
    """Copy the database of a data directory to `target`, which must not exist. Blocks.

    A running hub goes on meanwhile. Raises BackupFault, StartFault if the schema is unknown, or
    CopyingStopped.
    """
    source = data_dir / DATABASE
    if not source.is_file():
        raise BackupFault(
            f"{data_dir} is not the data directory of a hub, it has no {DATABASE}: name the "
            "right one with --data"
        )
    refuse_unknown(source, migrations())
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        # Read-only: such a connection never runs a checkpoint.
        address = f"{source.absolute().as_uri()}?mode=ro"
        reading = sqlite3.connect(address, uri=True, isolation_level=None, timeout=_BUSY_SECONDS)
        with closing(checked(reading)):
            _copy(reading, target, pace)
    except sqlite3.Error as error:
        text = f"the database cannot be copied: {describe(error)}"
        is_unreadable = primary_code(error) in (sqlite3.SQLITE_IOERR, *DAMAGE)
        raise (UnreadableDatabase if is_unreadable else BackupFault)(text) from error
    except OSError as error:
        raise BackupFault(f"the database cannot be copied: {error.strerror or error}") from error
    return read_snapshot(target)


def _copy(reading: sqlite3.Connection, target: Path, pace: Pace) -> None:
    reading.execute("PRAGMA cache_size = -4096")
    reading.execute("BEGIN")
    # The transaction begins with the first read.
    page_bytes = one(reading, "PRAGMA page_size")
    one(reading, "SELECT count(*) FROM sqlite_schema")
    step_bytes = _STEP_PAGES * (page_bytes if isinstance(page_bytes, int) else 4096)
    disk = Disk()
    file = os.open(target, os.O_RDWR | getattr(os, "O_BINARY", 0))
    steps = 0

    def stepped(status: int, remaining: int, total: int) -> None:
        nonlocal steps
        steps += 1
        pace.spend(step_bytes)
        if steps % _FLUSH_STEPS == 0:
            disk.flush(file)

    try:
        with closing(sqlite3.connect(target, isolation_level=None)) as writing:
            writing.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;")
            reading.backup(writing, pages=_STEP_PAGES, progress=stepped, sleep=0)
            _forget_searches(writing)
        disk.flush(file)
    finally:
        os.close(file)


def _forget_searches(connection: sqlite3.Connection) -> None:
    """Remove searches by a photo from a copy: they are kept for a day, and backups for months."""
    connection.execute("PRAGMA foreign_keys = ON")
    with secure_deletion(connection):
        connection.execute("DELETE FROM job WHERE kind = 'search'")


def read_snapshot(database: Path) -> Snapshot:
    """Read what a copy of the database says. Raises BackupFault if it is not one of a hub."""
    try:
        with closing(_open_copy(database)) as connection:
            return _read(connection, database)
    except sqlite3.Error as error:
        raise BackupFault(f"the copy of the database is damaged: {error}") from error


def _open_copy(database: Path) -> sqlite3.Connection:
    # "immutable": a copy has no write-ahead log, and none is created.
    address = f"{database.absolute().as_uri()}?mode=ro&immutable=1"
    return checked(sqlite3.connect(address, uri=True, isolation_level=None))


def _read(connection: sqlite3.Connection, database: Path) -> Snapshot:
    if one(connection, "PRAGMA application_id") != APPLICATION_ID:
        raise BackupFault("the copy of the database is not one of sitehub")
    return Snapshot(
        database=database,
        bytes=database.stat().st_size,
        schema=_number(one(connection, "PRAGMA user_version")),
        log_id=load_log_state(connection).log_id,
        records=_number(one(connection, _RECORDS)),
        last_seq=_number(one(connection, _LAST_SEQ)),
        erased=_erased(connection),
        packs=tuple(_packs(connection)),
        firmware={f"{FIRMWARE}/{sha256}": size for sha256, size in connection.execute(_FIRMWARE)},
    )


def _packs(connection: sqlite3.Connection) -> Iterator[PackPart]:
    for day, size in connection.execute(_DAYS):
        yield PackPart(f"{MEDIA}/{day}{SUFFIX}", size)
    for day, number, size in connection.execute(_HELD):
        yield PackPart(f"{MEDIA}/{HELD}/{day}-{number}{SUFFIX}", size)


def _erased(connection: sqlite3.Connection) -> tuple[float, ...]:
    return tuple(connection.execute(_ERASED).fetchone())


def refuse_if_erased(data_dir: Path, snapshot: Snapshot) -> None:
    """Raise BackupFault if records were erased since the snapshot, which still has them."""
    address = f"{(data_dir / DATABASE).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS)) as connection:
            erased = _erased(connection)
    except sqlite3.Error as error:
        raise BackupFault(f"the database cannot be read: {describe(error)}") from error
    if erased != snapshot.erased:
        raise BackupFault("records were erased while the backup was made: make it again")


def check_copy(database: Path, pace: Pace) -> str:
    """Run SQLite's quick_check on a copy; return the damage, "" if there is none. Blocks."""
    try:
        with closing(_open_copy(database)) as connection:
            pace.on_stop(connection.interrupt)
            try:
                found = one(connection, "PRAGMA quick_check(1)")
            finally:
                pace.on_stop(None)
    except sqlite3.Error as error:
        pace.check()
        return str(error)
    return "" if found == "ok" else str(found)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


class Restored(Struct, frozen=True):
    """What was changed in a restored database.

    `forgotten_days` lost their packs while the backup was made, or on a full disk later.
    `has_pictures`: of the backup. `waiting_targets`: how many are held until somebody chooses.
    """

    forgotten_days: tuple[str, ...]
    has_pictures: bool
    waiting_targets: int = 0


def adapt_restored(
    database: Path,
    *,
    packs: frozenset[str],
    has_pictures: bool,
    settings: dict[str, str],
    hold_targets: bool,
) -> Restored:
    """Make a restored database fit the packs that were restored with it. Blocks.

    `packs`: their names. Days without a pack were dropped while the backup was made, or later: they
    are dropped here too. A backup without pictures keeps its records and forgets where their
    pictures were. `settings` are stored. With `hold_targets`, those that get everything wait until
    somebody chooses what they get. Raises BackupFault.
    """
    try:
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            lost = _lost_days(connection, packs) if has_pictures else ()
            for day in lost:
                connection.execute(_FORGET_DAY, (day,))
                connection.execute("DELETE FROM day WHERE day = ?", (day,))
            if not has_pictures:
                connection.execute("UPDATE record SET images = X'5B5D' WHERE images != X'5B5D'")
                connection.execute("UPDATE day SET bytes = 0")
                _forget_held(connection)
            for key, value in settings.items():
                connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (key, value))
            # Numbers are given again that the lost hub had given after the backup.
            new_log_id(connection, os.urandom)
            waiting = hold_restored(connection) if hold_targets else 0
            doubt_holdings(connection)
            connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise BackupFault(f"the restored database cannot be written: {error}") from error
    return Restored(lost, has_pictures, waiting)


def _forget_held(connection: sqlite3.Connection) -> None:
    """Forget where held evidence was; the records of days that are gone go with it."""
    connection.execute("DELETE FROM record WHERE seq IN (SELECT seq FROM held_record)")
    connection.execute("DELETE FROM held_record")
    connection.execute("DELETE FROM held_pack")


def _lost_days(connection: sqlite3.Connection, packs: frozenset[str]) -> tuple[str, ...]:
    days = connection.execute(_DAYS).fetchall()
    return tuple(day for day, _ in days if f"{MEDIA}/{day}{SUFFIX}" not in packs)
