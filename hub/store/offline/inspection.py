"""Inspects a data directory without opening the store: read-only, beside a running hub or not.

Never open the database's files by other means than SQLite in the process of the hub: closing one
would release the locks of every connection of the process (POSIX).
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import Struct

from hub.store.media.lost_parts import LOST, LostPart, decode_lost, find_lost
from hub.store.media.packs import SUFFIX
from hub.store.names import DATABASE, FIRMWARE, MEDIA, SET_ASIDE
from hub.store.records.count_checks import are_totals_wrong, wrong_hours
from hub.store.records.record_reading import is_readable
from hub.store.recovery.lost_changes import CHANGES_LOST, lost_since
from hub.store.rows import read_text
from hub.store.sealing import SecretBox
from hub.store.sqlite.migrate import APPLICATION_ID, migrations
from hub.store.sqlite.sql import checked, one
from hub.store.startup import KEY_CHECK

#: SQLite before this version can corrupt a database when two connections checkpoint at once.
WAL_RESET_FIXED = (3, 51, 3)

#: Called again and again with the part done, from 0 to 1, None if it is unknown. May raise to stop.
Progress = Callable[[float | None], None]

_BUSY_SECONDS = 5.0
#: Instructions of SQLite's machine between two calls of the progress handler: a few ms.
_TICK_OPCODES = 100_000
_ROWS = 500
_MAX_NAMED = 5
_READ_BYTES = 1024 * 1024
#: After a portion of work the check sleeps as long as the work took, for the hub beside it.
_PORTION_SECONDS = 0.02

_NEWEST = "SELECT received_at FROM record ORDER BY seq DESC LIMIT 1"
_COUNT = "SELECT coalesce(sum(records), 0) FROM day"
_ROWS_AFTER = """
SELECT seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra, images
FROM record WHERE seq > ? AND erased IS NULL ORDER BY seq LIMIT ?
"""
_HOURS = "SELECT count(DISTINCT hour) FROM record_count"
_FILES = "SELECT sha256, size FROM firmware_file ORDER BY sha256"
_SETTING = "SELECT value FROM setting WHERE key = ?"


class Stopped(Exception):
    """Raised by a Progress to end an inspection."""


class DatabaseState(Struct, frozen=True):
    """`problem`: one of the codes below, or "". `version`: the schema's number.

    missing, empty: although there are packs. foreign: of another program. newer: of a newer
    version. unreleased: of one from before the first release. unreadable: `reason` says why.
    """

    problem: str = ""
    reason: str = ""
    exists: bool = True
    version: int = 0
    known_version: int = 0


class Damage(Struct, frozen=True):
    """What an inspection found. `named`: the first few of `bad` things. `checked`: of how many."""

    checked: int
    bad: int = 0
    named: tuple[str, ...] = ()


class Tally:
    """Counts what is checked, and names the first few that are bad."""

    def __init__(self) -> None:
        self._checked = 0
        self._bad = 0
        self._named: list[str] = []

    def good(self, count: int = 1) -> None:
        self._checked += count

    def bad(self, name: str) -> None:
        self._checked += 1
        self._bad += 1
        if len(self._named) < _MAX_NAMED:
            self._named.append(name)

    def result(self) -> Damage:
        return Damage(self._checked, self._bad, tuple(self._named))


class Pacer:
    """Lets a long check use at most half of a processor or disk."""

    def __init__(self, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._since = time.perf_counter()

    def pause(self) -> None:
        """Call it between two small pieces of work."""
        worked = time.perf_counter() - self._since
        if worked >= _PORTION_SECONDS:
            self._sleep(worked)
            self._since = time.perf_counter()


def lost_parts(data_dir: Path) -> tuple[LostPart, ...]:
    """Return what packs have lost, and nobody has taken note of. Raises OSError, sqlite3.Error."""
    return tuple(part for part in all_lost_parts(data_dir) if not part.is_accepted)


def changes_lost_since(data_dir: Path) -> int | None:
    """Return since when changes may be missing: see `lost_since`. Raises sqlite3.Error."""
    with opened(data_dir) as connection:
        return lost_since(one(connection, _SETTING, (CHANGES_LOST,)))


def all_lost_parts(data_dir: Path) -> tuple[LostPart, ...]:
    with opened(data_dir) as connection:
        setting = connection.execute("SELECT value FROM setting WHERE key = ?", (LOST,)).fetchone()
        ends = dict(connection.execute("SELECT day, bytes FROM day WHERE bytes > 0").fetchall())
    return find_lost(data_dir / MEDIA, ends, decode_lost(setting[0] if setting else None))


@contextmanager
def opened(data_dir: Path) -> Iterator[sqlite3.Connection]:
    """Open the database for reading. It never checkpoints, and leaves no write-ahead log behind.

    Without such a log nobody has it open: it is read as it is, and reading ends with
    sqlite3.OperationalError ("interrupted") if a hub opens it meanwhile.
    """
    path = data_dir / DATABASE
    wal = path.with_name(f"{path.name}-wal")
    is_at_rest = not wal.exists()
    mode = "mode=ro&immutable=1" if is_at_rest else "mode=ro"
    address = f"{path.absolute().as_uri()}?{mode}"
    with closing(
        checked(sqlite3.connect(address, uri=True, timeout=_BUSY_SECONDS, isolation_level=None))
    ) as connection:
        connection.text_factory = read_text
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA cache_size = -16384")
        if is_at_rest:
            connection.set_progress_handler(wal.exists, _TICK_OPCODES)
        yield connection


def database_state(data_dir: Path) -> DatabaseState:
    """Return whether the hub of this version can use the database, without changing it."""
    path, known = data_dir / DATABASE, migrations()
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return DatabaseState("missing" if has_packs(data_dir) else "", exists=False)
    except OSError as error:
        return DatabaseState("unreadable", error.strerror or str(error))
    if size == 0:
        return DatabaseState("empty" if has_packs(data_dir) else "", exists=False)
    try:
        with opened(data_dir) as connection:
            owner = one(connection, "PRAGMA application_id")
            version = one(connection, "PRAGMA user_version")
            one(connection, "SELECT count(*) FROM sqlite_schema")
    except sqlite3.Error as error:
        return DatabaseState("unreadable", str(error))
    if owner != APPLICATION_ID:
        return DatabaseState("foreign")
    version = version if isinstance(version, int) else 0
    newest = max(known)
    if version > newest:
        return DatabaseState("newer", "", True, version, newest)
    is_unreleased = 0 < version < min(known)
    return DatabaseState("unreleased" if is_unreleased else "", "", True, version, newest)


def has_packs(data_dir: Path) -> bool:
    """Return whether pictures of any day are there."""
    return any((data_dir / MEDIA).glob(f"*{SUFFIX}"))


def set_aside_names(data_dir: Path) -> list[str]:
    """Return the packs that a start put aside because the database does not know them."""
    return sorted(path.name for path in (data_dir / MEDIA / SET_ASIDE).glob("*"))


def key_fits(data_dir: Path, key: bytes) -> bool:
    """Return whether the secrets in the database were sealed with this key.

    True as well if nothing was sealed yet. Raises sqlite3.Error.
    """
    with opened(data_dir) as connection:
        check = one(connection, _SETTING, (KEY_CHECK,))
    if not isinstance(check, str):
        return True
    try:
        return SecretBox(key, bytes).fits(bytes.fromhex(check), KEY_CHECK)
    except ValueError:
        return False


def newest_record_at(data_dir: Path) -> int | None:
    """Return when the newest record was received, in UNIX milliseconds. Raises sqlite3.Error."""
    with opened(data_dir) as connection:
        found = one(connection, _NEWEST)
    return found if isinstance(found, int) else None


def quick_check(data_dir: Path, progress: Progress) -> str:
    """Run SQLite's quick_check; return the damage that it found, or "". Raises sqlite3.Error."""
    with opened(data_dir) as connection, _ticking(connection, data_dir, progress):
        found = one(connection, "PRAGMA quick_check(1)")
    return "" if found == "ok" else str(found)


