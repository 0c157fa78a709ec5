"""The record log: everything that devices reported, in the order of the commits."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Generator, Sequence
from contextlib import closing

from msgspec import Struct

from hub import metrics
from hub.errors import TooManyRequests
from hub.store.commit.group_commit import GroupCommit
from hub.store.commit.record_batch import Appended, RecordBatch
from hub.store.media.day_index import DayIndex
from hub.store.media.held_index import HeldIndex
from hub.store.media.packs import known_images, public_images
from hub.store.records.record_filter import RecordFilter
from hub.store.records.record_reading import RecordReader
from hub.store.records.record_search import COLUMNS, RecordRow, RecordSearch, seq_range
from hub.store.rows import DamagedRows, is_moment
from hub.store.sqlite.readers import Readers
from hub.store.sqlite.sql import clamp
from hub.wire.uploads.records import Record

#: A page ends early once the JSON of its records is larger than this.
MAX_PAGE_BYTES = 8 * 1024 * 1024
#: A search that takes longer ends with what was found so far.
SEARCH_SECONDS = 2.0
#: One that takes longer than this goes on where only searches wait, in steps of so many seconds.
_QUICK_SECONDS, _STEP_SECONDS = 0.025, 0.05
#: How many of a device's records are searched for its latest picture.
_PICTURE_SEARCH_COUNT = 100

_SOME = f"SELECT {COLUMNS} FROM record WHERE seq IN (SELECT value FROM json_each(?))"
_ONE = f"SELECT {COLUMNS} FROM record WHERE seq = ?"
_OF_HOLD = f"""
SELECT {COLUMNS} FROM hold_record CROSS JOIN record USING (seq)
WHERE hold = ? AND seq > ? ORDER BY seq LIMIT ?
"""
_LATEST_PICTURES = f"""
SELECT seq, did, received_at, images FROM record WHERE seq IN (
    SELECT (
        SELECT seq FROM (
            SELECT seq, sn, images FROM record WHERE did = device.did AND erased IS NULL
            ORDER BY seq DESC LIMIT {_PICTURE_SEARCH_COUNT}
        ) WHERE images <> x'5b5d' AND sn = device.sn LIMIT 1
    ) FROM device
)
"""

#: Rows that are read from the database when they are needed.
RecordRows = Generator[RecordRow, None, None] | sqlite3.Cursor


class RecordPage(Struct, frozen=True):
    """Some records. `next`: the seq to continue from, None if there are no more.

    A page of very large records holds fewer than its limit. `is_complete` is False if the search
    took too long: the page has what was found so far, maybe nothing, and `next` goes on behind it.
    """

    items: tuple[Record, ...]
    next: int | None
    is_complete: bool = True


class LatestPicture(Struct, frozen=True):
    """The latest picture of a device and the record that it belongs to. `path`: its URL path."""

    seq: int
    received_at: int
    path: str


class RecordLog:
    """Appends record batches, and reads records by `seq` in either order."""

    def __init__(
        self,
        writer: GroupCommit,
        readers: Readers,
        searchers: Readers,
        days: DayIndex,
        held: HeldIndex,
        damaged: DamagedRows,
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._searchers = searchers
        self._days = days
        self._held = held
        self._reader = RecordReader(damaged, self._has_pictures)

    @property
    def last_seq(self) -> int:
        """The highest committed `seq`, 0 before the first record. Never decreases."""
        return self._writer.last_seq

    async def append(self, batch: RecordBatch) -> Appended:
        """Store a batch; return once its records and pictures are durable.

        A batch with the did and digest of one stored in the last day is a repeat: nothing is
        stored, and the earlier seqs are returned with `repeated` set. A batch can be appended only
        once.

        Raises CannotStoreNow if it is not known to be stored, in which case the same upload may
        be sent again. If cancelled, the batch may still be stored, as a whole.
        """
        if not batch.uploads:
            return Appended(seqs=(), repeated=False)
        return await self._writer.submit(batch)

    async def page(
        self,
        filter: RecordFilter,
        *,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
        max_bytes: int = MAX_PAGE_BYTES,
        seconds: float = SEARCH_SECONDS,
    ) -> RecordPage:
        """Return matching records with `after` < seq < `before`, ordered by seq.

        The page ends early once the JSON of its records is larger than `max_bytes`, or after so
        many seconds with what was found until then (see `RecordPage`). Raises TooManyRequests if no
        reader becomes free in time, CannotStoreNow if the database cannot be read.
        """
        search = RecordSearch(
            filter,
            seq_range(after, before),
            newest_first=newest_first,
            limit=limit,
            max_bytes=max_bytes,
            read=self._reader.read,
            clock=time.monotonic,
        )
        began = time.monotonic()
        await self._run(search, began + seconds)
        metrics.search_seconds.observe(time.monotonic() - began)
        if not search.is_done:
            metrics.searches_cut.inc()
        return RecordPage(
            tuple(search.items), None if search.is_end else search.position, search.is_done
        )

    async def _run(self, search: RecordSearch, until: float) -> None:
        """Search until the page is complete, or a time of the monotonic clock."""
        if not search.asks_for_part and not search.is_done:
            await self._readers.read(lambda c: search.step(c, _QUICK_SECONDS))
        # Step by step, so that those who search at the same time take turns.
        while not search.is_done and search.position is None:
            await self._searchers.read(lambda c: search.step(c, _STEP_SECONDS))
        while not search.is_done and (left := until - time.monotonic()) > 0:
            try:
                await self._searchers.read(
                    lambda c: search.step(c, _STEP_SECONDS), wait_seconds=left
                )
            except TooManyRequests:
                return  # what was found so far is an answer, too

    async def page_of_hold(
        self, hold: int, *, after: int = 0, limit: int = 100, max_bytes: int = MAX_PAGE_BYTES
    ) -> RecordPage:
        """Return the records of a hold with `after` < seq, as `page` does."""
        values = (hold, clamp(after), limit + 1)
        return await self._readers.read(
            lambda c: self._page(c.execute(_OF_HOLD, values), limit, max_bytes)
        )

    async def get(self, seq: int) -> Record | None:
        """Return a record, None if there is none. Raises like `page`."""
        row = await self._readers.read(lambda c: c.execute(_ONE, (clamp(seq),)).fetchone())
        return None if row is None else self._reader.read(row)

    async def some(self, seqs: Sequence[int]) -> list[Record]:
        """Return those of these records that are there. Raises like `page`."""
        wanted = json.dumps([clamp(seq) for seq in seqs])
        return await self._readers.read(
            lambda c: [
                record
                for row in c.execute(_SOME, (wanted,))
                if (record := self._reader.read(row)) is not None
            ]
        )

    async def latest_pictures(self) -> dict[str, LatestPicture]:
        """Return, by did, the first picture of each device's latest record that has one.

        What a camera has sent that was replaced since does not count.
        """
        rows = await self._readers.read(lambda c: c.execute(_LATEST_PICTURES).fetchall())
        return {
            did: LatestPicture(seq, received_at, public_images(seq, pictures)[0].path)
            for seq, did, received_at, images in rows
            if is_moment(received_at) and self._has_pictures(seq, received_at)
            if (pictures := known_images(images))
        }

    def is_kept(self, picture: LatestPicture) -> bool:
        """Whether a picture can still be read: it is removed with its day, unless it is held."""
        return self._has_pictures(picture.seq, picture.received_at)

    def _has_pictures(self, seq: int, received_at: int) -> bool:
        return self._days.has_pictures(seq, received_at) or seq in self._held

    def _page(self, rows: RecordRows, limit: int, max_bytes: int) -> RecordPage:
        """Runs in a reader's thread. It decodes too, because that takes milliseconds."""
        items: list[Record] = []
        size = last = 0
        # Close it at once, because an open cursor keeps checkpoints from finishing.
        with closing(rows):
            for row in rows:
                if len(items) == limit or size > max_bytes:
                    return RecordPage(tuple(items), last)
                if (record := self._reader.read(row)) is not None:
                    items.append(record)
                last = row[0]
                size += sum(len(part) for part in row if isinstance(part, bytes))
        return RecordPage(tuple(items), None)
