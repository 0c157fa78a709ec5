"""What the office (the role people) sees and does: the register and attendance, nothing else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.services.reports.schedules import Schedule
from hub.store.jobs.jobs import JobKind
from hub.store.people.person_rows import PersonChange
from hub.wire.uploads.records import FaceDetail
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from tests.support.photographer import Photographer, photo

PORTRAIT = photo(size=(200, 240))


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock, nursery: trio.Nursery) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock, users=("admin", "people")) as hub:
        await nursery.start(hub.services.reports.maker.run)
        yield hub


@pytest.fixture
async def office(hub: PageSite) -> Photographer:
    return await Photographer.signed_in(hub, "people")


async def add_ann(hub: PageSite) -> None:
    await hub.services.people.register.add(
        PersonChange(name="Ann", phone="13800001111", photo=PORTRAIT), by=COMMAND_LINE, pid="7"
    )


async def test_it_begins_with_the_register_and_has_two_entries(office: Photographer) -> None:
    await office.get("/")
    assert office.goes_to == "/people"
    await office.get("/people")
    navigation = office.text[office.text.index("<nav") : office.text.index("</nav>")]
    assert re.findall('<a href="([^"]+)"', navigation) == ["/people", "/reports"]
    for path in ("/people/add", "/people/import"):
        assert f'href="{path}"' in office.text
    assert "alarm-state" not in office.text


async def test_no_page_of_it_leads_where_it_may_not_go(hub: PageSite, office: Photographer) -> None:
    await hub.connect()
    await add_ann(hub)
    await hub.add_record(detail=FaceDetail(uuid="7", name="Ann"))
    pages = ["/people", "/people/7", "/people/7/edit", "/people/cameras", "/people/import"]
    pages += ["/reports/attendance", "/account"]
    for page in pages:
        await office.get(page)
        assert office.response.status_code == 200, page
        for link in set(re.findall('(?:href|data-part|src)="(/[^"#]*)"', office.text)):
            await office.get(link.replace("&amp;", "&"))
            assert office.response.status_code in (200, 303), (page, link)


async def test_it_keeps_the_register_and_sees_numbers_in_full(
    hub: PageSite, office: Photographer
) -> None:
    await add_ann(hub)
    await office.get("/people/7?numbers=full")
    assert "13800001111" in office.text
    assert 'src="/people/7/photo' in office.text
    await office.get("/people/7/edit")
    await office.get("/people/7/remove")
    await office.send("/people/7/remove")
    assert office.goes_to == "/people?done=person-removed"
    assert await hub.services.people.register.count() == 0


async def test_it_sees_no_picture_of_a_record_or_camera(
    hub: PageSite, office: Photographer
) -> None:
    await hub.connect()
    seq = await hub.add_record(detail=FaceDetail(uuid="7", name="Ann"), pictures=["face"])
    for named in (f"from_record={seq}", "from_did=1&from_path=/a.jpg"):
        await office.get(f"/people/add?{named}")
        assert office.response.status_code == 200
        assert 'name="from_' not in office.text
    await office.send_photo("/people/add", name="Ann", where="everywhere", from_record=str(seq))
    pid = office.goes_to.removeprefix("/people/").partition("?")[0]
    assert not (await hub.services.people.register.get(pid)).has_photo
    (image,) = (await hub.services.records.log.get(seq)).images
    await office.get(image.path)
    assert office.response.status_code == 403


async def test_other_reports_and_jobs_are_not_for_it(hub: PageSite, office: Photographer) -> None:
    await office.get("/reports")
    assert office.goes_to == "/reports/attendance"
    for kind in ("captures", "alarms"):
        for end in ("", ".csv", ".xlsx"):
            await office.get(f"/reports/{kind}{end}")
            assert office.response.status_code == 403
        await office.get(f"/api/hub/v1/reports/{kind}")
        assert office.response.status_code == 403
    await office.get("/api/hub/v1/reports/attendance")
    assert office.response.status_code == 200
    jobs = hub.services.jobs
    known: tuple[tuple[JobKind, int], ...] = (("import", 200), ("restart", 403))
    for kind, status in known:
        job = await jobs.add(kind, None, COMMAND_LINE)
        for path in (f"/jobs/{job.id}", f"/jobs/{job.id}/state", f"/api/hub/v1/jobs/{job.id}"):
            await office.get(path)
            assert office.response.status_code == status, path


async def test_its_stream_tells_what_to_refresh_and_no_record(
    hub: PageSite, office: Photographer
) -> None:
    async with office.listening("/stream") as events:
        assert (await events.next())[0] == "beat"
        await hub.add_record(detail=FaceDetail(uuid="7", name="Ann"))
        await add_ann(hub)
        while True:
            name, change = await events.next()
            assert name == "change"
            assert change["key"] == ""
            if change["kind"] == "person":
                break


async def test_it_sets_the_schedules_of_attendance(hub: PageSite, office: Photographer) -> None:
    await add_ann(hub)
    await office.get("/reports/attendance")
    wrong = {"day-0": ["1", "3"], "start-0": "08:00", "end-0": "08:00", "grace-0": "5"}
    await office.send("/reports/attendance/schedules", **wrong)
    assert office.response.status_code == 400
    assert "Schedule 1: Enter when it starts and ends, at different times." in office.text
    assert 'value="08:00"' in office.text
    await office.send("/reports/attendance/schedules", **{**wrong, "end-0": "17:00"})
    assert office.goes_to.startswith("/reports/attendance?")
    assert hub.services.reports.maker.schedules() == (
        Schedule(days=(1, 3), start="08:00", end="17:00", grace_minutes=5),
    )
    await office.get("/reports/attendance?period=week")
    assert "By schedule" in office.text
    audited = await hub.services.core.audit.newest()
    assert (audited[0].who, audited[0].action) == ("user people", "report.schedules")
    for path in ("csv", "xlsx"):
        await office.get(f"/reports/attendance.{path}")
        assert office.response.status_code == 200
    await office.send("/reports/attendance/schedules")
    assert hub.services.reports.maker.schedules() == ()


async def test_what_is_no_schedule_is_refused_with_its_place(office: Photographer) -> None:
    await office.get("/reports/attendance")
    good = {"day": "1", "start": "08:00", "end": "17:00", "grace": "0", "departments": "A、B"}
    for name, value, text in (
        ("day", "8", "Select at least one day."),
        ("start", "8", "Enter when it starts"),
        ("end", "", "Enter when it starts"),
        ("grace", "-1", "The grace can be"),
        ("grace", "241", "The grace can be"),
        ("departments", "x" * 129, "Each department"),
        ("departments", ",".join(map(str, range(51))), "Each department"),
    ):
        fields = {f"{key}-0": text for key, text in {**good, name: value}.items()}
        await office.send("/reports/attendance/schedules", **fields)
        assert office.response.status_code == 400, name
        assert f"Schedule 1: {text}" in office.text
