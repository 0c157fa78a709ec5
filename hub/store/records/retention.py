"""Drops whole days of records: at once from the log and the disk, their rows one by one later."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import trio
from msgspec import Struct
from msgspec.structs import astuple

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource
from hub.log import limited
from hub.store.commit.steps import Step, in_steps
from hub.store.media.day_index import forget_day
from hub.store.media.packs import as_day, day_bounds, day_of, empty_dropped, remove_dropped
from hub.store.records.held_evidence import HeldEvidence
from hub.store.rows import DamagedRows, TableRows
from hub.store.sqlite.sql import one
from hub.store.tables.table import Engine

log = logging.getLogger(__name__)

_DROPPED = "SELECT first_seq, last_seq, day FROM dropped_day ORDER BY first_seq"
_FORGET_DROPPED = "DELETE FROM dropped_day WHERE first_seq = ?"
_NEXT_ROWS = """
SELECT max(seq) FROM (
    SELECT seq FROM record WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?
)
"""
# Whose time is none that can be, went with its neighbours of the log.
_DROP_ROWS = """
DELETE FROM record WHERE seq BETWEEN ? AND ?
    AND (received_at >= ? AND received_at < ? OR received_at NOT BETWEEN 0 AND 253402300799999)
    AND NOT EXISTS (SELECT 1 FROM held_record WHERE held_record.seq = record.seq)
