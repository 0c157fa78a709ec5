"""Reports are the same whether a day is read from its summary or from the log."""

from __future__ import annotations

import random
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trio

from hub.errors import NoSuchResource
from hub.services.access.audit import COMMAND_LINE
from hub.services.reports import attendance, captures, day_summaries, plates
from hub.services.reports.report import Report
from hub.services.reports.reports import Gates
from hub.store.reports import day_parts, people_parts, unsorted_faces, vehicle_parts
from hub.store.sqlite.sql import one
from tests.services.reports.conftest import DAY, HOUR, MIDNIGHT, MINUTE, ReportSite, rows_of
from tests.support.stores import drop_day

NUMBER = "987654321"
_SUMMARIES = "SELECT since, through FROM report_day WHERE parts IS NOT NULL ORDER BY since"


async def summaries(site: ReportSite) -> list[tuple[int, int]]:
    """When each summarised day begins, and the last seq that is in its summary."""
    return await site.hub.store.read(lambda c: c.execute(_SUMMARIES).fetchall())


def bytes_of_database(folder: Path) -> list[bytes]:
    return [file.read_bytes() for file in folder.glob("hub.sqlite*")]


async def run_sql(site: ReportSite, sql: str, *values: object) -> None:
    await site.hub.store.write(lambda c: c.execute(sql, values) and None)


async def all_reports(site: ReportSite, gates: Gates, group: int) -> list[Report]:
    site.services.reports.forget()
    return [
        await site.report("attendance", "month"),
        await site.report("attendance", "month", groups=(group,)),
        await site.report("plates", "month", gates=gates),
        await site.report("captures", "month"),
    ]


async def groups_of(site: ReportSite) -> tuple[Gates, int]:
    add = site.services.camera_groups.add
    one, other = [
        await add(name, dids, by=COMMAND_LINE) for name, dids in (("In", ["1"]), ("Out", ["2"]))
    ]
    both = await add("Yard", ["2", "3"], by=COMMAND_LINE)
    return Gates((one.id, both.id), (other.id,)), both.id


class History:
    """A random history of a site."""

    def __init__(self, site: ReportSite, seed: int) -> None:
        self.site = site
        self.random = random.Random(seed)

    async def step(self) -> None:
        kinds = [self.capture] * 40 + [self.time] * 4 + [self.summarise, self.erase]
        kinds += [self.erase_one, self.change_group]
        if self.random.random() < 0.02:
            await self.drop()
        await self.random.choice(kinds)()

    async def capture(self) -> None:
        pick = self.random
        now = self.site.clock.ms - MIDNIGHT
        late = pick.choice([0, 0, 0, 0, pick.randrange(3 * DAY), -pick.randrange(2 * HOUR)])
        at, did = now - pick.randrange(5 * MINUTE) - late, str(pick.randrange(1, 5))
        if pick.random() < 0.4:
            await self.site.vehicle(at, pick.choice(["粤B88", "粤b88", "京A1", "沪C1"]), did)
            return
        name, uuid = pick.choice([("Mei", "7"), (None, "7"), ("Li", None), ("LI", None)])
        if name is None:
            await self.site.access(at, "7", did=did)
        else:
            category = pick.choice([None, 1, 0])
            await self.site.face(at, name, uuid=uuid, did=did, category=category)

    async def time(self) -> None:
        self.site.clock.advance(self.random.choice([60, 3600, 6 * 3600, 86_400, -7200]))

    async def summarise(self) -> None:
        await self.site.services.day_summaries.update()

    async def erase(self) -> None:
        if self.random.random() < 0.3:
            erasures = self.site.services.erasures
            with suppress(NoSuchResource):
                subject = await erasures.find_subject(number="7")
                await erasures.begin(subject, with_held=True, by=COMMAND_LINE)
                await erasures.carry_out()

    async def erase_one(self) -> None:
        await self.site.erase(self.random.randrange(1, 60))

    async def change_group(self) -> None:
        """Groups change, and cameras leave; their records stay."""
        groups = self.site.services.camera_groups
        group = self.random.choice(groups.list())
        cameras = [device.did for device in self.site.hub.store.devices.all()]
        dids = self.random.sample(cameras, self.random.randrange(1, 3))
        await groups.change(group.id, dids=dids, by=COMMAND_LINE)
        if "4" in cameras and self.random.random() < 0.1:
            await self.site.services.devices.remove("4")

    async def drop(self) -> None:
        stored = self.site.hub.store.retention.days()
        if len(stored) > 1:
            await drop_day(self.site.hub.store, stored[0].day)


