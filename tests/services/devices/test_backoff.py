from __future__ import annotations

from hub.services.devices.backoff import Holdback
from tests.support.clock import FrozenClock


def failures(holdback: Holdback, clock: FrozenClock, count: int, every: float = 0) -> list[float]:
    """The holds of so many failures, each after the answer before and a pause."""
    holds = []
    for _ in range(count):
        holds.append(holdback.failed("key"))
        clock.advance(holds[-1] + every)
    return holds


def test_the_sixth_failure_within_a_minute_is_the_first_held_back(clock: FrozenClock) -> None:
    holds = failures(Holdback(clock), clock, 12)
    assert holds == [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 30, 30]


def test_failures_that_are_far_apart_are_never_held_back(clock: FrozenClock) -> None:
    assert set(failures(Holdback(clock), clock, 50, every=13)) == {0}


def test_a_minute_without_a_failure_starts_afresh(clock: FrozenClock) -> None:
    holdback = Holdback(clock)
    failures(holdback, clock, 8)
    clock.advance(61)
    assert failures(holdback, clock, 6) == [0, 0, 0, 0, 0, 1]


def test_failures_at_once_are_held_back_longer_and_longer(clock: FrozenClock) -> None:
    holdback = Holdback(clock)
    assert [holdback.failed("key") for _ in range(8)] == [0, 0, 0, 0, 0, 1, 2, 4]


def test_keys_do_not_know_of_each_other(clock: FrozenClock) -> None:
    holdback = Holdback(clock)
    failures(holdback, clock, 10)
    assert holdback.failed("other") == 0


def test_the_table_is_bounded(clock: FrozenClock) -> None:
    holdback = Holdback(clock, size=100)
    for number in range(1000):
        holdback.failed(number)
    assert len(holdback) == 100


def test_a_wall_clock_that_is_set_back_starts_afresh(clock: FrozenClock) -> None:
    holdback = Holdback(clock)
    failures(holdback, clock, 10)
    clock.advance(-3600)
    assert holdback.failed("key") == 0
