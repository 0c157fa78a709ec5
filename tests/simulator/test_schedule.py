"""Sightings over the day: frequency, people, kinds, and that a seed repeats them."""

from __future__ import annotations

import itertools
import random
from collections import Counter

from hub.simulator.scenario.population import PLACES, CameraPlace, make_population
from hub.simulator.scenario.schedule import (
    HOURLY_ACTIVITY,
    AccessGranted,
    CarSeen,
    EventSeen,
    FaceSeen,
    Schedule,
    Sighting,
)
from hub.wire.code_tables import PLATE_TYPES, VEHICLE_TYPES
from tests.simulator.commands import POPULATION


def sightings(place: CameraPlace, count: int, hour: int = 9) -> list[tuple[float, Sighting]]:
    schedule = Schedule(place, POPULATION, random.Random(5))
    return [schedule.next(hour, 10) for _ in range(count)]


def test_a_seed_repeats_population_and_sightings() -> None:
    assert make_population(7) == POPULATION
    assert make_population(8) != POPULATION
    assert sightings("gate", 50) == sightings("gate", 50)


def test_all_fourteen_event_types_occur() -> None:
    seen = {
        sighting.type
        for place, _ in PLACES
        for _, sighting in sightings(place, 600)
        if isinstance(sighting, EventSeen)
    }
    assert seen == set(range(1, 15))


def test_all_kinds_of_sightings_occur() -> None:
    kinds = {type(sighting) for place, _ in PLACES for _, sighting in sightings(place, 200)}
    assert kinds == {FaceSeen, EventSeen, CarSeen, AccessGranted}


def test_known_people_are_seen_more_often_than_strangers() -> None:
    faces = [sighting for _, sighting in sightings("lobby", 600) if isinstance(sighting, FaceSeen)]
    seen = Counter(face.person for face in faces)
    assert set(seen) == {*POPULATION.known, *POPULATION.strangers}
    assert sum(seen[person] for person in POPULATION.known) > sum(
        seen[one] for one in POPULATION.strangers
    )


def test_a_person_is_seen_several_times_in_a_row() -> None:
    seen = [sighting for _, sighting in sightings("corridor", 200)]
    pairs = itertools.pairwise(seen)
    again = sum(
        isinstance(one, FaceSeen) and isinstance(other, FaceSeen) and one.person == other.person
        for one, other in pairs
    )
    assert again > 40


def test_nights_are_quieter_than_mornings_but_not_silent() -> None:
    def seconds(hour: int) -> float:
        return sum(pause for pause, _ in sightings("gate", 400, hour))

    assert len(HOURLY_ACTIVITY) == 24
    assert 2 < seconds(2) / seconds(8) < 8


def test_the_mean_interval_is_about_the_requested_one() -> None:
    taken = sum(pause for pause, _ in sightings("gate", 2000, hour=8))
    assert 0.6 < taken / (2000 * 10) < 1.4


def test_the_population_uses_documented_codes() -> None:
    assert all(
        car.type in VEHICLE_TYPES and car.plate_type in PLATE_TYPES for car in POPULATION.cars
    )
    assert all(person.uuid and 1 <= person.category <= 4 for person in POPULATION.known)
    assert {person.category for person in POPULATION.known} == {1, 2, 3, 4}
    assert all((one.name, one.uuid, one.category) == ("", "", 0) for one in POPULATION.strangers)
