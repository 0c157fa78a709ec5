"""Stays of vehicles are paired as one by one in a plain way."""

from __future__ import annotations

import random

import pytest

from hub.services.reports.stays import Stays
from hub.store.reports.day_parts import REPEAT_MS, as_vehicles
from hub.store.reports.sightings import PlateSeen

DAY = 86_400_000
_Stay = tuple[int, int | None, int | None]


def plainly(seen: list[PlateSeen], entrances: set[str], exits: set[str]) -> list[_Stay]:
    """Term, beginning and end of each stay, in the order in which they began."""
    stays: list[list[int | None]] = []
    inside: dict[int, list[int | None]] = {}
    last: dict[tuple[int, str], int] = {}
    for one in seen:
        sides = [name for name, dids in (("in", entrances), ("out", exits)) if one.did in dids]
        before = [last.get((one.term, side), -REPEAT_MS) for side in sides]
        last |= {(one.term, side): one.at for side in sides}
        if not sides or any(one.at - at < REPEAT_MS for at in before):
            continue
        if "in" in sides and not ("out" in sides and one.term in inside):
            inside[one.term] = [one.term, one.at, None]
            stays.append(inside[one.term])
        elif one.term in inside:
            inside.pop(one.term)[2] = one.at
        else:
            stays.append([one.term, None, one.at])
    return [(term or 0, came, left) for term, came, left in stays]


@pytest.mark.parametrize("seed", range(20))
def test_stays_are_those_of_a_plain_way(seed: int) -> None:
    pick = random.Random(seed)
    entrances, exits = {"1", "2"}, {"3", *pick.choice([(), ("2",)])}
    span = pick.choice([DAY // 100, 3 * DAY])
    seen = sorted(
        (
            PlateSeen(DAY + pick.randrange(span), pick.choice("1234"), pick.randrange(6))
            for _ in range(300)
        ),
        key=lambda one: (one.at, one.did, one.term),
    )
    expected, limit = plainly(seen, entrances, exits), pick.choice([5, 1000])
    stays = Stays(entrances, exits, limit)
    for begin in range(DAY, 4 * DAY, DAY):
        of_day = [one for one in seen if begin <= one.at < begin + DAY]
        pick.shuffle(of_day)
        stays.add_day([as_vehicles(of_day, begin, begin + DAY)], begin + DAY)
    found = [(one.term, one.came_at, one.left_at) for one in stays.found]
    assert found == expected[:limit]
    assert stays.left_out == len(expected) - len(found)
    whole = [left - came for _, came, left in expected if came is not None and left is not None]
    assert len(stays.lengths) == len(whole)
    assert stays.lengths.longest == max(whole, default=None)
    assert stays.lengths.median == (sorted(whole)[len(whole) // 2] if whole else None)
    assert stays.entered == sum(came is not None for _, came, _ in expected)
    assert stays.exited == sum(left is not None for _, _, left in expected)