def check_records(data_dir: Path, progress: Progress) -> Damage:
    """Decode the row of every record. Raises sqlite3.Error."""
    tally = Tally()
    for row in rows_of(data_dir, progress):
        if is_readable(row):
            tally.good()
        else:
            tally.bad(str(row[0]))
    return tally.result()


def check_counts(data_dir: Path, progress: Progress) -> Damage:
    """Compare the counts of records with the log: those of each hour, and the total.

    Reads every record in one transaction. Raises sqlite3.Error.
    """
    tally = Tally()
    with opened(data_dir) as connection, _ticking(connection, data_dir, progress):
        found = one(connection, _HOURS)
        wrong, is_total_wrong = wrong_hours(connection), are_totals_wrong(connection)
    hours = found if isinstance(found, int) else 0
    for hour in wrong:
        tally.bad(_hour_text(hour))
    tally.good(max(0, hours - len(wrong)))
    if is_total_wrong:
        tally.bad("total")
    else:
        tally.good()
    return tally.result()


def _hour_text(hour: object) -> str:
    """Return the beginning of an hour of the counts; a damaged one as it is."""
    try:
        began = datetime.fromtimestamp(int(str(hour)) * 3600, UTC)
    except (ValueError, OverflowError, OSError):
        return str(hour)
    return f"{began:%Y-%m-%d %H:%M} UTC"


