"""What reports say of the records, alarms and outages of a site."""

from __future__ import annotations

import random
import sqlite3
import threading
from datetime import date
from typing import Any

import pytest
import trio

from hub.errors import CannotStoreNow, NoSuchResource, TooManyRequests
from hub.services.audit import COMMAND_LINE
from hub.services.reports import attendance, captures, plates, report, reports
from hub.services.reports.report import Report
from hub.services.reports.reports import Gates, ReportQuery
from hub.store.people.person_rows import PersonChange
from hub.store.tables.outages import HubRun, Outage
from tests.services.reports.conftest import (
    DAY,
    HOUR,
    MIDNIGHT,
    MINUTE,
    TODAY,
    ReportSite,
    rows_of,
    table_of,
)

_SQL_OF_RECORDS = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'record'"
_SET_SQL_OF_RECORDS = "UPDATE sqlite_schema SET sql = ? WHERE type = 'table' AND name = 'record'"


async def test_captures_are_counted_by_camera_class_and_hour(site: ReportSite) -> None:
    await site.face(8 * HOUR, "Mei", category=1)
    await site.face(8 * HOUR + MINUTE, None, category=0)
    erased = await site.face(9 * HOUR, None)
    await site.erase(erased)
    await site.vehicle(9 * HOUR, "B1", "2")
    await site.face(-1, "Mei", category=1)
    await site.face(24 * HOUR, "Mei", category=1)
    found = await site.report("captures")
    assert rows_of(found, "by_camera") == [("1", 1, 1, 1, 0, 0, 0, 3), ("2", 0, 0, 0, 1, 0, 0, 1)]
    hours = rows_of(found, "by_hour")[0]
    # It is 13:00: hours to come are empty.
    assert hours == ("1", *[0] * 8, 2, 1, *[0] * 4, *[None] * 10)
    (chart,) = found.charts
    assert {one.name: one.values[8] for one in chart.series}["strangers"] == 1
    week = await site.report("captures", "week")
    assert rows_of(week, "by_camera")[0] == ("1", 3, 1, 1, 0, 0, 0, 5)
    assert [
        sum(values) for values in zip(*(s.values for s in week.charts[0].series), strict=True)
    ] == [*(0, 1, 4, 1, 0, 0, 0)]


async def test_faces_without_a_category_are_known_if_they_name_somebody(site: ReportSite) -> None:
    """Many cameras send none (2.1)."""
    await site.face(8 * HOUR, "Mei", uuid="7")
    await site.face(8 * HOUR, None, uuid="8", did="2")
    await site.face(8 * HOUR, "Anna")
    await site.face(8 * HOUR + MINUTE, None)
    await site.face(9 * HOUR, None, uuid=str(2**63))
    await site.face(9 * HOUR, None, category=0)
    await site.face(-1, None)
    found = await site.report("captures")
    assert rows_of(found, "by_camera") == [("1", 2, 3, 0, 0, 0, 0, 5), ("2", 1, 0, 0, 0, 0, 0, 1)]
    assert {one.name: (one.values[8], one.values[9]) for one in found.charts[0].series} == {
        **dict.fromkeys(captures.CLASSES, (0, 0)),
        "known": (3, 0),
        "strangers": (1, 2),
    }
    week = await site.report("captures", "week")
    assert rows_of(week, "by_camera")[0] == ("1", 2, 4, 0, 0, 0, 0, 6)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu"])
async def test_faces_of_days_that_begin_within_an_hour_of_utc_are_told_apart(
    site: ReportSite, zone: str
) -> None:
    """Such an hour counts to the day in which it begins."""
    await site.hub.store.settings.set("site.timezone", zone)
    pick = random.Random(zone)
    for _ in range(60):
        at = pick.randrange(-3 * DAY, 0, 10 * MINUTE)
        await site.face(at, pick.choice(["Mei", None]), did=pick.choice("12"))
    for period in ("month", "week", "day"):
        rows = rows_of(await site.report("captures", period), "by_camera")
        assert [row[3] for row in rows] == [0, 0]
        assert period != "month" or sum(row[-1] for row in rows) == 60


