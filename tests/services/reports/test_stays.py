"""Stays of vehicles are paired as one by one in a plain way."""

from __future__ import annotations

import random

import pytest

from hub.services.reports import stays as stays_module
from hub.services.reports.stays import Stays
from hub.store.reports import vehicle_parts
from hub.store.reports.sightings import PlateSeen
from hub.store.reports.vehicle_parts import REPEAT_MS, as_vehicles

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


def sightings(pick: random.Random, at: int, plates: int) -> list[PlateSeen]:
    """A camera sends a vehicle once, or several times while it passes."""
    did, term = pick.choice("1234"), pick.randrange(plates)
    more = [pick.randrange(2 * REPEAT_MS) for _ in range(pick.choice([0, 0, 1, 3]))]
    return [PlateSeen(min(at + after, 4 * DAY - 1), did, term) for after in (0, *more)]


@pytest.mark.parametrize("seed", range(40))
def test_stays_are_those_of_a_plain_way(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pick = random.Random(seed)
    monkeypatch.setattr(stays_module, "_MAX_PLACES", pick.choice([0, 4, 1000]))
    monkeypatch.setattr(vehicle_parts, "_SIGHTINGS", pick.choice([2, 7, 4_096]))
    monkeypatch.setattr(vehicle_parts, "MAX_CAMERAS", pick.choice([1, 3, 255]))
    monkeypatch.setattr(vehicle_parts, "_MAX_ROUNDS", pick.choice([1, 5, 40]))
    entrances, exits = {"1", "2"}, {"3", *pick.choice([(), ("2",)])}
    span = pick.choice([DAY // 100, DAY, 3 * DAY])
    seen = sorted(
        (
            one
            for _ in range(300)
            for one in sightings(pick, DAY + pick.randrange(span), plates=pick.choice([6, 90]))
        ),
        key=lambda one: (one.at, one.did, one.term),
    )
    expected, limit = plainly(seen, entrances, exits), pick.choice([0, 5, 30, 1000])
    stays = Stays(entrances, exits, DAY, limit)
    for begin in range(DAY, 4 * DAY, DAY):
        of_day = [one for one in seen if begin <= one.at < begin + DAY]
        pick.shuffle(of_day)
        to_pair, _ = as_vehicles(of_day, begin, begin + DAY, lambda: None)
        stays.add_day(to_pair, begin, begin + DAY)
    found = [(one.term, one.came_at, one.left_at) for one in stays.found]
    assert found == expected[:limit]
    assert stays.left_out == len(expected) - len(found)
    whole = [left - came for _, came, left in expected if came is not None and left is not None]
    assert len(stays.lengths) == len(whole)
    assert stays.lengths.longest == max(whole, default=None)
    assert stays.lengths.median == (sorted(whole)[len(whole) // 2] if whole else None)
    assert stays.entered == sum(came is not None for _, came, _ in expected)
    assert stays.exited == sum(left is not None for _, _, left in expected)
