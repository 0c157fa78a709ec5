"""A centre acknowledges what is stored, and only that."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from hub.central import metrics
from hub.central.centre import CentralStore, Centre
from hub.central.counts import Counts
from hub.central.hubs import Hub, utc_now
from hub.central.reader import Consumed, Servers
from hub.central.received import Received
from hub.central.streams import Lost
from hub.services.forwarding.nats.connection import ApiError
from hub.services.forwarding.sender import TryLater
from tests.central.messages import STREAM, message, record
from tests.support.waiting import until


class FakeReader:
    """A connection to servers with one stream, from which it takes as many as there is room for."""

    version = "2.12.0"

    def __init__(self, messages: Sequence[Received], part: int = 100) -> None:
        self._messages = list(messages)
        self._part = part
        self.taken = 0
        self.acknowledged: list[int] = []
        self.broken = trio.Event()
        #: Why streams give nothing, which are not there, and why others take nothing.
        self.faults: dict[str, str] = {}
        self.missing: set[str] = set()
        self.refusals: dict[int, str] = {}
        self.states: list[Received] = []

    @property
    def is_broken(self) -> bool:
        return self.broken.is_set()

    async def prepare(self, stream: str) -> Consumed | None:
        if stream in self.faults:
            raise TryLater(self.faults[stream])
        if stream in self.missing:
            return None
        return Consumed() if stream == STREAM else None

    async def consumed(self, stream: str) -> Consumed:
        if stream in self.missing:
            return Consumed(error=ApiError(404, 10059))
        return Consumed(num_pending=3)

    async def try_out(self, partition: int) -> str:
        return self.refusals.get(partition, "")

    async def consume(
        self, stream: str, wait_room: Callable[[], Awaitable[None]], put: Callable[[Received], None]
    ) -> None:
        while self.taken < len(self._messages):
            await wait_room()
            for one in self._messages[self.taken : self.taken + self._part]:
                put(one)
            self.taken += self._part
            await trio.lowlevel.checkpoint()
        await trio.sleep_forever()

    async def follow_states(self, put: Callable[[Received], None]) -> None:
        for one in self.states:
            put(one)
        await trio.sleep_forever()

    async def acknowledge(self, messages: Sequence[Received]) -> None:
        self.acknowledged += [one.stream_seq for one in messages]

    async def wait_broken(self) -> str:
        await self.broken.wait()
        return "the server closed the connection"


class FakeStore:
    """Keeps what it is given, after it has failed some times."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.stored: list[int] = []
        self.opened = 0
        self.lost: list[Lost] = []
        self.known_hubs: list[Hub] = []
        #: How much was stored each time that it was compared with the streams.
        self.compared_after: list[int] = []

    def open(self) -> CentralStore:
        self.opened += 1
        return self

    def store(self, messages: Sequence[Received]) -> Counts:
        if self.failures:
            self.failures -= 1
            raise TryLater("PostgreSQL: it is not there")
        self.stored += [one.stream_seq for one in messages]
        return Counts(records=len(messages))

    def hubs(self) -> list[Hub]:
        return self.known_hubs

    def note_streams(self, streams: Mapping[str, Consumed]) -> list[Lost]:
        self.compared_after.append(len(self.stored))
        return self.lost

    def close(self) -> None:
        """Nothing is open."""


def centre_of(reader: FakeReader, store: FakeStore) -> tuple[Centre, Callable[[], Any]]:
    """Return a centre and what serves the connection."""
    centre = Centre(Servers("nats://127.0.0.1:4222"), store.open)
    return centre, lambda: centre._session(reader)  # type: ignore[arg-type]


def seen(name: str, ago: timedelta) -> Hub:
    """A hub of which something was stored so long ago."""
    return Hub(name, 3, None, utc_now() - ago, "", 0, None, None)


