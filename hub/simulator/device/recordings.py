"""The recordings on a simulated camera's card, derived from its serial number and the day."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from functools import cache, lru_cache
from importlib import resources

from msgspec import Struct

#: How many days the card holds; older files are overwritten (1.6: strategy 0).
DAYS = 30
_FILE_LENGTH = timedelta(minutes=10)
#: The share of days without recordings, and of missing files on other days.
_EMPTY_DAYS = 0.2
_MISSING_FILES = 0.15


class RecordingFile(Struct, frozen=True):
    """One file (1.8), with local times."""

    name: str
    start: datetime
    end: datetime

    @property
    def is_alarm(self) -> bool:
        """Whether an alarm was the reason for it: of some."""
        return self.start.minute % 5 == 0


def files_between(sn: str, start: datetime, end: datetime, *, now: datetime) -> list[RecordingFile]:
    """List the files that overlap with `start` to `end`, oldest first."""
    first = max(start.date(), now.date() - timedelta(days=DAYS))
    days = (min(end.date(), now.date()) - first).days + 1
    return [
        file
        for number in range(days)
        for file in files_on(sn, first + timedelta(days=number), now)
        if file.end >= start and file.start <= end
    ]


def counts_of_month(sn: str, year: int, month: int, *, now: datetime) -> list[tuple[int, int]]:
    """List the days of a month (1 to 12) that have files, with the number of files."""
    first = date(year, month, 1)
    days = (first + timedelta(days=number) for number in range(31))
    counts = ((day, len(files_on(sn, day, now))) for day in days if day.month == month)
    return [(day.day, count) for day, count in counts if count]


def files_on(sn: str, day: date, now: datetime) -> list[RecordingFile]:
    """List the files of one day that are complete by `now`. No file crosses midnight."""
    if not now.date() - timedelta(days=DAYS) <= day <= now.date():
        return []
    return [file for file in _whole_day(sn, day) if file.end <= now]


def content_of(sn: str, path: str, *, now: datetime) -> bytes | None:
    """Return the file with this path, the same few seconds for all; None if there is none."""
    folder = path.rpartition("/")[0]
    try:
        day = datetime.strptime(folder[-8:], "%Y%m%d").date()
    except ValueError:
        return None
    is_listed = any(file.name == path for file in files_on(sn, day, now))
    return _scene() if is_listed else None


@cache
def _scene() -> bytes:
    return (resources.files("hub.simulator.device") / "recording.mp4").read_bytes()


@lru_cache(maxsize=256)
def _whole_day(sn: str, day: date) -> tuple[RecordingFile, ...]:
    rng = random.Random(f"{sn}/recordings/{day}")
    if rng.random() < _EMPTY_DAYS:
        return ()
    start = datetime.combine(day, time()) + timedelta(seconds=rng.randint(0, 600))
    files: list[RecordingFile] = []
    while start + _FILE_LENGTH < datetime.combine(day, time.max):
        end = start + _FILE_LENGTH - timedelta(seconds=rng.randint(0, 4))
        if rng.random() > _MISSING_FILES:
            name = f"/progs/rec/00/{day:%Y%m%d}/N{len(files):02d}{start:%H%M%S}.mp4"
            files.append(RecordingFile(name, start, end))
        start = end + timedelta(seconds=1)
    return tuple(files)
