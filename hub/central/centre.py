"""The centre: takes what hubs have sent, stores it, and then acknowledges it.

It keeps nothing: what it has taken and not stored yet is bounded, and comes again, to this centre
or another one, if it ends.
"""

from __future__ import annotations

import logging
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Literal, Protocol, TypeVar

import trio
from msgspec import Struct

from hub.central import metrics
from hub.central.counts import Counts
from hub.central.fleet import Fleet
from hub.central.hubs import Hub, Limits, count_states, some, utc_now
from hub.central.messages import RecordRow
from hub.central.reader import Consumed, Reader, Servers, StreamGone, open_reader
from hub.central.received import Received
from hub.central.streams import Lost
from hub.log import limited
from hub.services.forwarding.nats.address import PARTITIONS, stream_of
from hub.services.forwarding.sender import TryLater

T = TypeVar("T")
Side = Literal["nats", "database", "streams"]

log = logging.getLogger(__name__)

#: What is stored in one transaction, about.
_BATCH_MESSAGES, _BATCH_BYTES = 2_000, 8 * 1024 * 1024
#: A stream is asked for more while less of it waits here.
_WAITING_MESSAGES, _WAITING_BYTES = 500, 1024 * 1024
_MISSING_STREAM_SECONDS = 5.0
_WATCH_SECONDS = 15.0
#: Whether a stream takes anything is tried in each so many of these; every time while it does not.
_TRIAL_ROUNDS = 20
_MAX_WAIT = 10.0


class CentralStore(Protocol):
    """Where messages go. Everything here blocks; what fails raises TryLater."""

    def store(self, messages: Sequence[Received]) -> Counts: ...

    def hubs(self) -> list[Hub]: ...

    def note_streams(self, streams: Mapping[str, Consumed]) -> list[Lost]: ...

    def close(self) -> None: ...


class Health(Struct):
    """Why a side does not work; "" if it does.

    `streams`: one is missing, takes nothing, or was stored and is lost. `hubs`: which are silent,
    or had a clock that was ahead; the centre works all the same.
    """

    nats: str = "not connected yet"
    database: str = "not connected yet"
    streams: str = ""
    hubs: str = ""

    @property
    def is_good(self) -> bool:
        return not (self.nats or self.database or self.streams)


