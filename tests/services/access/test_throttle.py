from __future__ import annotations

from hub.services.access.throttle import Throttle
from tests.support.clock import FrozenClock


def test_the_table_is_bounded_and_forgets_who_failed_longest_ago(clock: FrozenClock) -> None:
    throttle = Throttle(clock, free=1, size=3)
    for key in "abcd":
        throttle.failed(key)
    assert len(throttle) == 3
    assert throttle.wait_seconds("a") == 0
    assert throttle.wait_seconds("d") == 1


def test_a_failure_that_was_none_is_taken_back(clock: FrozenClock) -> None:
    throttle = Throttle(clock, free=2)
    throttle.failed("a")
    throttle.failed("a")
    throttle.take_back("a")
    assert throttle.wait_seconds("a") == 0
    throttle.take_back("a")
    throttle.take_back("a")
    assert len(throttle) == 0
