"""The captures that a simulated camera keeps: a generated past, and what it saw since its start.

The past is derived from the serial number and the day, so it takes no memory; of the sightings
since the start, only the newest are kept.
"""

from __future__ import annotations

import random
import re
from collections import deque
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import chain

from msgspec import Struct

from hub.simulator.drawing import people, scenes
from hub.simulator.drawing.pen import halved_jpeg
from hub.simulator.scenario.population import CameraPlace, Population, SimulatedPerson
from hub.simulator.scenario.schedule import HOURLY_ACTIVITY, EventSeen, FaceSeen, Sighting

DAYS = 30
#: Minimum and maximum number of captures per day.
_PER_WORKDAY = (60, 120)
_PER_WEEKEND_DAY = (10, 30)
_MAX_RECENT = 2000
#: The share of generated captures that show the face.
_WITH_FACE = 0.8
_PATH = re.compile(r"sdcard/(\d{8})/(\d\d)/(\d{4})_(\d{1,6})(_body|_bg|)\.jpg", re.ASCII)


class Capture(Struct, frozen=True):
    """A person who passed, or an event (2.4) without a person. `captured_at` is local time."""

    captured_at: datetime
    number: int
    person: SimulatedPerson | None
    pose: int = 0
    #: Where in the picture, from 0 (left) to 1.
    position: float = 0.5
    has_face: bool = True
    event: int = 0

    @property
    def stem(self) -> str:
        """The beginning of the paths of its pictures (1.10)."""
        return f"sdcard/{self.captured_at:%Y%m%d/%H/%M%S}_{self.number}"

    @property
    def face_path(self) -> str | None:
        return f"{self.stem}.jpg" if self.has_face else None

    @property
    def body_path(self) -> str:
        return f"{self.stem}_body.jpg"

    @property
    def frame_path(self) -> str:
        return f"{self.stem}_bg.jpg"


class History:
    """The captures of one camera. Those before `since`, its start, are generated."""

    def __init__(
        self, sn: str, place: CameraPlace, population: Population, since: datetime
    ) -> None:
        self._sn = sn
        self._place = place
        self._population = population
        self._since = since
        self._recent: deque[Capture] = deque(maxlen=_MAX_RECENT)
        self._last_number = 1000

    def add(
        self,
        unix_time: float,
        person: SimulatedPerson | None,
        *,
        pose: int,
        position: float,
        event: int = 0,
    ) -> Capture:
        """Keep a capture (2.1) or an event (2.4) that was seen just now."""
        self._last_number += 1
        capture = Capture(
            datetime.fromtimestamp(int(unix_time)),
            self._last_number,
            person,
            pose,
            position,
            event=event,
        )
        self._recent.append(capture)
        return capture

    def between(self, start: datetime, end: datetime, *, now: datetime) -> list[Capture]:
        """List the captures of people from `start` to `end`, oldest first."""
        first = max(start.date(), now.date() - timedelta(days=DAYS))
        days = (min(end, self._since).date() - first).days + 1
        past = (self._past_day(first + timedelta(days=number)) for number in range(days))
        return [
            capture
            for capture in chain(chain.from_iterable(past), self._recent)
            if start <= capture.captured_at <= end and capture.person is not None
        ]

    def picture(self, path: str) -> bytes | None:
        """Draw the picture with that path (1.10), if there is one. Call it in a thread."""
        match = _PATH.fullmatch(path.strip().lstrip("/"))
        capture = self._find(match) if match else None
        if match is None or capture is None:
            return None
        return self._draw(capture, match[5])

    def _find(self, match: re.Match[str]) -> Capture | None:
        try:
            captured_at = datetime.strptime(match[1] + match[2] + match[3], "%Y%m%d%H%M%S")
        except ValueError:
            return None
        for capture in (*self._past_day(captured_at.date()), *tuple(self._recent)):
            if (capture.captured_at, capture.number) == (captured_at, int(match[4])):
                return capture
        return None

    def _past_day(self, day: date) -> list[Capture]:
        if not self._since.date() - timedelta(days=DAYS) <= day <= self._since.date():
            return []
        generated = _generated_day(self._sn, day, self._population)
        return [capture for capture in generated if capture.captured_at < self._since]

    def _draw(self, capture: Capture, suffix: str) -> bytes | None:
        hour, person = capture.captured_at.hour, capture.person
        caption = f"{capture.captured_at:%Y-%m-%d %H:%M:%S}"
        if person is None:
            scene = scenes.scene_jpeg(self._place, hour, event=capture.event, caption=caption)
            return halved_jpeg(scene) if suffix == "_bg" else None
        if suffix == "_bg":
            background = people.background_jpeg(
                person, capture.pose, self._place, hour, position=capture.position, caption=caption
            )
            return halved_jpeg(background)
        if suffix == "_body":
            return halved_jpeg(people.body_jpeg(person, capture.pose, self._place, hour))
        return people.face_jpeg(person, capture.pose) if capture.has_face else None


def record_sighting(history: History, sighting: Sighting, unix_time: float) -> Capture | None:
    """Keep a face or an event in the history. Cameras keep no vehicles and no accesses."""
    if isinstance(sighting, FaceSeen):
        return history.add(
            unix_time, sighting.person, pose=sighting.pose, position=sighting.position
        )
    if isinstance(sighting, EventSeen):
        return history.add(
            unix_time,
            sighting.person,
            pose=sighting.pose,
            position=sighting.position,
            event=sighting.type,
        )
    return None


@lru_cache(maxsize=128)
def _generated_day(sn: str, day: date, population: Population) -> tuple[Capture, ...]:
    rng = random.Random(f"{sn}/captures/{day}")
    count = rng.randint(*(_PER_WORKDAY if day.weekday() < 5 else _PER_WEEKEND_DAY))
    hours = rng.choices(range(24), HOURLY_ACTIVITY, k=count)
    times = sorted(hour * 3600 + rng.randrange(3600) for hour in hours)
    # Known people pass twice as often as strangers.
    passers = (*population.known, *population.known, *population.strangers)
    return tuple(
        Capture(
            captured_at=datetime.combine(day, time()) + timedelta(seconds=seconds),
            number=number,
            person=rng.choice(passers),
            pose=rng.randrange(4),
            position=rng.random(),
            has_face=rng.random() < _WITH_FACE,
        )
        for number, seconds in enumerate(times)
    )
