"""The recordings on a simulated camera's card: told by its serial number and the day alone."""

from __future__ import annotations

import random
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from msgspec import Struct

#: The card holds so many days; older files are overwritten (1.6: strategy 0).
DAYS = 30
_FILE = timedelta(minutes=10)
#: Days on which nothing was recorded, and files that are missing on the others.
_EMPTY_DAY = 0.2
_GAP = 0.15


class File(Struct, frozen=True):
    """One file (1.8)."""

    name: str
    start: datetime
    end: datetime


def files_between(sn: str, start: datetime, end: datetime, *, now: datetime) -> list[File]:
    """The files of which something lies between `start` and `end`, oldest first."""
    first = max(start.date(), now.date() - timedelta(days=DAYS))
    days = (min(end.date(), now.date()) - first).days + 1
    return [
        file
        for number in range(days)
        for file in files_on(sn, first + timedelta(days=number), now)
        if file.end >= start and file.start <= end
    ]


def counts_of_month(sn: str, year: int, month: int, *, now: datetime) -> list[tuple[int, int]]:
    """The days of a month (1 to 12) that have files, and how many."""
    first = date(year, month, 1)
    days = (first + timedelta(days=number) for number in range(31))
    counts = ((day, len(files_on(sn, day, now))) for day in days if day.month == month)
    return [(day.day, count) for day, count in counts if count]


def files_on(sn: str, day: date, now: datetime) -> list[File]:
    """The files of one day that are complete by `now`. None of them passes midnight."""
    if not now.date() - timedelta(days=DAYS) <= day <= now.date():
        return []
    return [file for file in _whole_day(sn, day) if file.end <= now]


@lru_cache(maxsize=256)
def _whole_day(sn: str, day: date) -> tuple[File, ...]:
    chance = random.Random(f"{sn}/recordings/{day}")
    if chance.random() < _EMPTY_DAY:
        return ()
    start = datetime.combine(day, time()) + timedelta(seconds=chance.randint(0, 600))
    files: list[File] = []
    while start + _FILE < datetime.combine(day, time.max):
        end = start + _FILE - timedelta(seconds=chance.randint(0, 4))
        if chance.random() > _GAP:
            name = f"/progs/rec/00/{day:%Y%m%d}/N{len(files):02d}{start:%H%M%S}.mp4"
            files.append(File(name, start, end))
        start = end + timedelta(seconds=1)
    return tuple(files)
