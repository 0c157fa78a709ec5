"""Attendance: when each person was first and last seen on each day."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.services.people.register import People
from hub.services.reports.periods import Day, Period
from hub.services.reports.report import Cell, CellKind, Chart, Progress, Report, Series, table
from hub.store.people.person_rows import PersonName
from hub.store.records.time_spans import SeqRange
from hub.store.reports.sightings import PersonSeen, Sighting, names_of, parts_of, people_in

if TYPE_CHECKING:
    from hub.store.db import Store

#: Names that are looked up at a time.
_STEP = 500


class _Seen(Struct, frozen=True):
    day: Day
    person: PersonSeen


async def report_attendance(
    store: Store,
    people: People,
    period: Period,
    dids: Sequence[str] | None,
    made_at: int,
    on_progress: Progress,
) -> Report:
    """Return who was seen when, by any camera or by these.

    A person is who the record names: by number, else by name. Strangers are left out.
    """
    seen: list[_Seen] = []
    for number, day in enumerate(period.days):
        if day.since <= made_at:
            seen += [_Seen(day, one) for one in await _people_of(store, day, dids)]
        on_progress((number + 1) / (len(period.days) + 1))
    names = await _names(store, people, seen)
    # In a thread: a month of many people takes a second.
    rows = await trio.to_thread.run_sync(_rows, seen, names)
    columns: list[tuple[str, CellKind]] = [
        ("day", "day"),
        ("name", "text"),
        ("person", "person"),
        ("first_seen", "clock"),
        ("first_camera", "camera"),
        ("last_seen", "clock"),
        ("last_camera", "camera"),
        ("between", "length"),
        ("sightings", "count"),
    ]
    return Report(
        "attendance",
        period,
        made_at,
        (table("attendance", columns, rows),),
        (_chart(seen, period),),
    )


async def _people_of(store: Store, day: Day, dids: Sequence[str] | None) -> list[PersonSeen]:
    """Return whom the records of a day name, each person once."""
    found: dict[tuple[str | None, int | None], PersonSeen] = {}
    parts = await store.read_part(lambda c: parts_of(c, day.since, day.until))
    for part in parts:
        for one in await _seen_in(store, part, day, dids):
            key = (one.uuid, one.term)
            found[key] = _merged(found[key], one) if key in found else one
    return list(found.values())


async def _seen_in(
    store: Store, part: SeqRange, day: Day, dids: Sequence[str] | None
) -> list[PersonSeen]:
    return await store.read_part(lambda c: people_in(c, part, day.since, day.until, dids))


def _merged(one: PersonSeen, other: PersonSeen) -> PersonSeen:
    def at(sighting: Sighting) -> int:
        return sighting.at

    return replace(
        one,
        first=min(one.first, other.first, key=at),
        last=max(one.last, other.last, key=at),
        count=one.count + other.count,
        seq=max(one.seq, other.seq),
    )


async def _names(
    store: Store, people: People, seen: Sequence[_Seen]
) -> dict[tuple[str | None, int | None], tuple[str, str]]:
    """Return name and pid of each person: those of the register, else the name in the record."""
    latest: dict[tuple[str | None, int | None], int] = {}
    for one in seen:
        key = (one.person.uuid, one.person.term)
        latest[key] = max(one.person.seq, latest.get(key, 0))
    keys, found = list(latest), {}
    for start in range(0, len(keys), _STEP):
        some = keys[start : start + _STEP]
        sent = await store.read_part(partial(names_of, [latest[key] for key in some]))
        known = await people.names([uuid for uuid, _ in some if uuid is not None])
        for key in some:
            found[key] = _name(key[0], known, sent.get(latest[key], ""))
    return found


def _name(uuid: str | None, known: dict[str, PersonName], sent: str) -> tuple[str, str]:
    if uuid is not None and uuid in known:
        return known[uuid].name, uuid
    return sent or uuid or "", ""


def _rows(
    seen: Sequence[_Seen], names: dict[tuple[str | None, int | None], tuple[str, str]]
) -> list[tuple[Cell, ...]]:
    return sorted(_row(one, names) for one in seen)


def _row(
    seen: _Seen, names: dict[tuple[str | None, int | None], tuple[str, str]]
) -> tuple[Cell, ...]:
    person = seen.person
    name, pid = names[person.uuid, person.term]
    return (
        seen.day.date.isoformat(),
        name,
        pid,
        person.first.at,
        person.first.did,
        person.last.at,
        person.last.did,
        (person.last.at - person.first.at) // 1000,
        person.count,
    )


def _chart(seen: Sequence[_Seen], period: Period) -> Chart:
    """People on each day."""
    numbers = {day.date: 0 for day in period.days}
    for one in seen:
        numbers[one.day.date] += 1
    return Chart(
        "people",
        "day",
        tuple(day.isoformat() for day in numbers),
        (Series("people", tuple(numbers.values())),),
    )
