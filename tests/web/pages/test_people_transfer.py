"""Import of people with its dry run and its job; export."""

from __future__ import annotations

import io
import os
import re
import stat
import zipfile
from typing import get_args

import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.services.people.import_export.photo_archive import ArchiveFault
from hub.services.people.import_export.plan import RefusalCode
from hub.services.people.import_export.table_reader import TableFault
from hub.store.people.person_rows import PersonChange
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer, photo
from web.pages.people import import_texts as texts

TABLE = "pid,name,age,phone\n7,王芳,34,13800001111\n8,<Li>,200,13800002222\n9,Ann,,\n"


@pytest.fixture
async def running(hub: PageSite, nursery: trio.Nursery) -> PageSite:
    await nursery.start(hub.services.jobs.run)
    return hub


async def send(admin: Photographer, data: bytes, name: str = "people.csv") -> None:
    """Send the form as browsers do: the token precedes the files."""
    await admin.get("/people/import")
    part = b'--edge\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'
    filename = b'; filename="%s"' % (name if data else "").encode()
    body = part % (b"csrf_token", b"", admin.token.encode()) + part % (b"table", filename, data)
    admin.response = await admin._client.post(
        "/people/import",
        data=body + b"--edge--\r\n",
        headers={"Content-Type": "multipart/form-data; boundary=edge"},
    )
    admin.text = (await admin.response.get_data()).decode()


