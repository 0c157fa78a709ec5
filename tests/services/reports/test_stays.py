"""Stays of vehicles are paired as one by one in a plain way."""

from __future__ import annotations

import random

import pytest

from hub.services.reports.stays import REPEAT_MS, Stays
from hub.store.reports.sightings import PlateSeen

DAY = 86_400_000
_Stay = tuple[int, int | None, int | None]


def plainly(seen: list[PlateSeen], entrances: set[str], exits: set[str]) -> list[_Stay]:
    """Term, beginning and end of each stay, in the order in which they began."""
    stays: list[list[int | None]] = []
    inside: dict[int, list[int | None]] = {}
    last: dict[tuple[int, str], int] = {}
    for at, did, term in seen:
        sides = [name for name, dids in (("in", entrances), ("out", exits)) if did in dids]
        before = [last.get((term, side), -REPEAT_MS) for side in sides]
        last |= {(term, side): at for side in sides}
        if not sides or any(at - passed < REPEAT_MS for passed in before):
            continue
        if "in" in sides and not ("out" in sides and term in inside):
            inside[term] = [term, at, None]
            stays.append(inside[term])
        elif term in inside:
            inside.pop(term)[2] = at
        else:
            stays.append([term, None, at])
    return [(term or 0, came, left) for term, came, left in stays]


def sightings(pick: random.Random, at: int, plates: int) -> list[PlateSeen]:
    """A camera sends a vehicle once, or several times while it passes."""
    did, term = pick.choice("1234"), pick.randrange(plates)
    more = [pick.randrange(2 * REPEAT_MS) for _ in range(pick.choice([0, 0, 1, 3]))]
    return [(min(at + after, 4 * DAY - 1), did, term) for after in (0, *more)]


@pytest.mark.parametrize("seed", range(40))
def test_stays_are_those_of_a_plain_way(seed: int) -> None:
    pick = random.Random(seed)
    entrances, exits = {"1", "2"}, {"3", *pick.choice([(), ("2",)])}
    span = pick.choice([DAY // 100, DAY, 3 * DAY])
    seen = sorted(
        one
        for _ in range(300)
        for one in sightings(pick, DAY + pick.randrange(span), plates=pick.choice([6, 90]))
    )
    expected, limit = plainly(seen, entrances, exits), pick.choice([0, 5, 30, 1000])
    stays = Stays(entrances, exits, limit)
    for begin in range(DAY, 4 * DAY, DAY):
        of_day = [one for one in seen if begin <= one[0] < begin + DAY]
        pick.shuffle(of_day)
        stays.add_day(of_day)
    found = [(one.term, one.came_at, one.left_at) for one in stays.found]
    assert found == expected[:limit]
    assert stays.left_out == len(expected) - len(found)
    whole = [left - came for _, came, left in expected if came is not None and left is not None]
    assert len(stays.lengths) == len(whole)
    assert stays.lengths.longest == max(whole, default=None)
    assert stays.lengths.median == (sorted(whole)[len(whole) // 2] if whole else None)
    assert stays.entered == sum(came is not None for _, came, _ in expected)
    assert stays.exited == sum(left is not None for _, _, left in expected)
