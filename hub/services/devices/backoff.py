"""Hold answers back from whoever keeps failing (D2 "Rate"), and from nobody else."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Hashable

FREE_FAILURES = 5
WINDOW_SECONDS = 60.0
LONGEST_SECONDS = 30.0


class _Record:
    """The failures of one key: those still free, and how far the holding back has come."""

    __slots__ = ("held", "recent", "released_at")

    def __init__(self) -> None:
        self.recent: deque[float] = deque(maxlen=FREE_FAILURES)
        self.held = 0
        self.released_at = 0.0


class Holdback:
    """After 5 failures within a minute each further answer waits 1, 2, 4 ... 30 s.

    A key that failed nothing for a minute starts afresh. The table is bounded: the key that failed
    longest ago makes room.
    """

    def __init__(self, now: Callable[[], float], *, size: int = 4096) -> None:
        self._now = now
        self._size = size
        self._records: OrderedDict[Hashable, _Record] = OrderedDict()

    def __len__(self) -> int:
        return len(self._records)

    def failed(self, key: Hashable) -> float:
        """Count a failure; returns the seconds that its answer has to wait."""
        now = self._now()
        record = self._records.pop(key, None)
        if record is None or not _goes_on(record, now):
            record = _Record()
        self._records[key] = record
        if len(self._records) > self._size:
            self._records.popitem(last=False)
        seconds = _next_hold(record, now)
        record.released_at = now + seconds
        return seconds


def _goes_on(record: _Record, now: float) -> bool:
    # The wall clock may have been set back by more than any hold: that starts afresh too.
    return -LONGEST_SECONDS <= now - record.released_at <= WINDOW_SECONDS


def _next_hold(record: _Record, now: float) -> float:
    burst = len(record.recent) == FREE_FAILURES and now - record.recent[0] <= WINDOW_SECONDS
    record.recent.append(now)
    if not burst and not record.held:
        return 0.0
    record.held += 1
    return min(LONGEST_SECONDS, 2.0 ** min(record.held - 1, 10))
