"""Reports: pages, files and the choice of gates."""

from __future__ import annotations

import io
import re
import zipfile

import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.services.reports.report import REPORT_KINDS
from hub.store.tables.outages import HubRun, Outage
from hub.wire import code_tables
from hub.wire.uploads.records import (
    EventDetail,
    FaceDetail,
    HubDetail,
    Plate,
    Rect,
    Vehicle,
    VehicleDetail,
)
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from web.pages.reports import views


@pytest.fixture
async def hub(hub: PageSite, nursery: trio.Nursery) -> PageSite:
    """The site, with what makes reports."""
    await nursery.start(hub.services.reports.maker.run)
    return hub


async def add_face(hub: PageSite, name: str, **fields: object) -> None:
    await hub.add_record(
        detail=FaceDetail(name=name, **fields),  # type: ignore[arg-type]
        occurred_at=hub.clock.ms - 3_600_000,
    )


@pytest.mark.parametrize("kind", REPORT_KINDS)
@pytest.mark.parametrize("period", ["day", "week", "month"])
async def test_each_report_has_a_page_and_files(
    hub: PageSite, guard: Visitor, kind: str, period: str
) -> None:
    await hub.connect()
    await add_face(hub, "Mei", category=1)
    await guard.get(f"/reports/{kind}?period={period}&date=2026-11-25")
    assert guard.response.status_code == 200
    is_there = 'class="report-table' in guard.text
    assert is_there or "Choose first" in guard.text
    assert ("data-print" in guard.text) == is_there
    for form, mime in (("csv", "text/csv"), ("xlsx", "application/vnd")):
        response = await guard.get(f"/reports/{kind}.{form}?period={period}&date=2026-11-25")
        assert response.status_code == 200
        assert response.headers["Content-Type"].startswith(mime)
        assert f"{kind}-2026-" in response.headers["Content-Disposition"]


async def test_reports_are_not_for_viewers(viewer: Visitor) -> None:
    await viewer.get("/")
    assert "/reports" not in viewer.text
    for path in ("", "/attendance", "/attendance.csv", "/captures.xlsx"):
        assert (await viewer.get(f"/reports{path}")).status_code == 403


async def test_an_unknown_report_is_not_found(guard: Visitor) -> None:
    assert (await guard.get("/reports/nothing")).status_code == 404
    assert (await guard.get("/reports/nothing.csv")).status_code == 404


async def test_a_day_that_is_none_counts_as_today(hub: PageSite, guard: Visitor) -> None:
    await guard.get("/reports/captures?date=2026-99-99&period=year")
    assert "Wednesday, 25 November 2026" in guard.text


async def test_the_attendance_sheet_names_people_and_times_of_the_site(
    hub: PageSite, guard: Visitor
) -> None:
    await hub.connect("Main gate")
    await add_face(hub, "Mei")
    await guard.get("/reports/attendance?period=week")
    link = '<a href="/cameras/1">Main gate</a>'
    for text in ("Mei", "19:00:00", link, "People seen", "Show as a table"):
        assert text in guard.text, text


async def test_a_report_without_cameras_says_what_to_do(hub: PageSite, guard: Visitor) -> None:
    await guard.get("/reports/captures")
    assert "There are no cameras yet." in guard.text
    await hub.connect("Main gate")
    await guard.get("/reports/captures?period=week")
    assert "There are no cameras yet." not in guard.text


async def test_only_reports_of_several_days_tell_the_day_of_each_row(
    hub: PageSite, guard: Visitor
) -> None:
    await add_face(hub, "Mei")
    for period, tells in (("day", False), ("week", True)):
        await guard.get(f"/reports/attendance?period={period}")
        assert "Mei" in guard.text
        assert ('<th scope="col">Day</th>' in guard.text) is tells


async def test_alarms_of_events_name_the_event(hub: PageSite, guard: Visitor) -> None:
    await hub.connect("Main gate")
    fire = next(number for number, name in code_tables.EVENT_TYPES.items() if name.en == "Fire")
    await hub.add_record("event", EventDetail(type=fire))
    await guard.get("/reports/alarms")
    assert guard.text.count("<td>Camera event</td><td>Fire</td>") == 2
    assert '<th scope="col">Type of event</th>' in guard.text


async def test_scripts_take_no_table_of_a_report_for_the_new_alarms_of_live(
    hub: PageSite, guard: Visitor
) -> None:
    await guard.get("/")
    assert 'id="alarms"' in guard.text
    await guard.get("/reports/alarms")
    assert 'id="table-alarms"' in guard.text
    assert 'id="alarms"' not in guard.text


