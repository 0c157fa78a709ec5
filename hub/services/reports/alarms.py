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
    ReportTable,
    Series,
    table,
)
from hub.store.alarms.alarm import Alarm, AlarmKind, AlarmStep
from hub.wire.uploads.records import HubDetail

if TYPE_CHECKING:
    from hub.store.db import Store

KINDS: tuple[AlarmKind, ...] = ("blacklist", "plate", "event", "offline", "hub")
_STEP = 500


class _Handled(Struct, frozen=True):
    """An alarm, and what happened to it in the period.

    `raised`: when it became new (UNIX milliseconds). `answers`: who acknowledged it ("" if nobody),
    and after how many seconds.
    """

    alarm: Alarm
    raised: tuple[int, ...] = ()
    again: int | None = None
    answers: tuple[tuple[str, int], ...] = ()
    is_escalated: bool = False


async def report_alarms(
    store: Store, period: Period, zone: ZoneInfo, made_at: int, on_progress: Progress
) -> Report:
    """Return the alarms to which something happened in a period, and what came of them."""
    handled: list[_Handled] = []
    seqs = await store.alarms.touched(period.since, period.until)
    for start in range(0, len(seqs), _STEP):
        some = seqs[start : start + _STEP]
        histories = await store.alarms.histories(some)
        handled += [
            _handled(alarm, histories.get(alarm.seq, ()), period)
            for alarm in await store.alarms.some(some)
        ]
        on_progress((start + len(some)) / len(seqs))
    tables = (_by_kind(handled), _by_person(handled), _each(handled))
    return Report("alarms", period, made_at, tables, (_chart(handled, period, zone),))


def _handled(alarm: Alarm, steps: Sequence[AlarmStep], period: Period) -> _Handled:
    raised: list[AlarmStep] = []
    answers: list[tuple[str, int]] = []
    # The first steps of a very long history are gone: the alarm may have become new since.
    is_known = bool(steps) and alarm.new_since <= steps[0].at
    waits_since = alarm.new_since if is_known else None
    for step in steps:
        is_within = period.since <= step.at < period.until
        if step.step in ("raised", "again"):
            waits_since = step.at
            raised += [step] if is_within else []
        elif step.step in ("acknowledged", "closed") and waits_since is not None:
            if is_within:
                answers.append((step.who, max(0, step.at - waits_since) // 1000))
            waits_since = None
    return _Handled(
        alarm,
        tuple(step.at for step in raised),
        next((step.at for step in reversed(raised) if step.step == "again"), None),
        tuple(answers),
        any(one.step == "escalated" and period.since <= one.at < period.until for one in steps),
    )


def _by_kind(handled: Sequence[_Handled]) -> ReportTable:
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
            sum(1 for one in some if one.answers),
            sum(1 for one in some if one.is_escalated),
            *_times([seconds for one in some for _, seconds in one.answers]),
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


def _by_person(handled: Sequence[_Handled]) -> ReportTable:
    rows: list[tuple[Cell, ...]] = []
    of_people: dict[str, list[int]] = {}
    for one in handled:
        for who, seconds in one.answers:
            of_people.setdefault(who, []).append(seconds)
    for who, times in sorted(of_people.items()):
        rows.append((who, len(times), *_times(times)))
    columns: list[tuple[str, CellKind]] = [
        ("who", "text"),
        ("acknowledged", "count"),
        ("median_time", "length"),
        ("longest_time", "length"),
    ]
    return table("by_person", columns, rows)


def _each(handled: Sequence[_Handled]) -> ReportTable:
    rows: list[tuple[Cell, ...]] = [
        (
            one.alarm.seq,
            one.alarm.first_at,
            one.again,
            one.alarm.kind,
            one.alarm.detail.type,
            one.alarm.severity,
            _subject(one.alarm),
            one.alarm.dids[-1] if one.alarm.dids else None,
            one.alarm.count,
            one.alarm.state,
            *(one.answers[-1] if one.answers else (None, None)),
        )
        for one in handled
    ]
    columns: list[tuple[str, CellKind]] = [
        ("alarm", "count"),
        ("raised", "moment"),
        ("again", "moment"),
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


def _subject(alarm: Alarm) -> Cell:
    detail = alarm.detail
    if alarm.kind in ("offline", "hub"):
        return HubDetail(detail.cause, detail.text, detail.args)
    return detail.plate or detail.name or detail.pid or detail.uuid


def _times(seconds: Iterable[int]) -> tuple[Cell, Cell]:
    """Return the median and the longest time to acknowledgement."""
    ordered = sorted(seconds)
    return (ordered[len(ordered) // 2], ordered[-1]) if ordered else (None, None)


def _chart(handled: Sequence[_Handled], period: Period, zone: ZoneInfo) -> Chart:
    is_day = period.kind == "day"
    labels: tuple[Cell, ...] = (
        tuple(range(24)) if is_day else tuple(day.date.isoformat() for day in period.days)
    )
    found: Counter[tuple[str, Cell]] = Counter()
    for one in handled:
        for at in one.raised:
            local = datetime.fromtimestamp(at / 1000, zone)
            found[one.alarm.kind, local.hour if is_day else local.date().isoformat()] += 1
    kinds = [kind for kind in KINDS if any(found[kind, label] for label in labels)]
    return Chart(
        "alarms",
        "hour" if is_day else "day",
        labels,
        tuple(Series(kind, tuple(found[kind, label] for label in labels)) for kind in kinds),
    )
