"""What one live page or stream reads: records in order, changes, and a periodic beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager

import trio

from hub import metrics
from hub.errors import TooManyRequests
from hub.live.feed import KINDS, Change, Wakeup
from hub.services import Services
from hub.services.audit import Actor
from hub.services.rounds import News
from hub.store.alarms.alarm import AlarmChange
from hub.store.records.record_filter import RecordFilter
from hub.wire.uploads.records import Record

#: What a reader reads from the store at a time.
_BATCH_RECORDS, _BATCH_BYTES = 100, 64 * 1024
#: How long a reader waits when too many others are reading from the store.
_BUSY_SECONDS = 1.0
#: Readers at once: each costs memory, and time for each record.
MAX_READERS = 512
#: Per user or key, so that a faulty program does not lock the guards out.
MAX_READERS_OF_ONE = 256


#: Whether a reader still has the session or key, and the role, with which the stream was opened.
MayRead = Callable[[], Awaitable[bool]]


class LiveEvents:
    """The position of one reader, a task, which gets each record once, in order of `seq`.

    A reader that keeps up gets the News of the rounds. One that starts in the past, or falls behind
    them, gets records from the store until it has caught up.
    """

    def __init__(
        self, services: Services, after: int | None, place: Wakeup, may_read: MayRead
    ) -> None:
        self._services = services
        self._rounds = services.records.rounds
        #: Set by the rounds, by changes of rights, and when the hub stops.
        self._place = place
        self._may_read = may_read
        self._number = self._rounds.newest
        last = services.records.log.last_seq
        #: Every record up to this one was returned.
        self._seq = last if after is None else min(after, last)
        self._is_behind = self._seq < last

    async def next(self, until: float = float("inf")) -> News | None:
        """Wait for news, which are empty at `until` (monotonic).

        None, and the stream has to end: the hub is closing, or who reads may not read it any more.
        """
        self._rounds.note_back(self._place)
        if not self._is_behind and self._number == self._rounds.newest:
            with trio.move_on_at(until):
                await self._place.wait()
        if self._services.core.closing.is_set():
            return None
        news = self._take()
        if self._is_behind:
            news = news.with_records(await self._read_on())
        elif news.records:
            news = self._unread(news)
        # Last: nothing that is sent is older than the answer.
        return news if await self._may_read() else None

    def _take(self) -> News:
        if self._number == self._rounds.newest:
            return News()
        news = self._rounds.after(self._number)
        if news is None:
            self._number = self._rounds.newest
            return self._catch_up()
        self._number += 1
        return news

    def _catch_up(self) -> News:
        """Return what stands for the News that this reader has missed."""
        metrics.stream_lags.inc()
        self._is_behind = True
        # Not replayed, but a reader that fell behind must not miss one that is new.
        active = self._services.alarms.raised.active()
        alarms = [AlarmChange(alarm, "raised") for alarm in active if alarm.state == "new"]
        return News((), [Change(kind) for kind in KINDS], alarms)

    def _unread(self, news: News) -> News:
        """Leave out the records that this reader has read from the store already."""
        records = news.records
        if records[0].seq <= self._seq:
            records = [record for record in records if record.seq > self._seq]
            news = news.with_records(records)
        if records:
            self._seq = records[-1].seq
        return news

    async def _read_on(self) -> Sequence[Record]:
        """Return the next records from the store; none if it is too busy."""
        try:
            page = await self._services.records.log.page(
                RecordFilter(), after=self._seq, limit=_BATCH_RECORDS, max_bytes=_BATCH_BYTES
            )
        except TooManyRequests:
            await trio.sleep(_BUSY_SECONDS)
            return ()
        self._is_behind = page.next is not None
        if page.next is not None:
            self._seq = page.next
        elif page.items:
            self._seq = page.items[-1].seq
        return page.items


#: The number of readers by user or key; the metric shows the sum.
_readers: Counter[str] = Counter()


def refuse_too_many(by: Actor) -> None:
    """Check that one more reader is allowed. Raises TooManyRequests."""
    if _readers.total() < MAX_READERS and _readers[by.who] < MAX_READERS_OF_ONE:
        return
    metrics.limits_reached.labels("stream-readers").inc()
    raise TooManyRequests(
        f"at most {MAX_READERS} readers at once, {MAX_READERS_OF_ONE} per user or key",
        retry_after=30,
    )


@contextmanager
def open_live_events(
    services: Services, by: Actor, after: int | None, may_read: MayRead
) -> Iterator[LiveEvents]:
    """Events, starting with the record after `after`; None: with the next record stored.

    A seq beyond the end of the log (after a restored backup) counts as its end.
    `may_read` is asked before each News.
    """
    _count_reader(by.who, 1)
    try:
        with (
            services.records.rounds.reader() as place,
            services.access.sessions.follow_changes(place.set),
        ):
            if services.core.closing.is_set():
                place.set()
            yield LiveEvents(services, after, place, may_read)
    finally:
        _count_reader(by.who, -1)


def _count_reader(who: str, change: int) -> None:
    _readers[who] += change
    if not _readers[who]:
        del _readers[who]
    metrics.stream_readers.set(_readers.total())
