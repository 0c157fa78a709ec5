"""Rate limits: a token bucket for traffic, a backoff for failures.

Both are pure: they compute delays and leave the waiting to their callers. Neither blocks a caller
permanently.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable

#: Delays double up to this bound.
MAX_BACKOFF_SECONDS = 30.0
#: The default bound of a table of keys.
TABLE_SIZE = 4096


class TokenBucket:
    """Allows `rate` tokens a second on average, and up to `burst` tokens at once.

    The bucket starts full. It may go into debt: future tokens are reserved for the caller, who
    waits for them. Times are in seconds of any clock; while one is behind, nothing is added.
    """

    __slots__ = ("_burst", "_filled_at", "_rate", "_tokens")

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = burst
        self._filled_at = -math.inf

    def take(self, now: float, tokens: float = 1.0, max_wait: float = math.inf) -> float:
        """Take tokens, and return how many seconds the caller has to wait for them.

        A result above `max_wait` means that nothing was taken.
        """
        elapsed = now - self._filled_at
        left = self._tokens + (elapsed * self._rate if elapsed > 0 else 0.0)
        if left > self._burst:
            left = self._burst
        left -= tokens
        wait = 0.0 if left >= 0 else -left / self._rate
        if wait <= max_wait:
            self._tokens = left
            self._filled_at = now
        return wait

    def give_back(self, tokens: float = 1.0) -> None:
        """Put tokens back that were taken."""
        self._tokens = min(self._burst, self._tokens + tokens)

    def wait_seconds(self, now: float, tokens: float = 1.0) -> float:
        """How long take() would have to wait for the tokens; takes nothing."""
        elapsed = max(0.0, now - self._filled_at)
        left = min(self._burst, self._tokens + elapsed * self._rate) - tokens
        return 0.0 if left >= 0 else -left / self._rate


class TokenBuckets:
    """One token bucket for each key; beyond `size` keys the oldest bucket is dropped."""

    def __init__(self, rate: float, burst: float, *, size: int = TABLE_SIZE) -> None:
        self._rate = rate
        self._burst = burst
        self._size = size
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, now: float, max_wait: float = math.inf) -> float:
        """Take one token from the key's bucket; see TokenBucket.take()."""
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = TokenBucket(self._rate, self._burst)
            if len(self._buckets) > self._size:
                self._buckets.popitem(last=False)
        return bucket.take(now, 1.0, max_wait)


class Backoff:
    """Delays keys that keep failing: `free` failures within `window` seconds cost nothing, each
    further one delays the next attempt by 1, 2, 4 ... 30 s.

    A key without a failure for `window` seconds after its delay starts afresh. The table is
    bounded: the key that failed longest ago is dropped. `now` returns seconds; its clock may be set
    back.
    """

    def __init__(
        self, now: Callable[[], float], *, free: int, window: float, size: int = TABLE_SIZE
    ) -> None:
        self._now = now
        self._free = free
        self._window = window
        self._size = size
        #: The most recent failure is last.
        self._failures: OrderedDict[Hashable, _Failures] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def failed(self, key: Hashable) -> float:
        """Count a failure. Returns for how many seconds it delays the key."""
        now = self._now()
        failures = self._current(key, now) or _Failures()
        failures.last = now
        # Times of free failures; they no longer matter once the key is delayed.
        recent = [time for time in failures.free if now - time <= self._window]
        if failures.delayed or len(recent) >= self._free:
            failures.delayed += 1
        else:
            failures.free = (*recent, now)
        self._failures[key] = failures
        self._failures.move_to_end(key)
        if len(self._failures) > self._size:
            self._failures.popitem(last=False)
        return failures.delay

    def wait_seconds(self, key: Hashable) -> float:
        """How many more seconds the key is delayed; 0 if it may try now."""
        now = self._now()
        failures = self._current(key, now)
        return 0.0 if failures is None else max(0.0, failures.last + failures.delay - now)

    def undo(self, key: Hashable) -> None:
        """Take back the key's last failure."""
        failures = self._failures.get(key)
        if failures is None:
            return
        if failures.delayed:
            failures.delayed -= 1
        else:
            failures.free = failures.free[:-1]
        if not failures.delayed and not failures.free:
            del self._failures[key]

    def forget(self, key: Hashable) -> None:
        """Let the key start afresh."""
        self._failures.pop(key, None)

    def _current(self, key: Hashable, now: float) -> _Failures | None:
        failures = self._failures.get(key)
        if failures is None:
            return None
        # A negative time since then means that the clock was set back.
        if 0 <= now - failures.last <= failures.delay + self._window:
            return failures
        del self._failures[key]
        return None


class _Failures:
    """The failures of one key: the times of its free ones, and the number of delayed ones."""

    __slots__ = ("delayed", "free", "last")

    def __init__(self) -> None:
        self.free: tuple[float, ...] = ()
        self.delayed = 0
        self.last = 0.0

    @property
    def delay(self) -> float:
        """Seconds from the last failure until the next attempt."""
        if not self.delayed:
            return 0.0
        return float(min(MAX_BACKOFF_SECONDS, 2.0 ** min(self.delayed - 1, 10)))