@pytest.mark.parametrize("seed", range(6))
async def test_a_report_is_the_same_with_and_without_summaries(
    site: ReportSite, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people_parts, "_PEOPLE", 1 + seed)
    monkeypatch.setattr(people_parts, "_ENTRIES", 2 + 2 * seed)
    monkeypatch.setattr(people_parts, "MAX_CAMERAS", 2 + seed)
    monkeypatch.setattr(vehicle_parts, "_SIGHTINGS", 1 + 2 * seed)
    monkeypatch.setattr(unsorted_faces, "_COUNTS", 1 + seed)
    gates, group = await groups_of(site)
    history = History(site, seed)
    site.clock.advance(-6 * 86_400)
    checked = 0
    for _ in range(4):
        for _ in range(40):
            await history.step()
        await history.summarise()
        for _ in range(10):
            await history.capture()
        with_summaries = await all_reports(site, gates, group)
        checked += len(await summaries(site))
        await run_sql(site, "DELETE FROM report_day")
        from_log = await all_reports(site, gates, group)
        for report, expected in zip(with_summaries, from_log, strict=True):
            assert (report.tables, report.charts) == (expected.tables, expected.charts)
    assert checked > 0


@pytest.fixture
async def busy(site: ReportSite) -> ReportSite:
    """A site that saw Mei and a vehicle yesterday, the 24th, and Mei today."""
    site.clock.advance(-86_400)
    await site.face(-2 * HOUR, "Mei", uuid=NUMBER, did="2")
    await site.vehicle(-2 * HOUR, "B1", "1")
    site.clock.advance(86_400)
    await site.face(HOUR, "Mei", uuid=NUMBER)
    return site


