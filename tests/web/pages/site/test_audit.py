"""The audit log as administrators read it, on real services."""

from __future__ import annotations

import ast
import csv
import io
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import hub as hub_package
import web
from hub.config import Config, WebConfig
from hub.services.audit import COMMAND_LINE, Actor
from hub.services.site import SiteSettings
from hub.store.people.person_rows import PersonChange
from hub.store.tables.devices import NewDevice
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.page_site import PASSWORD
from web.pages.site.audit import ACTIONS
from web.pages.site.audit_filter import GROUPS

ANN = Actor("user ann", "10.0.0.9")


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock, Config(web=WebConfig(tls=False))) as hub:
        for role in ("admin", "guard", "viewer"):
            await hub.services.access.users.add(role, role, PASSWORD, by=COMMAND_LINE)
        await hub.services.core.site.set(SiteSettings("Harbour", "Asia/Shanghai", "auto"))
        yield hub


async def visit(hub: HubServices, role: str = "admin") -> Visitor:
    visitor = Visitor(hub.services)  # type: ignore[arg-type]
    await visitor.sign_in(role)
    return visitor


@pytest.fixture
async def admin(hub: HubServices) -> Visitor:
    return await visit(hub)


def rows_of(text: str) -> list[list[str]]:
    """The table's cells as a person reads them."""
    body = text.partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", body)
    ]


def older_page(page: str) -> str:
    """The address of the next page; "" on the last one."""
    older = re.search(r'href="(/site/audit\?before=\d+)"', page)
    return older[1] if older else ""


async def test_an_administrator_reads_who_did_what_from_where(
    hub: HubServices, admin: Visitor
) -> None:
    await hub.services.access.users.set_role("guard", "viewer", by=ANN)
    await admin.get("/site/audit")
    newest, *_, oldest = rows_of(admin.text)
    # The frozen clock shows noon in UTC.
    assert newest == [
        "25 Nov 2026 20:00:00",
        "ann",
        "Changed the role of the user guard Viewer",
        "10.0.0.9",
    ]
    assert oldest[1:] == ["Command line", "Added the user admin Administrator", ""]
    assert 'href="/site/erasures" aria-current="page">' in admin.text


async def test_the_audit_log_is_in_chinese_too(hub: HubServices, admin: Visitor) -> None:
    await hub.services.access.users.set_role("guard", "viewer", by=COMMAND_LINE)
    await admin.get("/site/audit")
    await admin.send("/preferences", language="zh", next="/site/audit")
    await admin.get("/site/audit")
    assert rows_of(admin.text)[0] == [
        "2026年11月25日 20:00:00",
        "命令行",
        "修改了用户的角色 guard 只读用户",
        "",
    ]


async def test_a_camera_and_a_key_are_shown_by_name_as_long_as_they_exist(
    hub: HubServices, admin: Visitor
) -> None:
    audit = hub.services.core.audit
    device = await hub.services.cameras.devices.add(NewDevice(sn="SN1", code="1", name="Gate"))
    key = await hub.services.access.api_keys.add("payroll", False, by=COMMAND_LINE)
    caller = Actor(f"key {key.appid}", "10.0.0.8")
    await audit.add(caller, "device.command", f"{device.did} /person/add 200")
    await admin.get("/site/audit")
    _, who, what, _ = rows_of(admin.text)[0]
    assert (who, what) == ("API key payroll", "Sent a command to the camera Gate /person/add 200")
    assert f'<a href="/cameras/{device.did}">Gate</a>' in admin.text
    await hub.services.cameras.devices.remove(device.did)
    await hub.services.access.api_keys.remove(key.appid, by=COMMAND_LINE)
    await admin.get("/site/audit")
    _, who, what, _ = rows_of(admin.text)[1]
    assert who == f"API key {key.appid}"
    assert what == f"Sent a command to the camera {device.did} /person/add 200"