"""
_DROP_DIGESTS = "DELETE FROM upload WHERE first_seq BETWEEN ? AND ? AND at >= ? AND at < ?"
_DROP_SPANS = """
DELETE FROM span WHERE block BETWEEN ? AND ? AND NOT EXISTS (
    SELECT 1 FROM record WHERE seq BETWEEN block << 10 AND (block << 10) + 1023
)
"""
_NEXT_TERMS = "SELECT max(id) FROM (SELECT id FROM term WHERE id > ? ORDER BY id LIMIT ?)"
_DROP_TERMS = """
DELETE FROM term WHERE id > ? AND id <= ? AND NOT EXISTS (
    SELECT 1 FROM record WHERE record.term = term.id
)
"""
#: How long the rows of forgotten days stay when they cannot be removed.
_RETRY_SECONDS = 60.0
#: Rows handled at a time within a step.
_ROW_COUNT = 20
_TERM_COUNT = 200
#: Pages are returned to the file system once more than a quarter of the database is free.
_FREE_SHARE = 4


class DayUse(Struct, frozen=True):
    """A UTC day in the log. `bytes`: size of its pictures.

    If the clock was set back, a day may have records that came after those of later days.
    """

    day: str
    bytes: int
    records: int
    first_seq: int
    last_seq: int


class _DroppedDay(Struct, frozen=True):
    first_seq: int
    last_seq: int
    day: str


_dropped_rows = TableRows("dropped_day", _DroppedDay, key=("first_seq",), decoders={"day": as_day})


def check_dropped_days(connection: sqlite3.Connection, damaged: DamagedRows) -> None:
    """Decode what is known of each day that was dropped; note what is damaged."""
    for row in connection.execute(_dropped_rows.select):
        _dropped_rows.read(row, damaged)


class Retention:
    """The days that the record log holds, and their removal."""

    def __init__(self, engine: Engine, evidence: HeldEvidence) -> None:
        self._damaged = engine.damaged
        self._writer = engine.writer
        self._readers = engine.picture_readers
        self._packs = engine.packs
        self._days = engine.days
        self._evidence = evidence
        self._now = engine.now
        self._forgetting, self._dropping = trio.Lock(), trio.Lock()
        self._has_dropped = trio.Event()
        self._unlinking = trio.CapacityLimiter(1)

    def days(self) -> list[DayUse]:
        """Return the days that the log holds, by date."""
        return [
            DayUse(day.day, day.bytes, day.records, day.first_seq, day.last_seq)
            for day in self._days.all()
        ]

    async def run(self, *, has_drops: bool) -> None:
        """Remove the rows of forgotten days until cancelled. `has_drops`: a stop left some."""
        if has_drops:
            self._has_dropped.set()
        while True:
            await self._has_dropped.wait()
            try:
                await self.finish_drops()
            except Exception as error:  # days go on being forgotten: their rows must not pile up
                text = "the rows of dropped days are removed later: %s"
                limited(log, logging.WARNING, "dropped rows", text, error)
                self._has_dropped.set()
                await trio.sleep(_RETRY_SECONDS)

    async def forget_day(self, day: str) -> None:
        """Drop a UTC day, "2026-11-25", from the log, with its pack, whose space is free then.

        What is held of it is moved before, and stays. Its rows, which may take minutes, are left to
        `run`; any number of days may wait for that. If this is cancelled or the hub stops, the day
        is still there, or it is forgotten, and the next start goes on.

        Raises NoSuchResource if the log does not hold the day, BadParameter for the current day,
        CannotStoreNow if the database cannot be written even after the pack was deleted, or if its
        held evidence cannot be kept, in which case the day stays.
        """
        async with self._forgetting:
            known = self._days.get_any(day)
            if known is None:
                raise NoSuchResource(f"no records of {day}")
            if day == day_of(int(self._now() * 1000)):
                raise BadParameter("the current day cannot be dropped", field="day")
            try:
                await self._evidence.move_before(known, partial(self._forget, day))
            finally:
                self._has_dropped.set()
            await self._delete(remove_dropped)
            log.info("dropped %s: %d records, %d bytes", day, known.records, known.bytes)

    async def finish_drops(self) -> None:
        """Remove the rows of forgotten days in short steps, between which others write."""
        async with self._dropping:
            self._has_dropped = trio.Event()
            found = await self._readers.read(lambda c: c.execute(_DROPPED).fetchall())
            dropped = _dropped_rows.read_all(found, self._damaged)
            for first, last, day in map(astuple, dropped):
                await in_steps(self._writer, _row_step(last, day), first, last)
                await self._writer.write(partial(self._forget_dropped, first, day))
            if dropped:
                await self._delete(remove_dropped)
                await in_steps(self._writer, _term_step, 0)
                await in_steps(self._writer, _free_step, 0)

    async def _forget(self, day: str) -> None:
        """Remove the day from the database. If the disk is full, delete the pack to make room."""
        try:
            await self._forget_once(day)
        except CannotStoreNow:
            # Before the pack goes: a reader must not take its pictures for lost.
            self._days.hide(day)
            with suppress(CannotStoreNow):
                await self._writer.write(lambda connection: self._packs.retire(day))
            await self._delete(empty_dropped)
            await self._forget_once(day)

    async def _forget_once(self, day: str) -> None:
        def forgotten() -> None:
            # In the writer's thread: if the clock was set back, the next group may be of this day.
            self._days.drop(day)
            self._packs.retire(day)

        await self._writer.write(lambda c: forget_day(c, day), on_durable=forgotten)

    def _forget_dropped(self, first: int, day: str, connection: sqlite3.Connection) -> None:
        """Forget a dropped day, unless its pack could not be renamed: a start must know it then.

        Again: the first attempt may have been interrupted.
        """
        if self._days.get_any(day) is not None or self._packs.retire(day):
            connection.execute(_FORGET_DROPPED, (first,))

    async def _delete(self, delete: Callable[[Path], None]) -> None:
        # In a thread, because deleting many gigabytes takes long.
        await trio.to_thread.run_sync(delete, self._packs.directory, limiter=self._unlinking)


def _row_step(last: int, day: str) -> Step:
    """Return the step that deletes a day's records up to seq `last`, their digests and spans."""
    bounds = day_bounds(day)

    def step(connection: sqlite3.Connection, start: int) -> int | None:
        end = one(connection, _NEXT_ROWS, (start, last, _ROW_COUNT))
        end = end if isinstance(end, int) else last
        connection.execute(_DROP_ROWS, (start, end, *bounds))
        connection.execute(_DROP_DIGESTS, (start, end, *bounds))
        connection.execute(_DROP_SPANS, (start >> 10, end >> 10))
        return end + 1 if end < last else None

    return step


def _term_step(connection: sqlite3.Connection, start: int) -> int | None:
    """Delete names and plates that no record uses any more."""
    end = one(connection, _NEXT_TERMS, (start, _TERM_COUNT))
    if not isinstance(end, int):
        return None
    connection.execute(_DROP_TERMS, (start, end))
    return end


def _free_step(connection: sqlite3.Connection, start: int) -> int | None:
    """Give a free page back to the file system if the database has many of them."""
    free = one(connection, "PRAGMA freelist_count")
    pages = one(connection, "PRAGMA page_count")
    if not (isinstance(free, int) and isinstance(pages, int)) or free * _FREE_SHARE <= pages:
        return None
    # One page per call: sqlite3 steps a statement without columns only once, so a larger number
    # would still free only one page.
    connection.execute("PRAGMA incremental_vacuum(1)")
    return start
