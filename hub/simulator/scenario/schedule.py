"""What each camera sees over the day: how often, which people and cars, and which events."""

from __future__ import annotations

import random

from msgspec import Struct

from hub.simulator.scenario.population import CameraPlace, Car, Population, SimulatedPerson

#: Activity per hour, relative to the busiest one. It is never 0, so that demos show something.
HOURLY_ACTIVITY = (
    (0.25,) * 6
    + (0.4, 0.7, 1.0, 0.9, 0.6, 0.7)
    + (1.0, 0.8, 0.6, 0.6, 0.7, 1.0)
    + (0.9, 0.6)
    + (0.45, 0.4, 0.3, 0.25)
)


class FaceSeen(Struct, frozen=True):
    """A face capture (2.1). `position`: where in the picture, from 0 (left) to 1."""

    person: SimulatedPerson
    pose: int
    position: float


class EventSeen(Struct, frozen=True):
    """An event (2.4), with or without a person."""

    type: int
    person: SimulatedPerson | None
    pose: int
    position: float


class CarSeen(Struct, frozen=True):
    """A vehicle capture (2.5)."""

    car: Car


class AccessGranted(Struct, frozen=True):
    """An access record (D8)."""

    person: SimulatedPerson
    temperature: float


Sighting = FaceSeen | EventSeen | CarSeen | AccessGranted

#: Relative frequency of sightings by place: faces, cars, accesses, and types of events.
_FREQUENCIES: dict[CameraPlace, dict[str, float]] = {
    "gate": {"face": 66, "car": 12, "11": 9, "12": 6, "2": 5, "1": 2},
    "lobby": {"face": 66, "access": 16, "12": 5, "5": 4, "14": 7, "4": 2},
    "corridor": {"face": 74, "11": 10, "6": 7, "7": 5, "13": 4},
    "carpark": {"car": 68, "face": 10, "1": 9, "2": 8, "6": 5},
    "yard": {"face": 40, "car": 24, "1": 18, "2": 7, "3": 4, "8": 3, "9": 4},
    "workshop": {"face": 62, "13": 12, "9": 9, "10": 8, "11": 9},
}
#: The type of an event about a listed person: blacklist or VIP.
_LISTED_PERSON = 12
#: The other types of events that show a person.
_WITH_PERSON = (2, 6, 7, 11, 14)


class Schedule:
    """The sightings of one camera, one after another. Equal arguments give equal sightings."""

    def __init__(self, place: CameraPlace, population: Population, rng: random.Random) -> None:
        self._population = population
        self._rng = rng
        self._kinds = list(_FREQUENCIES[place])
        self._weights = list(_FREQUENCIES[place].values())
        self._repeats: list[FaceSeen] = []

    def next(self, hour: int, mean_seconds: float) -> tuple[float, Sighting]:
        """Return the seconds until the next sighting, and the sighting.

        `mean_seconds` is the mean time between two sightings in the busiest hour.
        """
        if self._repeats:
            # A person is reported many times while in view (D8).
            return self._rng.uniform(0.1, 0.5) * mean_seconds, self._repeats.pop()
        pause = self._rng.expovariate(HOURLY_ACTIVITY[hour] / mean_seconds) * 1.3
        return pause, self._sighting(hour)

    def _sighting(self, hour: int) -> Sighting:
        (kind,) = self._rng.choices(self._kinds, self._weights)
        if kind == "car":
            return CarSeen(self._rng.choice(self._population.cars))
        if kind == "access":
            temperature = round(self._rng.gauss(36.5, 0.2), 1)
            return AccessGranted(self._rng.choice(self._population.known), temperature)
        if kind == "face":
            return self._visit(self._person(hour))
        return self._event(int(kind), hour)

    def _visit(self, person: SimulatedPerson) -> FaceSeen:
        position = self._rng.random()
        for _ in range(self._rng.choice((0, 0, 1, 1, 2))):
            position = min(1.0, max(0.0, position + self._rng.uniform(-0.15, 0.15)))
            self._repeats.append(FaceSeen(person, self._rng.randrange(4), position))
        return FaceSeen(person, self._rng.randrange(4), self._rng.random())

    def _event(self, type_: int, hour: int) -> EventSeen:
        person = None
        if type_ == _LISTED_PERSON:
            listed = [one for one in self._population.known if one.category in (2, 3)]
            person = self._rng.choice(listed)
        elif type_ in _WITH_PERSON:
            person = self._person(hour)
        return EventSeen(type_, person, self._rng.randrange(4), self._rng.random())

    def _person(self, hour: int) -> SimulatedPerson:
        people = (*self._population.known, *self._population.strangers)
        weights = [_presence(person, hour) for person in people]
        return self._rng.choices(people, weights)[0]


def _presence(person: SimulatedPerson, hour: int) -> float:
    """Return the relative likelihood of seeing a person in that hour."""
    is_working_time = 7 <= hour < 20
    if person.department == "安保部":
        return 2.0 if is_working_time else 8.0
    if person.category == 0:
        return 0.9
    if person.category == 2:
        return 0.5
    return 2.5 if is_working_time else 0.4