async def test_nobodys_number_is_nobody_in_an_attendance(site: ReportSite) -> None:
    await site.access(8 * HOUR, str(2**63))
    await site.face(8 * HOUR, None, uuid="0")
    await site.face(8 * HOUR, "Mei", uuid="0")
    await site.face(8 * HOUR, "Anna", uuid="0")
    await site.face(9 * HOUR, "Anna", uuid="00")
    rows = rows_of(await site.report("attendance"), "attendance")
    assert [(row[1], row[-1]) for row in rows] == [("Anna", 2), ("Mei", 1)]


async def test_leading_zeros_make_nobody_another_person_in_an_attendance(site: ReportSite) -> None:
    await site.services.people.register.add(PersonChange(name="Li Mei"), pid="7", by=COMMAND_LINE)
    await site.face(8 * HOUR, None, uuid="0007")
    await site.face(9 * HOUR, None, uuid="7")
    for period in ("day", "week"):
        (row,) = rows_of(await site.report("attendance", period), "attendance")
        assert (row[1], row[2], row[-1]) == ("Li Mei", "7", 2)


async def test_attendance_is_the_first_and_last_sighting_of_each_day(site: ReportSite) -> None:
    await site.services.people.register.add(PersonChange(name="Li Mei"), pid="7", by=COMMAND_LINE)
    await site.face(9 * HOUR, "Mei", uuid="7", did="2")
    await site.face(8 * HOUR, "mei", uuid="7", did="1")  # arrives late
    await site.access(17 * HOUR, "7", did="3")
    await site.face(10 * HOUR, "Anna")
    await site.face(11 * HOUR, None, category=0, uuid="99")
    await site.face(-2 * HOUR, "ANNA", did="2")
    found = await site.report("attendance", "week")
    # Whom the register does not have is called as last sent.
    assert rows_of(found, "attendance") == [
        ("2026-11-24", "ANNA", "", *(MIDNIGHT - 2 * HOUR, "2") * 2, 0, 1),
        ("2026-11-25", "ANNA", "", *(MIDNIGHT + 10 * HOUR, "1") * 2, 0, 1),
        (
            *("2026-11-25", "Li Mei", "7", MIDNIGHT + 8 * HOUR, "1"),
            *(MIDNIGHT + 17 * HOUR, "3", 9 * 3600, 3),
        ),
    ]
    assert found.charts[0].series[0].values == (0, 1, 2, 0, 0, 0, 0)


async def test_attendance_can_be_that_of_a_group_of_cameras(site: ReportSite) -> None:
    group = await site.services.people.groups.add("Gate", ["2", "3"], by=COMMAND_LINE)
    await site.face(8 * HOUR, "Mei", uuid="7", did="1")
    await site.face(9 * HOUR, "Mei", uuid="7", did="2")
    found = await site.report("attendance", groups=(group.id,))
    assert [row[3] for row in rows_of(found, "attendance")] == [MIDNIGHT + 9 * HOUR]


async def test_an_erased_person_is_in_no_report(site: ReportSite) -> None:
    await site.erase(await site.face(8 * HOUR, "Mei", uuid="7"))
    assert rows_of(await site.report("attendance"), "attendance") == []


async def gates(site: ReportSite, entrances: list[str], exits: list[str]) -> Gates:
    add = site.services.people.groups.add
    one = await add("In", entrances, by=COMMAND_LINE)
    other = await add("Out", exits, by=COMMAND_LINE)
    return Gates((one.id,), (other.id,))


async def stays(site: ReportSite, gates: Gates, **more: Any) -> list[tuple[Any, ...]]:
    found = await site.report("plates", gates=gates, **more)
    return [
        (plate, came and (came - MIDNIGHT) / HOUR, left and (left - MIDNIGHT) / HOUR, stayed)
        for plate, came, _, left, _, stayed in rows_of(found, "stays")
    ]


