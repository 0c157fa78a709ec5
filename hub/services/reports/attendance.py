"""Attendance: when each person was first and last seen on each day."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.services.people.register import PeopleRegister
from hub.services.reports.periods import Day, Period
from hub.services.reports.report import (
    MAX_ROWS,
    Cell,
    CellKind,
    Chart,
    Progress,
    Report,
    Series,
    table,
    yield_processor,
)
from hub.store.people.person_rows import PersonName
from hub.store.reports.sightings import (
    PersonKey,
    PersonSeen,
    add_people,
    moment_of,
    names_of,
    parts_of,
)

if TYPE_CHECKING:
    from hub.store.db import Store

#: Names that are looked up at a time.
_STEP = 500
_Names = dict[PersonKey, tuple[str, str]]


class _Seen(Struct, frozen=True):
    """Whom a day's records name. Nobody is kept once the days before fill the table."""

    day: Day
    people: tuple[PersonSeen, ...]
    count: int


async def report_attendance(
    store: Store,
    register: PeopleRegister,
    period: Period,
    dids: Sequence[str] | None,
    made_at: int,
    on_progress: Progress,
) -> Report:
    """Return who was seen when, by any camera or by these.

    A person is who the record names: by number, else by name. Strangers are left out.
    """
    seen: list[_Seen] = []
    kept = 0
    latest: dict[PersonKey, int] = {}
    for number, day in enumerate(period.days):
        if day.since <= made_at:
            found = await _people_of(store, day, dids)
            for key, one in found.items():
                latest[key] = max(one.seq, latest.get(key, 0))
            people = tuple(found.values()) if kept < MAX_ROWS else ()
            kept += len(people)
            seen.append(_Seen(day, people, len(found)))
        on_progress((number + 1) / (len(period.days) + 1))
    names = await _names(store, register, seen, latest)
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
    listed = table("attendance", columns, rows)
    return Report(
        "attendance",
        period,
        made_at,
        (replace(listed, left_out=sum(one.count for one in seen) - len(listed.rows)),),
        (_chart(seen, period),),
    )


async def _people_of(
    store: Store, day: Day, dids: Sequence[str] | None
) -> dict[PersonKey, PersonSeen]:
    """Return whom the records of a day name, each person once."""
    found: dict[PersonKey, PersonSeen] = {}
    for part in await store.read_part(partial(parts_of, day.since, day.until)):
        await store.read_part(partial(add_people, found, part, day.since, day.until, dids))
    return found


async def _names(
    store: Store, register: PeopleRegister, seen: Sequence[_Seen], latest: dict[PersonKey, int]
) -> _Names:
    """Return name and pid of each person: those of the register, else the name in the record.

    `latest`: the last record of each that has a name.
    """
    keys = list({one.key for day in seen for one in day.people})
    found: _Names = {}
    for start in range(0, len(keys), _STEP):
        some = keys[start : start + _STEP]
        sent = await store.read_part(partial(names_of, [latest[key] for key in some]))
        known = await register.names([key for key in some if isinstance(key, str)])
        for key in some:
            found[key] = _name(key, known, sent.get(latest[key], ""))
    return found


def _name(key: PersonKey, known: dict[str, PersonName], sent: str) -> tuple[str, str]:
    if not isinstance(key, str):
        return sent, ""
    return (known[key].name, key) if key in known else (sent or key, "")


def _rows(seen: Sequence[_Seen], names: _Names) -> list[tuple[Cell, ...]]:
    rows: list[tuple[Cell, ...]] = []
    for one in seen:
        date, since = one.day.date.isoformat(), one.day.since
        rows += sorted(_row(date, since, person, names[person.key]) for person in one.people)
        yield_processor()
    return rows


def _row(date: str, since: int, person: PersonSeen, name: tuple[str, str]) -> tuple[Cell, ...]:
    first, last = moment_of(person.first, since), moment_of(person.last, since)
    return (date, *name, *first, *last, (last[0] - first[0]) // 1000, person.count)


def _chart(seen: Sequence[_Seen], period: Period) -> Chart:
    """People on each day."""
    numbers = {day.date: 0 for day in period.days}
    for one in seen:
        numbers[one.day.date] += one.count
    return Chart(
        "people",
        "day",
        tuple(day.isoformat() for day in numbers),
        (Series("people", tuple(numbers.values())),),
    )
