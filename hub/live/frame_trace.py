"""The last frames of each device in memory: kept as they came, and looked at when somebody asks.

A connection has a ring of its own until it names a serial number; from then on it is found by that.
Once the device is in, its frames go into the ring that the device keeps over all its connections.
What only knocks, and HTTP requests, have rings of their own, so that nobody who uses a device's
serial number, and no burst of captures, pushes its frames out. Synchronous methods only; keeping a
short frame costs some hundred nanoseconds, and nothing is copied.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from sys import getsizeof
from typing import Literal

import trio
from msgspec import Struct
from msgspec.structs import replace

#: Frames of a device that is in; of what knocks with one serial number, and on one connection;
#: requests over HTTP, and such of one address that named no device.
MAX_FRAMES = 200
MAX_ATTEMPTS = 50
MOST_OF_CONNECTION = 20
MAX_UPLOADS = 50
#: Connections that knock with one serial number; of one before them the frames stay for a while.
MAX_PENDING = 16
_MOST_FROM_ADDRESS = 20
_MOST_ADDRESSES = 256

#: So many devices may have all of that; beyond, each may have half for each doubling.
MOST_IN_FULL = 1024
#: A longer frame is shortened, once, when it comes.
MAX_WHOLE_LENGTH = 4096
#: Of a longer one of a connection that is not in, so much is looked at: with all of it, masking
#: takes up to 9 ms, which a stranger may ask for 200 times a second; so 0.04 ms.
MAX_STRANGER_LENGTH = 512
#: Up to here frames are bounded by their number alone: heartbeats come by the thousand.
MAX_SHORT_LENGTH = 768
#: Bytes of memory that one ring has for longer ones: of a device that is in, and of another.
MOST_BYTES_OF_ONE = 256 * 1024
MOST_BYTES = 64 * 1024 * 1024
_MOST_BYTES_ASIDE = 16 * 1024
#: What an entry takes beside its frame.
_ENTRY_BYTES = 160

Direction = Literal["in", "out"]


class TracedUpload(Struct, frozen=True):
    """A request over HTTP: no body, and no query, for a signature may stand there.

    `status` and `code` are 0 where the device left before it was answered. `size`: of the body.
    """

    method: str
    path: str
    status: int
    code: int
    msg: str
    seconds: float
    size: int


class ConnectionEnded(Struct, frozen=True):
    """The connection has ended; why, in a few plain words."""

    reason: str


class Shortened(Struct, frozen=True):
    """What is kept of a frame that was too long; no secret is in it. `size`: bytes on the wire."""

    text: str
    size: int


Kept = str | bytes | Shortened | TracedUpload | ConnectionEnded


# Without cycles, as what is in it is: nothing for the garbage collector to look at.
class TraceEntry(Struct, frozen=True, gc=False):
    """`number` grows with each, over restarts too. `at`: UNIX seconds."""

    number: int
    at: float
    direction: Direction
    kept: Kept


#: What a long frame is kept as.
Shorten = Callable[[str | bytes], str]


class FrameRing:
    """The frames of one connection, or of one device: at most so many, and so many long bytes.

    `looked_at`: of a long frame; None is all of it.
    """

    __slots__ = (
        "_append",
        "_entries",
        "_looked_at",
        "_most_bytes",
        "_now",
        "_number",
        "_traces",
        "name",
    )

    def __init__(
        self,
        traces: FrameTraces,
        most: int,
        most_bytes: int,
        name: str = "",
        looked_at: int | None = MAX_STRANGER_LENGTH,
    ) -> None:
        #: The serial number or the address that it is watched by.
        self.name = name
        self._traces = traces
        self._number = traces.numbers.__next__
        self._now = traces.now
        self._looked_at = looked_at
        self._entries: deque[TraceEntry] = deque()
        self.limit(most, most_bytes)

    def heard(self, frame: str | bytes) -> None:
        """The device sent this."""
        if len(frame) > MAX_SHORT_LENGTH:
            self._keep_long("in", frame)
            return
        self._append(TraceEntry(self._number(), self._now(), "in", frame))
        if self._traces.watched:
            self._traces.tell(self.name)

    def said(self, frame: str) -> None:
        """The hub sent this."""
        if len(frame) > MAX_SHORT_LENGTH:
            self._keep_long("out", frame)
            return
        self._append(TraceEntry(self._number(), self._now(), "out", frame))
        if self._traces.watched:
            self._traces.tell(self.name)

    def keep(self, direction: Direction, kept: Kept) -> None:
        self.take_over([TraceEntry(self._number(), self._now(), direction, kept)])

    def take_over(self, entries: list[TraceEntry]) -> None:
        """Entries that have a number already."""
        self._entries.extend(entries)
        self._trim()
        self._traces.tell(self.name)

    def entries(self) -> list[TraceEntry]:
        return list(self._entries)

    def take_out(self) -> list[TraceEntry]:
        """All entries, for another ring."""
        taken = self.entries()
        self._entries.clear()
        return taken

    def limit(self, most: int, most_bytes: int) -> None:
        self._entries = deque(self._entries, most)
        self._append = self._entries.append
        self._most_bytes = most_bytes
        self._trim()

    def _keep_long(self, direction: Direction, frame: str | bytes) -> None:
        if len(frame) <= MAX_WHOLE_LENGTH:
            self.keep(direction, frame)
            return
        size = len(frame) if isinstance(frame, bytes) else len(frame.encode("utf-8", "replace"))
        self.keep(direction, Shortened(self._traces.shorten(frame[: self._looked_at]), size))

    def _trim(self) -> None:
        """Let the oldest go until the longer frames have room: short ones do not count."""
        held = sum(map(_weight, self._entries))
        while held > self._most_bytes:
            held -= _weight(self._entries.popleft())


def _weight(entry: TraceEntry) -> int:
    kept = entry.kept
    text = kept.text if isinstance(kept, Shortened) else kept
    if not isinstance(text, str | bytes) or len(text) <= MAX_SHORT_LENGTH:
        return 0
    return getsizeof(text) + _ENTRY_BYTES


class _Trace:
    """What is kept under one serial number."""

    __slots__ = ("inside", "knocking", "knocks", "uploads")

    def __init__(self, traces: FrameTraces, sn: str) -> None:
        self.inside = FrameRing(traces, MAX_FRAMES, MOST_BYTES_OF_ONE, sn, looked_at=None)
        self.knocks = FrameRing(traces, MAX_ATTEMPTS, _MOST_BYTES_ASIDE, sn)
        self.uploads = FrameRing(traces, MAX_UPLOADS, _MOST_BYTES_ASIDE, sn)
        #: The rings of connections that gave this serial number and are not in, oldest first.
        self.knocking: dict[FrameRing, None] = {}

    def knock(self, ring: FrameRing) -> None:
        self.knocking[ring] = None
        if len(self.knocking) > MAX_PENDING:
            oldest = next(iter(self.knocking))
            del self.knocking[oldest]
            self.knocks.take_over(oldest.take_out())

    def rings(self) -> tuple[FrameRing, ...]:
        return (self.inside, self.knocks, self.uploads, *self.knocking)


class FrameTraces:
    """By serial number: at most `most_devices` that were in, and `most_waiting` that were not.

    Of these, first those make room that are not listed anywhere, where nobody can ask for them: a
    flood makes room for itself, as in the waiting room.
    """

    def __init__(
        self,
        now: Callable[[], float],
        shorten: Shorten,
        *,
        is_listed: Callable[[str], bool],
        most_devices: int,
        most_waiting: int,
    ) -> None:
        self.now = now
        self.shorten = shorten
        #: From the clock on, so that a reader's place holds when the hub was started anew.
        self.numbers = itertools.count(int(now() * 1_000_000))
        #: Name of a ring -> who waits for what comes next.
        self.watched: dict[str, list[trio.Event]] = {}
        self._is_listed = is_listed
        self._most_devices = most_devices
        self._most_waiting = most_waiting
        self._devices: OrderedDict[str, _Trace] = OrderedDict()
        self._waiting: OrderedDict[str, _Trace] = OrderedDict()
        self._addresses: OrderedDict[str, FrameRing] = OrderedDict()
        #: How often their number has doubled.
        self._doublings = 0

    def open(self) -> FrameRing:
        """The ring of a new connection."""
        return FrameRing(self, MOST_OF_CONNECTION, _MOST_BYTES_ASIDE)

    def knocks(self, ring: FrameRing, sn: str) -> None:
        """A connection that is not in gives this serial number."""
        trace = self._devices.get(sn) or self._waiting_trace(sn)
        if ring in trace.knocking:
            return
        earlier = self._find(ring.name)
        if earlier is not None:
            earlier.knocking.pop(ring, None)
        ring.name = sn
        trace.knock(ring)
        # Numbered anew: whoever looks on has a place behind the frames from before the name.
        named = [replace(entry, number=next(self.numbers)) for entry in ring.take_out()]
        ring.take_over(named)

    def let_in(self, ring: FrameRing, sn: str) -> FrameRing:
        """The connection is this device's; its frames go into the ring that is returned."""
        trace = self._device_trace(sn)
        if ring in trace.knocking:
            del trace.knocking[ring]
            trace.inside.take_over(ring.take_out())
        return trace.inside

    def ended(self, ring: FrameRing, reason: str) -> None:
        """The connection is gone; what it knocked with stays for a while."""
        ring.keep("in", ConnectionEnded(reason))
        trace = self._find(ring.name)
        if trace is not None and ring in trace.knocking:
            del trace.knocking[ring]
            trace.knocks.take_over(ring.take_out())

    def uploaded(self, sn: str, upload: TracedUpload) -> None:
        """A device's request over HTTP was answered."""
        self._device_trace(sn).uploads.keep("in", upload)

    def uploaded_from(self, address: str, upload: TracedUpload) -> None:
        """A request over HTTP that no device is known by was refused."""
        ring = self._addresses.get(address)
        if ring is None:
            ring = FrameRing(self, _MOST_FROM_ADDRESS, _MOST_BYTES_ASIDE, address)
            self._addresses[address] = ring
            if len(self._addresses) > _MOST_ADDRESSES:
                self._addresses.popitem(last=False)
        self._addresses.move_to_end(address)
        ring.keep("in", upload)

    def entries(self, sn: str, address: str) -> list[TraceEntry]:
        """All of a device, in the order in which they happened."""
        trace, elsewhere = self._find(sn), self._addresses.get(address)
        rings = [*(trace.rings() if trace else ()), *([elsewhere] if elsewhere else ())]
        found = itertools.chain.from_iterable(ring.entries() for ring in rings)
        return sorted(found, key=lambda entry: entry.number)

    def forget(self, sn: str) -> None:
        """It is no device's any more: what is kept of it goes."""
        self._devices.pop(sn, None)
        self._waiting.pop(sn, None)

    @contextmanager
    def watch(self, *names: str) -> Iterator[trio.Event]:
        """An event that the next entry of these serial numbers and addresses sets."""
        event = trio.Event()
        for name in names:
            self.watched.setdefault(name, []).append(event)
        try:
            yield event
        finally:
            for name in names:
                self.watched[name].remove(event)
                if not self.watched[name]:
                    del self.watched[name]

    def tell(self, name: str) -> None:
        for event in self.watched.get(name, ()):
            event.set()

    def _find(self, sn: str) -> _Trace | None:
        return self._devices.get(sn) or self._waiting.get(sn)

    def _waiting_trace(self, sn: str) -> _Trace:
        trace = self._waiting.get(sn)
        if trace is None:
            if len(self._waiting) >= self._most_waiting:
                del self._waiting[self._least_missed()]
            trace = self._waiting[sn] = _Trace(self, sn)
        self._waiting.move_to_end(sn)
        return trace

    def _least_missed(self) -> str:
        """Of those that are not in, the one heard longest ago that no list shows, or of all."""
        unlisted = (sn for sn in self._waiting if not self._is_listed(sn))
        return next(unlisted, next(iter(self._waiting)))

    def _device_trace(self, sn: str) -> _Trace:
        trace = self._devices.get(sn)
        if trace is None:
            known = self._waiting.pop(sn) if sn in self._waiting else None
            trace = self._devices[sn] = known or _Trace(self, sn)
            if len(self._devices) > self._most_devices:
                self._devices.popitem(last=False)
            self._share_out(trace)
        return trace

    def _share_out(self, newest: _Trace) -> None:
        """Each may have the same share of the memory; it is halved as their number doubles."""
        doublings = (len(self._devices) - 1).bit_length()
        most = MAX_FRAMES >> max(0, doublings - MOST_IN_FULL.bit_length() + 1)
        most_bytes = min(MOST_BYTES_OF_ONE, MOST_BYTES >> doublings)
        changed = self._devices.values() if doublings > self._doublings else (newest,)
        self._doublings = max(doublings, self._doublings)
        for trace in changed:
            trace.inside.limit(most, most_bytes)