async def test_plates_are_paired_as_they_come_and_leave(site: ReportSite) -> None:
    chosen = await gates(site, ["1"], ["2", "3"])
    await site.vehicle(8 * HOUR, "粤B88", "1")
    await site.vehicle(8 * HOUR + 5_000, "粤B88", "1")  # the same passage
    await site.vehicle(10 * HOUR, "粤b88", "3")
    await site.vehicle(10 * HOUR + 3_000, "粤B88", "2")
    await site.vehicle(11 * HOUR, "粤B88", "1")  # is still there
    await site.vehicle(7 * HOUR, "京A1", "2")  # came before
    await site.vehicle(7 * HOUR, "沪C1", "4")  # neither
    assert await stays(site, chosen) == [
        ("京A1", None, 7, None),
        ("粤B88", 8, 10, 7200),
        ("粤B88", 11, None, None),
    ]
    found = await site.report("plates", gates=chosen)
    assert rows_of(found, "summary") == [(2, 2, 1, 7200, 7200)]
    assert [sum(one.values) for one in found.charts[0].series] == [2, 2]


async def test_plates_are_shown_in_capitals(site: ReportSite) -> None:
    await site.vehicle(8 * HOUR, "粤b88", "1")
    assert await stays(site, await gates(site, ["1"], ["2"])) == [("粤B88", 8, None, None)]


async def test_a_missed_exit_leaves_a_stay_open(site: ReportSite) -> None:
    chosen = await gates(site, ["1"], ["2"])
    for hour, did in ((8, "1"), (9, "1"), (10, "2")):
        await site.vehicle(hour * HOUR, "B1", did)
    assert await stays(site, chosen) == [("B1", 8, None, None), ("B1", 9, 10, 3600)]


async def test_one_camera_can_be_entrance_and_exit(site: ReportSite) -> None:
    chosen = await gates(site, ["1"], ["1"])
    for minute in (0, 1, 60, 61, 120):
        await site.vehicle(8 * HOUR + minute * MINUTE, "B1", "1")
    assert await stays(site, chosen) == [("B1", 8, 9, 3600), ("B1", 10, None, None)]


async def test_a_stay_over_midnight_is_whole_in_a_longer_period(site: ReportSite) -> None:
    chosen = await gates(site, ["1"], ["2"])
    await site.vehicle(-2 * HOUR, "B1", "1")
    await site.vehicle(1 * HOUR, "B1", "2")
    assert await stays(site, chosen) == [("B1", None, 1, None)]
    assert await stays(site, chosen, period="week") == [("B1", -2, 1, 3 * 3600)]


async def test_too_many_rows_are_counted(site: ReportSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "MAX_ROWS", 2)
    for number in range(5):
        await site.face(8 * HOUR, f"Mei {number}")
    (found,) = (await site.report("attendance")).tables
    assert (len(found.rows), found.left_out) == (2, 3)


async def test_people_of_days_beyond_the_rows_are_counted(
    site: ReportSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attendance, "MAX_ROWS", 1)
    for at in (-25 * HOUR, -HOUR, HOUR):
        await site.face(at, "Mei")
        await site.face(at, "Anna")
    found = await site.report("attendance", "week")
    (listed,) = found.tables
    assert [row[:2] for row in listed.rows] == [("2026-11-23", "Anna"), ("2026-11-23", "Mei")]
    assert listed.left_out == 4
    assert found.charts[0].series[0].values == (2, 2, 2, 0, 0, 0, 0)


async def test_stays_beyond_the_rows_are_counted_but_not_kept(
    site: ReportSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plates, "MAX_ROWS", 2)
    chosen = await gates(site, ["1"], ["2"])
    for number in range(5):
        await site.vehicle(8 * HOUR + number, f"B{number}", "1")
        await site.vehicle(9 * HOUR + number, f"B{number}", "2")
    await site.vehicle(10 * HOUR, "B0", "1")
    found = await site.report("plates", gates=chosen)
    assert rows_of(found, "summary") == [(6, 5, 1, 3600, 3600)]
    assert [(row[0], row[-1]) for row in rows_of(found, "stays")] == [("B0", 3600), ("B1", 3600)]
    assert table_of(found, "stays").left_out == 4


