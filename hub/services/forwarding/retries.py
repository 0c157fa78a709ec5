"""When to try again what failed: the times of Standard Webhooks, with jitter."""

from __future__ import annotations

from collections.abc import Callable

#: After each failure in a row, in seconds; the last one again until it works.
WAITS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
_JITTER = 0.1


class Retries:
    """Counts failures in a row. `random` returns a number from 0 to 1."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self.failures = 0

    def next_wait(self, at_least: float = 0.0) -> float:
        """Note a failure; return the seconds to wait, up to a tenth more than planned.

        `at_least`: what the other side asked for; no more than a day counts.
        """
        planned = WAITS[min(self.failures, len(WAITS) - 1)]
        self.failures += 1
        return max(planned * (1 + _JITTER * self._random()), min(at_least, WAITS[-1]))

    def reset(self) -> None:
        """Note a success, or a person who wants it tried at once."""
        self.failures = 0
