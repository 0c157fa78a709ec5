"""The clock by which what expires is counted: tokens, sessions, set-up links and links to firmware.

While the hub runs, this clock follows a steady one, so setting the wall clock neither lengthens nor
shortens a life. At a start it goes on from where the last run left it, plus the time that the hub
was off: the difference of the wall clock. If that is negative, the clock was set back meanwhile and
nobody knows how long the hub was off. Then the clock moves forward by more than any life, and all
of them have ended.

It starts as the wall clock, and differs from it by the steps that were made since.
"""

from __future__ import annotations

from collections.abc import Callable

#: Longer than any life: a session may last seven days.
BEYOND_ALL_SECONDS = 8 * 86_400.0
#: The wall clock may be corrected by so much between two runs.
_TOLERANCE_SECONDS = 60.0


class ExpiryClock:
    """Call it for the time in seconds, which never goes back, not even between two runs."""

    def __init__(
        self, now: Callable[[], float], steady_now: Callable[[], float], *, begin: float
    ) -> None:
        """`now`: the wall clock. `begin`: the time that this clock shows now."""
        self._now = now
        self._steady_now = steady_now
        self._ahead = begin - steady_now()

    def __call__(self) -> float:
        return self._ahead + self._steady_now()

    def as_shown(self, moment_ms: int) -> int:
        """Return a time of this clock as people's clocks show it; both in milliseconds."""
        step_ms = int((self._now() - self()) * 1000)
        return moment_ms if abs(step_ms) < 1000 else moment_ms + step_ms


def begin_of_expiry_clock(wall: float, *, seen: float, saved: float) -> float:
    """Return what the expiry clock shows at a start, where the wall clock shows `wall`.

    When they were last saved, the wall clock showed `seen` and this one `saved`.
    """
    off = wall - seen
    return saved + (max(0.0, off) if off >= -_TOLERANCE_SECONDS else BEYOND_ALL_SECONDS)