@pytest.mark.parametrize(
    ("kind", "module", "step"),
    [
        ("captures", captures, "counts_of"),
        ("attendance", attendance, "_row"),
        ("plates", plates, "_row"),
    ],
)
async def test_what_takes_long_is_done_in_a_thread(
    site: ReportSite, monkeypatch: pytest.MonkeyPatch, kind: str, module: Any, step: str
) -> None:
    threads: list[int] = []
    real = getattr(module, step)

    def noted(*args: Any) -> Any:
        threads.append(threading.get_ident())
        return real(*args)

    monkeypatch.setattr(module, step, noted)
    await site.face(8 * HOUR, "Mei")
    await site.vehicle(8 * HOUR, "B1", "1")
    await site.report(kind, gates=await gates(site, ["1"], ["2"]))
    assert threads
    assert threading.get_ident() not in threads


async def test_gates_are_remembered_and_forget_groups_that_are_gone(site: ReportSite) -> None:
    chosen = await gates(site, ["1"], ["2"])
    await site.services.reports.maker.choose_gates(chosen, by=COMMAND_LINE)
    assert site.services.reports.maker.gates() == chosen
    await site.services.people.groups.remove(chosen.exits[0], by=COMMAND_LINE)
    assert site.services.reports.maker.gates() == Gates(chosen.entrances)
    with pytest.raises(NoSuchResource):
        await site.services.reports.maker.choose_gates(chosen, by=COMMAND_LINE)
    with pytest.raises(NoSuchResource):
        await site.report("plates", gates=chosen)


async def test_availability_lists_the_worst_camera_first(site: ReportSite) -> None:
    now = site.clock.ms
    await site.hub.store.outages.save(
        [Outage(id=1, did="2", began_at=now, ended_at=now + HOUR, cause="lost")],
        HubRun(1, now, now),
    )
    site.clock.advance(2 * 3600)
    found = await site.report("availability")
    assert rows_of(found, "cameras")[0] == ("2", 50.0, 1, 3600, 7200)
    assert rows_of(found, "cameras")[1] == ("1", 100.0, 0, 0, 7200)
    assert rows_of(found, "outages") == [("2", now, now + HOUR, 3600, "lost")]
    assert found.charts[0].labels == ("2",)


async def test_alarms_tell_how_soon_and_by_whom_they_were_acknowledged(site: ReportSite) -> None:
    def add(connection: Any) -> None:
        for seq, kind, state, detail in (
            (1, "blacklist", "closed", "{}"),
            (2, "event", "new", '{"type": 9}'),
            (3, "event", "new", '{"type": 2}'),
            (4, "event", "new", '{"type": 2}'),
        ):
            at = MIDNIGHT + seq * HOUR
            values = (seq, kind, str(seq), "critical", state, 2, at, at, seq, at, at, detail)
            connection.execute(
                "INSERT INTO alarm VALUES (?,?,?,?,?,?,?,?,?,?,?,NULL,NULL,'[\"1\"]',?,'')",
                values,
            )
            connection.execute(
                "INSERT INTO alarm_step VALUES (?, 0, ?, 'raised', '', '')", (seq, at)
            )
        at = MIDNIGHT + HOUR + 30_000
        connection.execute(
            "INSERT INTO alarm_step VALUES (1, 1, ?, 'acknowledged', 'user ann', '')", (at,)
        )

    await site.hub.store.write(add)
    found = await site.report("alarms")
    assert rows_of(found, "by_kind") == [
        ("blacklist", None, 1, 2, 1, 0, 30, 30),
        ("event", 2, 2, 4, 0, 0, None, None),
        ("event", 9, 1, 2, 0, 0, None, None),
    ]
    assert [row[3:5] for row in rows_of(found, "alarms")] == [
        *(("blacklist", None), ("event", 9), ("event", 2), ("event", 2))
    ]
    assert rows_of(found, "by_person") == [("user ann", 1, 30, 30)]
    times = [row[-2:] for row in rows_of(found, "alarms")]
    assert times == [("user ann", 30), *[(None, None)] * 3]