async def test_a_day_that_is_over_is_not_read_from_the_log(
    busy: ReportSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates, group = await groups_of(busy)
    await busy.services.day_summaries.update()
    before = await all_reports(busy, gates, group)
    read: list[int] = []

    def noted(real: Any) -> Any:
        def read_part(connection: Any, part: Any, since: int, *more: Any) -> Any:
            found = list(real(connection, part, since, *more))
            read.extend(since for _ in found)
            return iter(found)

        return read_part

    def noted_faces(part: Any, since: int, *more: Any) -> Any:
        found = unsorted_faces.unsorted_faces_in(part, since, *more)
        read.extend(since for _ in found)
        return found

    monkeypatch.setattr(attendance, "people_in", noted(attendance.people_in))
    monkeypatch.setattr(plates, "vehicles_in", noted(plates.vehicles_in))
    monkeypatch.setattr(captures, "unsorted_faces_in", noted_faces)
    after = await all_reports(busy, gates, group)
    assert [one.tables for one in after] == [one.tables for one in before]
    assert set(read) == {MIDNIGHT}
    assert [len(one.tables[-1].rows) for one in after] == [2, 1, 1, 2]


async def test_a_day_is_summarised_a_quarter_of_an_hour_after_its_end(site: ReportSite) -> None:
    await site.face(HOUR, "Mei")
    until_end = (MIDNIGHT + DAY - site.clock.ms) / 1000
    site.clock.advance(until_end + 899)
    await site.services.day_summaries.update()
    assert await summaries(site) == []
    site.clock.advance(2)
    await site.services.day_summaries.update()
    assert await summaries(site) == [(MIDNIGHT, 1)]


async def test_what_came_late_is_in_the_report(busy: ReportSite) -> None:
    await busy.services.day_summaries.update()
    await busy.face(-HOUR, "Mei", uuid=NUMBER, did="3")
    await busy.face(-HOUR, "Anna")
    found = rows_of(await busy.report("attendance", "week"), "attendance")
    assert [(row[1], row[4], row[6], row[8]) for row in found] == [
        ("Anna", "1", "1", 1),
        ("Mei", "2", "3", 2),
        ("Mei", "1", "1", 1),
    ]


@pytest.mark.parametrize("is_damaged", [False, True])
async def test_what_came_late_can_be_of_a_passage_that_was_sent_several_times(
    site: ReportSite, is_damaged: bool
) -> None:
    """Of which the summary pairs the first sighting only."""
    gates, _ = await groups_of(site)
    site.clock.advance(-86_400)
    for after in (0, 100_000):
        await site.vehicle(-2 * HOUR + after, "B1", "1")
    site.clock.advance(86_400)
    await site.services.day_summaries.update()
    kinds = "SELECT group_concat(kind, ' ') FROM report_part"
    assert await site.hub.store.read(lambda c: one(c, kinds)) == "repeats vehicles"
    if is_damaged:
        await run_sql(site, "UPDATE report_part SET data = x'' WHERE kind = 'repeats'")
    await site.vehicle(-2 * HOUR + 200_000, "B1", "3")
    await site.vehicle(-2 * HOUR + 330_000, "B1", "3")
    found = await site.report("plates", "week", gates=gates)
    times = [row[1] - MIDNIGHT for row in rows_of(found, "stays")]
    assert times == [-2 * HOUR, -2 * HOUR + 330_000]
    assert site.hub.store.damaged_rows.knows("report_part") == is_damaged


async def test_a_day_of_which_much_came_late_is_summarised_again(
    busy: ReportSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_summaries, "_MANY_LATE", 0)
    update = busy.services.day_summaries.update
    await update()
    ((since, through),) = await summaries(busy)
    await busy.face(-HOUR, "Anna")
    busy.clock.advance(12 * 3600)
    await update()
    assert (await summaries(busy))[0] == (since, through)
    busy.clock.advance(2 * 3600)  # as long again as between its end and the first summary
    await update()
    assert (await summaries(busy))[0] == (since, through + 1)


async def test_an_erasure_leaves_nothing_of_a_person_in_the_summaries(
    busy: ReportSite, tmp_path: Path
) -> None:
    await busy.services.day_summaries.update()
    data = await busy.hub.store.read(lambda c: one(c, "SELECT group_concat(data) FROM report_part"))
    assert NUMBER in str(data)
    erasures = busy.services.erasures
    await erasures.begin(
        await erasures.find_subject(number=NUMBER), with_held=True, by=COMMAND_LINE
    )
    await erasures.carry_out()
    assert await summaries(busy) == []
    assert NUMBER.encode() not in b"".join(bytes_of_database(tmp_path))
    await busy.services.day_summaries.update()
    assert len(await summaries(busy)) == 1
    assert rows_of(await busy.report("attendance", "week"), "attendance") == []


async def test_a_dropped_day_is_in_no_summary(busy: ReportSite) -> None:
    await busy.services.day_summaries.update()
    await drop_day(busy.hub.store, "2026-11-24")
    assert await summaries(busy) == []
    assert [row[0] for row in rows_of(await busy.report("attendance", "week"), "attendance")] == [
        "2026-11-25"
    ]


async def test_a_day_of_which_records_are_being_removed_is_summarised_afterwards(
    site: ReportSite,
) -> None:
    """The day of the site begins an hour before that of UTC."""
    site.clock.advance(-86_400)
    await site.face(-DAY, "Mei")
    site.clock.advance(86_400)
    await site.face(HOUR // 2, "Li")
    await site.face(2 * HOUR, "Li")
    site.clock.advance(86_400)
    await site.face(DAY, "Li")
    retention = site.hub.store.retention
    await retention.forget_day("2026-11-24")
    assert retention.is_dropping
    await site.services.day_summaries.update()
    assert await summaries(site) == []
    await retention.finish_drops()
    assert not retention.is_dropping
    await site.services.day_summaries.update()
    assert [since for since, _ in await summaries(site)] == [MIDNIGHT]


@pytest.mark.parametrize(
    "change",
    ["DELETE FROM record WHERE seq = 1", "UPDATE record SET erased = 1 WHERE seq = 1"],
)
async def test_a_summary_is_given_up_if_a_record_goes_while_it_is_made(
    busy: ReportSite, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    real = day_summaries.as_vehicles

    def meanwhile(*values: Any) -> Any:
        trio.from_thread.run(run_sql, busy, change)
        return real(*values)

    with monkeypatch.context() as patched:
        patched.setattr(day_summaries, "as_vehicles", meanwhile)
        await busy.services.day_summaries.update()
    assert await summaries(busy) == []
    count = "SELECT (SELECT count(*) FROM report_day) + (SELECT count(*) FROM report_part)"
    assert await busy.hub.store.read(lambda c: one(c, count)) == 0
    await busy.services.day_summaries.update()
    assert len(await summaries(busy)) == 1


async def test_what_a_crash_left_of_a_summary_is_not_used(busy: ReportSite) -> None:
    await busy.hub.store.day_summaries.begin(MIDNIGHT - DAY, MIDNIGHT, busy.clock.ms)
    found = await busy.report("attendance", "week")
    assert len(rows_of(found, "attendance")) == 2
    await busy.services.day_summaries.update()
    assert [since for since, _ in await summaries(busy)] == [MIDNIGHT - DAY]


@pytest.mark.parametrize(
    ("sql", "table"),
    [
        ("UPDATE report_part SET data = CAST(x'00' || substr(data, 2) AS BLOB)", "report_part"),
        ("UPDATE report_part SET data = x''", "report_part"),
        ("DELETE FROM report_part WHERE kind = 'people_by_camera'", "report_day"),
        ("DELETE FROM report_part WHERE kind = 'faces'", "report_day"),
        ("UPDATE report_day SET through = through + 1", "report_part"),
        ("UPDATE report_day SET made_at = -1", "report_day"),
    ],
)
async def test_a_damaged_summary_is_found_and_made_again(
    busy: ReportSite, sql: str, table: str
) -> None:
    gates, group = await groups_of(busy)
    expected = await all_reports(busy, gates, group)
    await busy.services.day_summaries.update()
    await run_sql(busy, sql)
    found = await all_reports(busy, gates, group)
    assert [one.tables for one in found] == [one.tables for one in expected]
    damaged = busy.hub.store.damaged_rows
    assert damaged.knows(table)
    await busy.services.day_summaries.update()
    found = await all_reports(busy, gates, group)
    assert [one.tables for one in found] == [one.tables for one in expected]
    assert damaged.counts() == {}


async def test_a_summary_of_an_earlier_form_is_not_read_but_made_again(busy: ReportSite) -> None:
    gates, group = await groups_of(busy)
    expected = await all_reports(busy, gates, group)
    await busy.services.day_summaries.update()
    await run_sql(busy, "UPDATE report_day SET form = 1")
    await run_sql(busy, "UPDATE report_part SET data = x'00'")
    found = await all_reports(busy, gates, group)
    assert [one.tables for one in found] == [one.tables for one in expected]
    assert busy.hub.store.damaged_rows.counts() == {}
    await busy.services.day_summaries.update()
    forms = "SELECT group_concat(form) FROM report_day"
    assert await busy.hub.store.read(lambda c: one(c, forms)) == str(day_parts.FORM)


@pytest.mark.parametrize("zone", ["Asia/Kolkata", "Australia/Lord_Howe", "Asia/Kathmandu"])
async def test_days_that_begin_within_an_hour_of_utc_have_the_same_captures(
    site: ReportSite, zone: str
) -> None:
    """Such an hour counts to the day in which it begins, so its faces are in two summaries."""
    await site.hub.store.settings.set("site.timezone", zone)
    site.clock.advance(-5 * 86_400)
    pick = random.Random(zone)
    for _ in range(120):
        at = pick.randrange(-6 * DAY, 0, 10 * MINUTE)
        await site.face(at, pick.choice(["Mei", None]), did=pick.choice("12"))
    site.clock.advance(5 * 86_400)
    from_log = [await site.report("captures", period) for period in ("month", "week", "day")]
    await site.services.day_summaries.update()
    assert len(await summaries(site)) >= 5
    site.services.reports.forget()
    found = [await site.report("captures", period) for period in ("month", "week", "day")]
    assert [(one.tables, one.charts) for one in found] == [
        (one.tables, one.charts) for one in from_log
    ]
    faces = rows_of(found[0], "by_camera")
    assert sum(row[-1] for row in faces) == 120
    assert [row[3] for row in faces] == [0, 0]


async def test_faces_of_today_are_told_apart_with_those_of_days_that_are_over(
    busy: ReportSite,
) -> None:
    await busy.services.day_summaries.update()
    await busy.face(-HOUR, None, did="2")
    await busy.face(-HOUR, "Li", category=1, did="2")
    await busy.erase(await busy.face(HOUR, "Li", did="2"))
    found = rows_of(await busy.report("captures", "week"), "by_camera")
    assert [row[:4] for row in found] == [("1", 1, 0, 0), ("2", 2, 1, 1)]


async def test_another_zone_has_other_days(busy: ReportSite) -> None:
    await busy.services.day_summaries.update()
    await busy.hub.store.settings.set("site.timezone", "Asia/Shanghai")
    await busy.services.day_summaries.update()
    assert [since for since, _ in await summaries(busy)] == [MIDNIGHT - 7 * HOUR - DAY]


async def test_days_are_summarised_in_the_background(
    busy: ReportSite, monkeypatch: pytest.MonkeyPatch, nursery: trio.Nursery
) -> None:
    monkeypatch.setattr(day_summaries, "_FIRST_SECONDS", 0.0)
    await nursery.start(busy.services.day_summaries.run)
    with trio.fail_after(20):
        while not await summaries(busy):  # noqa: ASYNC110
            await trio.sleep(0.01)
