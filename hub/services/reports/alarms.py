"""Alarms by type: how many, how soon they were acknowledged, and by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from msgspec import Struct

from hub.services.reports.periods import Period
from hub.services.reports.report import (
    Cell,
    CellKind,
    Chart,
    Progress,
    Report,
    Series,
    Table,
    table,
)
from hub.store.alarms.alarm import Alarm, AlarmKind, AlarmStep
from hub.store.alarms.alarms import AlarmFilter

if TYPE_CHECKING:
    from hub.store.db import Store

KINDS: tuple[AlarmKind, ...] = ("blacklist", "plate", "event", "offline", "hub")
_STEP = 500


class _Handled(Struct, frozen=True):
    """An alarm, who acknowledged it first ("" if nobody), and after how many seconds."""

    alarm: Alarm
    who: str = ""
    seconds: int | None = None


async def report_alarms(
    store: Store, period: Period, zone: ZoneInfo, made_at: int, on_progress: Progress
) -> Report:
    """Return the alarms that were raised in a period, and what came of them."""
    handled: list[_Handled] = []
    matching, after = AlarmFilter(since=period.since, until=period.until), None
    while True:
        page = await store.alarms.page(matching, after=after, limit=_STEP)
        histories = await store.alarms.histories([alarm.seq for alarm in page.items])
        handled += [_handled(alarm, histories.get(alarm.seq, ())) for alarm in page.items]
        if page.next is None:
            break
        after = page.next
        on_progress(0.5)
    tables = (_by_kind(handled), _by_person(handled), _each(handled))
    return Report("alarms", period, made_at, tables, (_chart(handled, period, zone),))


def _handled(alarm: Alarm, steps: Sequence[AlarmStep]) -> _Handled:
    raised = next((step.at for step in steps if step.step == "raised"), alarm.heard_at)
    first = next((step for step in steps if step.step in ("acknowledged", "closed")), None)
    if first is None:
        return _Handled(alarm)
    return _Handled(alarm, first.who, max(0, first.at - raised) // 1000)


def _by_kind(handled: Sequence[_Handled]) -> Table:
    """Camera events are told apart by their type (2.4)."""
    of_types: dict[tuple[int, int], list[_Handled]] = {}
    for one in handled:
        key = KINDS.index(one.alarm.kind), one.alarm.detail.type or 0
        of_types.setdefault(key, []).append(one)
    rows: list[tuple[Cell, ...]] = [
        (
            some[0].alarm.kind,
            some[0].alarm.detail.type,
            len(some),
            sum(one.alarm.count for one in some),
            sum(1 for one in some if one.seconds is not None),
            sum(1 for one in some if one.alarm.escalated_at is not None),
            *_times(some),
        )
        for _, some in sorted(of_types.items())
    ]
    columns: list[tuple[str, CellKind]] = [
        ("kind", "code"),
        ("event_type", "code"),
        ("alarms", "count"),
        ("records", "count"),
        ("acknowledged", "count"),
        ("escalated", "count"),
        ("median_time", "length"),
        ("longest_time", "length"),
    ]
    return table("by_kind", columns, rows)


def _by_person(handled: Sequence[_Handled]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for who in sorted({one.who for one in handled if one.seconds is not None}):
        of_person = [one for one in handled if one.who == who and one.seconds is not None]
        rows.append((who, len(of_person), *_times(of_person)))
    columns: list[tuple[str, CellKind]] = [
        ("who", "text"),
        ("acknowledged", "count"),
        ("median_time", "length"),
        ("longest_time", "length"),
    ]
    return table("by_person", columns, rows)


def _each(handled: Sequence[_Handled]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            one.alarm.seq,
            one.alarm.first_at,
            one.alarm.kind,
            one.alarm.detail.type,
            one.alarm.severity,
            _subject(one.alarm),
            one.alarm.dids[0] if one.alarm.dids else None,
            one.alarm.count,
            one.alarm.state,
            one.who if one.seconds is not None else None,
            one.seconds,
        )
        for one in handled
    ]
    columns: list[tuple[str, CellKind]] = [
        ("alarm", "count"),
        ("raised", "moment"),
        ("kind", "code"),
        ("event_type", "code"),
        ("severity", "code"),
        ("subject", "text"),
        ("camera", "camera"),
        ("records", "count"),
        ("state", "code"),
        ("who", "text"),
        ("time_to_acknowledge", "length"),
    ]
    return table("alarms", columns, rows)


def _subject(alarm: Alarm) -> str:
    detail = alarm.detail
    return detail.plate or detail.name or detail.text or detail.device_name


def _times(handled: Iterable[_Handled]) -> tuple[Cell, Cell]:
    """Return the median and the longest time to acknowledgement."""
    seconds = sorted(one.seconds for one in handled if one.seconds is not None)
    return (seconds[len(seconds) // 2], seconds[-1]) if seconds else (None, None)


def _chart(handled: Sequence[_Handled], period: Period, zone: ZoneInfo) -> Chart:
    is_day = period.kind == "day"
    labels: tuple[Cell, ...] = (
        tuple(range(24)) if is_day else tuple(day.date.isoformat() for day in period.days)
    )
    found: Counter[tuple[str, Cell]] = Counter()
    for one in handled:
        local = datetime.fromtimestamp(one.alarm.first_at / 1000, zone)
        found[one.alarm.kind, local.hour if is_day else local.date().isoformat()] += 1
    kinds = [kind for kind in KINDS if any(found[kind, label] for label in labels)]
    return Chart(
        "alarms",
        "hour" if is_day else "day",
        labels,
        tuple(Series(kind, tuple(found[kind, label] for label in labels)) for kind in kinds),
    )
