"""Attendance by schedules: who came late, left early or was absent, and how long they stayed."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from hub.errors import BadParameter
from hub.services.audit import COMMAND_LINE
from hub.services.reports.report import Report
from hub.services.reports.schedules import Schedule, check_schedules, shift_on
from hub.store.people.person_rows import PersonChange
from tests.services.reports.conftest import HOUR, MIDNIGHT, MINUTE, TODAY, ReportSite, rows_of

BERLIN = ZoneInfo("Europe/Berlin")
#: Tests stand at 13:00.
MORNING = Schedule(days=(1, 2, 3, 4, 5), start="08:00", end="12:00", grace_minutes=5)


async def add(site: ReportSite, pid: str, **fields: Any) -> None:
    change = PersonChange(**{"name": f"P{pid}", "department": "Sales", **fields})
    await site.services.people.register.add(change, pid=pid, by=COMMAND_LINE)
    # In the register since yesterday's noon.
    at = MIDNIGHT - 12 * HOUR
    await site.hub.store.write(
        lambda c: c.execute("UPDATE person SET created_at = ? WHERE pid = ?", (at, pid)) and None
    )


async def put(site: ReportSite, *schedules: Schedule) -> None:
    await site.services.reports.maker.put_schedules(schedules, by=COMMAND_LINE)


def shifts(report: Report) -> list[tuple[Any, ...]]:
    """Of each: day, pid, minutes late, minutes early, minutes there, outcome."""

    def minutes(seconds: int | None) -> float | None:
        return None if seconds is None else seconds / 60

    return [
        (row[0][-2:], row[2], *map(minutes, row[8:11]), row[11])
        for row in rows_of(report, "shifts")
    ]


async def test_without_schedules_the_report_is_as_before(site: ReportSite) -> None:
    await add(site, "7")
    assert [one.name for one in (await site.report("attendance")).tables] == ["attendance"]


async def test_who_comes_late_leaves_early_or_stays_away(site: ReportSite) -> None:
    for pid in "123456":
        await add(site, pid)
    await put(site, MORNING)
    seen = {
        "1": (8 * HOUR + 5 * MINUTE, 12 * HOUR),  # just in time
        "2": (8 * HOUR + 6 * MINUTE, 12 * HOUR),
        "3": (7 * HOUR, 11 * HOUR + 54 * MINUTE),
        "4": (9 * HOUR, 10 * HOUR),
        "5": (8 * HOUR,),
    }
    for pid, times in seen.items():
        for at in times:
            await site.access(at, pid)
    assert shifts(await site.report("attendance")) == [
        ("25", "1", None, None, 235, "present"),
        ("25", "2", 6, None, 234, "present"),
        ("25", "3", None, 6, 294, "present"),
        ("25", "4", 60, 120, 60, "present"),
        ("25", "5", None, None, 0, "single"),
        ("25", "6", None, None, None, "absent"),
    ]


async def test_nobody_is_absent_or_has_left_before_the_end(site: ReportSite) -> None:
    await add(site, "1")
    await add(site, "2")
    await put(site, Schedule(days=(3,), start="08:00", end="17:00"))
    await site.access(9 * HOUR, "1")
    await site.access(10 * HOUR, "1")
    assert shifts(await site.report("attendance")) == [
        ("25", "1", 60, None, 60, "present"),
        ("25", "2", None, None, None, "due"),
    ]


async def test_a_night_belongs_to_the_day_on_which_it_begins(site: ReportSite) -> None:
    await add(site, "1")
    await put(site, Schedule(days=(2,), start="22:00", end="06:00"))
    await site.access(-2 * HOUR, "1")
    await site.access(5 * HOUR, "1")
    await site.access(14 * HOUR, "1")  # of the day after
    found = await site.report("attendance", "week")
    assert shifts(found) == [("24", "1", None, 60, 7 * 60, "present")]
    assert rows_of(found, "totals") == [("P1", "1", "Sales", 1, 0, 0, 1, 7 * 3600)]


async def test_each_department_has_its_own_and_the_blacklist_none(site: ReportSite) -> None:
    await add(site, "1", department="ＳＡＬＥＳ")
    await add(site, "2", department="Lab")
    await add(site, "3", category=2)
    await add(site, "4", category=2, department="")
    await put(
        site,
        Schedule(departments=("Sales",), days=(3,), start="08:00", end="12:00"),
        Schedule(days=(3,), start="09:00", end="12:00"),
    )
    for pid in "1234":
        await site.access(10 * HOUR, pid)
    found = await site.report("attendance")
    assert [(row[1], row[2]) for row in shifts(found)] == [("1", 120), ("2", 60)]
    assert [row[2] for row in rows_of(found, "attendance")] == ["1", "2"]
    assert found.charts[0].series[0].values == (2,)


async def test_the_blacklist_is_in_no_attendance_without_schedules_either(site: ReportSite) -> None:
    await add(site, "3", category=2)
    await site.access(10 * HOUR, "3")
    found = await site.report("attendance")
    assert rows_of(found, "attendance") == []


async def test_who_is_not_valid_or_not_there_yet_is_not_absent(site: ReportSite) -> None:
    await add(site, "1", valid_from=MIDNIGHT + 12 * HOUR)
    await add(site, "2", valid_until=MIDNIGHT + 8 * HOUR)
    await add(site, "3", valid_from=MIDNIGHT + 11 * HOUR)
    await put(site, MORNING)
    found = await site.report("attendance", "week")
    # On Tuesday they were added at noon.
    assert [(row[0], row[1]) for row in shifts(found)] == [("25", "3")]


async def test_days_without_a_shift_have_none(site: ReportSite) -> None:
    await add(site, "1")
    await put(site, Schedule(days=(4,), start="08:00", end="12:00"))
    assert shifts(await site.report("attendance", "week")) == []


async def test_changed_schedules_count_at_once(site: ReportSite) -> None:
    await add(site, "1")
    await put(site, MORNING)
    assert len(shifts(await site.report("attendance"))) == 1
    await put(site)
    assert [one.name for one in (await site.report("attendance")).tables] == ["attendance"]


@pytest.mark.parametrize(
    ("day", "start", "end", "hours"),
    [
        (TODAY, "08:00", "17:00", 9),
        (date(2026, 10, 24), "22:00", "06:00", 9),  # an hour is repeated
        (date(2026, 10, 24), "22:00", "02:30", 5.5),  # until the second 02:30
        (date(2026, 10, 25), "02:30", "06:00", 4.5),  # from the first
        (date(2026, 3, 28), "22:00", "06:00", 7),  # an hour is skipped
        (date(2026, 3, 28), "22:00", "02:30", 4.5),
        (date(2026, 3, 29), "02:30", "03:15", 0),
    ],
)
def test_a_shift_follows_the_clock_of_the_site(
    day: date, start: str, end: str, hours: float
) -> None:
    every = Schedule(days=(1, 2, 3, 4, 5, 6, 7), start=start, end=end)
    shift = shift_on(day, every, BERLIN)
    assert shift is not None
    assert (shift.end - shift.start) / HOUR == hours
    assert shift.since <= shift.start <= shift.end <= shift.until


@pytest.mark.parametrize(
    ("schedules", "field"),
    [
        ([MORNING] * 2, r"items\[1\].departments"),
        ([MORNING] * 11, "items"),
        ([Schedule(days=(1,), start="08:00", end="08:00")], r"items\[0\].end"),
        (
            [
                Schedule(departments=(name,), days=(1,), start="08:00", end="09:00")
                for name in ("Lab", "lab")
            ],
            r"items\[1\].departments",
        ),
    ],
)
def test_schedules_that_contradict_are_refused(schedules: list[Schedule], field: str) -> None:
    with pytest.raises(BadParameter, match=field):
        check_schedules(schedules)
