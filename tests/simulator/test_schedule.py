"""Sightings over the day: frequency, people, kinds, and that a seed repeats them."""

from __future__ import annotations

import itertools
import random
from collections import Counter

from hub.simulator.scenario.population import PLACES, CameraPlace, Population, make_population
from hub.simulator.scenario.schedule import (
    HOURLY_ACTIVITY,
    AccessGranted,
    CarSeen,
    EventSeen,
    FaceSeen,
    Schedule,
    Sighting,
)
from hub.wire.code_tables import EVENT_TYPES, PLATE_TYPES, VEHICLE_TYPES


def things(
    place: CameraPlace, population: Population, count: int, hour: int = 9
) -> list[tuple[float, Sighting]]:
    script = Schedule(place, population, random.Random(5))
    return [script.next(hour, 10) for _ in range(count)]


def test_a_seed_repeats_population_and_sightings(population: Population) -> None:
    assert make_population(7) == population
    assert make_population(8) != population
    assert things("gate", population, 50) == things("gate", population, 50)


def test_all_fourteen_event_types_occur(population: Population) -> None:
    seen = {
        sighting.type
        for place, _ in PLACES
        for _, sighting in things(place, population, 600)
        if isinstance(sighting, EventSeen)
    }
    assert seen == set(EVENT_TYPES)


def test_all_kinds_of_sightings_occur(population: Population) -> None:
    kinds = {type(thing) for place, _ in PLACES for _, thing in things(place, population, 200)}
    assert kinds == {FaceSeen, EventSeen, CarSeen, AccessGranted}


def test_known_people_are_seen_more_often_than_strangers(population: Population) -> None:
    faces = [thing for _, thing in things("lobby", population, 600) if isinstance(thing, FaceSeen)]
    seen = Counter(face.person for face in faces)
    assert set(seen) == {*population.known, *population.strangers}
    assert sum(seen[person] for person in population.known) > sum(
        seen[one] for one in population.strangers
    )


def test_a_person_is_seen_several_times_in_a_row(population: Population) -> None:
    seen = [thing for _, thing in things("corridor", population, 200)]
    pairs = itertools.pairwise(seen)
    again = sum(
        isinstance(one, FaceSeen) and isinstance(other, FaceSeen) and one.person == other.person
        for one, other in pairs
    )
    assert again > 40


def test_nights_are_quieter_than_mornings_but_not_silent(population: Population) -> None:
    def seconds(hour: int) -> float:
        return sum(pause for pause, _ in things("gate", population, 400, hour))

    assert len(HOURLY_ACTIVITY) == 24
    assert 2 < seconds(2) / seconds(8) < 8


def test_the_mean_interval_is_about_the_requested_one(population: Population) -> None:
    taken = sum(pause for pause, _ in things("gate", population, 2000, hour=8))
    assert 0.6 < taken / (2000 * 10) < 1.4


def test_the_population_uses_documented_codes(population: Population) -> None:
    assert all(
        car.type in VEHICLE_TYPES and car.plate_type in PLATE_TYPES for car in population.cars
    )
    assert all(person.uuid and 1 <= person.category <= 4 for person in population.known)
    assert {person.category for person in population.known} == {1, 2, 3, 4}
    assert all((one.name, one.uuid, one.category) == ("", "", 0) for one in population.strangers)
