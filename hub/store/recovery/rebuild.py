"""Makes records again from what the packs hold, while no hub uses the data directory.

For a database that is older than its packs, and for one that is lost: then only records come back,
without devices, users and settings. Groups are inserted in the order of their numbers, each in a
transaction of its own, which also gives the log the id that it has with this group. Which log is
taken over is noted first and stays until the end, so that an interrupted rebuild can be repeated,
and no hub starts before. Seqs and the places of pictures stay as they were. Nothing is deleted:
what cannot be used is quarantined.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from msgspec import Struct

from hub.errors import StartFault
from hub.store.commit.record_rows import insert_records, insert_spans
from hub.store.disk import Disk
from hub.store.media.day_index import DayIndex, PackDay, load_days, save_day
from hub.store.media.pack_format import Group, LoggedRecord, PictureEntry, RecordEntry, walk
from hub.store.media.tails import Tail, tails_in
from hub.store.names import DATABASE, MEDIA, WAL
from hub.store.people.holdings import doubt_holdings
from hub.store.recovery.database_preparation import prepare_database
from hub.store.recovery.database_view import REBUILDING, DatabaseView, current_view, is_log_damaged
from hub.store.recovery.held import as_new, rebuild_held
from hub.store.recovery.lost_changes import known_until, note_lost_changes
from hub.store.recovery.quarantine import quarantine_copy, quarantine_tail
from hub.store.recovery.taken_over import TakenOver, forget_taken_over, load_taken_over
from hub.store.sealing import Random
from hub.store.sqlite.clean_mark import empty_wal
from hub.store.sqlite.connection import connect_writer
from hub.store.sqlite.log_state import (
    LogState,
    load_log_state,
    new_log_id,
    raise_last_group,
    raise_last_seq,
    set_log_id,
    skip_told_numbers,
)
from hub.store.sqlite.sql import one as value_of
from hub.store.tables.settings import save_setting

#: Called with the part that is done, from 0 to 1. May raise to stop.
Progress = Callable[[float], None]

_MAX_WAL_PAGES = 500
_SEQS = "SELECT seq FROM record WHERE seq BETWEEN ? AND ?"
_CONTINUES = "UPDATE earlier_log SET last_seq = (SELECT max(seq) FROM record) WHERE log = ?"
_MARK = "SELECT value FROM setting WHERE key = ?"
_IS_ENROLLED = "SELECT EXISTS (SELECT 1 FROM device) OR EXISTS (SELECT 1 FROM user)"


class RebuildReport(Struct, frozen=True):
    """What a rebuild did.

    `records`: how many are there again, of `days`, by this run and interrupted ones before it.
    `unreadable`: how many the packs should hold, but do not any more. `refused`: how many were
    never acknowledged. `quarantined`: files in media/set-aside. `is_new_database`: devices,
    users and settings are gone. `log_id_changed`: readers of the log start again. `received`:
    when the first and the last of the records came, in UNIX milliseconds, None without any;
    they raise no alarm again. `replaced`: how many were left out, because another record has
    their number. `erased`: erasures, the newest first, for which media/set-aside was left out,
    with when they were asked for, in UNIX milliseconds.
    """

    records: int
    unreadable: int
    refused: int
    days: tuple[str, ...]
    quarantined: tuple[str, ...]
    is_new_database: bool
    log_id_changed: bool
    received: tuple[int, int] | None = None
    replaced: int = 0
    erased: tuple[tuple[int, int], ...] = ()


class _Found(Struct, frozen=True):
    """A group in a tail."""

    tail: Tail
    group: Group


def rebuild(
    data_dir: Path,
    disk: Disk,
    random: Random,
    on_progress: Progress = lambda part: None,
    *,
    changes_lost: bool = False,
    more_follows: bool = False,
) -> RebuildReport:
    """Insert the records of all groups that the database does not know. Blocks for long.

    `changes_lost`: the database has lost changes, also if the packs have no record of that time.
    `more_follows`: the caller takes over more, and then forgets what was taken over.

    The caller holds the data directory, and no hub runs. Raises StartFault if the database cannot
    be used, OSError, sqlite3.Error; then call it again.
    """
    media, database = data_dir / MEDIA, data_dir / DATABASE
    copies = []
    if is_log_damaged(data_dir, _view(data_dir)):
        changes_lost = True
        # What is written next overwrites what lies behind the damage.
        copies.append(quarantine_copy(data_dir / WAL, media, disk).name)
    prepared = prepare_database(data_dir, disk, keep_held=True)
    quarantined = [*copies, *prepared.quarantined]
    with closing(connect_rebuilder(database)) as connection:
        state = load_log_state(connection)
        days = DayIndex(load_days(connection))
        log_id = _wanted_log(connection, state, days)
        ends = {day.day: day.bytes for day in days.all()}
        tails = [tail for tail in tails_in(media, ends) if tail.day not in prepared.dropped]
        spans = [_span(tail, state, log_id) for tail in tails]
        highest = max((span.highest for span in spans), default=state.last_group)
        # First: a repeat of what is interrupted may find nothing to insert.
        connection.execute("BEGIN IMMEDIATE")
        save_setting(connection, REBUILDING, log_id)
        skip_told_numbers(connection, highest)
        # They hold that nothing comes back below the seqs that they cover.
        if changes_lost or any(span.records for span in spans):
            doubt_holdings(connection)
            if changes_lost or log_id:
                note_lost_changes(connection, known_until(connection, database))
        connection.execute("COMMIT")
        # Into the main file, which tells then that its log is that of a rebuild.
        empty_wal(connection)
        taken = load_taken_over(connection)
        replay = _Replay(connection, days, state, log_id, spans, on_progress, random, taken)
        replay.run()
        held = rebuild_held(connection, media)
        raise_last_seq(connection, max((span.last_seq for span in spans), default=0))
        raise_last_group(connection, highest)
        # If the id has changed on the way: what came after that is of the earlier log as well.
        connection.execute(_CONTINUES, (log_id,))
        if not log_id:
            # Nobody has heard of the id that a new database begins with.
            connection.execute("DELETE FROM earlier_log")
            if taken.received is not None:
                note_lost_changes(connection, taken.received[0])
        for tail in _left(media, days, prepared.dropped):
            quarantined.append(quarantine_tail(tail, disk).name)
        connection.execute("BEGIN IMMEDIATE")
        save_setting(connection, REBUILDING, None)
        if not more_follows:
            forget_taken_over(connection)
        connection.execute("COMMIT")
        return RebuildReport(
            records=taken.records + held,
            unreadable=taken.unreadable,
            refused=sum(span.records for span in spans) - replay.seen_records,
            days=tuple(sorted(taken.days)),
            quarantined=tuple(quarantined),
            is_new_database=not log_id and not value_of(connection, _IS_ENROLLED),
            log_id_changed=log_id not in ("", load_log_state(connection).log_id),
            received=taken.received,
        )


def _view(data_dir: Path) -> DatabaseView | None:
    """Return what the database says; None if it says nothing, or is damaged."""
    try:
        return current_view(data_dir)[0]
    except (sqlite3.Error, StartFault):
        return None


def connect_rebuilder(database: Path) -> sqlite3.Connection:
    """Open a database for any number of transactions: their write-ahead log stays short."""
    connection = connect_writer(database)
    connection.execute(f"PRAGMA wal_autocheckpoint = {_MAX_WAL_PAGES}")
    return connection


def _wanted_log(connection: sqlite3.Connection, state: LogState, days: DayIndex) -> str:
    """Return the log whose groups are wanted, "" for any: as an interrupted rebuild noted it.

    A database that never committed a group takes those of any log.
    """
    noted = value_of(connection, _MARK, (REBUILDING,))
    if isinstance(noted, str):
        return noted
    return state.log_id if state.last_group or days.all() else ""


class _Span(Struct):
    """The groups of a tail that may have to be inserted: their numbers from `first` to `last`.

    `records`, `bytes`: of these. `highest`, `last_seq`: of all groups in the tail. A group that is
    not newer than the database was refused, or of a day that came back.
    """

    tail: Tail
    log_id: str
    above: int
    first: int = 0
    last: int = 0
    records: int = 0
    bytes: int = 0
    highest: int = 0
    last_seq: int = 0

    def wants(self, group: Group) -> bool:
        is_ours = not self.log_id or group.log_id == self.log_id
        return is_ours and (group.number > self.above or not self.tail.is_known)

    def groups(self) -> list[_Found]:
        return [_Found(self.tail, group) for group in self.tail.groups() if self.wants(group)]


def _span(tail: Tail, state: LogState, log_id: str) -> _Span:
    span = _Span(tail, log_id, state.last_group)
    for group in tail.groups():
        span.highest = max(span.highest, group.number)
        span.last_seq = max(span.last_seq, group.last_seq)
        if span.wants(group):
            span.first = min(span.first or group.number, group.number)
            span.last = max(span.last, group.number)
            span.records += group.records
            span.bytes += group.size
    return span


def _in_order(spans: Iterable[_Span]) -> Iterator[_Found]:
    """Yield the groups in the order of their numbers.

    Holds those of one pack in memory, of several only where their numbers overlap, as after a
    clock that was set back.
    """
    together: list[_Span] = []
    last = 0
    for span in sorted((span for span in spans if span.records), key=lambda span: span.first):
        if together and span.first > last:
            yield from _sorted(together)
            together = []
        together.append(span)
        last = max(last, span.last)
    yield from _sorted(together)


def _sorted(spans: Iterable[_Span]) -> list[_Found]:
    found = [one for span in spans for one in span.groups()]
    return sorted(found, key=lambda one: one.group.number)


def _wanted(found: Iterable[_Found]) -> Iterator[_Found]:
    """Yield the groups that may have been acknowledged.

    A group was never committed if the next one names an earlier group as the last.
    """
    pending: _Found | None = None
    for one in found:
        if pending is not None and one.group.previous >= pending.group.number:
            yield pending
        pending = one
    # The last one may have been acknowledged, if it is whole.
    if pending is not None and _is_whole(pending):
        yield pending


def _is_whole(found: _Found) -> bool:
    """Whether a group can be read to its end: otherwise its flush, and its COMMIT, never came."""
    records = 0
    for entry in _entries(found):
        if not isinstance(entry, PictureEntry | RecordEntry) or not entry.is_sound:
            return False
        records += isinstance(entry, RecordEntry)
    return records == found.group.records


def _entries(found: _Found, *, read_pictures: bool = True) -> Iterator[object]:
    """Yield the entries behind the header of a group."""
    group = found.group
    entries = walk(found.tail.path, group.start, group.end, read_pictures=read_pictures)
    next(entries)
    return entries


def _left(media: Path, days: DayIndex, dropped: frozenset[str]) -> list[Tail]:
    """Return what of the packs is still not known."""
    ends: Mapping[str, int] = {day.day: day.bytes for day in days.all()}
    return [tail for tail in tails_in(media, ends) if tail.day not in dropped]


class _Replay:
    """Inserts groups, each in a transaction. `days` and `taken` are kept up to date."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        days: DayIndex,
        state: LogState,
        log_id: str,
        spans: Sequence[_Span],
        on_progress: Progress,
        random: Random,
        taken: TakenOver,
    ) -> None:
        self._connection = connection
        self._days = days
        self._above = state.last_group
        is_first = not (log_id or state.last_group)
        #: The last committed group so far, and the log that it belongs to; None before the first.
        self._last = None if is_first else state.last_group
        self._log_id = None if is_first else log_id or state.log_id
        self._spans = spans
        self._on_progress = on_progress
        self._random = random
        #: Whether groups are missing that were committed, so that their numbers can come again.
        self._has_gap = log_id not in ("", state.log_id)
        self._taken = taken
        self.seen_records = 0

    def run(self) -> None:
        total = sum(span.bytes for span in self._spans) or 1
        done = 0
        for found in _wanted(_in_order(self._spans)):
            self._insert(found)
            self.seen_records += found.group.records
            done += found.group.size
            self._on_progress(done / total)

    def _identify(self, group: Group) -> None:
        """Give the log the id of its first group, and a new one at the first gap."""
        is_next = self._last in (None, group.previous) or group.number <= self._above
        if self._log_id is None:
            set_log_id(self._connection, group.log_id)
        elif not (self._has_gap or (is_next and self._log_id == group.log_id)):
            self._has_gap = True
            new_log_id(self._connection, self._random)

    def _insert(self, found: _Found) -> None:
        group = found.group
        logged, lost = _records(found)
        known = {
            seq for (seq,) in self._connection.execute(_SEQS, (group.first_seq, group.last_seq))
        }
        new = [as_new(record) for record in logged if record.seq not in known]
        day = grown(self._days.get(found.tail.day), found.tail.day, group, len(new))
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if new:
                insert_records(self._connection, new)
                insert_spans(self._connection, [one.record for one in new])
            save_day(self._connection, day)
            self._identify(group)
            raise_last_group(self._connection, group.number)
            self._taken.add(found.tail.day, (one.record.received_at for one in new))
            self._taken.unreadable += lost
            self._taken.save(self._connection)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._days.put(day)
        self._log_id = group.log_id
        self._last = max(self._last or 0, group.number)


def _records(found: _Found) -> tuple[list[LoggedRecord], int]:
    """Return the records of a group, and how many are unreadable. Erased ones do not count."""
    records: list[LoggedRecord] = []
    erased = 0
    for entry in _entries(found, read_pictures=False):
        if isinstance(entry, RecordEntry):
            erased += entry.is_erased
            if record := entry.decode():
                records.append(record)
    return records, max(0, found.group.records - len(records) - erased)


def grown(known: PackDay | None, day: str, group: Group, count: int) -> PackDay:
    """Return a day as it is with `count` more records of a group that ends its pack."""
    if known is None:
        return PackDay(day, group.first_seq, group.last_seq, count, group.end)
    return PackDay(
        day,
        min(known.first_seq, group.first_seq),
        max(known.last_seq, group.last_seq),
        known.records + count,
        max(known.bytes, group.end),
    )
