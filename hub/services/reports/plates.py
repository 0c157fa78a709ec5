"""Plates in and out: when each vehicle came and left, and how long it stayed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import trio
from msgspec.structs import replace

from hub.services.reports.periods import Day, Period
from hub.services.reports.report import (
    MAX_ROWS,
    Cell,
    CellKind,
    Chart,
    Progress,
    Report,
    ReportTable,
    Series,
    table,
)
from hub.services.reports.stays import Stay, Stays
from hub.store.reports.sightings import PlateSeen, parts_of, plates_of, vehicles_in

if TYPE_CHECKING:
    from hub.store.db import Store

#: Plates that are looked up at a time.
_STEP = 5_000


async def report_plates(
    store: Store,
    period: Period,
    zone: ZoneInfo,
    entrances: Sequence[str],
    exits: Sequence[str],
    made_at: int,
    on_progress: Progress,
) -> Report:
    """Return the stays of vehicles that the cameras at these entrances and exits saw."""
    pairing = _Pairing(Stays(entrances, exits, MAX_ROWS), period, zone)
    dids = sorted({*entrances, *exits})
    for number, day in enumerate(period.days):
        if day.since <= made_at and dids:
            seen = await _seen_on(store, day, dids)
            # In a thread: a day of many vehicles takes a part of a second.
            await trio.to_thread.run_sync(pairing.add_day, day, seen)
        on_progress((number + 1) / (len(period.days) + 1))
    stays = pairing.stays
    names = await _names(store, stays.found)
    tables, chart = await trio.to_thread.run_sync(_shown, pairing, names)
    return Report("plates", period, made_at, tables, (chart,))


class _Pairing:
    """The stays, and how many vehicles came and left over time."""

    def __init__(self, stays: Stays, period: Period, zone: ZoneInfo) -> None:
        self.stays = stays
        self._period = period
        self._zone = zone
        self._came: Counter[Cell] = Counter()
        self._left: Counter[Cell] = Counter()

    @property
    def _is_day(self) -> bool:
        return self._period.kind == "day"

    def add_day(self, day: Day, seen: Sequence[PlateSeen]) -> None:
        """Take the sightings of the next day."""
        passages = self.stays.add_day(seen)
        self._came.update(self._labels(day, passages.entered))
        self._left.update(self._labels(day, passages.exited))

    def _labels(self, day: Day, moments: Sequence[int]) -> Mapping[Cell, int]:
        if not self._is_day:
            return {day.date.isoformat(): len(moments)}
        return Counter(datetime.fromtimestamp(at / 1000, self._zone).hour for at in moments)

    def chart(self) -> Chart:
        """By hour for a day, else by day."""
        labels = self._period.labels
        return Chart(
            "plates",
            self._period.label_kind,
            labels,
            (
                Series("came", tuple(self._came[one] for one in labels)),
                Series("left", tuple(self._left[one] for one in labels)),
            ),
        )


def _shown(pairing: _Pairing, names: dict[int, str]) -> tuple[tuple[ReportTable, ...], Chart]:
    stays = pairing.stays
    rows = [_row(stay, names) for stay in stays.found]
    columns: list[tuple[str, CellKind]] = [
        ("plate", "text"),
        ("came", "moment"),
        ("entrance", "camera"),
        ("left", "moment"),
        ("exit", "camera"),
        ("stayed", "length"),
    ]
    listed = replace(table("stays", columns, rows), left_out=stays.left_out)
    return (_summary(stays), listed), pairing.chart()


async def _seen_on(store: Store, day: Day, dids: Sequence[str]) -> list[PlateSeen]:
    """Return what these cameras saw on a day."""
    seen: list[PlateSeen] = []
    for part in await store.read_part(partial(parts_of, day.since, day.until)):
        seen += await store.read_part(partial(vehicles_in, part, day.since, day.until, dids))
    return seen


async def _names(store: Store, stays: Sequence[Stay]) -> dict[int, str]:
    """Return the plates by term."""
    terms = sorted({stay.term for stay in stays})  # near each other in the database
    found: dict[int, str] = {}
    for start in range(0, len(terms), _STEP):
        found |= await store.read_part(partial(plates_of, terms[start : start + _STEP]))
    return found


def _row(stay: Stay, names: dict[int, str]) -> tuple[Cell, ...]:
    came, left = stay.came_at, stay.left_at
    length = None if came is None or left is None else (left - came) // 1000
    return names.get(stay.term, ""), came, stay.entrance, left, stay.exit, length


def _summary(stays: Stays) -> ReportTable:
    median, longest = stays.lengths.median, stays.lengths.longest
    row: tuple[Cell, ...] = (
        stays.entered,
        stays.exited,
        stays.no_exit,
        None if median is None else median // 1000,
        None if longest is None else longest // 1000,
    )
    columns: list[tuple[str, CellKind]] = [
        ("came", "count"),
        ("left", "count"),
        ("no_exit", "count"),
        ("median_stay", "length"),
        ("longest_stay", "length"),
    ]
    return table("summary", columns, [row])
