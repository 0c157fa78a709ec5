"""Attendance: when each person was first and last seen on each day, and by schedules."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

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
    ReportTable,
    Series,
    table,
    yield_processor,
)
from hub.services.reports.schedules import (
    Member,
    Outcome,
    Schedule,
    Shift,
    by_department,
    shift_on,
)
from hub.store.people.people import PersonFilter
from hub.store.people.person_rows import PersonName, fold_text
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
_Staff = dict[Schedule, list[Member]]
_BLACKLIST, _NEVER = 2, 2**63 - 1
_PERSON_COLUMNS: tuple[tuple[str, CellKind], ...] = (
    ("name", "text"),
    ("person", "person"),
    ("department", "text"),
)


class _Totals(Struct, gc=False):
    """What the shifts of a person come to."""

    name: str
    pid: str
    department: str
    shifts: int = 0
    absent: int = 0
    late: int = 0
    early: int = 0
    seconds: int = 0

    def add(self, outcome: Outcome, late: int | None, early: int | None, seconds: int) -> None:
        self.shifts += 1
        self.absent += outcome == "absent"
        self.late += late is not None
        self.early += early is not None
        self.seconds += seconds

    @property
    def cells(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self.__struct_fields__)


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
    schedules: Sequence[Schedule],
    zone: ZoneInfo,
    made_at: int,
    on_progress: Progress,
) -> Report:
    """Return who was seen when, by any camera or by these, and how that is by the schedules.

    A person is who the record names: by number, else by name. Strangers are left out, and who is
    on the blacklist.
    """
    blacklist, staff = await _register(register, schedules)
    shifts = await _shift_tables(store, staff, period, zone, dids, made_at)
    seen: list[_Seen] = []
    kept = 0
    latest: dict[PersonKey, int] = {}
    for number, day in enumerate(period.days):
        if day.since <= made_at:
            found = await _people_of(store, day.since, day.until, dids)
            for pid in blacklist & found.keys():
                del found[pid]
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
        (
            *shifts,
            replace(listed, left_out=sum(one.count for one in seen) - len(listed.rows)),
        ),
        (_chart(seen, period),),
    )


async def _people_of(
    store: Store, since: int, until: int, dids: Sequence[str] | None
) -> dict[PersonKey, PersonSeen]:
    """Return whom the records of a day name, each person once."""
    found: dict[PersonKey, PersonSeen] = {}
    for part in await store.read_part(partial(parts_of, since, until)):
        await store.read_part(partial(add_people, found, part, since, until, dids))
    return found


async def _register(
    register: PeopleRegister, schedules: Sequence[Schedule]
) -> tuple[set[PersonKey], _Staff]:
    """Return who is on the blacklist, and of the others, whom each schedule is for."""
    blacklist: set[PersonKey] = set()
    staff: _Staff = {}
    known = by_department(schedules)
    matching = None if known else PersonFilter(category=_BLACKLIST)
    after: str | None = None
    while True:
        page = await register.page(matching, after=after, limit=_STEP)
        for one in page.items:
            if one.category == _BLACKLIST:
                blacklist.add(one.pid)
            elif schedule := known.get(fold_text(one.department)) or known.get(""):
                since = max(one.created_at, one.valid_from or 0)
                until = _NEVER if one.valid_until is None else one.valid_until
                member = Member(one.pid, one.name, one.department, since, until)
                staff.setdefault(schedule, []).append(member)
        if (after := page.next) is None:
            return blacklist, staff


async def _shift_tables(
    store: Store,
    staff: _Staff,
    period: Period,
    zone: ZoneInfo,
    dids: Sequence[str] | None,
    now: int,
) -> list[ReportTable]:
    """Return each shift of each person, and of more than a day what they come to."""
    if not staff:
        return []
    rows: list[tuple[Cell, ...]] = []
    totals: dict[str, _Totals] = {}
    count = 0
    for day in period.days:
        of_day: list[tuple[Cell, ...]] = []
        for schedule, members in staff.items():
            shift = shift_on(day.date, schedule, zone)
            if shift is None or shift.start > now:
                continue
            seen = await _people_of(store, shift.since, shift.until, dids)
            of_day += await trio.to_thread.run_sync(_shift_rows, shift, members, seen, totals, now)
        count += len(of_day)
        rows += sorted(of_day, key=_by_name)[: MAX_ROWS - len(rows)]
    columns: list[tuple[str, CellKind]] = [
        ("day", "day"),
        *_PERSON_COLUMNS,
        ("start", "clock"),
        ("end", "clock"),
        ("first_seen", "clock"),
        ("last_seen", "clock"),
        ("late", "length"),
        ("early", "length"),
        ("hours", "length"),
        ("outcome", "code"),
    ]
    tables = [replace(table("shifts", columns, rows), left_out=count - len(rows))]
    if period.kind != "day":
        columns = [
            *_PERSON_COLUMNS,
            ("shifts", "count"),
            ("absent", "count"),
            ("late_count", "count"),
            ("early_count", "count"),
            ("hours", "length"),
        ]
        summed = sorted((one.cells for one in totals.values()), key=lambda cells: cells[:2])
        tables.insert(0, table("totals", columns, summed))
    return tables


def _shift_rows(
    shift: Shift,
    members: Sequence[Member],
    seen: dict[PersonKey, PersonSeen],
    totals: dict[str, _Totals],
    now: int,
) -> list[tuple[Cell, ...]]:
    """Return the row of each person of a shift, and add it to theirs of `totals`. In a thread."""
    rows: list[tuple[Cell, ...]] = []
    for member in filter(shift.expects, members):
        one = seen.get(member.pid)
        first = None if one is None else moment_of(one.first, shift.since)[0]
        last = None if one is None else moment_of(one.last, shift.since)[0]
        count = 0 if one is None else one.count
        outcome, late, early = shift.judge(count, first or 0, last or 0, now)
        length = None if first is None or last is None else (last - first) // 1000
        who = (member.name, member.pid, member.department)
        times = (shift.start, shift.end, first, last, late, early, length)
        rows.append((shift.date.isoformat(), *who, *times, outcome))
        totals.setdefault(member.pid, _Totals(*who)).add(outcome, late, early, length or 0)
    yield_processor()
    return rows


def _by_name(row: tuple[Cell, ...]) -> tuple[Cell, ...]:
    return row[1:3]


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
