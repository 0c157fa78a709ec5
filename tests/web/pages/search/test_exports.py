"""What is found, as CSV, as a ZIP with pictures, and to print."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.services.csv_cells import from_text
from hub.store.records.record_log import RecordPage
from hub.wire.uploads.records import EventDetail, FaceDetail, Plate, VehicleDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from web.pages.search.export import csv_export, found_records
from web.pages.search.export import views as export_views

HOUR = 3_600_000
NUMBERS = b'{"id_card_no":"110101199003071234"}'


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    """Two captures of Anna and one of a car; it is 20:00 at the site."""
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("Main gate")
        face = FaceDetail(name="Anna", uuid="7", category=2)
        await site.add_record(detail=face, pictures=["face", "background"], extra=NUMBERS)
        await site.add_record("vehicle", VehicleDetail(Plate("粤B88", type=1)))
        await site.add_record(detail=face, occurred_at=clock.ms - 8 * HOUR)
        yield site


async def read_csv(visitor: Visitor, query: str = "") -> list[list[str]]:
    await visitor.get(f"/search/export/csv{query}")
    assert visitor.response.status_code == 200
    data = await visitor.response.get_data(as_text=False)
    assert data.startswith("\ufeff".encode())
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))


async def read_zip(visitor: Visitor, query: str) -> dict[str, bytes]:
    await visitor.get(f"/search/export/zip{query}")
    assert visitor.response.status_code == 200
    data = await visitor.response.get_data(as_text=False)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


async def test_the_csv_has_the_answer_in_its_order_and_both_clocks(
    site: PageSite, guard: Visitor
) -> None:
    head, *rows = await read_csv(guard, "?name=anna")
    assert head[:5] == [
        *("Record", "Type", "Occurred (camera's clock)", "Received (hub's clock)", "Camera"),
    ]
    assert [row[0] for row in rows] == ["3", "1"]
    assert rows[0][2:4] == ["2026-11-25 12:00:00", "2026-11-25 20:00:00"]
    assert rows[1][4:] == [
        *(
            "Main gate",
            "Y3CA9PGDTKM0001",
            "Anna",
            "Anna",
            "7",
            "blacklist",
            "",
            "",
            "",
            "",
            "2",
            "",
        ),
    ]
    _, *rows = await read_csv(guard, "?name=anna&order=oldest")
    assert [row[0] for row in rows] == ["1", "3"]
    name = guard.response.headers["Content-Disposition"]
    assert name == 'attachment; filename="sitehub-search-20261125-200000.csv"'


async def test_the_csv_is_in_the_language_of_the_page(site: PageSite, guard: Visitor) -> None:
    await site.name_site("zh")
    head, row = await read_csv(guard, "?kind=vehicle")
    assert head[:2] == ["记录", "类型"]
    assert row[1] == "车辆"
    assert "普通蓝牌" in row


@pytest.mark.parametrize("name", ["=1+1", "＝1+1", "＋1", "－1", "＠SUM", " =1", "\t=1"])
async def test_no_cell_is_a_formula(site: PageSite, guard: Visitor, name: str) -> None:
    await site.add_record("event", EventDetail(type=2, name=name))
    _, row = await read_csv(guard, "?kind=event")
    assert row[7] == f"'{name}"
    assert from_text(row[7]) == name


async def test_a_csv_that_is_cut_off_says_so(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_export, "MOST_RECORDS", 2)
    rows = await read_csv(guard)
    assert [row[0] for row in rows[1:]] == [
        "3",
        "2",
        "There are more records: narrow down the search.",
    ]
    monkeypatch.setattr(csv_export, "MOST_RECORDS", 3)
    assert len(await read_csv(guard)) == 4


async def test_an_export_goes_on_where_a_search_took_too_long(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = site.services.records.log
    read, seen = log.page, []

    async def cut(*args: object, **values: object) -> RecordPage:
        seen.append(values)
        if len(seen) % 2:
            return RecordPage((), values["before"], is_complete=False)  # type: ignore[arg-type]
        return await read(*args, **{**values, "limit": 1})  # type: ignore[arg-type]

    monkeypatch.setattr(log, "page", cut)
    assert [row[0] for row in (await read_csv(guard))[1:]] == ["3", "2", "1"]


async def test_what_comes_later_is_not_in_an_export(site: PageSite) -> None:
    services = site.services
    found = found_records.FoundRecords(
        services, export_views.Question().filter(services), most=100, sees_numbers=True
    )
    await site.add_record(detail=FaceDetail(name="Later"))
    assert [one.seq async for one in found.each(newest_first=False)] == [1, 2, 3]


async def test_the_zip_has_pictures_with_checksums_and_says_what_was_asked(
    site: PageSite, guard: Visitor
) -> None:
    files = await read_zip(guard, "?name=anna&when=today")
    assert sorted(files) == [
        *("SHA256SUMS", "index.html", "manifest.json"),
        *("pictures/1-background.png", "pictures/1-face.png", "records.json"),
    ]
    for line in files["SHA256SUMS"].decode().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256(files[name]).hexdigest() == digest
    items = json.loads(files["records.json"])["items"]
    assert [one["seq"] for one in items] == [1, 3]
    assert "110101199003071234" not in files["records.json"].decode()
    assert "25 Nov 2026 00:00:00 – 26 Nov 2026 00:00:00" in files["index.html"].decode()
    manifest = json.loads(files["manifest.json"])
    assert manifest["search"] == ("since=2026-11-25T00%3A00&until=2026-11-26T00%3A00&name=anna")
    assert (manifest["exported_by"], manifest["records"]) == ("user guard", 2)


async def test_a_zip_has_at_most_so_many_records(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_views, "MOST_IN_ZIP", 2)
    files = await read_zip(guard, "")
    assert [one["seq"] for one in json.loads(files["records.json"])["items"]] == [1, 2]


async def test_the_page_to_print_says_when_by_both_clocks_and_who_exported_it(
    site: PageSite, guard: Visitor
) -> None:
    await guard.get("/search/export/print?name=anna&when=today&order=oldest")
    digest = hashlib.sha256(site.draw("face", 1)).hexdigest()
    for text in (
        "25 Nov 2026 00:00:00 – 26 Nov 2026 00:00:00 · Name: anna",
        "<dd>guard, 25 Nov 2026 20:00:00</dd>",
        "<dd>Main gate (Y3CA9PGDTKM0001)</dd>",
        "<dd>25 Nov 2026 12:00:00</dd>",
        f"SHA-256 checksum <code>{digest}</code>",
        "Asia/Shanghai",
    ):
        assert text in guard.text, text
    assert guard.text.count("The two clocks differ") == 1
    assert re.findall(r"<h2>(\d\. \w+)", guard.text) == ["1. Anna", "2. Anna"]


async def test_one_record_is_printed_like_an_answer(site: PageSite, guard: Visitor) -> None:
    await guard.get("/records/1")
    assert 'href="/search/export/print/1"' in guard.text
    assert 'href="/cameras/1">Main gate</a>' in guard.text
    await guard.get("/search/export/print/1")
    digest = hashlib.sha256(site.draw("face", 1)).hexdigest()
    for text in (
        "<h1>Record 1</h1>",
        'href="/records/1">Back',
        "<dd>guard, 25 Nov 2026 20:00:00</dd>",
        "<dd>Main gate (Y3CA9PGDTKM0001)</dd>",
        f"SHA-256 checksum <code>{digest}</code>",
        "<h2>Anna",
    ):
        assert text in guard.text, text
    assert ("user guard", "record.export", "print seq=1") in await site.audited()
    assert (await guard.get("/search/export/print/99")).status_code == 404
    viewer = await Visitor.signed_in(site, "viewer")
    await viewer.get("/records/1")
    assert "/search/export/" not in viewer.text


async def test_a_page_to_print_that_is_cut_off_says_so(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export_views, "MOST_PRINTED", 2)
    await guard.get("/search/export/print")
    assert guard.text.count('class="print-record"') == 2
    assert "There are more records than" in guard.text


async def test_who_exported_what_is_in_the_audit_log_without_names(
    site: PageSite, guard: Visitor
) -> None:
    await read_csv(guard, "?when=today&name=anna&did=1")
    await guard.get("/search/export/print?plate=88&uuid=7")
    exports = [entry for entry in await site.audited() if entry[1] == "record.export"]
    assert exports == [
        (
            "user guard",
            "record.export",
            "csv since=2026-11-25T00:00 until=2026-11-26T00:00 did=1 name=…",
        ),
        ("user guard", "record.export", "print plate=… uuid=…"),
    ]


@pytest.mark.parametrize("form", ["csv", "zip", "print"])
async def test_only_guards_export(site: PageSite, guard: Visitor, form: str) -> None:
    viewer = await Visitor.signed_in(site, "viewer")
    await viewer.get("/search")
    assert "/search/export/" not in viewer.text
    await viewer.get(f"/search/export/{form}")
    assert viewer.response.status_code == 403
    await guard.get(f"/search/export/{form}?day=never")
    assert guard.response.status_code == 400
    await guard.get("/search?name=anna")
    assert f'href="/search/export/{form}?name=anna"' in guard.text
