"""Captures by camera and hour, known people and strangers, from the counts per hour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from hub.services.reports.periods import Period
from hub.services.reports.report import Cell, Chart, Progress, Report, Series, Table, table
from hub.store.reports.counts import HourCount, counts_of

if TYPE_CHECKING:
    from hub.store.db import Store

HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: What captures are counted as, in the order of the columns.
CLASSES = ("known", "strangers", "other_faces", "vehicles", "events", "access")


async def report_captures(
    store: Store, period: Period, zone: ZoneInfo, made_at: int, on_progress: Progress
) -> Report:
    """Return how many captures each camera made, by class and by hour of the day."""
    counts: list[HourCount] = []
    for number, day in enumerate(period.days):
        first, end = day.since // HOUR_MS, -(-day.until // HOUR_MS)
        if day.since % HOUR_MS and number:
            first += 1  # the day before has it
        counts += await store.read_part(partial(counts_of, first, end))
        on_progress((number + 1) / len(period.days))
    is_exact = period.since % HOUR_MS == 0 and period.until % HOUR_MS == 0
    tables = (_by_camera(counts), _by_hour(counts, zone))
    return Report("captures", period, made_at, tables, (_chart(counts, period, zone),), is_exact)


def class_of(count: HourCount) -> str:
    """Return what captures count as."""
    match count.kind, count.person:
        case "face", "known":
            return "known"
        case "face", "stranger":
            return "strangers"
        case "face", _:
            return "other_faces"
        case "vehicle", _:
            return "vehicles"
        case "event", _:
            return "events"
    return "access"


def _by_camera(counts: Sequence[HourCount]) -> Table:
    found: Counter[tuple[str, str]] = Counter()
    for one in counts:
        found[one.did, class_of(one)] += one.count
    rows: list[tuple[Cell, ...]] = []
    for did in sorted({did for did, _ in found}, key=_did_order):
        numbers = [found[did, name] for name in CLASSES]
        rows.append((did, *numbers, sum(numbers)))
    return table(
        "by_camera",
        [("camera", "camera"), *((name, "count") for name in CLASSES), ("total", "count")],
        rows,
    )


def _by_hour(counts: Sequence[HourCount], zone: ZoneInfo) -> Table:
    found: Counter[tuple[str, int]] = Counter()
    hours = {hour: _local(hour, zone).hour for hour in {one.hour for one in counts}}
    for one in counts:
        found[one.did, hours[one.hour]] += one.count
    rows: list[tuple[Cell, ...]] = [
        (did, *(found[did, hour] for hour in range(24)))
        for did in sorted({did for did, _ in found}, key=_did_order)
    ]
    return table(
        "by_hour",
        [("camera", "camera"), *((f"{hour:02}", "count") for hour in range(24))],
        rows,
    )


def _chart(counts: Sequence[HourCount], period: Period, zone: ZoneInfo) -> Chart:
    """By hour for a day, else by day."""
    is_day = period.kind == "day"
    labels: tuple[Cell, ...] = (
        tuple(range(24)) if is_day else tuple(day.date.isoformat() for day in period.days)
    )
    found: Counter[tuple[str, Cell]] = Counter()
    places: dict[int, Cell] = {}
    for hour in {one.hour for one in counts}:
        local = _local(hour, zone)
        places[hour] = local.hour if is_day else local.date().isoformat()
    for one in counts:
        found[class_of(one), places[one.hour]] += one.count
    return Chart(
        "captures",
        "hour" if is_day else "day",
        labels,
        tuple(Series(name, tuple(found[name, one] for one in labels)) for name in CLASSES),
    )


def _local(hour: int, zone: ZoneInfo) -> datetime:
    return (_EPOCH + timedelta(hours=hour)).astimezone(zone)


def _did_order(did: str) -> tuple[int, str]:
    return (len(did), did)
