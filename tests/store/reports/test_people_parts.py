"""Whom chosen cameras saw is the same from parts as from what each camera saw."""

from __future__ import annotations

import random
from copy import copy

import pytest

from hub.store.reports import people_parts
from hub.store.reports.people_parts import (
    decode_people,
    decode_people_by_camera,
    encode_people,
    encode_people_by_camera,
    people_of,
)
from hub.store.reports.sightings import PersonKey, PersonSeen, add_people

SINCE = 1_700_000_000_000


def random_people(pick: random.Random, cameras: int) -> list[list[PersonSeen]]:
    found = []
    for number in range(30):
        of_person = []
        for did in pick.sample(range(1, cameras + 1), pick.choice([1, min(3, cameras), cameras])):
            first, last = sorted(pick.randrange(50) for _ in range(2))
            uuid, term = (None, number) if number % 3 == 0 else (f"p{number}", None)
            seq = pick.choice([0, pick.randrange(1, 2**33)])
            at = SINCE + first, str(did), SINCE + last, str(did)
            of_person.append(PersonSeen(uuid, term, *at, pick.randrange(1, 500), seq))
        found.append(of_person)
    return found


def plainly(seen: list[list[PersonSeen]], dids: set[str]) -> dict[PersonKey, PersonSeen]:
    found: dict[PersonKey, PersonSeen] = {}
    add_people(found, [copy(one) for some in seen for one in some if one.first_did in dids])
    return found


@pytest.mark.parametrize("seed", range(12))
def test_people_of_chosen_cameras(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pick = random.Random(seed)
    monkeypatch.setattr(people_parts, "_ENTRIES", pick.choice([1, 40, 16_384]))
    monkeypatch.setattr(people_parts, "_PEOPLE", pick.choice([1, 7, 4_096]))
    # More cameras than a byte can tell of are in several parts.
    cameras = pick.choice([1, 12, 255, 600])
    seen = random_people(pick, cameras)
    parts = list(encode_people_by_camera(seen, SINCE))
    for count in (0, 1, cameras // 2, cameras):
        dids = {str(did) for did in pick.sample(range(1, cameras + 1), count)}
        found: dict[PersonKey, PersonSeen] = {}
        for part in parts:
            add_people(found, people_of(decode_people_by_camera(part), SINCE, dids))
        assert found == plainly(seen, dids)
    together = [one for part in encode_people(seen) for one in decode_people(part)]
    everybody = plainly(seen, {str(did) for did in range(1, cameras + 1)})
    assert {one.key: one for one in together} == everybody