async def test_people_groups_and_cameras_with_people_lead_to_their_pages(
    hub: HubServices, admin: Visitor
) -> None:
    services = hub.services
    await services.cameras.devices.add(NewDevice(sn="SN1", code="12345678", did="1", name="Gate"))
    await services.people.register.add(PersonChange(name="Ada"), by=ANN, pid="77")
    await services.people.groups.add("Hall", by=ANN)
    await services.core.audit.add(ANN, "person.take-over", "1")
    await services.core.audit.add(ANN, "person.numbers", "12 people")
    await admin.get("/site/audit")
    assert '<a href="/people/77">77</a>' in admin.text
    assert '<a href="/cameras/1">Gate</a>' in admin.text
    for text in ("Added the group of cameras", "Hall", "12 people"):
        assert text in admin.text
    assert "/people/12" not in admin.text


@pytest.mark.parametrize("target", ["", "1", "no number", "<b>1</b>"])
async def test_every_action_is_shown_in_words_even_with_an_unknown_target(
    hub: HubServices, admin: Visitor, target: str
) -> None:
    codes = [*ACTIONS, "unknown.action"]
    for code in codes:
        await hub.services.core.audit.add(ANN, code, target)
    shown: list[str] = []
    path = "/site/audit"
    while path:
        await admin.get(path)
        shown += [row[2] for row in rows_of(admin.text) if row[1] == "ann"]
        assert "<b>" not in admin.text
        # The hub has none of these cameras, releases and campaigns.
        assert 'href="/cameras/' not in admin.text
        assert 'href="/cameras/firmware/' not in admin.text
        path = older_page(admin.text)
    for code, text in zip(reversed(codes), shown, strict=True):
        assert text.startswith(ACTIONS.get(code, code))


async def test_the_audit_log_is_paged_by_the_id(hub: HubServices, admin: Visitor) -> None:
    await hub.services.core.audit.add_each(ANN, "device.remove", [str(n) for n in range(1, 251)])
    found: list[str] = []
    path = "/site/audit"
    for expected in (100, 100, 54):  # The last page also has 3 users and a sign-in.
        await admin.get(path)
        rows = rows_of(admin.text)
        assert len(rows) == expected
        found += [row[2] for row in rows if row[1] == "ann"]
        path = older_page(admin.text)
    assert not path
    assert found == [f"Removed the camera {n}" for n in range(250, 0, -1)]


@pytest.mark.parametrize("before", ["1", "-5", "9" * 30, "-" + "9" * 30, "x"])
async def test_an_invalid_page_number_is_ignored(admin: Visitor, before: str) -> None:
    await admin.get(f"/site/audit?before={before}")
    assert admin.response.status_code == 200
    assert ("There are no more entries." in admin.text) == (before == "1" or before[0] == "-")


async def test_without_signing_in_the_page_asks_to_sign_in(hub: HubServices) -> None:
    visitor = Visitor(hub.services)  # type: ignore[arg-type]
    await visitor.get("/site/audit")
    assert visitor.goes_to == "/sign-in?next=/site/audit"


async def test_entries_are_found_by_who_what_whom_and_when(
    hub: HubServices, admin: Visitor, clock: FrozenClock
) -> None:
    audit = hub.services.core.audit
    device = await hub.services.cameras.devices.add(NewDevice(sn="SN1", code="1", name="Main gate"))
    await audit.add(ANN, "device.reboot", device.did)
    await audit.add(ANN, "user.role", "bob_1 guard")
    clock.advance(86_400)
    await audit.add(Actor("user joanna"), "user.role", "bobx1 viewer")
    # The session has expired meanwhile.
    await admin.sign_in()
    for query, expected in (
        ("who=ANN", ["bobx1", "bob_1", "Main gate"]),
        ("who=user+ann", ["bob_1", "Main gate"]),
        ("group=device", ["Main gate"]),
        ("target=main", ["Main gate"]),
        ("target=b_1&group=user", ["bob_1"]),
        ("who=ann&since=2026-11-26", ["bobx1"]),
        ("who=ann&until=2026-11-25", ["bob_1", "Main gate"]),
        ("who=ann&since=2026-11-25&until=2026-11-26", ["bobx1", "bob_1", "Main gate"]),
        ("who=ann&group=nothing&since=tomorrow", ["bobx1", "bob_1", "Main gate"]),
        ("who=nobody", []),
        ("target=%25", []),
    ):
        await admin.get(f"/site/audit?{query}")
        whom = [row[2] for row in rows_of(admin.text)]
        assert len(whom) == len(expected), query
        assert all(name in text for name, text in zip(expected, whom, strict=True)), query
    assert "No entries match." in admin.text


