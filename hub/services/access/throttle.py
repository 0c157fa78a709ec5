"""Slow down whoever keeps guessing, and nobody else.

Failures are counted per key in a bounded table; once a key has used up its free ones, each further
try must wait 1, 2, 4 ... seconds after the last, at most `longest`. Nothing is locked for good.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

_FORGET_SECONDS = 900.0


class Throttle:
    """Failures per key. A key that failed nothing for 15 minutes starts afresh."""

    def __init__(
        self, now: Callable[[], float], *, free: int, longest: float = 30.0, size: int = 4096
    ) -> None:
        self._now = now
        self._free = free
        self._longest = longest
        self._size = size
        #: key -> (failures, when the last one was), the most recent last.
        self._failures: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._failures)

    def wait_seconds(self, key: Hashable) -> float:
        """How long `key` has to wait before its next try; 0 when it may try now."""
        failures, last = self._failures.get(key, (0, 0.0))
        if failures < self._free:
            return 0.0
        passed = self._now() - last
        if not 0 <= passed < _FORGET_SECONDS:  # below 0: the wall clock was set back
            del self._failures[key]
            return 0.0
        hold: float = min(self._longest, 2.0 ** min(failures - self._free, 16))
        return max(0.0, hold - passed)

    def failed(self, key: Hashable) -> None:
        """Count one failure; the key that failed longest ago makes room where the table is full."""
        failures, last = self._failures.pop(key, (0, 0.0))
        now = self._now()
        if not 0 <= now - last < _FORGET_SECONDS:
            failures = 0
        self._failures[key] = (failures + 1, now)
        if len(self._failures) > self._size:
            self._failures.popitem(last=False)

    def forgive(self, key: Hashable) -> None:
        self._failures.pop(key, None)

    def take_back(self, key: Hashable) -> None:
        """One counted failure was none after all."""
        failures, last = self._failures.get(key, (0, 0.0))
        if failures > 1:
            self._failures[key] = (failures - 1, last)
        else:
            self.forgive(key)
