"""A wall clock for tests: it stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime

#: A Wednesday noon, in UNIX seconds.
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC).timestamp()


class FrozenClock:
    """Called, it gives UNIX seconds, as `time.time` does."""

    def __init__(self, seconds: float = NOON) -> None:
        self.seconds = seconds

    def __call__(self) -> float:
        return self.seconds

    @property
    def ms(self) -> int:
        """The same time in milliseconds, as structs and the store keep it."""
        return round(self.seconds * 1000)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
