"""Events for live pages and streams: records in order, changes, and a periodic beat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio
from msgspec import Struct

from hub import metrics
from hub.errors import TooManyRequests
from hub.live.feed import Change, Subscription
from hub.services import Services
from hub.services.audit import Actor
from hub.services.records.record_log import LogReader
from hub.store.alarms.alarm import AlarmChange
from hub.wire.uploads.records import Record

BEAT_SECONDS = 15.0
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
        may_read: MayRead,
    ) -> None:
        self._services = services
        self._records = records
        self._changes = changes
        self._changed: list[Change] = []
        self._alarms = alarms
        self._alarm_changes: list[AlarmChange] = []
        self._may_read = may_read
        self._access_changed = services.access.sessions.next_change()
        self._beat_at = trio.current_time() + BEAT_SECONDS

    async def next(self, until: float = float("inf")) -> News | None:
        """Wait for news, which are empty at `until` (monotonic).

        None, and the stream has to end: the hub is closing, or who reads may not read it any more.
        """
        with trio.move_on_at(min(self._beat_at, until)):
            await _first_of(
                self._records.wait,
                self._wait_for_changes,
                self._wait_for_alarms,
                self._access_changed.wait,
                self._services.core.closing.wait,
            )
        if self._services.core.closing.is_set():
            return None
        # Outside _first_of, which would cancel the read in the middle.
        records = await self._records.take()
        # Last: nothing that is sent is older than the answer.
        self._access_changed = self._services.access.sessions.next_change()
        if not await self._may_read():
            return None
        return News(records, self._take_changes(), self._take_beat(), self._take_alarms())

    async def _wait_for_changes(self) -> None:
        self._changed += await self._changes.next()

    def _take_changes(self) -> list[Change]:
        changed, self._changed = dict.fromkeys(self._changed), []
        return list(changed)

    async def _wait_for_alarms(self) -> None:
        self._alarm_changes += await self._alarms.next()

    def _take_alarms(self) -> list[AlarmChange]:
        taken, self._alarm_changes = self._alarm_changes, []
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
        with (
            services.records.log.open_reader(after) as records,
            services.core.changes.subscribe() as changes,
            services.core.alarm_changes.subscribe() as alarms,
        ):
            yield LiveEvents(services, records, changes, alarms, may_read)
    finally:
        _count_reader(by.who, -1)


def _count_reader(who: str, change: int) -> None:
    _readers[who] += change
    if not _readers[who]:
        del _readers[who]
    metrics.stream_readers.set(_readers.total())


async def _first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Run `waits` until one returns, and cancel the others, which must be safe to cancel."""

    async def run(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for wait in waits:
            nursery.start_soon(run, wait)
