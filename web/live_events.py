"""Events for live pages and streams: records in order, changes, and a periodic beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from random import uniform

import trio
from msgspec import Struct

from hub import metrics
from hub.errors import TooManyRequests
from hub.live.feed import Change, Subscription, Wakeup
from hub.services import Services
from hub.services.audit import Actor
from hub.services.records.record_log import LogReader
from hub.store.alarms.alarm import AlarmChange
from hub.wire.uploads.records import Record

BEAT_SECONDS = 15.0
#: Between two News for one reader, so that what many readers cost hardly grows with what happens:
#: at random, so that they are not all sent to in the same pass of the loop.
PAUSE_SECONDS = (0.05, 0.15)
#: Readers at once: each costs memory, and time for each record.
MAX_READERS = 512
#: Per user or key, so that a faulty program does not lock the guards out.
MAX_READERS_OF_ONE = 256


#: Whether a reader still has the session or key, and the role, with which the stream was opened.
MayRead = Callable[[], Awaitable[bool]]


class News(Struct, frozen=True):
    """What happened since the last News. `beat`: BEAT_SECONDS have passed."""

    records: list[Record]
    changes: list[Change]
    beat: bool
    alarms: list[AlarmChange] = []


class LiveEvents:
    """The position of one reader. A slow reader misses no record and delays no other."""

    def __init__(
        self,
        services: Services,
        records: LogReader,
        changes: Subscription[Change],
        alarms: Subscription[AlarmChange],
        wakeup: Wakeup,
        may_read: MayRead,
    ) -> None:
        self._services = services
        self._records = records
        self._changes = changes
        self._alarms = alarms
        #: Set by all that News may tell of, by changes of rights, and when the hub stops.
        self._wakeup = wakeup
        self._may_read = may_read
        self._beat_at = trio.current_time() + BEAT_SECONDS
        self._next_at = 0.0

    async def next(self, until: float = float("inf")) -> News | None:
        """Wait for news, which are empty at `until` (monotonic).

        None, and the stream has to end: the hub is closing, or who reads may not read it any more.
        """
        with trio.move_on_at(min(self._beat_at, until)):
            await trio.sleep_until(self._next_at)
            if not self._records.is_behind:
                await self._wakeup.wait()
        if self._services.core.closing.is_set():
            return None
        was_behind = self._records.is_behind
        # Outside the time limit, which would cancel it in the middle.
        records = await self._records.take()
        # Last: nothing that is sent is older than the answer.
        if not await self._may_read():
            return None
        if not was_behind:
            self._next_at = trio.current_time() + uniform(*PAUSE_SECONDS)
        return News(records, self._take_changes(), self._take_beat(), self._take_alarms())

    def _take_changes(self) -> list[Change]:
        return list(dict.fromkeys(self._changes.take()))

    def _take_alarms(self) -> list[AlarmChange]:
        taken = self._alarms.take()
        if self._alarms.lagged:
            self._alarms.catch_up()
            # Not replayed, but a reader that fell behind must not miss one that is new.
            active = self._services.alarms.raised.active()
            taken = [AlarmChange(alarm, "raised") for alarm in active if alarm.state == "new"]
        return taken

    def _take_beat(self) -> bool:
        if trio.current_time() < self._beat_at:
            return False
        self._beat_at = trio.current_time() + BEAT_SECONDS
        return True


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

    `may_read` is asked before each News.
    """
    _count_reader(by.who, 1)
    try:
        wakeup = Wakeup()
        if services.core.closing.is_set():
            wakeup.set()
        with (
            services.records.log.open_reader(after, wakeup) as records,
            services.core.changes.subscribe(wakeup=wakeup) as changes,
            services.core.alarm_changes.subscribe(wakeup=wakeup) as alarms,
            services.access.sessions.follow_changes(wakeup.set),
        ):
            yield LiveEvents(services, records, changes, alarms, wakeup, may_read)
    finally:
        _count_reader(by.who, -1)


def _count_reader(who: str, change: int) -> None:
    _readers[who] += change
    if not _readers[who]:
        del _readers[who]
    metrics.stream_readers.set(_readers.total())
