"""A day on the site: its rhythm, its people, and that a seed repeats it."""

from __future__ import annotations

import itertools
import random
from collections import Counter

from hub.simulator.identity import PLACES, Place
from hub.simulator.scenario.population import Cast, make_cast
from hub.simulator.scenario.schedule import (
    BUSY,
    AccessGranted,
    CarSeen,
    EventSeen,
    FaceSeen,
    Happening,
    Script,
)
from hub.wire.code_tables import EVENT_TYPES, PLATE_TYPES, VEHICLE_TYPES


def things(place: Place, cast: Cast, count: int, hour: int = 9) -> list[tuple[float, Happening]]:
    script = Script(place, cast, random.Random(5))
    return [script.next(hour, 10) for _ in range(count)]


def test_a_seed_repeats_the_day_and_its_cast(cast: Cast) -> None:
    assert make_cast(7) == cast
    assert make_cast(8) != cast
    assert things("gate", cast, 50) == things("gate", cast, 50)


def test_all_fourteen_event_types_happen_somewhere_on_the_site(cast: Cast) -> None:
    seen = {
        happening.type
        for place, _ in PLACES
        for _, happening in things(place, cast, 600)
        if isinstance(happening, EventSeen)
    }
    assert seen == set(EVENT_TYPES)


def test_cameras_see_faces_cars_and_accesses(cast: Cast) -> None:
    kinds = {type(thing) for place, _ in PLACES for _, thing in things(place, cast, 200)}
    assert kinds == {FaceSeen, EventSeen, CarSeen, AccessGranted}


def test_known_people_return_and_strangers_pass(cast: Cast) -> None:
    faces = [thing for _, thing in things("lobby", cast, 600) if isinstance(thing, FaceSeen)]
    seen = Counter(face.person for face in faces)
    assert set(seen) == {*cast.known, *cast.strangers}
    assert sum(seen[person] for person in cast.known) > sum(seen[one] for one in cast.strangers)


def test_the_same_person_is_seen_several_times_while_in_view(cast: Cast) -> None:
    seen = [thing for _, thing in things("corridor", cast, 200)]
    pairs = itertools.pairwise(seen)
    again = sum(
        isinstance(one, FaceSeen) and isinstance(other, FaceSeen) and one.person == other.person
        for one, other in pairs
    )
    assert again > 40


def test_a_night_is_quieter_than_a_morning_and_not_dead(cast: Cast) -> None:
    def seconds(hour: int) -> float:
        return sum(pause for pause, _ in things("gate", cast, 400, hour))

    assert len(BUSY) == 24
    assert 2 < seconds(2) / seconds(8) < 8


def test_about_as_much_happens_as_was_asked_for(cast: Cast) -> None:
    taken = sum(pause for pause, _ in things("gate", cast, 2000, hour=8))
    assert 0.6 < taken / (2000 * 10) < 1.4


def test_the_cast_keeps_to_the_tables(cast: Cast) -> None:
    assert all(car.type in VEHICLE_TYPES and car.plate_type in PLATE_TYPES for car in cast.cars)
    assert all(person.uuid and 1 <= person.category <= 4 for person in cast.known)
    assert {person.category for person in cast.known} == {1, 2, 3, 4}
    assert all((one.name, one.uuid, one.category) == ("", "", 0) for one in cast.strangers)
