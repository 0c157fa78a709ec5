"""Pages for what went wrong: what a person can cause is told in the person's language."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.config import Config, Web
from hub.services.access.audit import COMMAND_LINE
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.fake_services import PASSWORD
from tests.support.hub_services import open_hub_services


@pytest.fixture
async def admin(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Visitor]:
    """On real services: it is their words that are put into others."""
    async with open_hub_services(tmp_path, clock, Config(web=Web(tls=False))) as hub:
        await hub.services.users.add("admin", "admin", PASSWORD, by=COMMAND_LINE)
        visitor = Visitor(hub.services)  # type: ignore[arg-type]
        await visitor.sign_in()
        await visitor.get("/account")
        yield visitor


@pytest.mark.parametrize(
    ("path", "status", "english", "chinese"),
    [
        (
            "/cameras/9",
            404,
            "There is no camera with the device ID 9.",
            "没有设备编号为 9 的摄像机。",
        ),
        ("/cameras/waiting/SN9/trace", 404, "No camera with the serial number SN9", "SN9"),
        ("/records/9", 404, "There is no record 9.", "没有记录 9。"),
        ("/media/9/face.jpg", 404, "There is no such picture of record 9.", "记录 9 没有此图片。"),
        ("/firmware/releases/9", 404, "There is no release 9.", "没有版本 9。"),
        ("/firmware/campaigns/9", 404, "There is no campaign 9.", "没有升级任务 9。"),
        ("/?before=x", 400, "before: must be the number of a record", "before：应为记录的编号。"),
    ],
)
async def test_what_is_not_there_is_told_in_both_languages(
    admin: Visitor, path: str, status: int, english: str, chinese: str
) -> None:
    for language, text in (("en", english), ("zh", chinese)):
        await admin.get("/account")
        await admin.send("/preferences", language=language, next="/")
        await admin.get(path, Accept="text/html")
        assert admin.response.status_code == status
        assert text in admin.text
        assert '<p class="quiet" lang="en">' not in admin.text


async def test_a_form_that_is_refused_says_why_in_both_languages(admin: Visitor) -> None:
    for language, text in (
        ("en", "This form has expired. Reload the page."),
        ("zh", "此表单已过期，请刷新页面。"),
    ):
        await admin.get("/account")
        await admin.send("/preferences", language=language, next="/")
        await admin.send("/account/password", token="0" * 64)
        assert admin.response.status_code == 403
        assert text in admin.text
        assert '<p class="quiet" lang="en">' not in admin.text
