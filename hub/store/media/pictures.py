"""Pictures: reading one, and dropping a whole day of them with its records."""

from __future__ import annotations

import errno
import logging
import sqlite3
import time
from collections.abc import Callable
from functools import partial

import trio
from msgspec import Struct

from hub.errors import BadParameter, CannotStoreNow, NoSuchResource, TooManyRequests
from hub.log import limited
from hub.store.group_commit import Writer
from hub.store.health import Condition
from hub.store.media.day_index import DayIndex
from hub.store.media.packs import (
    Packs,
    checksum,
    day_bounds,
    day_of,
    decode_images,
    read_at,
    remove,
)
from hub.store.readers import Readers
from hub.store.sql import clamp, execute, one

log = logging.getLogger(__name__)

_IMAGES = "SELECT received_at, images FROM record WHERE seq = ?"
_FORGET_DAY = "DELETE FROM day WHERE day = ?"
# As the day is then: what was in the writer's hands when it ended belongs to it too.
_PUT_DROPPED = """
INSERT OR REPLACE INTO dropped_day (first_seq, last_seq, day)
SELECT first_seq, last_seq, day FROM day WHERE day = ?
"""
_DROPPED = "SELECT first_seq, last_seq, day FROM dropped_day ORDER BY first_seq"
_FORGET_DROPPED = "DELETE FROM dropped_day WHERE first_seq = ?"
_NEXT_ROWS = """
SELECT max(seq) FROM (
    SELECT seq FROM record WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?
)
"""
_DROP_ROWS = """
DELETE FROM record WHERE seq BETWEEN ? AND ? AND received_at >= ? AND received_at < ?
"""
_DROP_UPLOADS = "DELETE FROM upload WHERE first_seq BETWEEN ? AND ? AND at >= ? AND at < ?"
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
#: Nothing is wrong with a pack that cannot be opened for these reasons.
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
#: How long a step goes on before it lets others write: with its commit well below the 50 ms that
#: are allowed.
_STEP_SECONDS = 0.010
#: Rows at a time within a step.
_ROWS = 50
_TERM_ROWS = 200
#: Pages are given back to the disk once more than a quarter of the database is free.
_FREE_SHARE = 4

#: (connection, where to go on) -> where the next goes on, None at the end.
Step = Callable[[sqlite3.Connection, int], int | None]


class DayUse(Struct, frozen=True):
    """A UTC day and what it holds; `bytes` of pictures."""

    day: str
    bytes: int
    records: int


class StoredPicture(Struct, frozen=True):
    """A picture as it was sent. `etag` is opaque text, without quotes."""

    mime: str
    data: bytes
    etag: str


class _Damaged(Exception):
    """What lies in the pack is not what was committed."""