def check_firmware(data_dir: Path, progress: Progress) -> Damage:
    """Read every firmware file, and compare its SHA-256. Raises sqlite3.Error."""
    with opened(data_dir) as connection:
        files: list[tuple[str, int]] = connection.execute(_FILES).fetchall()
    tally, pacer = Tally(), Pacer()
    total, done = sum(size for _, size in files) or 1, 0
    for sha256, _ in files:
        digest = hashlib.sha256()
        with suppress(OSError), (data_dir / FIRMWARE / sha256).open("rb", buffering=0) as file:
            while chunk := file.read(_READ_BYTES):
                digest.update(chunk)
                done += len(chunk)
                progress(min(done / total, 1.0))
                pacer.pause()
        if digest.hexdigest() == sha256:
            tally.good()
        else:
            tally.bad(sha256[:12])
    return tally.result()


def rows_of(data_dir: Path, progress: Progress) -> Iterator[tuple[Any, ...]]:
    """Yield all records, in short transactions, so that the hub beside can shorten its log."""
    pacer, after, seen = Pacer(), 0, 0
    with opened(data_dir) as connection:
        count = one(connection, _COUNT)
        total = count if isinstance(count, int) and count else 1
        while rows := connection.execute(_ROWS_AFTER, (after, _ROWS)).fetchall():
            for row in rows:
                yield row
                seen += 1
                if seen % 16 == 0:
                    progress(min(seen / total, 1.0))
                    pacer.pause()
            after = rows[-1][0]


@contextmanager
def _ticking(connection: sqlite3.Connection, data_dir: Path, progress: Progress) -> Iterator[None]:
    """Call `progress` while a statement runs. What it raises ends the statement."""
    wal = data_dir / f"{DATABASE}-wal"
    is_at_rest = not wal.exists()
    raised: list[BaseException] = []

    def tick() -> int:
        try:
            progress(None)
        except BaseException as error:
            raised.append(error)
            return 1
        return int(is_at_rest and wal.exists())

    connection.set_progress_handler(tick, _TICK_OPCODES)
    try:
        yield
    except sqlite3.OperationalError:
        if raised:
            raise raised[0] from None
        raise
    finally:
        connection.set_progress_handler(None, 0)


def sqlite_has_wal_reset_bug() -> bool:
    """Return whether this SQLite is older than the one that cannot corrupt a reset log."""
    return sqlite3.sqlite_version_info < WAL_RESET_FIXED
