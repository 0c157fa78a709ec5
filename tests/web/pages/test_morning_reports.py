"""The page of the reports that are sent every morning."""

from __future__ import annotations

from pathlib import Path

import trio

from hub.reasons import Reason
from tests.support.browsing import Visitor
from tests.support.page_site import PASSWORD, PageSite

FORM = {"form": "csv", "at": "05:30", "language": "zh", "url": "", "kinds": ["attendance"]}


async def save(visitor: Visitor, **fields: object) -> None:
    sent = {**FORM, "own_password": PASSWORD, **fields}
    await visitor.send("/reports/morning", **sent)  # type: ignore[arg-type]


async def test_an_administrator_chooses_what_is_sent(
    hub: PageSite, admin: Visitor, tmp_path: Path, nursery: trio.Nursery
) -> None:
    await nursery.start(hub.services.reports.maker.run)
    await admin.get("/reports/morning")
    assert "Send yesterday's reports now" not in admin.text
    await save(admin, folder=str(tmp_path / "out"))
    assert admin.response.status_code == 303
    settings = hub.services.reports.delivery.settings
    assert (settings.kinds, settings.at, settings.language) == (("attendance",), "05:30", "zh")
    await admin.get("/reports/morning")
    await admin.send("/reports/morning/send")
    assert admin.response.status_code == 303
    (file,) = (tmp_path / "out").iterdir()
    assert file.name == "attendance-2026-11-24.csv"
    assert "首次出现" in file.read_text("utf-8-sig")


async def test_at_first_the_language_of_the_page_is_offered(
    hub: PageSite, admin: Visitor, tmp_path: Path
) -> None:
    await admin.get("/reports/morning", Accept_Language="zh-CN")
    assert '<option value="zh" selected>' in admin.text
    await admin.get("/reports/morning")
    assert '<option value="en" selected>' in admin.text
    await save(admin, folder=str(tmp_path))
    await admin.get("/reports/morning")
    assert '<option value="zh" selected>' in admin.text


async def test_it_needs_the_administrators_own_password(
    hub: PageSite, admin: Visitor, tmp_path: Path
) -> None:
    await admin.get("/reports/morning")
    await save(admin, folder=str(tmp_path), own_password="wrong")
    assert admin.response.status_code == 400
    assert "Your password is wrong." in admin.text
    assert str(tmp_path) in admin.text
    assert not hub.services.reports.delivery.settings.is_on


async def test_what_is_wrong_is_said(hub: PageSite, admin: Visitor) -> None:
    await admin.get("/reports/morning")
    for fields, words in (
        ({"at": "25:00"}, "Enter a time as HH:MM."),
        ({}, "Enter a folder or a web address."),
        ({"folder": "/missing/folder/x"}, "cannot be written to: there is no such file or folder."),
        ({"url": "ftp://a/"}, "Enter an address that begins with https://"),
    ):
        await save(admin, **fields)
        assert admin.response.status_code == 400
        assert words in admin.text, words


async def test_a_failure_is_said_and_is_a_problem_of_the_hub(hub: PageSite, admin: Visitor) -> None:
    hub.services.reports.delivery.failure = Reason("connection refused")
    await admin.get("/reports/morning")
    assert "The last attempt failed: connection refused" in admin.text
