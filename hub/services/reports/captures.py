"""Captures by camera and hour, known people and strangers, from the counts per hour.

The counts know faces by the category that cameras send. Those that were sent without one are read
from the log: who names somebody is known, others are strangers.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.services.reports.periods import Period
from hub.services.reports.report import Cell, Chart, Progress, Report, ReportTable, Series, table
from hub.store.records.time_spans import SeqRange
from hub.store.reports.counts import FaceCount, HourCount, counts_of, unsorted_faces_in
from hub.store.reports.sightings import parts_of

if TYPE_CHECKING:
    from hub.store.db import Store

HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What captures are counted as, in the order of the columns.
CLASSES = ("known", "strangers", "other_faces", "vehicles", "events", "access")
_KNOWN, _STRANGERS, _OTHER_FACES = 0, 1, 2
#: The places in CLASSES of kinds that are not told apart further.
_PLACES = {"vehicle": 3, "event": 4, "access": 5}


async def report_captures(
    store: Store, period: Period, zone: ZoneInfo, made_at: int, on_progress: Progress
) -> Report:
    """Return how many captures each camera made, by class and by hour of the day."""
    sums = _Sums(period, zone)
    for number, day in enumerate(period.days):
        first, end = day.since // HOUR_MS, -(-day.until // HOUR_MS)
        if day.since % HOUR_MS and number:
            first += 1  # the day before has it
        # Added up in the reader's thread: a month of many cameras has a million counts.
        if await store.read_part(partial(_add_hours, sums, first, end)):
            await _sort_faces(store, sums, first * HOUR_MS, end * HOUR_MS)
        on_progress((number + 1) / len(period.days))
    is_exact = period.since % HOUR_MS == 0 and period.until % HOUR_MS == 0
    tables = (sums.by_camera(), sums.by_hour(made_at))
    return Report("captures", period, made_at, tables, (sums.chart(),), is_exact)


def _add_hours(sums: _Sums, first: int, end: int, connection: sqlite3.Connection) -> bool:
    """Add the counts of some hours. Returns whether there are faces without a category."""
    counts = counts_of(first, end, connection)
    sums.add(counts)
    return any(one.untold and one.kind == "face" for one in counts)


async def _sort_faces(store: Store, sums: _Sums, since: int, until: int) -> None:
    """Count the faces without a category of some whole hours as those whom they name."""
    for part in await store.read_part(partial(parts_of, since, until)):
        await store.read_part(partial(_sort_part, sums, part, since, until))


def _sort_part(
    sums: _Sums, part: SeqRange, since: int, until: int, connection: sqlite3.Connection
) -> None:
    sums.sort(unsorted_faces_in(part, since, until, connection))


class _Sums:
    """Adds counts up by camera and class, by camera and hour of the day, and over time."""

    def __init__(self, period: Period, zone: ZoneInfo) -> None:
        self._period = period
        self._zone = zone
        #: Of each camera by class, of each camera by hour of the day, and of each bar by class.
        self._by_camera: defaultdict[str, list[int]] = defaultdict(lambda: [0] * len(CLASSES))
        self._by_hour: defaultdict[str, list[int]] = defaultdict(lambda: [0] * 24)
        self._over_time: defaultdict[Cell, list[int]] = defaultdict(lambda: [0] * len(CLASSES))

    @property
    def _is_day(self) -> bool:
        return self._period.kind == "day"

    def add(self, counts: Sequence[HourCount]) -> None:
        """Add captures of all kinds."""
        places = self._places({one.hour for one in counts})
        for one in counts:
            hour, bar = places[one.hour]
            self._by_hour[one.did][hour] += one.captures
            for numbers in (self._by_camera[one.did], self._over_time[bar]):
                if one.kind == "face":
                    numbers[_KNOWN] += one.captures - one.strangers - one.untold
                    numbers[_STRANGERS] += one.strangers
                    numbers[_OTHER_FACES] += one.untold
                else:
                    numbers[_PLACES[one.kind]] += one.captures

    def sort(self, faces: Sequence[FaceCount]) -> None:
        """Tell faces apart that were added as those of which it is not told who they are."""
        places = self._places({one.hour for one in faces})
        for one in faces:
            _, bar = places[one.hour]
            for numbers in (self._by_camera[one.did], self._over_time[bar]):
                numbers[_KNOWN] += one.faces - one.strangers
                numbers[_STRANGERS] += one.strangers
                numbers[_OTHER_FACES] -= one.faces

    def _places(self, hours: Collection[int]) -> dict[int, tuple[int, Cell]]:
        """Return the hour of the day, and the bar of the chart, of hours in UTC."""
        times = {hour: _local(hour, self._zone) for hour in hours}
        return {
            hour: (local.hour, local.hour if self._is_day else local.date().isoformat())
            for hour, local in times.items()
        }

    def by_camera(self) -> ReportTable:
        rows: list[tuple[Cell, ...]] = []
        for did in self._dids():
            numbers = self._by_camera[did]
            rows.append((did, *numbers, sum(numbers)))
        return table(
            "by_camera",
            [("camera", "camera"), *((name, "count") for name in CLASSES), ("total", "count")],
            rows,
        )

    def by_hour(self, now: int) -> ReportTable:
        """Of a day that is not over, hours to come are empty, unless records are dated in them."""
        last = 23
        if self._is_day and self._period.since <= now < self._period.until:
            last = _local(now // HOUR_MS, self._zone).hour
        rows: list[tuple[Cell, ...]] = [
            (
                did,
                *(
                    count or (0 if hour <= last else None)
                    for hour, count in enumerate(self._by_hour[did])
                ),
            )
            for did in self._dids()
        ]
        return table(
            "by_hour",
            [("camera", "camera"), *((f"{hour:02}", "count") for hour in range(24))],
            rows,
        )

    def chart(self) -> Chart:
        """By hour for a day, else by day."""
        labels = self._period.labels
        return Chart(
            "captures",
            self._period.label_kind,
            labels,
            tuple(
                Series(name, tuple(self._over_time[one][place] for one in labels))
                for place, name in enumerate(CLASSES)
            ),
        )

    def _dids(self) -> list[str]:
        return sorted(self._by_camera, key=_did_order)


def _local(hour: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(hours=hour)).astimezone(zone)


def _did_order(did: str) -> tuple[int, str]:
    return (len(did), did)
