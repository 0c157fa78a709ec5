"""Error pages explain the errors that a user can cause, in the language of the user."""

from __future__ import annotations

import re

import pytest

from hub.errors import MISSING
from tests.support.photographer import Photographer
from web.pages.error_pages import MISSING_TEXTS


def test_a_page_has_a_sentence_for_everything_that_may_be_missing() -> None:
    assert MISSING_TEXTS.keys() == MISSING.keys()
    for kind, message in MISSING.items():
        facts = dict.fromkeys(re.findall(r"%\((\w+)\)", message), "7")
        assert MISSING_TEXTS[kind] % facts


@pytest.mark.parametrize(
    ("path", "status", "english", "chinese"),
    [
        (
            "/cameras/9",
            404,
            "There is no camera with the device ID 9.",
            "设备编号为 9 的摄像机不存在。",
        ),
        ("/cameras/waiting/SN9/trace", 404, "No camera with the serial number SN9", "SN9"),
        ("/records/9", 404, "There is no record 9.", "记录 9 不存在。"),
        (
            "/media/9/face.jpg",
            404,
            "There is no such picture of record 9.",
            "记录 9 的此图片不存在。",
        ),
        ("/cameras/firmware/releases/9", 404, "There is no release 9.", "固件版本 9 不存在。"),
        ("/cameras/firmware/campaigns/9", 404, "There is no campaign 9.", "升级任务 9 不存在。"),
        ("/?before=x", 400, "before: must be the number of a record", "before：应为记录的编号。"),
    ],
)
async def test_a_missing_item_is_explained_in_both_languages(
    admin: Photographer, path: str, status: int, english: str, chinese: str
) -> None:
    for language, text in (("en", english), ("zh", chinese)):
        await admin.get("/account")
        await admin.send("/preferences", language=language, next="/")
        await admin.get(path, Accept="text/html")
        assert admin.response.status_code == status
        assert text in admin.text
        assert 'lang="en">' not in admin.text


@pytest.mark.parametrize(
    "path", ["/people/x", "/people/0", "/alarms/x", "/alarms/9/x", "/jobs/9", "/cameras/1/people/x"]
)
async def test_an_address_that_does_not_exist_is_told_in_chinese_alone(
    admin: Photographer, path: str
) -> None:
    await admin.get("/account")
    await admin.send("/preferences", language="zh", next="/")
    await admin.get(path, Accept="text/html")
    assert admin.response.status_code == 404
    assert "页面不存在" in admin.text
    assert 'lang="en">' not in admin.text
    assert "no such path" not in admin.text


async def test_a_refused_form_is_explained_in_both_languages(admin: Photographer) -> None:
    for language, text in (
        ("en", "This form has expired. Reload the page."),
        ("zh", "此表单已过期，请刷新页面。"),
    ):
        await admin.get("/account")
        await admin.send("/preferences", language=language, next="/")
        await admin.send("/account/password", token="0" * 64)
        assert admin.response.status_code == 403
        assert text in admin.text
        assert 'lang="en">' not in admin.text
