"""The latest frames of each device, in memory, looked up by its serial number.

A device has two rings, one for the frames of its admitted connections and one for its requests over
HTTP, so that no burst of captures pushes its frames out. All devices share `MAX_BYTES`; beyond it,
the rings of the least recently used devices are emptied.

A connection has a ring of its own until it is admitted. From its first connect attempt on, this
ring is listed under the serial number that it gave. So a connection that only claims a device's
serial number cannot push the device's frames out. Synchronous methods only.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable

from msgspec.structs import replace

from hub.live.frame_ring import (
    ConnectionEnded,
    FrameRing,
    SharedRingState,
    Shorten,
    TracedUpload,
    TraceEntry,
)

#: Entries in the rings of a device.
MAX_FRAMES = 200
MAX_UPLOADS = 50
#: Entries in the ring of one connection that is not admitted, and in that of all that have ended.
MAX_OF_CONNECTION = 20
MAX_ATTEMPTS = 50
#: Open connections that are listed under one serial number; older ones count as ended.
MAX_PENDING = 16
_MAX_FROM_ADDRESS = 20
_MAX_ADDRESSES = 256
#: Memory of all devices' rings together.
MAX_BYTES = 64 * 1024 * 1024


class _DeviceRings:
    """The rings of a device that was admitted."""

    __slots__ = ("frames", "uploads")

    def __init__(self, shared: SharedRingState, sn: str) -> None:
        self.frames = FrameRing(shared, MAX_FRAMES, sn, is_device=True)
        self.uploads = FrameRing(shared, MAX_UPLOADS, sn, is_device=True)

    @property
    def last_number(self) -> int:
        return max(self.frames.last_number, self.uploads.last_number)


class _Attempts:
    """The rings of connections that gave one serial number and were not admitted."""

    __slots__ = ("ended", "open")

    def __init__(self, shared: SharedRingState, sn: str) -> None:
        self.ended = FrameRing(shared, MAX_ATTEMPTS, sn)
        #: Oldest first.
        self.open: dict[FrameRing, None] = {}

    def add(self, ring: FrameRing) -> None:
        self.open[ring] = None
        if len(self.open) > MAX_PENDING:
            self.end(next(iter(self.open)))

    def end(self, ring: FrameRing) -> None:
        del self.open[ring]
        self.ended.take_over(ring.take_out())


class FrameTraces:
    """The traces by serial number.

    `max_pending`: how many serial numbers keep their attempts. Beyond that, those for which
    `is_listed` is false are evicted first: no page shows them, so a flood evicts only itself.
    """

    def __init__(
        self,
        now: Callable[[], float],
        shorten: Shorten,
        *,
        is_listed: Callable[[str], bool],
        max_pending: int,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._shared = SharedRingState(now, shorten, max_bytes, self._make_room)
        #: See SharedRingState.watch().
        self.watch = self._shared.watch
        self.watched = self._shared.watched
        self._is_listed = is_listed
        self._max_pending = max_pending
        self._devices: dict[str, _DeviceRings] = {}
        #: The serial number that was given most recently is at the end.
        self._attempts: OrderedDict[str, _Attempts] = OrderedDict()
        self._addresses: OrderedDict[str, FrameRing] = OrderedDict()

    def open(self) -> FrameRing:
        """Return the ring of a new connection."""
        return FrameRing(self._shared, MAX_OF_CONNECTION)

    def attempted(self, ring: FrameRing, sn: str) -> None:
        """List the frames of a connection that is not admitted under the serial number it gave."""
        attempts = self._attempts_of(sn)
        if ring in attempts.open:
            return
        earlier = self._attempts.get(ring.name)
        if earlier is not None:
            earlier.open.pop(ring, None)
        ring.name = sn
        attempts.add(ring)
        # Renumber the earlier frames, because a follower's position may already be beyond them.
        named = [replace(entry, number=next(self._shared.numbers)) for entry in ring.take_out()]
        ring.take_over(named)

    def admitted(self, ring: FrameRing, sn: str) -> FrameRing:
        """Return the ring for the further frames of a connection that was admitted as this device.

        The entries of the connection's own ring move there.
        """
        frames = self._rings_of(sn).frames
        attempts = self._attempts.get(sn)
        if attempts is not None and ring in attempts.open:
            del attempts.open[ring]
            frames.take_over(ring.take_out())
            if not (attempts.open or attempts.ended.entries()):
                del self._attempts[sn]
        return frames

    def ended(self, ring: FrameRing, reason: str) -> None:
        """Record the end of a connection; if it was not admitted, keep its frames for a while."""
        ring.keep("in", ConnectionEnded(reason))
        attempts = self._attempts.get(ring.name)
        if attempts is not None and ring in attempts.open:
            attempts.end(ring)

    def add_upload(self, sn: str, upload: TracedUpload) -> None:
        """Keep a device's HTTP request that was answered."""
        self._rings_of(sn).uploads.keep("in", upload)

    def add_upload_from(self, address: str, upload: TracedUpload) -> None:
        """Keep an HTTP request that was refused because it named no known device."""
        ring = self._addresses.get(address)
        if ring is None:
            ring = self._addresses[address] = FrameRing(self._shared, _MAX_FROM_ADDRESS, address)
            if len(self._addresses) > _MAX_ADDRESSES:
                self._addresses.popitem(last=False)
        self._addresses.move_to_end(address)
        ring.keep("in", upload)

    def entries(self, sn: str, address: str) -> list[TraceEntry]:
        """All entries of a device, in chronological order.

        `address`: where its requests over HTTP come from if they name no device; may be empty.
        """
        rings: list[FrameRing] = []
        if (device := self._devices.get(sn)) is not None:
            rings += (device.frames, device.uploads)
        if (attempts := self._attempts.get(sn)) is not None:
            rings += (attempts.ended, *attempts.open)
        if (refused := self._addresses.get(address)) is not None:
            rings.append(refused)
        found = itertools.chain.from_iterable(ring.entries() for ring in rings)
        return sorted(found, key=lambda entry: entry.number)

    def forget(self, sn: str) -> None:
        """Drop all frames of a serial number that no longer belongs to a device."""
        self._attempts.pop(sn, None)
        device = self._devices.pop(sn, None)
        if device is not None:
            device.frames.detach()
            device.uploads.detach()

    def clear(self) -> None:
        """Drop all frames of all devices and connections."""
        for device in self._devices.values():
            device.frames.take_out()
            device.uploads.take_out()
        for attempts in self._attempts.values():
            for ring in (attempts.ended, *attempts.open):
                ring.take_out()
        for ring in self._addresses.values():
            ring.take_out()

    def _make_room(self) -> None:
        """Empty rings of the devices used least recently, until an eighth of the memory is free."""
        for device in sorted(self._devices.values(), key=lambda rings: rings.last_number):
            if self._shared.used_bytes <= self._shared.max_bytes * 7 // 8:
                return
            device.frames.take_out()
            device.uploads.take_out()

    def _rings_of(self, sn: str) -> _DeviceRings:
        rings = self._devices.get(sn)
        if rings is None:
            rings = self._devices[sn] = _DeviceRings(self._shared, sn)
        return rings

    def _attempts_of(self, sn: str) -> _Attempts:
        attempts = self._attempts.get(sn)
        if attempts is None:
            if len(self._attempts) >= self._max_pending:
                del self._attempts[self._next_to_evict()]
            attempts = self._attempts[sn] = _Attempts(self._shared, sn)
        self._attempts.move_to_end(sn)
        return attempts

    def _next_to_evict(self) -> str:
        """The oldest serial number that no page lists; if all are listed, the oldest."""
        unlisted = (sn for sn in self._attempts if not self._is_listed(sn))
        return next(unlisted, next(iter(self._attempts)))
