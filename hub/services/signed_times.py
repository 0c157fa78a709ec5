"""The times in signatures, judged by a clock that may be wrong."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from hub.wire.signing import is_within_skew

if TYPE_CHECKING:
    from hub.services.core import Core


class SignedTimes:
    """Judges the times that devices and programs sign (1.1, 三). All times are UNIX seconds.

    While the hub's clock is not doubted, only it counts. While it is doubted, a time may be near
    the likely one instead, because the clocks of others may be right. But each signer must then
    sign a newer time than before: what was signed a year ago, and was forgotten since, would be
    good again under a clock that is a year behind.
    """

    def __init__(self, core: Core) -> None:
        self._now = core.now
        self._clock = core.clock

    def is_near(self, ts: float, skew: float) -> bool:
        """Whether a signed time differs by at most `skew` seconds from what time it may be."""
        if is_within_skew(ts, self._now(), skew):
            return True
        return self._clock.is_doubted and is_within_skew(ts, self._clock.likely_time(), skew)

    def newest(self, find: Callable[[float], float | None], skew: float) -> float | None:
        """Return the newest time that a signer used; None as well while nothing is doubted.

        `find` returns the newest one up to a time: later ones were signed by a clock that was
        ahead, which must shut nobody out.
        """
        return find(self._clock.likely_time() + skew) if self._clock.is_doubted else None