async def test_the_pages_of_a_search_keep_its_fields(hub: HubServices, admin: Visitor) -> None:
    await hub.services.core.audit.add_each(ANN, "device.remove", [str(n) for n in range(150)])
    await hub.services.core.audit.add_each(ANN, "user.remove", ["bob"] * 10)
    await admin.get("/site/audit?who=ann&group=device")
    assert len(rows_of(admin.text)) == 100
    older = re.search(r'href="(/site/audit\?before=\d+&amp;who=ann&amp;group=device)"', admin.text)
    assert older
    await admin.get(older[1].replace("&amp;", "&"))
    assert len(rows_of(admin.text)) == 50
    assert 'href="/site/audit?who=ann&amp;group=device">Newest' in admin.text


async def test_the_search_is_exported_as_csv_without_formulas(
    hub: HubServices, admin: Visitor
) -> None:
    for target in ("=HYPERLINK(1)", "+1", "-1", "@x", "\t=1", " ＝1", 'a "quoted", text', "plain"):
        await hub.services.core.audit.add(ANN, "user.role", target)
    await hub.services.core.audit.add_each(ANN, "device.remove", [str(n) for n in range(1500)])
    await admin.get("/site/audit/export?who=ann")
    assert admin.response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "audit-2026-11-25.csv" in admin.response.headers["Content-Disposition"]
    assert admin.text.startswith("\ufeff")
    rows = list(csv.reader(io.StringIO(admin.text.removeprefix("\ufeff"))))
    assert rows[0] == ["id", "time", "who", "address", "action", "description", "target"]
    assert len(rows) == 1 + 1500 + 8
    assert rows[-1][2:] == [
        "user ann",
        "10.0.0.9",
        "user.role",
        "Changed the role of the user",
        "'=HYPERLINK(1)",
    ]
    assert [row[-1] for row in rows[1501:]] == [
        "plain",
        'a "quoted", text',
        "' ＝1",
        "'\t=1",
        "'@x",
        "'-1",
        "'+1",
        "'=HYPERLINK(1)",
    ]
    assert (await hub.services.core.audit.newest(limit=1))[0].action == "audit.export"


def test_every_action_that_is_logged_has_words() -> None:
    """Of an f-string, the text before its first value. What is passed on is named in its module."""
    missing = [
        f"{path}: {code}"
        for package in (hub_package, web)
        for path in sorted(Path(str(package.__file__)).parent.rglob("*.py"))
        for code in _logged(ast.parse(path.read_text("utf-8")))
        if not any(
            known == code or (code[-1] in ".-_" and known.startswith(code)) for known in ACTIONS
        )
    ]
    assert missing == [], "say them in web/pages/site/audit.py"


def _logged(module: ast.Module) -> Iterator[str]:
    for call in ast.walk(module):
        if not (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Attribute)
            and call.func.attr in ("add", "add_each", "require")
            and "audit" in ast.unparse(call.func.value)
        ):
            continue
        action = call.args[1]
        if isinstance(action, ast.Name):
            tags = {id(one.value) for one in ast.walk(module) if isinstance(one, ast.keyword)}
            parts = [one for one in ast.walk(module) if id(one) not in tags]
        else:
            parts = list(ast.walk(action))
        for part in parts:
            if isinstance(part, ast.Constant) and re.fullmatch(
                r"[a-z-]+\.[a-z_-]*", str(part.value)
            ):
                yield str(part.value)


def test_every_group_of_actions_can_be_chosen() -> None:
    assert {action.partition(".")[0] for action in ACTIONS} - {"audit"} <= set(GROUPS)
