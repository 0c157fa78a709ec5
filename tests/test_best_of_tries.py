"""What costs too much each time is found, and what costs too much now and then is not."""

from __future__ import annotations

from tests.support.best_of_tries import TRIES, Tries


def cost_of(costs: list[float]) -> Tries:
    """Tries of work that costs this, and the last of it from then on."""
    tries = Tries(0.020)
    while tries.go_on():
        tries.add(costs.pop(0) if len(costs) > 1 else costs[0])
    return tries


def test_the_least_of_many_tries_counts() -> None:
    costs = [9.0, 9.0, 0.019]
    assert cost_of(costs).is_within_bound
    assert costs == [0.019]


def test_what_costs_too_much_in_each_try_is_found() -> None:
    tries = cost_of([9.0])
    assert not tries.is_within_bound
    assert str(tries).startswith("9000.0 ms at least, ")
    assert len(tries._costs) == TRIES
