"""Plates in and out: when each vehicle came and left, and how long it stayed."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.services.reports.periods import Day, Period
from hub.services.reports.report import (
    MAX_ROWS,
    Cell,
    CellKind,
    Chart,
    Progress,
    Report,
    Series,
    Table,
    table,
)
from hub.store.records.time_spans import SeqRange
from hub.store.reports.sightings import PlateSeen, names_of, parts_of, plates_in

if TYPE_CHECKING:
    from hub.store.db import Store

#: A camera sends a vehicle several times while it passes.
REPEAT_MS = 120_000
_STEP = 500


class Stay(Struct):
    """A vehicle came and left. None: that was not seen, in the period."""

    term: int
    seq: int
    came: PlateSeen | None = None
    left: PlateSeen | None = None


class Stays:
    """Pairs what the cameras at the entrances and the exits saw, in the order of time."""

    def __init__(self, entrances: Collection[str], exits: Collection[str]) -> None:
        self._entrances = frozenset(entrances)
        self._exits = frozenset(exits)
        #: The stay that each plate is in.
        self._inside: dict[int, Stay] = {}
        self._last: dict[tuple[int, bool], int] = {}
        #: The first MAX_ROWS stays; how many there were beyond; how long all were, in seconds.
        self.found: list[Stay] = []
        self.left_out = 0
        self.lengths = array("q")
        #: When vehicles came and left.
        self.entered = array("q")
        self.exited = array("q")

    @property
    def no_exit(self) -> int:
        """How many came, and were not seen to leave."""
        return len(self.entered) - len(self.lengths)

    def add_all(self, seen: Iterable[PlateSeen]) -> None:
        """Take the sightings of a day, which may be in any order."""
        for one in sorted(seen, key=lambda one: (one.at, one.seq)):
            self.add(one)

    def add(self, seen: PlateSeen) -> None:
        """Take the next sighting. A camera that is in both groups counts as an entrance while the
        vehicle is outside, and as an exit while it is inside."""
        is_inside = seen.term in self._inside
        comes, leaves = seen.did in self._entrances, seen.did in self._exits
        sides = [side for side, is_side in ((True, comes), (False, leaves)) if is_side]
        is_repeat = any(self._is_repeat(seen, side) for side in sides)
        self._last.update({(seen.term, side): seen.at for side in sides})
        if is_repeat:
            return
        if comes and not (leaves and is_inside):
            self.entered.append(seen.at)
            self._inside[seen.term] = entry = Stay(seen.term, seen.seq, came=seen)
            self._keep(entry)
            return
        self.exited.append(seen.at)
        stay = self._inside.pop(seen.term, None) or Stay(seen.term, seen.seq)
        stay.left = seen
        if stay.came is None:
            self._keep(stay)
        else:
            self.lengths.append((seen.at - stay.came.at) // 1000)

    def _keep(self, stay: Stay) -> None:
        if len(self.found) < MAX_ROWS:
            self.found.append(stay)
        else:
            self.left_out += 1

    def _is_repeat(self, seen: PlateSeen, comes: bool) -> bool:
        last = self._last.get((seen.term, comes))
        return last is not None and seen.at - last < REPEAT_MS


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
    stays, dids = Stays(entrances, exits), sorted({*entrances, *exits})
    for number, day in enumerate(period.days):
        if day.since <= made_at and dids:
            # In a thread: a day of many vehicles takes seconds.
            await trio.to_thread.run_sync(stays.add_all, await _seen_on(store, day, dids))
        on_progress((number + 1) / (len(period.days) + 1))
    names = await _names(store, stays.found)
    tables, chart = await trio.to_thread.run_sync(_shown, stays, names, period, zone)
    return Report("plates", period, made_at, tables, (chart,))


def _shown(
    stays: Stays, names: dict[int, str], period: Period, zone: ZoneInfo
) -> tuple[tuple[Table, ...], Chart]:
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
    return (_summary(stays), listed), _chart(stays, period, zone)


async def _seen_on(store: Store, day: Day, dids: Sequence[str]) -> list[PlateSeen]:
    """Return what these cameras saw on a day."""
    seen: list[PlateSeen] = []
    for part in await store.read_part(lambda c: parts_of(c, day.since, day.until)):
        seen += await _seen_in(store, part, day, dids)
    return seen


async def _seen_in(store: Store, part: SeqRange, day: Day, dids: Sequence[str]) -> list[PlateSeen]:
    return await store.read_part(lambda c: plates_in(c, part, day.since, day.until, dids))


async def _names(store: Store, stays: Sequence[Stay]) -> dict[int, str]:
    """Return the plates as they were sent, by term."""
    seqs = {stay.term: stay.seq for stay in stays}
    terms, found = list(seqs), {}
    for start in range(0, len(terms), _STEP):
        some = terms[start : start + _STEP]
        sent = await store.read_part(partial(names_of, [seqs[term] for term in some]))
        found.update({term: sent.get(seqs[term], "") for term in some})
    return found


def _row(stay: Stay, names: dict[int, str]) -> tuple[Cell, ...]:
    came, left = stay.came, stay.left
    return (
        names.get(stay.term, ""),
        came.at if came else None,
        came.did if came else None,
        left.at if left else None,
        left.did if left else None,
        _length(stay),
    )


def _length(stay: Stay) -> int | None:
    if stay.came is None or stay.left is None:
        return None
    return (stay.left.at - stay.came.at) // 1000


def _summary(stays: Stays) -> Table:
    lengths = sorted(stays.lengths)
    row: tuple[Cell, ...] = (
        len(stays.entered),
        len(stays.exited),
        stays.no_exit,
        lengths[len(lengths) // 2] if lengths else None,
        lengths[-1] if lengths else None,
    )
    columns: list[tuple[str, CellKind]] = [
        ("came", "count"),
        ("left", "count"),
        ("no_exit", "count"),
        ("median_stay", "length"),
        ("longest_stay", "length"),
    ]
    return table("summary", columns, [row])


def _chart(stays: Stays, period: Period, zone: ZoneInfo) -> Chart:
    is_day = period.kind == "day"
    labels: tuple[Cell, ...] = (
        tuple(range(24)) if is_day else tuple(day.date.isoformat() for day in period.days)
    )

    def counted(moments: Iterable[int]) -> tuple[float, ...]:
        found: dict[Cell, int] = dict.fromkeys(labels, 0)
        for moment in moments:
            local = datetime.fromtimestamp(moment / 1000, zone)
            found[local.hour if is_day else local.date().isoformat()] += 1
        return tuple(found.values())

    return Chart(
        "plates",
        "hour" if is_day else "day",
        labels,
        (Series("came", counted(stays.entered)), Series("left", counted(stays.exited))),
    )
