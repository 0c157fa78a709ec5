"""What time it is, as far as a clock can tell that may be wrong.

A time that was read from the wall clock is a plain number. Whatever must not follow a wall clock
that may be wrong takes one of these types instead, so that mypy refuses the wall clock there. Only
`SiteClock` makes them. Who reads the wall clock, and why that does no harm, is listed in
tests/services/clock/test_wall_clock.py.
"""

from __future__ import annotations

from typing import NewType

from msgspec import Struct

#: The time that is most probably right, in UNIX seconds.
LikelyTime = NewType("LikelyTime", float)

#: What `Reading` has if nothing is known; any time is between them.
ALWAYS_BEFORE = -(1 << 63)
ALWAYS_AFTER = (1 << 63) - 1


class Reading(Struct, frozen=True):
    """What time it is, in UNIX milliseconds.

    `likely` is most probably right. The time is not before `earliest` and not after `latest`: the
    three are the same as long as the time is known.
    """

    likely: int
    earliest: int
    latest: int


def is_past(since: int, now: int, span: int) -> bool:
    """Whether `span` lies between two times that a clock showed, which may have been set meanwhile.

    A time that lies as far in the future was written while the clock was ahead: it counts as past.
    """
    return abs(now - since) >= span
