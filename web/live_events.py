"""What a live page or stream is told of, as it happens: records in order, changes, and a beat."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import trio
from msgspec import Struct

from hub import metrics
from hub.errors import TooManyRequests
from hub.live.feed import Change, Subscription
from hub.services import Services
from hub.services.recordlog import LogReader
from hub.wire.records import Record

BEAT_SECONDS = 15.0
#: Readers at once; each costs some memory and a share of every record.
MOST_READERS = 512


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
        changed, self._changed = dict.fromkeys(self._changed), []
        return list(changed)

    def _take_beat(self) -> bool:
        if trio.current_time() < self._beat_at:
            return False
        self._beat_at = trio.current_time() + BEAT_SECONDS
        return True


class _Readers:
    """How many there are; the gauge of /metrics shows the same number."""

    count = 0


def refuse_too_many() -> None:
    """Raises TooManyRequests where there are as many readers as there may be."""
    if _Readers.count >= MOST_READERS:
        metrics.limits_reached.labels("stream-readers").inc()
        raise TooManyRequests(f"at most {MOST_READERS} readers at once", retry_after=30)


@contextmanager
def open_live_events(services: Services, after: int | None = None) -> Iterator[LiveEvents]:
    """News from the record after `after` on, or, for None, from what comes next."""
    _Readers.count += 1
    metrics.stream_readers.set(_Readers.count)
    try:
        with (
            services.records.open_reader(after) as records,
            services.change_feed.subscribe() as changes,
        ):
            yield LiveEvents(services, records, changes)
    finally:
        _Readers.count -= 1
        metrics.stream_readers.set(_Readers.count)


async def _first_of(*waits: Callable[[], Awaitable[object]]) -> None:
    """Until one of them is through; the others are cancelled, which costs them nothing."""

    async def run(wait: Callable[[], Awaitable[object]]) -> None:
        await wait()
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        for wait in waits:
            nursery.start_soon(run, wait)
