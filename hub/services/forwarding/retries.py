"""When to try again what failed: the times of Standard Webhooks, with jitter."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

#: After each failure in a row, in seconds; the last one again until it works.
WAITS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)


class RetryPlan(Struct, frozen=True):
    """How long to wait after each failure in a row: `waits`, the last one again and again.

    Up to `spread` of it, and up to `spread_seconds`, come on top by chance. What the other side
    asks for counts up to `most_asked`.
    """

    waits: tuple[float, ...] = WAITS
    spread: float = 0.0
    spread_seconds: float = 0.0
    most_asked: float = 86_400.0


WEBHOOK_PLAN = RetryPlan(WAITS, spread=0.1)
#: Whoever waits for alarms hears of them 5 minutes after the receiver is back, at the latest.
ALARM_PLAN = RetryPlan((5.0, 270.0), spread=0.1, most_asked=300.0)


class Retries:
    """Counts failures in a row. `random` returns a number from 0 to 1."""

    def __init__(self, random: Callable[[], float], plan: RetryPlan) -> None:
        self._random = random
        self._plan = plan
        self.failures = 0

    def next_wait(self, at_least: float = 0.0) -> float:
        """Note a failure; return the seconds to wait.

        `at_least`: what the other side asked for.
        """
        plan = self._plan
        planned = plan.waits[min(self.failures, len(plan.waits) - 1)]
        self.failures += 1
        spread = (planned * plan.spread + plan.spread_seconds) * self._random()
        return max(planned + spread, min(at_least, plan.most_asked))

    def reset(self) -> None:
        """Note a success, or a person who wants it tried at once."""
        self.failures = 0