def archive(**files: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, data in files.items():
            packed.writestr(name.replace("_", "."), data)
    return out.getvalue()


async def test_a_dry_run_says_what_each_line_would_do(hub: PageSite, admin: Photographer) -> None:
    await hub.services.people.register.add(PersonChange(name="Wang"), by=COMMAND_LINE, pid="7")
    await send(admin, TABLE.encode())
    path = admin.goes_to
    await admin.get(path)
    for text in ("王芳", "&lt;Li&gt;", "Change", "Refuse", "Age: this value is not allowed"):
        assert text in admin.text, text
    assert "Import 2 people" in admin.text
    await admin.get(f"{path}?only=refuse")
    assert re.findall(r'<td class="mono" data-label="Row">(\d+)', admin.text) == ["3"]
    assert await hub.services.people.register.count() == 1


async def test_a_refused_line_names_the_person_and_the_words_that_are_allowed(
    hub: PageSite, admin: Photographer
) -> None:
    await send(admin, b"name,list\nCy Dunn,purple\n,VIP\n")
    await admin.get(admin.goes_to)
    assert "Cy Dunn" in admin.text
    allowed = "“purple” is not known. Allowed: whitelist, blacklist, VIP, visitor."
    assert f"List: the word {allowed}" in admin.text
    assert "A new person needs a name." in admin.text


@pytest.mark.skipif(os.name == "nt", reason="the rights of the data directory protect them")
@pytest.mark.parametrize(("language", "first"), [("en", "pid,name,"), ("zh-CN", "人员编号,姓名,")])
async def test_a_template_can_be_filled_and_imported(
    hub: PageSite, admin: Photographer, language: str, first: str
) -> None:
    await admin.get("/people/import")
    assert 'href="/people/import/template.csv"' in admin.text
    await admin.get("/people/import/template.csv", Accept_Language=language)
    assert admin.text.removeprefix("\ufeff").startswith(first)


async def test_nobody_else_may_read_what_waits_to_be_imported(
    hub: PageSite, admin: Photographer
) -> None:
    await send(admin, archive(people_csv=TABLE.encode(), x_jpg=b"x"))
    assert admin.goes_to
    folder = hub.services.core.data_dir / "imports"
    modes = {path.suffixes[0]: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {".part": 0o600, ".csv": 0o600, ".rows": 0o600}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_an_import_is_a_job_whose_refused_lines_can_be_mended(
    running: PageSite, admin: Photographer, guard: Photographer
) -> None:
    await send(admin, TABLE.encode("gb18030"))
    await admin.get(admin.goes_to)
    (path,) = re.findall(r'method="post" action="(/people/import/[0-9a-f]+)"', admin.text)
    await admin.send(path)
    job = admin.goes_to
    await running.services.jobs.wait(int(job.rpartition("/")[2]))
    await admin.get(job)
    for text in ("Completed", "Row 3", "Age: this value is not allowed", f"{job}/refused.csv"):
        assert text in admin.text, text
    # Also on a page that was opened before the end.
    await admin.get(f"{job}/state", X_Part="1")
    assert f"{job}/refused.csv" in admin.text
    await admin.get(f"{job}/refused.csv")
    assert admin.text == (
        "\ufeffpid,name,age,phone,reason\r\n"
        "8,<Li>,200,13800002222,Age: this value is not allowed.\r\n"
    )
    assert sorted(p.pid for p in (await running.services.people.register.page()).items) == [
        "7",
        "9",
    ]
    # Lines may have personal numbers.
    await guard.get(job)
    assert "Completed" in guard.text
    assert "Line 3" not in guard.text
    await guard.get(f"{job}/refused.csv")
    assert guard.response.status_code == 403


async def test_photos_of_a_zip_are_counted_and_stored(
    running: PageSite, admin: Photographer
) -> None:
    packed = archive(people_csv=b"pid,name\n7,Ann\n", **{"7_jpg": photo(size=(200, 200))})
    await send(admin, packed, "people.zip")
    path = admin.goes_to
    await admin.get(path)
    assert "7.jpg" in admin.text
    await admin.send(path)
    await running.services.jobs.wait(int(admin.goes_to.rpartition("/")[2]))
    assert (await running.services.people.register.get("7")).has_photo


async def test_the_preview_names_people_whose_rows_have_no_name(
    running: PageSite, admin: Photographer
) -> None:
    known = PersonChange(name="王芳", work_id="W-7")
    await running.services.people.register.add(known, by=COMMAND_LINE, pid="7")
    await send(admin, archive(**{"W-7_jpg": photo(size=(200, 200))}), "people.zip")
    await admin.get(admin.goes_to)
    assert "王芳" in admin.text


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "Choose a table"),
        (b"colour\nred\n", "The first row must name the columns"),
        (b"name,name\na,b\n", "two columns for Name"),
        (b"\xff\xff\xff", "neither UTF-8 nor GB18030"),
        (archive(**{"../x_jpg": b"x"}), "points to another folder"),
        (archive(a_csv=b"name\nx\n", b_csv=b"name\ny\n"), "several tables"),
        (b"PK\x03\x04 and no more", "is not a ZIP file"),
    ],
)
async def test_files_that_cannot_be_imported_are_refused_with_the_reason(
    hub: PageSite, admin: Photographer, data: bytes, says: str
) -> None:
    await send(admin, data)
    assert admin.response.status_code == 400
    assert says in admin.text


async def test_a_preview_that_is_gone_asks_for_the_files_again(admin: Photographer) -> None:
    await admin.get("/people/import/0123")
    assert "no longer available" in admin.text


async def test_everybody_is_exported_after_a_warning_and_that_is_logged(
    hub: PageSite, admin: Photographer
) -> None:
    await hub.services.people.register.add(
        PersonChange(name="Ann", phone="123456"), by=COMMAND_LINE
    )
    await admin.get("/people/import")
    assert "full personal numbers" in admin.text
    await admin.send("/people/export")
    assert admin.response.content_type == "application/zip"
    data = await admin.response.get_data(as_text=False)
    with zipfile.ZipFile(io.BytesIO(data)) as packed:
        (table,) = (name for name in packed.namelist() if name.endswith(".csv"))
        assert b"123456" in packed.read(table)
    assert ("user admin", "person.export", "1") in await hub.audited()


def test_every_reason_to_refuse_a_line_has_a_text() -> None:
    assert set(get_args(RefusalCode)) == {*texts._ROWS, "photo"}
    assert set(get_args(TableFault)) == {*texts._TABLES, "size", "rows"}
    assert {*get_args(ArchiveFault)} == {*texts._ARCHIVES, "size", "files"}
