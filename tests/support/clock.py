"""A wall clock for tests, which moves only when advanced."""

from __future__ import annotations

from datetime import UTC, datetime

from hub.clock_reading import Reading

#: A Wednesday noon, in UNIX seconds.
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC).timestamp()


class FrozenClock:
    """Call it for the time in UNIX seconds, like `time.time`."""

    def __init__(self, seconds: float = NOON) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds

    @property
    def ms(self) -> int:
        """The time in UNIX milliseconds, as structs and the store have it."""
        return round(self.seconds * 1000)

    @property
    def reading(self) -> Reading:
        """What time it is, if this clock is believed."""
        return Reading(self.ms, self.ms, self.ms)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