async def test_a_history_whose_beginning_is_gone_tells_no_time_that_nobody_knows(
    site: ReportSite,
) -> None:
    """The alarm was acknowledged, and became new again: since when it was new before is gone."""
    first, again = MIDNIGHT + HOUR, MIDNIGHT + 2 * HOUR

    def add(connection: Any) -> None:
        alarm = (1, "plate", "1", "major", "new", 600, first, again, 1, again, again)
        connection.execute(
            "INSERT INTO alarm VALUES (?,?,?,?,?,?,?,?,?,?,?,NULL,NULL,'[\"1\"]','{}','')", alarm
        )
        for place, at, step in (
            (300, first, "acknowledged"),
            (301, again, "again"),
            (302, again + 40_000, "acknowledged"),
        ):
            connection.execute(
                "INSERT INTO alarm_step VALUES (1, ?, ?, ?, 'user ann', '')", (place, at, step)
            )

    await site.hub.store.write(add)
    found = await site.report("alarms")
    assert rows_of(found, "by_person") == [("user ann", 1, 40, 40)]


async def test_alarms_of_a_day_are_those_to_which_something_happened_on_it(
    site: ReportSite,
) -> None:
    day = 24 * HOUR
    steps = {
        # Raised and acknowledged the day before, new again today.
        1: [("raised", -HOUR), ("acknowledged", 30_000 - HOUR), ("again", HOUR)],
        # Closed today after a note; the day before it was acknowledged.
        2: [("raised", -HOUR), ("acknowledged", -HOUR), ("acknowledged", 0), ("closed", HOUR)],
        # Acknowledged today, twice; it escalated the day before.
        3: [
            *(("raised", -HOUR), ("escalated", -HOUR), ("acknowledged", 0), ("again", HOUR)),
            ("acknowledged", HOUR + 10_000),
        ],
        # Of other days.
        4: [("raised", -HOUR), ("closed", -1)],
        5: [("raised", day)],
        # Escalated today.
        6: [("raised", -HOUR), ("escalated", 2 * HOUR)],
    }

    def add(connection: Any) -> None:
        for seq, of_alarm in steps.items():
            at = MIDNIGHT + of_alarm[0][1]
            alarm = (seq, "plate", str(seq), "major", "new", 1, at, at, seq, at, at)
            connection.execute(
                "INSERT INTO alarm VALUES (?,?,?,?,?,?,?,?,?,?,?,NULL,NULL,"
                "'[\"1\",\"2\"]','{}','')",
                alarm,
            )
            connection.executemany(
                "INSERT INTO alarm_step VALUES (?, ?, ?, ?, 'user ann', '')",
                [
                    (seq, place, MIDNIGHT + moment, step)
                    for place, (step, moment) in enumerate(of_alarm)
                ],
            )

    await site.hub.store.write(add)
    found = await site.report("alarms")
    assert rows_of(found, "by_kind") == [("plate", None, 4, 4, 1, 1, 3600, 3600)]
    assert rows_of(found, "by_person") == [("user ann", 2, 3600, 3600)]
    each = rows_of(found, "alarms")
    assert [(row[0], row[2]) for row in each] == [
        *((1, MIDNIGHT + HOUR), (2, None), (3, MIDNIGHT + HOUR), (6, None)),
    ]
    assert [row[-2:] for row in each] == [
        *((None, None), (None, None), ("user ann", 10), (None, None)),
    ]
    # The camera that saw it last.
    assert each[0][7] == "2"
    assert sum(found.charts[0].series[0].values) == 2


async def test_a_report_is_made_once_for_all_who_ask_and_anew_after_a_while(
    site: ReportSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "_LASTING_SECONDS", 0.0)
    await site.face(8 * HOUR, "Mei")
    first = await site.report("attendance", "day", date(2026, 11, 24))
    assert await site.report("attendance", "day", date(2026, 11, 24)) is first
    today = await site.report("attendance")
    await site.face(9 * HOUR, "Anna")
    assert len(rows_of(await site.report("attendance"), "attendance")) == 2
    assert len(rows_of(today, "attendance")) == 1


