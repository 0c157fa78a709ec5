"""A problem of the hub that tells a moment is worded alike wherever its record goes."""

import io
import zipfile
from datetime import UTC, datetime

import pytest
import trio

from hub.services.reports.reports import ReportQuery
from hub.wire.uploads.records import HubDetail
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from web.pages.reports.files import render_report

DETAIL = HubDetail("clock-unset", "the clock is wrong", {"clock": "2026-01-01 06:00 UTC"})
#: In the zone of the site.
SHOWN = "2026-01-01 14:00"


@pytest.fixture
async def site(hub: PageSite, nursery: trio.Nursery) -> PageSite:
    await nursery.start(hub.services.reports.maker.run)
    await hub.add_record("hub", DETAIL, did="", device_name="")
    return hub


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/search",
        "/search/export/csv",
        "/search/export/print",
        "/alarms",
        "/alarms/export",
        "/reports/alarms",
        "/reports/alarms.csv",
    ],
)
async def test_pages_and_files_show_the_time_of_the_site(
    site: PageSite, guard: Visitor, path: str
) -> None:
    await guard.get(path)
    assert SHOWN in guard.text


async def test_an_archive_of_records_shows_it_too(site: PageSite, guard: Visitor) -> None:
    response = await guard._client.get("/search/export/zip")
    with zipfile.ZipFile(io.BytesIO(await response.get_data(as_text=False))) as archive:
        (page,) = (name for name in archive.namelist() if name.endswith("index.html"))
        assert SHOWN in archive.read(page).decode()


async def test_the_live_page_gets_it_at_once(hub: PageSite, guard: Visitor) -> None:
    await guard.get("/")
    async with guard.listening("/stream") as events:
        assert (await events.next())[0] == "beat"
        await hub.add_record("hub", DETAIL, did="", device_name="")
        card = await events.next_of("card")
    assert SHOWN in card["html"]


async def test_a_report_that_is_sent_shows_it_too(site: PageSite) -> None:
    today = datetime.fromtimestamp(site.clock.ms / 1000, UTC)
    query = ReportQuery("alarms", "day", today.date())
    report = await site.services.reports.maker.make(query, seconds=10)
    zone, names = site.services.core.site.zone(), site.services.cameras.devices.names()
    _, data = await trio.to_thread.run_sync(render_report, report, "csv", "en", zone, names)
    assert SHOWN in data.decode()
