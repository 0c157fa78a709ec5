"""What needs an administrator's own password needs it on every face: pages, and API by session."""

from __future__ import annotations

import inspect
import re
import textwrap
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from hub.services.audit import COMMAND_LINE
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, open_hub_services
from tests.web.api.test_api import Client, csrf_of, good, refusal
from web.api.endpoint import Endpoint
from web.api.routes import Routes
from web.app import create_app

TARGET = {"kind": "webhook", "url": "https://vms.example/in"}
#: A call of a service that changes something in somebody's name: `targets.add(... by=...)`.
_CHANGE = re.compile(r"\b(\w+)\.(\w+)\(((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\bby=[^()]*)")


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        yield hub


@pytest.fixture
async def thief(hub: HubServices) -> Client:
    """Who has the cookie of an administrator, and nothing else."""
    token = await hub.add_user("admin", "admin")
    cookie = f"__Host-sitehub_session={token}"
    return Client(hub, {"Cookie": cookie, "X-CSRF-Token": csrf_of(token)})


def changes(view: Callable[..., Any]) -> set[tuple[str, str]]:
    """The changes that a view makes, as (service, method)."""
    source = textwrap.dedent(inspect.getsource(inspect.unwrap(view)))
    return {(service, method) for service, method, _ in _CHANGE.findall(source)}


async def test_both_faces_ask_for_the_password_for_the_same_changes(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[Endpoint, Callable[..., Any]]] = []
    original = Routes.add

    def add(self: Routes, endpoint: Endpoint, view: Any) -> None:
        calls.append((endpoint, view))
        original(self, endpoint, view)

    monkeypatch.setattr(Routes, "add", add)
    app = create_app(hub.services)
    asked = set[tuple[str, str]]()
    for rule in app.url_map.iter_rules():
        view = app.view_functions[rule.endpoint]
        is_form = "POST" in (rule.methods or ()) and not rule.rule.startswith("/api/")
        if is_form and app.access[rule.endpoint].password is not None:
            asked |= changes(view)
    asked.discard(("users", "confirm"))
    for change in (("targets", "add"), ("targets", "change"), ("targets", "change_secret")):
        assert change in asked
    for change in (("users", "add"), ("users", "set_role"), ("api_keys", "add")):
        assert change in asked
    by_api = {}
    for endpoint, view in calls:
        for change in changes(view) & asked:
            by_api[change] = endpoint
            assert endpoint.needs_password, (endpoint.method, endpoint.path, change)
    assert {service for service, _ in by_api} == {"targets"}
    needless = [one.path for one, view in calls if one.needs_password and not changes(view) & asked]
    assert needless == []


async def test_a_stolen_session_sends_no_records_elsewhere(hub: HubServices, thief: Client) -> None:
    for headers in ({}, {"Sitehub-Password": "?"}, {"Sitehub-Password": encoded("wrong")}):
        response = await thief.raw("POST", "targets", TARGET, {**thief.headers, **headers})
        assert (await refusal(response))[:2] == (403, 401)
    assert not hub.services.forwarding.targets.list()
    # Wrong passwords are guesses, and told.
    actions = [one.action for one in await hub.services.core.audit.oldest()]
    assert actions.count("user.confirm_failed") == 1


async def test_an_administrator_sends_the_password_with_the_call(
    hub: HubServices, thief: Client
) -> None:
    await hub.services.access.users.set_password("admin", "long päßword", by=COMMAND_LINE)
    session = (
        await hub.services.access.sessions.sign_in("admin", "long päßword", "10.0.0.5")
    ).token
    headers = {
        "Cookie": f"__Host-sitehub_session={session}",
        "X-CSRF-Token": csrf_of(session),
        "Sitehub-Password": encoded("long päßword"),
    }
    added = await good(await thief.raw("POST", "targets", TARGET, headers))
    changed = await thief.raw("PATCH", f"targets/{added['id']}", {"name": "VMS"}, headers)
    assert (await good(changed))["name"] == "VMS"


async def test_a_key_changes_targets_only_with_the_right_to(hub: HubServices) -> None:
    given = Client(hub, await hub.bearer())
    key = await hub.services.access.api_keys.add("erp", False, by=COMMAND_LINE)
    other = Client(hub, {"Authorization": f"Bearer {key.appid}:{key.secret}"})
    one = f"targets/{(await given.send('POST', 'targets', TARGET))['id']}"
    for method, path, body in (
        ("POST", "targets", TARGET),
        ("PATCH", one, {"name": "VMS"}),
        ("POST", f"{one}/secret", None),
        ("DELETE", one, None),
    ):
        assert (await refusal(await other.raw(method, path, body)))[:2] == (403, 401)
        if method != "POST" or path != "targets":
            await given.send(method, path, body)
    # It sees them, and may do the rest.
    assert (await other.get("targets"))["items"] == []
    await other.send("POST", "groups", {"name": "Doors", "dids": []})


def encoded(password: str) -> str:
    return b64encode(password.encode()).decode()
