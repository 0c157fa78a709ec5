"""What a live page or stream is told of, as it happens: records in order, changes, and a beat."""

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
from hub.services.access.audit import Actor
from hub.services.records.record_log import LogReader
from hub.wire.uploads.records import Record

BEAT_SECONDS = 15.0
#: Readers at once; each costs some memory and a share of every record.
MOST_READERS = 512
#: Of one user or key: a program that opens more and more does not shut the guards out.
MOST_READERS_OF_ONE = 256


class News(Struct, frozen=True):
    """What happened since the last: records first. `beat`: 15 s have passed."""

    records: list[Record]
    changes: list[Change]
    beat: bool


class LiveEvents:
    """One reader's place. However slow it is, it misses no record and holds nobody up."""

    def __init__(
        self, services: Services, records: LogReader, changes: Subscription[Change]
    ) -> None:
        self._services = services
        self._records = records
        self._changes = changes
        self._changed: list[Change] = []
        self._beat_at = trio.current_time() + BEAT_SECONDS

    async def next(self) -> News | None:
        """Wait for news; None once the hub closes."""
        with trio.move_on_at(self._beat_at):
            await _first_of(self._records.wait, self._wait_for_changes, self._services.closing.wait)
        if self._services.closing.is_set():
            return None
        # Taken out here, where nothing that happens elsewhere cancels the reading of the log.
        records = await self._records.take()
        return News(records, self._take_changes(), self._take_beat())

    async def _wait_for_changes(self) -> None:
        self._changed += await self._changes.next()

    def _take_changes(self) -> list[Change]:
        if self._changes.lagged:
            self._changes.catch_up()
            self._changed = [Change("device", view.did) for view in self._services.devices.list()]
            self._changed += [Change("waiting"), Change("health"), Change("site")]
            self._changed.append(Change("firmware"))
        changed, self._changed = dict.fromkeys(self._changed), []
        return list(changed)

    def _take_beat(self) -> bool:
        if trio.current_time() < self._beat_at:
            return False
        self._beat_at = trio.current_time() + BEAT_SECONDS
        return True


#: How many readers each user and key has; the gauge of /metrics shows their sum.
_readers: Counter[str] = Counter()


def refuse_too_many(by: Actor) -> None:
    """Raises TooManyRequests where there are as many readers as there may be."""
    if _readers.total() < MOST_READERS and _readers[by.who] < MOST_READERS_OF_ONE:
        return
    metrics.limits_reached.labels("stream-readers").inc()
    raise TooManyRequests(
        f"at most {MOST_READERS} readers at once, {MOST_READERS_OF_ONE} of one user or key",
        retry_after=30,
    )


@contextmanager
def open_live_events(
    services: Services, by: Actor, after: int | None = None
) -> Iterator[LiveEvents]:
    """News from the record after `after` on, or, for None, from what comes next."""
    _count(by.who, 1)
    try:
        with (
            services.records.open_reader(after) as records,
            services.change_feed.subscribe() as changes,
        ):
            yield LiveEvents(services, records, changes)
    finally:
        _count(by.who, -1)


def _count(who: str, more: int) -> None:
    _readers[who] += more
    if not _readers[who]:
        del _readers[who]
    metrics.stream_readers.set(_readers.total())


async def _first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Until one of them is through; the others are cancelled, which costs them nothing."""

    async def run(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for wait in waits:
            nursery.start_soon(run, wait)
