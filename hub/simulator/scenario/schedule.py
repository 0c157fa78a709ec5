"""A site's day: how busy each hour is, what each camera sees in it, and whom."""

from __future__ import annotations

import random

from msgspec import Struct

from hub.simulator.identity import Place
from hub.simulator.scenario.population import Car, Cast, Person

#: How busy each hour is, the busiest being 1. A newcomer at night should see something too.
BUSY = (
    (0.25,) * 6
    + (0.4, 0.7, 1.0, 0.9, 0.6, 0.7)
    + (1.0, 0.8, 0.6, 0.6, 0.7, 1.0)
    + (0.9, 0.6)
    + (0.45, 0.4, 0.3, 0.25)
)


class FaceSeen(Struct, frozen=True):
    """2.1. `pose` is how the person looks, `at` where in the picture, from 0 to 1."""

    person: Person
    pose: int
    at: float


class EventSeen(Struct, frozen=True):
    """2.4."""

    type: int
    person: Person | None
    pose: int
    at: float


class CarSeen(Struct, frozen=True):
    """2.5."""

    car: Car


class AccessGranted(Struct, frozen=True):
    """The access record of D8."""

    person: Person
    temperature: float


Happening = FaceSeen | EventSeen | CarSeen | AccessGranted

#: What a place sees, by weight: faces, cars, accesses, and events by their type.
_SEEN: dict[Place, dict[str, float]] = {
    "gate": {"face": 66, "car": 12, "11": 9, "12": 6, "2": 5, "1": 2},
    "lobby": {"face": 66, "access": 16, "12": 5, "5": 4, "14": 7, "4": 2},
    "corridor": {"face": 74, "11": 10, "6": 7, "7": 5, "13": 4},
    "carpark": {"car": 68, "face": 10, "1": 9, "2": 8, "6": 5},
    "yard": {"face": 40, "car": 24, "1": 18, "2": 7, "3": 4, "8": 3, "9": 4},
    "workshop": {"face": 62, "13": 12, "9": 9, "10": 8, "11": 9},
}
#: Events in which somebody is to be seen.
_WITH_PERSON = (2, 6, 7, 11, 12, 14)


class Script:
    """What one camera sees, one thing after another; the same for the same chance."""

    def __init__(self, place: Place, cast: Cast, chance: random.Random) -> None:
        self._cast = cast
        self._chance = chance
        self._kinds = list(_SEEN[place])
        self._weights = list(_SEEN[place].values())
        self._still_there: list[FaceSeen] = []

    def next(self, hour: int, mean: float) -> tuple[float, Happening]:
        """The seconds until the next thing happens, and what it is.

        `mean` is the time between two at the busiest hour.
        """
        if self._still_there:
            # The same person is reported many times while in view (D8).
            return self._chance.uniform(0.1, 0.5) * mean, self._still_there.pop()
        pause = self._chance.expovariate(BUSY[hour] / mean) * 1.3
        return pause, self._something(hour)

    def _something(self, hour: int) -> Happening:
        (kind,) = self._chance.choices(self._kinds, self._weights)
        if kind == "car":
            return CarSeen(self._chance.choice(self._cast.cars))
        if kind == "access":
            temperature = round(self._chance.gauss(36.5, 0.2), 1)
            return AccessGranted(self._chance.choice(self._cast.known), temperature)
        if kind == "face":
            return self._visit(self._somebody(hour))
        return self._event(int(kind), hour)

    def _visit(self, person: Person) -> FaceSeen:
        at = self._chance.random()
        for _ in range(self._chance.choice((0, 0, 1, 1, 2))):
            at = min(1.0, max(0.0, at + self._chance.uniform(-0.15, 0.15)))
            self._still_there.append(FaceSeen(person, self._chance.randrange(4), at))
        return FaceSeen(person, self._chance.randrange(4), self._chance.random())

    def _event(self, number: int, hour: int) -> EventSeen:
        person = None
        if number == 12:
            # A listed person: blacklist or VIP.
            person = self._chance.choice(
                [one for one in self._cast.known if one.category in (2, 3)]
            )
        elif number in _WITH_PERSON:
            person = self._somebody(hour)
        return EventSeen(number, person, self._chance.randrange(4), self._chance.random())

    def _somebody(self, hour: int) -> Person:
        people = (*self._cast.known, *self._cast.strangers)
        weights = [_presence(person, hour) for person in people]
        return self._chance.choices(people, weights)[0]


def _presence(person: Person, hour: int) -> float:
    """How likely somebody is to be about."""
    at_work = 7 <= hour < 20
    if person.department == "安保部":
        return 2.0 if at_work else 8.0
    if person.category == 0:
        return 0.9
    if person.category == 2:
        return 0.5
    return 2.5 if at_work else 0.4