async def test_alarms_of_the_hub_are_worded_as_elsewhere(hub: PageSite, guard: Visitor) -> None:
    text = "there has been no good backup for 36 days: the last good one is of 2026-10-22"
    detail = HubDetail("backup-overdue", text, {"days": "36", "day": "2026-10-22"})
    await hub.add_record("hub", detail)
    await hub.add_record("hub", HubDetail("offline", "Bay is offline", {"camera": "Bay"}), did="2")
    await guard.get("/alarms")
    (sentence,) = set(re.findall(r">(There has been no valid backup[^<]*)<", guard.text))
    for path in ("/reports/alarms", "/reports/alarms.csv"):
        await guard.get(path)
        assert sentence in guard.text
        assert "Bay is offline" in guard.text
        assert text not in guard.text
    assert (await guard.get("/reports/alarms.xlsx")).status_code == 200


async def test_a_name_that_looks_like_a_formula_stays_text_in_files(
    hub: PageSite, guard: Visitor
) -> None:
    await hub.connect("=cmd()")
    await add_face(hub, "=1+1")
    await guard.get("/reports/attendance.csv")
    assert ",'=1+1," in guard.text
    assert ",'=cmd()," in guard.text
    response = await guard.get("/reports/attendance.xlsx")
    with zipfile.ZipFile(io.BytesIO(await response.get_data())) as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet
    assert "=1+1" in sheet


async def test_an_outage_that_still_lasts_has_its_length_so_far(
    hub: PageSite, guard: Visitor
) -> None:
    await hub.connect("Gate")
    now = hub.clock.ms
    lasting = Outage(id=1, did="1", began_at=now - 3_600_000, ended_at=None, cause="lost")
    await hub.services.core.store.outages.save([lasting], HubRun(1, now - 7_200_000, now))
    await guard.get("/reports/availability")
    assert re.search(r"<td[^>]*>still lasts</td><td[^>]*>1 h</td>", guard.text)
    await guard.get("/reports/availability.csv")
    assert ",still lasts,1:00:00," in guard.text
    response = await guard.get("/reports/availability.xlsx")
    with zipfile.ZipFile(io.BytesIO(await response.get_data())) as book:
        assert "still lasts" in book.read("xl/worksheets/sheet2.xml").decode()
    await guard.get("/reports/availability", Accept_Language="zh-CN")
    assert "仍在持续" in guard.text


async def test_an_export_is_audited(hub: PageSite, guard: Visitor, admin: Visitor) -> None:
    await guard.get("/reports/attendance.csv?period=month&date=2026-11-25")
    await admin.get("/site/audit")
    assert "Exported the report" in admin.text
    assert "<strong>Attendance</strong>" in admin.text
    assert "Monthly · 25 Nov 2026 · CSV for spreadsheets" in admin.text


async def test_entrances_and_exits_are_chosen_once_for_everybody(
    hub: PageSite, guard: Visitor, admin: Visitor
) -> None:
    await hub.connect("Gate in", did="1")
    await hub.connect("Gate out", did="2")
    groups = hub.services.people.groups
    for name, did in (("In", "1"), ("Out", "2")):
        await groups.add(name, [did], by=COMMAND_LINE)
    detail = VehicleDetail(Plate("B12345", 1, Rect(1, 2, 3, 4)), Vehicle(2, "VW", None))
    for did, ago in (("1", 7_200_000), ("2", 3_600_000)):
        await hub.add_record("vehicle", detail=detail, did=did, occurred_at=hub.clock.ms - ago)
    await guard.get("/reports/plates")
    assert "Choose first which cameras" in guard.text
    await guard.send("/reports/plates/gates?period=day", **{"in": "1", "out": ["2", "99", "x"]})
    assert guard.response.status_code == 303
    await admin.get("/reports/plates")
    for text in ("B12345", "Gate in", "Gate out", "1 h", '<th scope="col">Plate</th>'):
        assert text in admin.text, text
    await admin.get("/site/audit")
    assert "Chose the entrances and exits of reports <strong>In → Out</strong>" in admin.text


async def test_a_report_that_takes_long_says_how_far_it_is(
    hub: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_PAGE_SECONDS", 0.0)
    response = await guard.get("/reports/captures?period=month")
    assert "The report is being created" in guard.text
    assert response.headers["Refresh"] == "2"


async def test_a_long_table_is_shown_in_pages(
    hub: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_ROWS_PER_PAGE", 2)
    for number in range(5):
        await add_face(hub, f"Mei {number}")
    await guard.get("/reports/attendance")
    assert ("Mei 1" in guard.text, "Mei 2" in guard.text) == (True, False)
    await guard.get("/reports/attendance?from_attendance=4")
    assert ("Mei 3" in guard.text, "Mei 4" in guard.text) == (False, True)
    await guard.get("/reports/attendance?from_attendance=-9")
    assert "Mei 0" in guard.text