class Media:
    """The pictures of the record log."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        packs: Packs,
        days: DayIndex,
        condition: Condition,
        now: Callable[[], float],
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._packs = packs
        self._days = days
        self._condition = condition
        self._now = now
        self._dropping = trio.Lock()
        self._unlinking = trio.CapacityLimiter(1)

    async def read(self, seq: int, name: str) -> StoredPicture | None:
        """A picture, verified by its checksum; None where there is none, or no longer one.

        TooManyRequests where there is no way to read it just now.
        """
        try:
            return await self._readers.read(lambda c: self._read(c, seq, name))
        except _Damaged as damage:
            self._condition.damaged(str(damage))
            return None

    def days(self) -> list[DayUse]:
        """The days that the log holds, oldest first."""
        return [DayUse(day.day, day.bytes, day.records) for day in self._days.all()]

    async def drop_day(self, day: str) -> None:
        """Drop a day: its pictures at once, its records in steps that leave the writer free.

        NoSuchResource where the log holds no such day; BadParameter for the day that is being
        written. What a stop interrupts is finished after the next start.
        """
        known = self._days.get(day)
        if known is None:
            raise NoSuchResource(f"no records of {day}")
        if day == day_of(int(self._now() * 1000)):
            raise BadParameter("the day that is being written cannot be dropped", field="day")
        await self._forget(day)
        await self._remove_pack(day)
        await self.finish_drops()
        log.info("dropped %s: %d records, %d bytes", day, known.records, known.bytes)

    async def finish_drops(self) -> None:
        """Remove the records of the days that were dropped."""
        async with self._dropping:
            dropped = await self._readers.read(lambda c: c.execute(_DROPPED).fetchall())
            for first, last, day in dropped:
                await self._in_steps(_row_step(last, day), first)
                # Again after a stop in between, and on Windows, where a reader may have held it.
                await self._remove_pack(day)
                await self._writer.write(partial(execute, _FORGET_DROPPED, (first,)))
            if dropped:
                await self._in_steps(_term_step, 0)
                await self._in_steps(_free_step, 0)

    def _read(self, connection: sqlite3.Connection, seq: int, name: str) -> StoredPicture | None:
        """In a reader's thread."""
        row = connection.execute(_IMAGES, (clamp(seq),)).fetchone()
        if row is None:
            return None
        received_at, images = row
        for image in decode_images(images):
            if image.name == name and self._days.has_pictures(seq, received_at):
                break
        else:
            return None
        path = self._packs.path(day_of(received_at))
        try:
            data = read_at(path, image.offset, image.size)
        except OSError as error:
            if error.errno in _SHORTAGES:
                raise TooManyRequests("too many files are open just now") from None
            data = b""
            limited(log, logging.WARNING, f"{path} unread", "%s cannot be read: %s", path, error)
        if f"{checksum(data):016x}" == image.checksum and len(data) == image.size:
            return StoredPicture(image.mime, data, image.checksum)
        if not self._days.has_pictures(seq, received_at):  # dropped while we read
            return None
        limited(log, logging.WARNING, path.name, "picture %s of record %d is damaged", name, seq)
        raise _Damaged(f"pictures in {path.name} are not what was stored")

    async def _forget(self, day: str) -> None:
        """Let the database forget the pack. On a full disk the pack has to make room first."""

        def forget(connection: sqlite3.Connection) -> None:
            self._packs.close(day)
            connection.execute(_PUT_DROPPED, (day,))
            connection.execute(_FORGET_DAY, (day,))

        def forgotten() -> None:
            self._days.drop(day)

        try:
            await self._writer.write(forget, on_durable=forgotten)
        except CannotStoreNow:
            await self._unlink(day)
            await self._writer.write(forget, on_durable=forgotten)

    async def _remove_pack(self, day: str) -> None:
        """Delete the file, unless the clock stepped back and the day has a new one."""
        if self._days.get(day) is None:
            await self._unlink(day)

    async def _unlink(self, day: str) -> None:
        # In a thread: the deletion of many gigabytes takes its time.
        await trio.to_thread.run_sync(remove, self._packs.path(day), limiter=self._unlinking)

    async def _in_steps(self, step: Step, start: int) -> None:
        at: int | None = start
        while at is not None:
            at = await self._writer.write(partial(_for_a_while, step, at))


def _for_a_while(step: Step, start: int, connection: sqlite3.Connection) -> int | None:
    """Repeat a step until its time is over; where to go on, None at the end."""
    deadline = time.perf_counter() + _STEP_SECONDS
    at = step(connection, start)
    while at is not None and time.perf_counter() < deadline:
        at = step(connection, at)
    return at


def _row_step(last: int, day: str) -> Step:
    """Records of a dropped day up to `last`, with their uploads' digests and their spans."""
    bounds = day_bounds(day)

    def step(connection: sqlite3.Connection, start: int) -> int | None:
        end = one(connection, _NEXT_ROWS, (start, last, _ROWS))
        end = end if isinstance(end, int) else last
        connection.execute(_DROP_ROWS, (start, end, *bounds))
        connection.execute(_DROP_UPLOADS, (start, end, *bounds))
        connection.execute(_DROP_SPANS, (start >> 10, end >> 10))
        return end + 1 if end < last else None

    return step


def _term_step(connection: sqlite3.Connection, start: int) -> int | None:
    """Names and plates that no record has any more."""
    end = one(connection, _NEXT_TERMS, (start, _TERM_ROWS))
    if not isinstance(end, int):
        return None
    connection.execute(_DROP_TERMS, (start, end))
    return end


def _free_step(connection: sqlite3.Connection, start: int) -> int | None:
    """Give free pages back to the disk where the database has many of them."""
    free = one(connection, "PRAGMA freelist_count")
    pages = one(connection, "PRAGMA page_count")
    if not (isinstance(free, int) and isinstance(pages, int)) or free * _FREE_SHARE <= pages:
        return None
    # One page a call, whatever is asked for: sqlite3 ends a statement without columns after its
    # first step.
    connection.execute("PRAGMA incremental_vacuum(1)")
    return start
