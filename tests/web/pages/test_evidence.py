"""The pages of evidence, on real services."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.services.audit import COMMAND_LINE, Actor
from hub.wire.uploads.records import EventDetail, FaceDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from tests.support.stores import drop_day

DAY = 86_400


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("North gate")
        for name in ("Anna", "Li Wei", "Anna"):
            await site.add_record(detail=FaceDetail(name=name), pictures=("face", "body"))
        # It raises no alarm, which would keep it as well.
        await site.add_record("event", EventDetail(type=11))
        yield site


@pytest.fixture
async def guard(site: PageSite) -> Visitor:
    return await Visitor.signed_in(site, "guard")


async def keep(visitor: Visitor, **fields: str) -> None:
    await visitor.get("/search/kept/new?seq=1")
    await visitor.send("/search/kept/new", **{"seq": "1", "reason": "Theft", **fields})


async def test_a_guard_keeps_records_of_a_camera_and_a_time(site: PageSite, guard: Visitor) -> None:
    await guard.get("/search/kept")
    assert "No evidence yet" in guard.text
    # The clock of the test shows 20:00:00 at the site; each record is a second later.
    query = "did=1&kind=face&from=2026-11-25T20:00:02&to=2026-11-25T20:00:04"
    await guard.get(f"/search/kept/new?{query}")
    assert "2 records, 4 pictures" in guard.text
    await guard.send(
        "/search/kept/new",
        **{"did": "1", "kind": "face", "from": "2026-11-25T20:00:02", "to": "2026-11-25T20:00:04"},
        reason="Theft <b>at</b> the gate",
        until="2026-12-31",
    )
    assert guard.goes_to == "/search/kept/1?done=hold-added"
    await guard.get("/search/kept/1?done=hold-added")
    assert "Theft &lt;b&gt;at&lt;/b&gt; the gate" in guard.text
    assert "until 31 Dec 2026" in guard.text
    assert guard.text.count('class="card card-face"') == 2
    assert ("user guard", "hold.add", "1 2") in await site.audited()


async def test_a_record_is_kept_from_its_own_page(site: PageSite, guard: Visitor) -> None:
    await guard.get("/records/2")
    assert 'href="/search/kept/new?seq=2"' in guard.text
    await guard.get("/search/kept/new?seq=2")
    assert "1 record, 2 pictures" in guard.text
    await guard.send("/search/kept/new", seq="2", reason="Theft")
    await guard.get("/records/2")
    assert '<a href="/search/kept/1">Theft</a>, until released' in guard.text
    await guard.get("/search/kept/new?seq=3")
    await guard.send("/search/kept/new", seq="3", hold="1")
    assert guard.goes_to == "/search/kept/1?done=hold-added"
    assert (await site.services.records.holds.get(1)).records == 2


async def test_the_wall_offers_to_keep_only_to_who_may(site: PageSite, guard: Visitor) -> None:
    await guard.get("/")
    cards = guard.text.count('<article class="card ')
    assert guard.text.count('class="card-keep"') == cards == 3  # one is a repeat
    viewer = await Visitor.signed_in(site, "viewer")
    await viewer.get("/")
    assert "card-keep" not in viewer.text
    assert 'href="/search/kept"' not in viewer.text
    assert (await viewer.get("/search/kept")).status_code == 403
    await site.services.records.holds.create([1], "Theft", None, by=Actor("user guard"))
    await viewer.get("/records/1")
    assert "Evidence: Theft, until released" in viewer.text


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"reason": " "}, "Enter the reason, in at most"),
        ({"until": "2026-11-24"}, "The last day must be today or later."),
        ({"until": "soon"}, "The last day must be today or later."),
        ({"until": "9999-12-30"}, "The last day must be"),
        ({"seq": "9" * 5000}, "These records no longer exist."),
        ({"seq": "x"}, "These records no longer exist."),
        ({"seq": "77"}, "These records no longer exist."),
    ],
)
async def test_a_bad_entry_is_explained_and_nothing_is_kept(
    site: PageSite, guard: Visitor, fields: dict[str, str], sentence: str
) -> None:
    await keep(guard, **fields)
    assert guard.response.status_code == 400
    assert sentence in guard.text
    assert await site.services.records.holds.newest() == ()


async def test_a_bad_time_is_explained(guard: Visitor) -> None:
    await guard.get("/search/kept/new?from=yesterday")
    assert guard.response.status_code == 400
    assert "Enter the times as date and time." in guard.text


async def test_what_is_released_is_named_first(
    site: PageSite, guard: Visitor, clock: FrozenClock
) -> None:
    await keep(guard)
    clock.advance(DAY)
    await site.add_record(detail=FaceDetail(name="Later"))
    await drop_day(site.hub.store, "2026-11-25")
    await guard.sign_in("guard")
    await guard.get("/search/kept")
    assert "1 record is kept beyond its retention period" in guard.text
    await guard.get("/search/kept/1/release")
    assert "1 record exists only as evidence" in guard.text
    await guard.send("/search/kept/1/release")
    assert guard.goes_to == "/search/kept?done=hold-released"
    await guard.get("/search/kept")
    assert "released by guard" in guard.text


async def test_reason_and_end_are_changed(site: PageSite, guard: Visitor) -> None:
    await keep(guard)
    await guard.get("/search/kept/1")
    await guard.send("/search/kept/1/change", reason="Court", until="2027-01-31")
    assert guard.goes_to == "/search/kept/1?done=hold-changed"
    await guard.get("/search/kept/1")
    assert 'value="2027-01-31"' in guard.text
    await guard.send("/search/kept/1/change", reason="", until="")
    assert "Enter the reason, in at most" in guard.text


async def test_an_export_tells_in_both_languages_who_kept_the_records(
    site: PageSite, guard: Visitor
) -> None:
    await site.services.records.holds.create([1], "Theft", None, by=COMMAND_LINE)
    for code, text in (("en", "Command line, "), ("zh", "命令行, ")):
        guard._client.set_cookie("localhost", "sitehub_language", code)
        response = await guard._client.get("/search/kept/1/export")
        with zipfile.ZipFile(io.BytesIO(await response.get_data(as_text=False))) as archive:
            assert text in archive.read("sitehub-hold-1/index.html").decode()


async def test_another_guard_may_look_and_export_but_not_release(
    site: PageSite, guard: Visitor
) -> None:
    await site.services.records.holds.create([1], "Theft", None, by=Actor("user admin"))
    await guard.get("/search/kept/1")
    assert "/search/kept/1/release" not in guard.text
    assert (await guard.get("/search/kept/1/release")).status_code == 403
    await guard.get("/search/kept/new?seq=2")
    await guard.send("/search/kept/1/release")
    assert guard.response.status_code == 403
    response = await guard._client.get("/search/kept/1/export")
    assert response.mimetype == "application/zip"
    assert (await response.get_data(as_text=False)).startswith(b"PK")
