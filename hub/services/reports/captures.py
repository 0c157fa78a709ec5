"""Captures by camera and hour, known people and strangers, from the counts per hour.

The counts know faces by the category that cameras send. Those that were sent without one are looked
at in the log: who names somebody is known, others are strangers.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from hub.services.reports.periods import Period
from hub.services.reports.report import Cell, Chart, Progress, Report, Series, Table, table
from hub.store.records.time_spans import SeqRange
from hub.store.reports.counts import HourCount, counts_of
from hub.store.reports.sightings import parts_of
from hub.store.reports.unsorted_faces import unsorted_faces_in

if TYPE_CHECKING:
    from hub.store.db import Store

HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What captures are counted as, in the order of the columns.
CLASSES = ("known", "strangers", "other_faces", "vehicles", "events", "access")
_UNSORTED = "other_faces"


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
        unsorted = await store.read_part(partial(_add_hours, sums, first, end))
        if unsorted:
            await _sort_faces(store, sums, (first * HOUR_MS, end * HOUR_MS))
        on_progress((number + 1) / len(period.days))
    is_exact = period.since % HOUR_MS == 0 and period.until % HOUR_MS == 0
    tables = (sums.by_camera(), sums.by_hour(made_at))
    return Report("captures", period, made_at, tables, (sums.chart(),), is_exact)


def _add_hours(sums: _Sums, first: int, end: int, connection: sqlite3.Connection) -> bool:
    """Add the counts of some hours. Returns whether there are faces without a category."""
    counts = counts_of(first, end, connection)
    sums.add(counts)
    return any(class_of(one) == _UNSORTED for one in counts)


async def _sort_faces(store: Store, sums: _Sums, times: tuple[int, int]) -> None:
    """Count the faces without a category of some whole hours as those whom they name."""
    for part in await store.read_part(lambda c: parts_of(c, *times)):
        await store.read_part(partial(_sort_part, sums, part, times))


def _sort_part(
    sums: _Sums, part: SeqRange, times: tuple[int, int], connection: sqlite3.Connection
) -> None:
    found = unsorted_faces_in(part, *times, connection)
    sums.add([*found, *(replace(one, person="", count=-one.count) for one in found)])


def class_of(count: HourCount) -> str:
    """Return what captures count as."""
    match count.kind, count.person:
        case "face", "known":
            return "known"
        case "face", "stranger":
            return "strangers"
        case "face", _:
            return _UNSORTED
        case "vehicle", _:
            return "vehicles"
        case "event", _:
            return "events"
    return "access"


class _Sums:
    """Adds counts up by camera and class, by camera and hour of the day, and over time."""

    def __init__(self, period: Period, zone: ZoneInfo) -> None:
        self._period = period
        self._zone = zone
        self._by_camera: Counter[tuple[str, str]] = Counter()
        self._by_hour: Counter[tuple[str, int]] = Counter()
        self._over_time: Counter[tuple[str, Cell]] = Counter()

    @property
    def _is_day(self) -> bool:
        return self._period.kind == "day"

    def add(self, counts: Sequence[HourCount]) -> None:
        times = {hour: _local(hour, self._zone) for hour in {one.hour for one in counts}}
        places: dict[int, Cell] = {
            hour: local.hour if self._is_day else local.date().isoformat()
            for hour, local in times.items()
        }
        for one in counts:
            name = class_of(one)
            self._by_camera[one.did, name] += one.count
            self._by_hour[one.did, times[one.hour].hour] += one.count
            self._over_time[name, places[one.hour]] += one.count

    def by_camera(self) -> Table:
        rows: list[tuple[Cell, ...]] = []
        for did in self._dids():
            numbers = [self._by_camera[did, name] for name in CLASSES]
            rows.append((did, *numbers, sum(numbers)))
        return table(
            "by_camera",
            [("camera", "camera"), *((name, "count") for name in CLASSES), ("total", "count")],
            rows,
        )

    def by_hour(self, now: int) -> Table:
        """Of a day that is not over, hours to come are empty, unless records are dated in them."""
        last = 23
        if self._is_day and self._period.since <= now < self._period.until:
            last = _local(now // HOUR_MS, self._zone).hour
        rows: list[tuple[Cell, ...]] = [
            (
                did,
                *(self._by_hour[did, hour] or (0 if hour <= last else None) for hour in range(24)),
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
                Series(name, tuple(self._over_time[name, one] for one in labels))
                for name in CLASSES
            ),
        )

    def _dids(self) -> list[str]:
        return sorted({did for did, _ in self._by_camera}, key=_did_order)


def _local(hour: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(hours=hour)).astimezone(zone)


def _did_order(did: str) -> tuple[int, str]:
    return (len(did), did)
