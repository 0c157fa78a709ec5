"""Reading the record log: pages, single records, pictures, and readers that follow it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from hub import metrics
from hub.errors import NoSuchResource, TooManyRequests
from hub.live.feed import Feed, Subscription
from hub.store.media.pictures import StoredPicture as StoredPicture
from hub.store.records.record_log import RecordPage as RecordPage
from hub.store.records.record_query import RecordFilter as RecordFilter
from hub.wire.uploads.records import EventDetail, Record

if TYPE_CHECKING:
    from hub.store.db import Store

_BATCH = 100
#: So long a reader waits where too many others read from the log.
_BUSY_SECONDS = 1.0


def record_weight(record: Record) -> int:
    """The bytes that a record keeps in memory, as far as a device decides on them."""
    data = record.detail.data if isinstance(record.detail, EventDetail) else b""
    return memoryview(record.extra).nbytes + memoryview(data).nbytes


class LogReader:
    """A cursor on the log for one task: every record once, in order, however slow its reader is.

    What is committed while the reader keeps up comes from the feed; a reader that starts in the
    past, or was too slow for the feed, reads from the log until it is level again.
    """

    def __init__(self, store: Store, live: Subscription[Record], after: int, behind: bool) -> None:
        self._store = store
        self._live = live
        self._behind = behind
        self._fresh: list[Record] = []
        #: The last record that was handed out.
        self.seq = after

    async def wait(self) -> None:
        """Until `take` has something to look at. Cancelled, it loses nothing."""
        if self._behind or self._fresh:
            await trio.lowlevel.checkpoint()
        else:
            self._fresh = await self._live.next()

    async def take(self) -> list[Record]:
        """What is there to be read now; may be empty. Cancelled, it loses nothing."""
        if self._live.lagged:
            metrics.stream_lags.inc()
            # First hold new records again, then read what was missed: so no gap is left.
            self._live.catch_up()
            self._fresh, self._behind = [], True
        if self._behind:
            items = await self._read_on()
        else:
            # Some may have been read from the log already.
            items = [record for record in self._fresh if record.seq > self.seq]
            self._fresh = []
        if items:
            self.seq = items[-1].seq
        return items

    async def next(self) -> list[Record]:
        """Wait for records and hand them out, in the log's order."""
        while True:
            await self.wait()
            if items := await self.take():
                return items

    async def _read_on(self) -> list[Record]:
        """The next of the log; nothing where it is too busy, it is then asked again."""
        try:
            page = await self._store.records.page(RecordFilter(), after=self.seq, limit=_BATCH)
        except TooManyRequests:
            await trio.sleep(_BUSY_SECONDS)
            return []
        self._behind = page.next is not None
        return list(page.items)


class RecordLog:
    """The append-only log of everything that devices reported."""

    def __init__(self, store: Store, record_feed: Feed[Record]) -> None:
        self._store = store
        self._feed = record_feed

    @property
    def last_seq(self) -> int:
        """The highest seq committed, 0 while the log is empty."""
        return self._store.records.last_seq

    async def page(
        self,
        filter: RecordFilter,
        *,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
    ) -> RecordPage:
        return await self._store.records.page(
            filter, after=after, before=before, newest_first=newest_first, limit=limit
        )

    async def get(self, seq: int) -> Record:
        """Raises NoSuchResource."""
        record = await self._store.records.get(seq)
        if record is None:
            raise NoSuchResource(f"there is no record {seq}")
        return record

    async def picture(self, seq: int, name: str) -> StoredPicture:
        """Raises NoSuchResource."""
        picture = await self._store.pictures.read(seq, name)
        if picture is None:
            raise NoSuchResource(f"there is no picture {name!r} of record {seq}")
        return picture

    @contextmanager
    def open_reader(self, after: int | None = None) -> Iterator[LogReader]:
        """Follow the log from the record after `after`, or, for None, from what comes next.

        A cursor beyond the log's end (an older backup was restored) counts as its end.
        """
        with self._feed.subscribe() as live:
            last = self.last_seq
            start = last if after is None else min(after, last)
            yield LogReader(self._store, live, start, behind=start < last)