@pytest.mark.expects_error("a report could not be made")
async def test_a_report_that_fails_unexpectedly_ends_neither_the_hub_nor_the_next_one(
    site: ReportSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(reports, "report_captures", None)
        with pytest.raises(CannotStoreNow, match="could not be made"):
            await site.report("captures")
    assert rows_of(await site.report("captures"), "by_camera") == []


async def test_an_erasure_also_drops_the_reports_that_are_kept(site: ReportSite) -> None:
    await site.face(8 * HOUR, "Mei", uuid="7")
    assert len(rows_of(await site.report("attendance"), "attendance")) == 1
    erasures = site.services.records.erasures
    subject = await erasures.find_subject(number="7")
    await erasures.begin(subject, with_held=True, by=COMMAND_LINE)
    await erasures.carry_out()
    assert rows_of(await site.report("attendance"), "attendance") == []


async def test_a_damaged_record_keeps_no_report_from_being_made(site: ReportSite) -> None:
    def damage(connection: sqlite3.Connection) -> None:
        sql = connection.execute(_SQL_OF_RECORDS).fetchone()[0]
        connection.execute("PRAGMA writable_schema = ON")
        loose = sql.replace("STRICT", "").replace("INTEGER NOT NULL", "NOT NULL")
        connection.execute(_SET_SQL_OF_RECORDS, (loose,))
        connection.execute("PRAGMA writable_schema = RESET")
        connection.execute("UPDATE record SET occurred_at = occurred_at + 0.5 WHERE seq IN (1, 3)")
        connection.execute("UPDATE record SET uuid = x'00' WHERE seq = 2")

    await site.face(7 * HOUR, "Li")
    await site.face(7 * HOUR, "Li", uuid="8")
    await site.vehicle(7 * HOUR, "B1", "1")
    await site.face(8 * HOUR, "Mei")
    await site.face(8 * HOUR, "Anna", uuid="7")
    await site.vehicle(8 * HOUR, "B2", "1")
    await site.hub.store.write(damage)
    names = [row[1] for row in rows_of(await site.report("attendance"), "attendance")]
    assert names == ["Anna", "Mei"]
    chosen = await gates(site, ["1"], ["2"])
    assert await stays(site, chosen) == [("B2", 8, None, None)]


async def test_a_damaged_span_keeps_no_report_from_being_made(site: ReportSite) -> None:
    await site.face(8 * HOUR, "Mei")
    await site.hub.store.write(
        lambda c: (
            c.execute("INSERT INTO span VALUES (?, ?, ?)", (2**60, MIDNIGHT, MIDNIGHT)) and None
        )
    )
    assert len(rows_of(await site.report("attendance"), "attendance")) == 1


async def test_who_does_not_wait_is_told_how_far_it_is(site: ReportSite) -> None:
    query = ReportQuery("captures", "month", TODAY)
    assert await site.services.reports.maker.get(query, seconds=0) == 0.0
    with pytest.raises(CannotStoreNow, match="still being made"):
        await site.services.reports.maker.make(query, seconds=0)
    assert isinstance(await site.services.reports.maker.get(query, seconds=10), Report)


async def test_too_many_reports_at_once_are_refused(site: ReportSite) -> None:
    async def ask_for_many() -> None:
        for number in range(1, 25):
            query = ReportQuery("captures", "day", date(2026, 10, number))
            await site.services.reports.maker.get(query, seconds=0)

    with pytest.raises(TooManyRequests):
        await ask_for_many()
    await trio.lowlevel.checkpoint()


async def test_kept_reports_are_bounded(site: ReportSite) -> None:
    for number in range(1, 12):
        await site.report("captures", "day", date(2026, 10, number))
    await site.report("captures")
    assert len(site.services.reports.maker._made) <= 8


async def test_an_export_is_noted(site: ReportSite) -> None:
    query = ReportQuery("attendance", "month", TODAY)
    await site.services.reports.maker.note_export(query, "csv", by=COMMAND_LINE)
    (entry,) = [
        e for e in await site.services.core.audit.newest(limit=5) if e.action == "report.export"
    ]
    assert entry.target == "attendance month 2026-11-25 csv"
