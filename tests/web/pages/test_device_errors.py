"""Error pages explain the errors that a user can cause, in the language of the user."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hub
import web
from tests.support.photographer import Photographer
from web.pages.error_pages import translate_message

HUB, WEB = Path(hub.__file__).parent, Path(web.__file__).parent
#: The code whose errors a page can show.
SOURCES = [
    HUB / "services" / "records" / "record_log.py",
    *sorted((HUB / "services" / "devices").glob("*.py")),
    *sorted((HUB / "services" / "alarms").glob("*.py")),
    *sorted((HUB / "services" / "people").glob("*.py")),
    HUB / "store" / "people" / "groups.py",
    *sorted((HUB / "store" / "jobs").glob("*.py")),
    HUB / "services" / "firmware" / "campaigns.py",
    HUB / "services" / "firmware" / "releases.py",
    *sorted((HUB / "store" / "tables").glob("device*.py")),
    *sorted((WEB / "auth").rglob("*.py")),
    *sorted((WEB / "pages").rglob("*.py")),
]
#: Messages that only devices and API keys can cause.
#: The API alone answers these.
NEVER_ON_A_PAGE = {
    "no release is meant for this device",
    "this API key is read-only",
    "your own password is needed: header 7, in Base64",
    "your password is wrong",
}


def messages() -> Iterator[str]:
    """The messages of these errors in the source, with 7 for each value."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Raise) or not isinstance(node.exc, ast.Call):
                continue
            call = node.exc
            if getattr(call.func, "id", "") in ("NoSuchResource", "NotAllowed") and call.args:
                yield _sample(call.args[0])


def _sample(text: ast.expr) -> str:
    if isinstance(text, ast.JoinedStr):
        return "".join(_sample(part) for part in text.values)
    return str(text.value) if isinstance(text, ast.Constant) else "7"


def test_every_message_that_a_page_can_show_is_translated() -> None:
    found = set(messages())
    assert len(found) > 8
    assert [m for m in found - NEVER_ON_A_PAGE if not translate_message(m)] == []
    assert found > NEVER_ON_A_PAGE


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
