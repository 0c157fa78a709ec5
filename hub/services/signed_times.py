"""The times in signatures, judged by a clock that may be wrong."""

from __future__ import annotations

from collections.abc import Callable

from hub.clock_reading import LikelyTime
from hub.wire.signing import is_within_skew


class SignedTimes:
    """Judges the times that devices and programs sign (1.1, 三). All times are UNIX seconds.

    While the hub's clock is not doubted, only it counts. While it is doubted, a time may be near
    the likely one instead, because the clocks of others may be right. But each signer must then
    sign a newer time than before: what was signed a year ago, and was forgotten since, would be
    good again under a clock that is a year behind.
    """

    def __init__(
        self,
        now: Callable[[], float],
        likely_time: Callable[[], LikelyTime] | None = None,
        is_doubted: Callable[[], bool] = lambda: False,
    ) -> None:
        self._now = now
        self._likely_time: Callable[[], float] = likely_time or now
        self._is_doubted = is_doubted

    def is_near(self, ts: float, skew: float) -> bool:
        """Whether a signed time differs by at most `skew` seconds from what time it may be."""
        if is_within_skew(ts, self._now(), skew):
            return True
        return self._is_doubted() and is_within_skew(ts, self._likely_time(), skew)

    def newest(self, find: Callable[[float], float | None], skew: float) -> float | None:
        """Return the newest time that a signer used; None as well while nothing is doubted.

        `find` returns the newest one up to a time: later ones were signed by a clock that was
        ahead, which must shut nobody out.
        """
        return find(self._likely_time() + skew) if self._is_doubted() else None
