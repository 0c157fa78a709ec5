"""Limits that many sources share in turns."""

from __future__ import annotations

from hub.net.shared_limits import (
    HOLD_SECONDS,
    MAX_QUEUED,
    MAX_QUEUED_IN_ALL,
    SharedLimits,
)

FLOOD, OTHER, CAMERA = "10.0.0.66", "10.0.0.67", "10.0.0.8"


class Door:
    """Two tries at once for each target, then one in 30 s."""

    def __init__(self, size: int = 10) -> None:
        self.seconds = 0.0
        self.limits = SharedLimits(1 / 30, 2, lambda: self.seconds, size=size)

    def tries(self, source: str, target: str = "gate") -> bool:
        """Whether the source may try now; it does."""
        if self.limits.ask(target, source):
            return False
        self.limits.take(target, source)
        return True


def seconds_until_in(door: Door, flood: list[str], *, every: int) -> float:
    """How long the camera, which asks `every` so many seconds, waits beside a flood."""
    started = door.seconds
    while True:
        for source in flood:
            door.tries(source)
        if (door.seconds - started) % every == 0 and door.tries(CAMERA):
            return door.seconds - started
        door.seconds += 1


def test_a_few_tries_are_free_and_then_one_is_allowed_at_a_time() -> None:
    door = Door()
    assert [door.tries(FLOOD) for _ in range(3)] == [True, True, False]
    assert door.limits.ask("gate", FLOOD) == 30
    door.seconds += 30
    assert [door.tries(FLOOD) for _ in range(2)] == [True, False]


def test_a_target_that_nobody_tries_is_free() -> None:
    door = Door()
    for _ in range(9):
        door.tries(FLOOD)
    assert door.tries(FLOOD, "another gate")


def test_one_source_that_floods_delays_another_by_two_tries() -> None:
    door = Door()
    for _ in range(9):
        door.tries(FLOOD)
    assert seconds_until_in(door, [FLOOD], every=1) == 60


def test_each_source_that_floods_delays_another_by_one_try() -> None:
    for count in (10, 50):
        door = Door()
        flood = [f"10.0.1.{number}" for number in range(count)]
        for source in flood:
            door.tries(source)
        delay = seconds_until_in(door, flood, every=50)
        assert delay <= (count + 1) * 30 + 50


def test_who_has_a_place_and_does_not_come_costs_others_one_try() -> None:
    door = Door()
    for _ in range(2):
        door.tries(FLOOD)
    door.tries(OTHER)
    door.tries(CAMERA)
    door.seconds += 60
    assert door.tries(CAMERA)


def test_who_comes_at_the_time_that_it_was_told_still_has_its_place() -> None:
    door = Door()
    flood = [f"10.0.1.{number}" for number in range(10)]
    for source in [*flood, *flood]:
        door.tries(source)
    told = door.limits.ask("gate", CAMERA)
    assert told == (len(flood) + 1) * 30
    while door.seconds < told:
        door.seconds += 1
        for source in flood:
            door.tries(source)
    assert door.tries(CAMERA)


def test_a_place_is_lost_if_its_source_does_not_come_back() -> None:
    door = Door()
    for _ in range(2):
        door.tries(FLOOD)
    assert not door.tries(OTHER)
    door.seconds += 30 + HOLD_SECONDS + 1
    assert [door.tries(FLOOD) for _ in range(2)] == [True, True]


def test_a_try_that_is_given_back_does_not_count() -> None:
    door = Door()
    for _ in range(5):
        assert door.tries(FLOOD)
        door.limits.give_back("gate")
        assert len(door.limits) == 0


def test_a_try_that_is_given_back_takes_no_place_from_those_who_wait() -> None:
    door = Door()
    for _ in range(2):
        door.tries(FLOOD)
    door.tries(CAMERA)
    door.seconds += 29
    door.limits.give_back("gate")
    assert len(door.limits) == 1
    assert door.limits._queued == 1


def test_a_target_that_is_forgotten_starts_afresh() -> None:
    door = Door()
    for _ in range(3):
        door.tries(FLOOD)
    door.limits.forget("gate")
    assert door.tries(FLOOD)
    assert door.limits._queued == 0


def test_targets_are_bounded_and_the_one_tried_longest_ago_goes() -> None:
    door = Door(size=3)
    for target in ("1", "2", "3", "1", "4"):
        door.tries(FLOOD, target)
    assert len(door.limits) == 3
    assert [door.limits._targets.get(one) is None for one in "1234"] == [False, True, False, False]


def test_targets_that_have_recovered_are_forgotten() -> None:
    door = Door()
    for target in ("1", "2", "3"):
        door.tries(FLOOD, target)
    door.seconds += 60
    door.tries(FLOOD, "4")
    assert len(door.limits) == 1


def test_targets_that_have_recovered_go_before_one_that_has_not() -> None:
    door = Door(size=3)
    for target in ("live", "live", "1", "2"):
        door.tries(FLOOD, target)
    door.seconds += 30
    door.tries(FLOOD, "3")
    assert [one in door.limits._targets for one in ("live", "1", "3")] == [True, False, True]
    assert door.tries(FLOOD, "live")
    assert not door.tries(FLOOD, "live")


def test_the_places_are_bounded() -> None:
    door = Door(size=1000)
    targets = 2 * MAX_QUEUED_IN_ALL // MAX_QUEUED
    for target in range(targets):
        for number in range(MAX_QUEUED + 10):
            door.tries(f"source {number}", str(target))
    assert door.limits._queued == MAX_QUEUED_IN_ALL
    assert max(len(target.queue) for target in door.limits._targets.values()) == MAX_QUEUED
    for target in range(targets):
        door.limits.forget(str(target))
    assert door.limits._queued == 0
