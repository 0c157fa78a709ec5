"""Rate limits of targets that many sources share in turns.

A target is what is tried: the password of a user, the security code of a device, the work for a
network or for all of them. What all sources together may try of it is bounded by a token bucket.
Who comes when no token is left gets a place in a queue, and the next tokens belong to the first
ones in it, however often others ask meanwhile. So a source waits for one token for each source
before it, and one more.

Sources ask again by themselves: nothing waits here. Whoever does not ask within HOLD_SECONDS of its
turn loses the place. Pure: `now` returns seconds of a monotonic clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from hub.net.rate_limits import TABLE_SIZE, TokenBucket

#: A camera that was refused asks again within 90 s (30 s of delay, 20 to 60 s of its own), people
#: within two minutes.
HOLD_SECONDS = 120.0
#: Rounding errors of the bucket: who comes after the time that it was told is not too early.
_TOLERANCE_SECONDS = 0.001
#: Places in the queue of one target, and in all. Beyond them a source gets none.
MAX_QUEUED = 256
MAX_QUEUED_IN_ALL = 4096


class SharedLimits:
    """A limit for each target: `burst` tries at once, then `rate` a second, in turns by source.

    Targets whose buckets are full again are forgotten; beyond `size`, if there are none, the one
    that was tried longest ago.
    """

    def __init__(
        self, rate: float, burst: float, now: Callable[[], float], *, size: int = TABLE_SIZE
    ) -> None:
        self._rate = rate
        self._burst = burst
        self._now = now
        self._size = size
        #: The one that was used most recently is last.
        self._targets: OrderedDict[Hashable, _Target] = OrderedDict()
        self._queued = 0

    def __len__(self) -> int:
        return len(self._targets)

    def ask(self, key: Hashable, source: str) -> float:
        """Ask for a turn. Returns how many seconds the source has to wait for it; 0: it is now.

        If it has to wait, it gets a place in the queue, or keeps its own, if one is free.
        """
        target = self._targets.get(key)
        if target is None:
            return 0.0
        self._drop_absent(target)
        place = target.place_of(source)
        wait = target.bucket.wait_seconds(self._now(), place + 1)
        if wait < _TOLERANCE_SECONDS:
            return 0.0
        self._queue(target, source, self._now() + wait + HOLD_SECONDS)
        return wait

    def take(self, key: Hashable, source: str) -> None:
        """Take a token for the source, whose turn it is."""
        target = self._targets.get(key)
        if target is None:
            self._make_room()
            target = self._targets[key] = _Target(TokenBucket(self._rate, self._burst))
        self._targets.move_to_end(key)
        target.bucket.take(self._now())
        self._leave(target, source)

    def give_back(self, key: Hashable) -> None:
        """Take back a take(): it does not count."""
        if target := self._targets.get(key):
            target.bucket.give_back()
            if self._has_recovered(target):
                self.forget(key)

    def forget(self, key: Hashable) -> None:
        """Let the target start afresh."""
        if target := self._targets.pop(key, None):
            self._queued -= len(target.queue)

    def _queue(self, target: _Target, source: str, until: float) -> None:
        if source not in target.queue:
            if len(target.queue) >= MAX_QUEUED or self._queued >= MAX_QUEUED_IN_ALL:
                return
            self._queued += 1
        target.queue[source] = until

    def _leave(self, target: _Target, source: str) -> None:
        if target.queue.pop(source, None) is not None:
            self._queued -= 1

    def _drop_absent(self, target: _Target) -> None:
        now = self._now()
        for source in [one for one, until in target.queue.items() if until < now]:
            self._leave(target, source)

    def _make_room(self) -> None:
        """Forget targets that have recovered, the oldest first, and another one if none has."""
        for key, target in tuple(self._targets.items()):
            if self._has_recovered(target):
                self.forget(key)
            elif len(self._targets) < self._size:
                return
        if len(self._targets) >= self._size:
            self.forget(next(iter(self._targets)))

    def _has_recovered(self, target: _Target) -> bool:
        self._drop_absent(target)
        return not target.queue and not target.bucket.wait_seconds(self._now(), self._burst)


class _Target:
    """A bucket, and who waits for its tokens, in order: source -> how long its place is kept."""

    __slots__ = ("bucket", "queue")

    def __init__(self, bucket: TokenBucket) -> None:
        self.bucket = bucket
        self.queue: dict[str, float] = {}

    def place_of(self, source: str) -> int:
        """How many sources come first."""
        for place, one in enumerate(self.queue):
            if one == source:
                return place
        return len(self.queue)