class Centre:
    """Serves all streams through one connection to NATS and one to the database."""

    def __init__(
        self, servers: Servers, open_store: Callable[[], CentralStore], limits: Limits | None = None
    ) -> None:
        self.health = Health()
        #: What hubs tell of themselves.
        self.fleet = Fleet()
        self._servers = servers
        self._open_store = open_store
        self._limits = limits or Limits()
        self._store: CentralStore | None = None
        #: One transaction at a time, or one look at the hubs.
        self._storing = trio.Lock()
        #: Why streams give nothing, of those that should.
        self._faults: dict[str, str] = {}
        #: Of which streams it is known that hubs send to them, and which of those are missing.
        self._expected: set[str] = set()
        self._missing: set[str] = set()
        #: Why streams take nothing from hubs, of those that do not.
        self._refusals: dict[str, str] = {}
        #: Whether the accounts of the servers let the centre try that.
        self._may_try = True
        self._lost: list[Lost] = []
        #: Of streams, up to where what is gone was told.
        self._gone: dict[str, int] = {}
        self._silent: set[str] = set()
        #: Whether the database was compared with the streams since it was opened.
        self._is_compared = False

    async def run(self) -> None:
        """Run until cancelled. Raises StartFault if the database cannot be used by this version."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_hubs)
                await self._serve()
        finally:
            self._close_store()

    async def _serve(self) -> None:
        while True:
            try:
                async with open_reader(self._servers) as reader:
                    self._faults.clear()
                    if self.fleet.since is not None:
                        self.fleet.since = utc_now()
                    self._note("nats", "")
                    await self._session(reader)
            except* TryLater as failures:
                self.fleet.since = utc_now()
                reason = str(first_error(failures))
                self._note("nats", reason)
                if self._may_try and "permissions violation" in reason.casefold():
                    self._may_try = False
                    log.warning("accounts.conf is older than this: enrol a hub, and copy it")
            await trio.sleep(random.uniform(1, _MAX_WAIT))

    async def _session(self, reader: Reader) -> None:
        """Serve a connection until it is broken. Raises TryLater in an exception group."""
        queue = _Queue()
        async with trio.open_nursery() as nursery:
            for partition in range(PARTITIONS):
                nursery.start_soon(self._consume, reader, stream_of(partition), queue)
            nursery.start_soon(self._watch_streams, reader)
            nursery.start_soon(self._follow_states, reader)
            nursery.start_soon(_wait_broken, reader)
            while True:
                messages = await queue.take()
                await self._save(messages, reader)
                queue.done(messages)

    async def _consume(self, reader: Reader, stream: str, queue: _Queue) -> None:
        """Take what comes in a stream, once there is one. Raises TryLater."""
        while True:
            try:
                found = await reader.prepare(stream)
                self._note_fault(stream, "")
                self._note_missing(stream, is_missing=found is None)
                if found is not None:
                    with suppress(StreamGone):
                        await reader.consume(stream, partial(queue.wait_room, stream), queue.put)
            except TryLater as failure:
                self._note_fault(stream, str(failure))
                # Its server may be away alone, and the others' streams go on.
                if reader.is_broken or len(self._faults) == PARTITIONS:
                    raise
            await trio.sleep(_MISSING_STREAM_SECONDS)

    async def _follow_states(self, reader: Reader) -> None:
        """Take what hubs tell of themselves. Raises TryLater if the connection is broken."""
        while True:
            try:
                await reader.follow_states(self.fleet.take)
            except TryLater as failure:
                limited(log, logging.WARNING, "states", "how hubs are is not known: %s", failure)
                if reader.is_broken:
                    raise
            self.fleet.since = utc_now()
            await trio.sleep(_MISSING_STREAM_SECONDS)

    async def _save(self, messages: Sequence[Received], reader: Reader) -> None:
        """Store messages and acknowledge them; try until it succeeds. Raises TryLater."""
        if not self._is_compared:
            await self._compare(reader)
        while True:
            # What is stored is also acknowledged, or it would come again.
            with trio.CancelScope(shield=True):
                began = time.perf_counter()
                counts = await self._with_store(lambda store: store.store(messages))
                if counts is not None:
                    _count(messages, counts, time.perf_counter() - began)
                    await reader.acknowledge(messages)
                    return
            await trio.sleep(random.uniform(1, _MAX_WAIT))

    async def _with_store(self, work: Callable[[CentralStore], T]) -> T | None:
        """Return what some work with the store gives; None if it failed. Raises StartFault."""
        async with self._storing:
            try:
                found = await trio.to_thread.run_sync(self._work, work)
            except TryLater as failure:
                self._close_store()
                self._note("database", str(failure))
                return None
            self._note("database", "")
            return found

    def _work(self, work: Callable[[CentralStore], T]) -> T:
        if self._store is None:
            self._store = self._open_store()
        return work(self._store)

    def _close_store(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None
            self._is_compared = False

    async def _watch_hubs(self) -> None:
        """Count the hubs that are silent or behind, and tell of them, from time to time."""
        while True:
            hubs = await self._with_store(lambda store: store.hubs())
            if hubs is not None:
                self._expected |= {stream_of(hub.partition) for hub in hubs}
                self._note_hubs(self.fleet.joined(hubs), utc_now())
            await trio.sleep(_WATCH_SECONDS)

    def _note_hubs(self, hubs: Sequence[Hub], now: datetime) -> None:
        for state, count in count_states(hubs, now, self._limits).items():
            metrics.hubs.labels(state).set(count)
        silent = {hub.name for hub in hubs if hub.state(now, self._limits) == "silent"}
        if fallen := silent - self._silent:
            log.warning("hubs are silent: %s", some(fallen))
        if again := self._silent - silent:
            log.info("hubs are heard of again: %s", some(again))
        self._silent = silent
        notes = [f"{hub.name}: {note}" for hub in hubs if (note := hub.note(now))]
        told = (f"silent: {some(silent)}" if silent else "", some(notes))
        self.health.hubs = "; ".join(filter(None, told))

    async def _watch_streams(self, reader: Reader) -> None:
        """Note how far each stream is stored, and whether it takes anything, from time to time."""
        turn = 0
        while True:
            await self._compare(reader)
            for partition in range(PARTITIONS):
                stream = stream_of(partition)
                is_due = turn % _TRIAL_ROUNDS == 0 or stream in self._refusals
                if is_due and self._may_try and stream in self._expected - self._missing:
                    with suppress(TryLater):
                        self._refusals[stream] = await reader.try_out(partition)
            self._refusals = {
                name: reason
                for name, reason in self._refusals.items()
                if reason and name not in self._missing
            }
            self._note_streams()
            turn += 1
            await trio.sleep(_WATCH_SECONDS)

    async def _compare(self, reader: Reader) -> None:
        """Note how far the streams are stored, and what the database has lost of them."""
        found = {}
        for stream in map(stream_of, range(PARTITIONS)):
            with suppress(TryLater):
                consumed = await reader.consumed(stream)
                if consumed.error is None:
                    found[stream] = consumed
                    metrics.pending.labels(stream).set(consumed.num_pending)
                    metrics.unacknowledged.labels(stream).set(consumed.num_ack_pending)
                else:
                    # An old figure would say that nothing waits.
                    for gauge in (metrics.pending, metrics.unacknowledged):
                        gauge.remove(stream)
        lost = await self._with_store(lambda store: store.note_streams(found))
        if lost is not None:
            self._lost, self._is_compared = [one for one in lost if one.readable], True
            for one in lost:
                # Nobody can mend it, so it is told once, and no fault of the centre.
                if not one.readable and self._gone.get(one.stream) != one.last:
                    self._gone[one.stream] = one.last
                    log.warning("%s", one)
            metrics.lost.clear()
            for one in self._lost:
                metrics.lost.labels(one.stream).set(one.readable)
            self._note_streams()

    def _note_missing(self, stream: str, *, is_missing: bool) -> None:
        """Note whether there is a stream, of those that hubs send to."""
        if not is_missing:
            self._expected.add(stream)
            self._missing.discard(stream)
        elif stream in self._expected:
            self._missing.add(stream)
        self._note_streams()

    def _note_streams(self) -> None:
        missing = (
            f'{stream} is missing: run "sitehub central prepare"'
            for stream in sorted(self._missing)
        )
        reasons = [*missing, *self._refusals.values(), *map(str, self._lost)]
        self._note("streams", "; ".join(reasons))

    def _note_fault(self, stream: str, reason: str) -> None:
        """Note why a stream gives nothing, or that it does."""
        if reason:
            self._faults[stream] = reason
        elif self._faults.pop(stream, None) is None:
            return
        self._note("nats", next(iter(self._faults.values()), ""))

    def _note(self, side: Side, reason: str) -> None:
        """Note why a side does not work, or that it does."""
        # It begins at zero: Prometheus counts no increase to the first value that it sees.
        failures = metrics.failures.labels(side)
        if reason and (side != "streams" or reason != self.health.streams):
            failures.inc()
        if reason != getattr(self.health, side):
            setattr(self.health, side, reason)
            if reason:
                log.warning("%s: %s", side, reason)
            else:
                log.info("%s: it works", side)
        metrics.up.labels(side).set(not reason)


class _Queue:
    """What was taken and is not stored yet, as it came."""

    def __init__(self) -> None:
        self._messages: deque[Received] = deque()
        #: By stream, with what is being stored.
        self._counts: Counter[str] = Counter()
        self._sizes: Counter[str] = Counter()
        self._came, self._freed = trio.Event(), trio.Event()

    def put(self, message: Received) -> None:
        self._messages.append(message)
        self._counts[message.stream] += 1
        self._sizes[message.stream] += message.size
        self._came.set()

    async def take(self) -> list[Received]:
        """Return what is there, up to the size of a transaction; wait for the first."""
        await self._came.wait()
        taken, size = [self._messages.popleft()], 0
        while self._messages and len(taken) < _BATCH_MESSAGES and size < _BATCH_BYTES:
            taken.append(self._messages.popleft())
            size += taken[-1].size
        if not self._messages:
            self._came = trio.Event()
        return taken

    def done(self, messages: Sequence[Received]) -> None:
        for message in messages:
            self._counts[message.stream] -= 1
            self._sizes[message.stream] -= message.size
        self._freed.set()
        self._freed = trio.Event()

    async def wait_room(self, stream: str) -> None:
        """Return once little of a stream waits."""
        while self._is_much(stream):
            await self._freed.wait()

    def _is_much(self, stream: str) -> bool:
        return self._counts[stream] >= _WAITING_MESSAGES or self._sizes[stream] >= _WAITING_BYTES


async def _wait_broken(reader: Reader) -> None:
    raise TryLater(await reader.wait_broken())


def _count(messages: Sequence[Received], counts: Counts, seconds: float) -> None:
    for name in Counts.__struct_fields__:
        getattr(metrics, name).inc(getattr(counts, name))
    metrics.store_seconds.observe(seconds)
    now = utc_now()
    for message in messages:
        if isinstance(message.row, RecordRow):
            delay = (now - message.row.received_at).total_seconds()
            metrics.delay_seconds.observe(max(0.0, delay))
            metrics.ahead.inc(delay < -60)


def first_error(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error in a group of groups."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