@pytest.fixture
def autojump_clock(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> MockClock:
    """The store works in no thread: the clock does not see one, and jumps meanwhile."""

    async def run(work: Callable[..., object], *args: object) -> object:
        await trio.lowlevel.checkpoint()
        return work(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", run)
    return autojump_clock


async def test_what_is_stored_is_acknowledged() -> None:
    reader, store = FakeReader([record(seq) for seq in range(1, 6)]), FakeStore()
    centre, serve = centre_of(reader, store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await until(lambda: len(reader.acknowledged) == 5)
        nursery.cancel_scope.cancel()
    assert store.stored == reader.acknowledged == [1, 2, 3, 4, 5]
    assert centre.health.database == ""


async def test_what_cannot_be_stored_is_tried_again_and_not_acknowledged(
    autojump_clock: MockClock,
) -> None:
    reader, store = FakeReader([record(1)]), FakeStore(failures=3)
    centre, serve = centre_of(reader, store)
    reasons = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        while not reader.acknowledged:
            reasons.append(centre.health.database)
            await trio.sleep(0.5)
        nursery.cancel_scope.cancel()
    assert "PostgreSQL: it is not there" in reasons
    assert store.stored == reader.acknowledged == [1]
    # A connection that failed is not used again.
    assert store.opened == 4
    assert centre.health.database == ""


async def test_no_more_is_taken_while_much_waits_to_be_stored(autojump_clock: MockClock) -> None:
    reader = FakeReader([record(seq) for seq in range(1, 5_001)], part=500)
    store = FakeStore(failures=1_000_000)
    _, serve = centre_of(reader, store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await trio.sleep(60)
        assert reader.taken == 500
        store.failures = 0
        await until(lambda: len(reader.acknowledged) == 5_000)
        nursery.cancel_scope.cancel()
    assert store.stored == list(range(1, 5_001))


async def test_no_more_is_taken_while_large_messages_wait(autojump_clock: MockClock) -> None:
    large = [message("rec", bytes(300_000), seq=seq) for seq in range(1, 101)]
    reader, store = FakeReader(large, part=2), FakeStore(failures=1_000_000)
    _, serve = centre_of(reader, store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await trio.sleep(60)
        assert reader.taken <= 6
        store.failures = 0
        await until(lambda: len(reader.acknowledged) == 100)
        nursery.cancel_scope.cancel()


async def test_a_stream_that_gives_nothing_holds_up_no_other(autojump_clock: MockClock) -> None:
    reader, store = FakeReader([record(1)]), FakeStore()
    reader.faults = {"SITEHUB_5": "it did not answer in time"}
    centre, serve = centre_of(reader, store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await until(lambda: reader.acknowledged == [1])
        await until(lambda: centre.health.nats == "it did not answer in time")
        reader.faults.clear()
        await until(lambda: centre.health.nats == "")
        nursery.cancel_scope.cancel()


async def test_a_connection_that_gives_nothing_is_given_up(autojump_clock: MockClock) -> None:
    reader, store = FakeReader([]), FakeStore()
    reader.faults = {f"SITEHUB_{number}": "it did not answer in time" for number in range(16)}
    _, serve = centre_of(reader, store)
    with pytest.RaisesGroup(pytest.RaisesExc(TryLater, match="in time"), flatten_subgroups=True):
        await serve()


async def test_a_broken_connection_is_given_up() -> None:
    reader, store = FakeReader([]), FakeStore()
    _, serve = centre_of(reader, store)
    reader.broken.set()
    with pytest.RaisesGroup(pytest.RaisesExc(TryLater, match="closed the connection")):
        await serve()


async def test_a_centre_that_ends_acknowledges_what_it_is_storing() -> None:
    reader, store = FakeReader([record(1)]), FakeStore()
    _, serve = centre_of(reader, store)
    async with trio.open_nursery() as nursery:
        begun = trio.Event()

        def stop(messages: Sequence[Received]) -> Counts:
            trio.from_thread.run_sync(begun.set)
            trio.from_thread.run_sync(nursery.cancel_scope.cancel)
            return FakeStore.store(store, messages)

        store.store = stop  # type: ignore[method-assign]
        nursery.start_soon(serve)
        await begun.wait()
    assert store.stored == reader.acknowledged == [1]


async def test_a_stream_that_goes_missing_is_told_until_it_is_there(
    autojump_clock: MockClock,
) -> None:
    reader, store = FakeReader([record(1)]), FakeStore()
    centre, serve = centre_of(reader, store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await until(lambda: reader.acknowledged == [1])
        assert centre.health.streams == ""
        reader.missing = {STREAM}
        centre._note_missing(STREAM, is_missing=True)
        assert centre.health.streams == f'{STREAM} is missing: run "sitehub central prepare"'
        # An old figure would say that nothing waits.
        pending = f'sitehub_central_pending{{stream="{STREAM}"}}'
        await until(lambda: pending not in metrics.exposition().decode())
        centre._note_missing(STREAM, is_missing=False)
        assert centre.health.streams == ""
        nursery.cancel_scope.cancel()


async def test_a_hub_that_falls_silent_is_told_until_something_comes(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store = FakeStore()
    centre, _ = centre_of(FakeReader([]), store)
    store.known_hubs = [seen(f"site-{n}", timedelta(hours=2)) for n in range(1, 8)]
    store.known_hubs.append(seen("site-8", timedelta(minutes=5)))
    silent = "site-1, site-2, site-3, site-4, site-5 and 2 more"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(centre._watch_hubs)
        await until(lambda: centre.health.hubs == f"silent: {silent}")
        store.known_hubs = store.known_hubs[:1]
        await until(lambda: centre.health.hubs == "silent: site-1")
        store.known_hubs = [seen("site-1", timedelta())]
        await until(lambda: centre.health.hubs == "")
        nursery.cancel_scope.cancel()
    told = [record.getMessage() for record in caplog.records if "hubs" in record.getMessage()]
    assert told == [
        f"hubs are silent: {silent}",
        "hubs are heard of again: site-2, site-3, site-4, site-5, site-6 and 1 more",
        "hubs are heard of again: site-1",
    ]
    assert not centre.health.streams


async def test_a_hub_whose_clock_was_ahead_is_told_in_its_health(
    autojump_clock: MockClock,
) -> None:
    store = FakeStore()
    centre, _ = centre_of(FakeReader([]), store)
    site = seen("site-1", timedelta())
    store.known_hubs = [replace(site, ahead_at=site.seen_at, ahead_by=timedelta(hours=1))]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(centre._watch_hubs)
        told = f"site-1: clock was ahead by 1:00:00 on {site.seen_at:%Y-%m-%d}"
        await until(lambda: centre.health.hubs == told)
        nursery.cancel_scope.cancel()


async def test_a_stream_that_takes_nothing_is_told_until_it_does(
    autojump_clock: MockClock,
) -> None:
    reader, store = FakeReader([record(1)]), FakeStore()
    centre, serve = centre_of(reader, store)
    reader.refusals = {3: "SITEHUB_3 takes nothing: insufficient resources"}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        # It is tried every five minutes.
        with trio.fail_after(3_000):
            while centre.health.streams != reader.refusals[3]:  # noqa: ASYNC110  no event
                await trio.sleep(1)
        assert not centre.health.is_good
        reader.refusals = {}
        await until(lambda: centre.health.streams == "")
        nursery.cancel_scope.cancel()


async def test_a_database_is_compared_with_the_streams_before_anything_is_stored(
    autojump_clock: MockClock,
) -> None:
    reader, store = FakeReader([record(1)]), FakeStore(failures=1)
    store.lost = [Lost(STREAM, 5, 9)]
    centre, serve = centre_of(reader, store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await until(lambda: reader.acknowledged == [1])
        assert store.compared_after[0] == 0
        assert "lost up to 5 messages" in centre.health.streams
        store.lost = []
        await until(lambda: centre.health.streams == "")
        nursery.cancel_scope.cancel()


async def test_a_clock_that_is_ahead_makes_no_delay_negative(autojump_clock: MockClock) -> None:
    before, ahead = _sample("delay_seconds_sum"), _sample("ahead_total")
    later = record(1, received_at="2100-01-01T00:00:00Z")
    reader, store = FakeReader([later]), FakeStore()
    _, serve = centre_of(reader, store)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve)
        await until(lambda: reader.acknowledged == [1])
        nursery.cancel_scope.cancel()
    assert _sample("delay_seconds_sum") == before
    assert _sample("ahead_total") == ahead + 1


def _sample(name: str) -> float:
    return metrics.REGISTRY.get_sample_value(f"sitehub_central_{name}") or 0.0
