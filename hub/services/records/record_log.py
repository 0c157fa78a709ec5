"""Reading the record log: pages, records, pictures, and readers that follow it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import trio

from hub import metrics
from hub.errors import Missing, TooManyRequests, existing
from hub.live.feed import Subscription, Wakeup
from hub.store.media.pictures import PictureInPieces, StoredPicture
from hub.store.records.record_filter import RecordFilter
from hub.store.records.record_log import MAX_PAGE_BYTES, SEARCH_SECONDS, RecordPage
from hub.wire.uploads.records import Record

if TYPE_CHECKING:
    from hub.services.core import Core
    from hub.store.db import Store

#: What a reader reads from the store at a time.
_BATCH_RECORDS, _BATCH_BYTES = 100, 64 * 1024
#: How long a reader waits when too many others are reading from the store.
_BUSY_SECONDS = 1.0


class LogReader:
    """A cursor on the log, for one task: returns every record once, in order of `seq`.

    A reader that keeps up gets records from the feed. One that starts in the past, or falls behind
    the feed, reads from the store until it has caught up. Thus slow readers miss nothing.
    """

    def __init__(
        self, store: Store, live: Subscription[Record], after: int, is_behind: bool
    ) -> None:
        self._store = store
        self._live = live
        #: Whether take() reads from the store, without waiting for news.
        self.is_behind = is_behind
        #: Every record up to this seq was returned.
        self.seq = after

    async def wait(self) -> None:
        """Wait until take() may return records. Loses nothing when cancelled."""
        if self.is_behind:
            await trio.lowlevel.checkpoint()
        else:
            await self._live.wait()

    async def take(self) -> list[Record]:
        """Return the records that can be read now, if any. Loses nothing when cancelled."""
        if self._live.lagged:
            metrics.stream_lags.inc()
            # Subscribe again before reading what was missed, so that no gap is left.
            self._live.catch_up()
            self.is_behind = True
        if self.is_behind:
            return await self._read_on()
        # Some may have been read from the store already.
        items = [record for record in self._live.take() if record.seq > self.seq]
        if items:
            self.seq = items[-1].seq
        return items

    async def next(self) -> list[Record]:
        """Wait for records and return them. Loses nothing when cancelled."""
        while True:
            await self.wait()
            if items := await self.take():
                return items

    async def _read_on(self) -> list[Record]:
        """Return the next records from the store; none if it is too busy."""
        try:
            page = await self._store.records.page(
                RecordFilter(), after=self.seq, limit=_BATCH_RECORDS, max_bytes=_BATCH_BYTES
            )
        except TooManyRequests:
            await trio.sleep(_BUSY_SECONDS)
            return []
        self.is_behind = page.next is not None
        if page.next is not None:
            self.seq = page.next
        elif page.items:
            self.seq = page.items[-1].seq
        return list(page.items)


class RecordQueries:
    """Reads the append-only log of everything that devices reported."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._feed = core.records

    @property
    def log_id(self) -> str:
        """The id of the log, within which a `seq` is unique."""
        return self._store.log_id

    @property
    def last_seq(self) -> int:
        """The highest committed seq; 0 while the log is empty."""
        return self._store.records.last_seq

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
        """Return the records that match, by `seq`; the page's `next` is None at the end.

        It ends early once the JSON of its records is larger than `max_bytes`, or after so many
        seconds with what was found until then, maybe nothing: `is_complete` is False, and `next`
        goes on.
        """
        return await self._store.records.page(
            filter,
            after=after,
            before=before,
            newest_first=newest_first,
            limit=limit,
            max_bytes=max_bytes,
            seconds=seconds,
        )

    async def get(self, seq: int) -> Record:
        """Return one record. Raises NoSuchResource."""
        return existing(await self._store.records.get(seq), "record", seq=seq)

    async def some(self, seqs: Sequence[int]) -> dict[int, Record]:
        """Return those of these records that are there, by seq."""
        return {record.seq: record for record in await self._store.records.some(seqs)}

    async def picture(self, seq: int, name: str) -> StoredPicture:
        """Return a picture of a record by its name. Raises NoSuchResource."""
        return existing(await self._store.pictures.read(seq, name), "picture", name=name, seq=seq)

    async def open_picture(self, seq: int, name: str) -> StoredPicture | PictureInPieces:
        """Return a picture as `picture` does; a large one in pieces. Raises NoSuchResource."""
        picture = await self._store.pictures.open(seq, name)
        if picture is None:
            raise Missing("picture", name=name, seq=seq)
        return picture

    @contextmanager
    def open_reader(
        self, after: int | None = None, wakeup: Wakeup | None = None
    ) -> Iterator[LogReader]:
        """Open a reader that begins after the seq `after`; None means after the last record.

        A seq beyond the end of the log (after a restored backup) counts as its end. `wakeup` is
        set whenever there are new records.
        """
        with self._feed.subscribe(wakeup=wakeup) as live:
            last = self.last_seq
            start = last if after is None else min(after, last)
            yield LogReader(self._store, live, start, is_behind=start < last)
