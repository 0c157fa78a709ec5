"""The latest frames of one connection or device, in memory; short ones are kept unchanged."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from sys import getsizeof
from typing import Literal

import trio
from msgspec import Struct

#: A longer frame is shortened when it arrives.
MAX_WHOLE_LENGTH = 4096
#: Only this many characters of a stranger's longer frame are redacted and kept, in 0.04 ms. A whole
#: frame would take up to 9 ms, and a stranger may send 200 a second.
MAX_STRANGER_LENGTH = 512
#: Memory of one ring.
MAX_DEVICE_RING_BYTES = 384 * 1024
MAX_STRANGER_RING_BYTES = 48 * 1024
#: Memory of an entry besides its text.
_ENTRY_BYTES = 160

Direction = Literal["in", "out"]


class TracedUpload(Struct, frozen=True):
    """A request over HTTP, without its body and its query, which may hold a signature.

    `status` and `code` are 0 if the device left before it was answered. `size`: bytes of the body.
    """

    method: str
    path: str
    status: int
    code: int
    msg: str
    seconds: float
    size: int


class ConnectionEnded(Struct, frozen=True):
    """The connection ended, for this reason."""

    reason: str


class Shortened(Struct, frozen=True):
    """What is kept of a long frame, redacted. `size`: its bytes on the wire."""

    text: str
    size: int


Kept = str | bytes | Shortened | TracedUpload | ConnectionEnded


# gc=False: entries and their contents form no reference cycles, so the collector can skip them.
class TraceEntry(Struct, frozen=True, gc=False):
    """`number` increases with each entry, across restarts too. `at`: UNIX seconds.

    `memory`: the bytes that the entry takes.
    """

    number: int
    at: float
    direction: Direction
    kept: Kept
    memory: int


#: Redacts the beginning of a long frame, or all of it.
Shorten = Callable[[str | bytes], str]


class SharedRingState:
    """The state that all rings share: clock, numbers, watchers, and the memory of devices' rings.

    `make_room` is called when the devices' rings together take more than `max_bytes`.
    """

    def __init__(
        self,
        now: Callable[[], float],
        shorten: Shorten,
        max_bytes: int,
        make_room: Callable[[], None],
    ) -> None:
        self.now = now
        self.shorten = shorten
        self.max_bytes = max_bytes
        self.used_bytes = 0
        self.make_room = make_room
        #: Start at the current time, so that a reader's position stays valid across a restart.
        self.numbers = itertools.count(int(now() * 1_000_000))
        #: Name of a ring -> the events of the tasks that wait for its next entry.
        self.watched: dict[str, list[trio.Event]] = {}

    @contextmanager
    def watch(self, *names: str) -> Iterator[trio.Event]:
        """Yield an event that is set by the next entry of these serial numbers and addresses."""
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

    def wake(self, name: str) -> None:
        """Set the events of the tasks that watch this name."""
        for event in self.watched.get(name, ()):
            event.set()


class FrameRing:
    """The latest entries of one connection or device: bounded in number and in bytes of memory."""

    __slots__ = (
        "_bytes",
        "_entries",
        "_max_bytes",
        "_max_entries",
        "_now",
        "_number",
        "_shared",
        "is_device",
        "name",
    )

    def __init__(
        self, shared: SharedRingState, max_entries: int, name: str = "", *, is_device: bool = False
    ) -> None:
        #: The serial number or the address by which it is watched.
        self.name = name
        #: True for an admitted device, whose memory is counted; False for a stranger.
        self.is_device = is_device
        self._shared = shared
        self._number = shared.numbers.__next__
        self._now = shared.now
        self._max_entries = max_entries
        self._max_bytes = MAX_DEVICE_RING_BYTES if is_device else MAX_STRANGER_RING_BYTES
        self._entries: deque[TraceEntry] = deque()
        self._bytes = 0

    def received(self, frame: str | bytes) -> None:
        """Keep a frame that the device sent."""
        self._keep_frame("in", frame)

    def sent(self, frame: str) -> None:
        """Keep a frame that the hub sent."""
        self._keep_frame("out", frame)

    def keep(self, direction: Direction, kept: Shortened | TracedUpload | ConnectionEnded) -> None:
        """Keep an entry that is not a whole frame."""
        self._keep(direction, kept, getsizeof(_text_of(kept)))

    def take_over(self, entries: Iterable[TraceEntry]) -> None:
        """Append entries of another ring, which keep their numbers."""
        for entry in entries:
            self._append(entry)
        self._shared.wake(self.name)

    def entries(self) -> list[TraceEntry]:
        return list(self._entries)

    @property
    def last_number(self) -> int:
        """The number of the latest entry; 0 if there is none."""
        return self._entries[-1].number if self._entries else 0

    def take_out(self) -> list[TraceEntry]:
        """Remove all entries and return them."""
        taken = self.entries()
        self._entries.clear()
        if self.is_device:
            self._shared.used_bytes -= self._bytes
        self._bytes = 0
        return taken

    def detach(self) -> None:
        """Empty the ring of a device that was removed. Its connection may still write to it."""
        self.take_out()
        self.is_device = False

    def _keep_frame(self, direction: Direction, frame: str | bytes) -> None:
        if len(frame) <= MAX_WHOLE_LENGTH:
            self._keep(direction, frame, getsizeof(frame))
        else:
            self.keep(direction, self._shortened(frame))

    def _keep(self, direction: Direction, kept: Kept, text_bytes: int) -> None:
        memory = text_bytes + _ENTRY_BYTES
        self._append(TraceEntry(self._number(), self._now(), direction, kept, memory))
        if self._shared.watched:
            self._shared.wake(self.name)

    def _append(self, entry: TraceEntry) -> None:
        entries, growth = self._entries, entry.memory
        if len(entries) == self._max_entries:
            growth -= entries.popleft().memory
        entries.append(entry)
        if growth:
            self._add_bytes(growth)

    def _add_bytes(self, growth: int) -> None:
        self._bytes += growth
        while self._bytes > self._max_bytes:
            dropped = self._entries.popleft().memory
            self._bytes -= dropped
            growth -= dropped
        if self.is_device:
            self._shared.used_bytes += growth
            if self._shared.used_bytes > self._shared.max_bytes:
                self._shared.make_room()

    def _shortened(self, frame: str | bytes) -> Shortened:
        size = len(frame) if isinstance(frame, bytes) else len(frame.encode("utf-8", "replace"))
        seen = frame if self.is_device else frame[:MAX_STRANGER_LENGTH]
        return Shortened(self._shared.shorten(seen), size)


def _text_of(kept: Shortened | TracedUpload | ConnectionEnded) -> str:
    if isinstance(kept, Shortened):
        return kept.text
    if isinstance(kept, TracedUpload):
        return kept.method + kept.path + kept.msg
    return kept.reason
