"""What a simulated camera has captured: a likely past, and what it has seen since it runs.

The past follows from the serial number and the day alone, so it need not be kept; of what was seen
since, the latest captures are.
"""

from __future__ import annotations

import random
import re
from collections import deque
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from itertools import chain

from msgspec import Struct

from hub.simulator.identity import Place
from hub.simulator.scenario import drawing
from hub.simulator.scenario.population import Cast, Person
from hub.simulator.scenario.schedule import BUSY, EventSeen, FaceSeen, Happening

DAYS = 30
#: Captures on a working day; on another there are fewer.
_A_DAY = (60, 120)
_A_FREE_DAY = (10, 30)
_MOST_SINCE = 2000
#: Not every person who passes shows the face.
_FACES = 0.8
_PATH = re.compile(r"sdcard/(\d{8})/(\d\d)/(\d{4})_(\d{1,6})(_body|_bg|)\.jpg", re.ASCII)


class Capture(Struct, frozen=True):
    """Somebody who passed, or an event of 2.4 where nobody is to be seen."""

    at: datetime
    number: int
    person: Person | None
    pose: int = 0
    #: Where in the picture, from 0 to 1.
    place: float = 0.5
    has_face: bool = True
    event: int = 0

    @property
    def stem(self) -> str:
        """What the paths of its pictures begin with (1.10)."""
        return f"sdcard/{self.at:%Y%m%d/%H/%M%S}_{self.number}"

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
    """`since` is when the camera was switched on: what came before is made up."""

    def __init__(self, sn: str, place: Place, cast: Cast, since: datetime) -> None:
        self._sn = sn
        self._place = place
        self._cast = cast
        self._since = since
        self._seen: deque[Capture] = deque(maxlen=_MOST_SINCE)
        self._numbers = 1000

    def keep(
        self, at: float, person: Person | None, *, pose: int, place: float, event: int = 0
    ) -> Capture:
        """Keep what is being uploaded: a capture of 2.1, or an event of 2.4. `at` is UNIX time."""
        self._numbers += 1
        capture = Capture(
            datetime.fromtimestamp(int(at)), self._numbers, person, pose, place, event=event
        )
        self._seen.append(capture)
        return capture

    def between(self, start: datetime, end: datetime, *, now: datetime) -> list[Capture]:
        """Who passed between two times, oldest first."""
        first = max(start.date(), now.date() - timedelta(days=DAYS))
        days = (min(end, self._since).date() - first).days + 1
        past = (self._day(first + timedelta(days=number)) for number in range(days))
        return [
            capture
            for capture in chain(chain.from_iterable(past), self._seen)
            if start <= capture.at <= end and capture.person is not None
        ]

    def picture(self, path: str) -> bytes | None:
        """The picture of a path (1.10). Draws: call it in a thread."""
        found = _PATH.fullmatch(path.strip().lstrip("/"))
        capture = self._of_path(found) if found else None
        if found is None or capture is None:
            return None
        return self._draw(capture, found[5])

    def _of_path(self, found: re.Match[str]) -> Capture | None:
        try:
            at = datetime.strptime(found[1] + found[2] + found[3], "%Y%m%d%H%M%S")
        except ValueError:
            return None
        for capture in (*self._day(at.date()), *tuple(self._seen)):
            if (capture.at, capture.number) == (at, int(found[4])):
                return capture
        return None

    def _day(self, day: date) -> list[Capture]:
        if not self._since.date() - timedelta(days=DAYS) <= day <= self._since.date():
            return []
        return [one for one in _likely_day(self._sn, day, self._cast) if one.at < self._since]

    def _draw(self, capture: Capture, which: str) -> bytes | None:
        hour, person = capture.at.hour, capture.person
        caption = f"{capture.at:%Y-%m-%d %H:%M:%S}"
        if person is None:
            scene = drawing.scene_jpeg(self._place, hour, event=capture.event, caption=caption)
            return drawing.halved(scene) if which == "_bg" else None
        if which == "_bg":
            return drawing.halved(
                drawing.background_jpeg(
                    person, capture.pose, self._place, hour, at=capture.place, caption=caption
                )
            )
        if which == "_body":
            return drawing.halved(drawing.body_jpeg(person, capture.pose, self._place, hour))
        return drawing.face_jpeg(person, capture.pose) if capture.has_face else None


def note(history: History, happening: Happening, at: float) -> Capture | None:
    """Keep what is seen of 2.1 and 2.4; of a vehicle and an access, no camera has a history."""
    if isinstance(happening, FaceSeen):
        return history.keep(at, happening.person, pose=happening.pose, place=happening.at)
    if isinstance(happening, EventSeen):
        return history.keep(
            at,
            happening.person,
            pose=happening.pose,
            place=happening.at,
            event=happening.type,
        )
    return None


@lru_cache(maxsize=128)
def _likely_day(sn: str, day: date, cast: Cast) -> tuple[Capture, ...]:
    chance = random.Random(f"{sn}/captures/{day}")
    count = chance.randint(*(_A_DAY if day.weekday() < 5 else _A_FREE_DAY))
    hours = chance.choices(range(24), BUSY, k=count)
    times = sorted(hour * 3600 + chance.randrange(3600) for hour in hours)
    # Those who belong here pass more often.
    people = (*cast.known, *cast.known, *cast.strangers)
    return tuple(
        Capture(
            at=datetime.combine(day, time()) + timedelta(seconds=seconds),
            number=number,
            person=chance.choice(people),
            pose=chance.randrange(4),
            place=chance.random(),
            has_face=chance.random() < _FACES,
        )
        for number, seconds in enumerate(times)
    )
