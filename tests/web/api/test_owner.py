"""The owner of the data directory calls the API by the command line, and nobody else can."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio

from hub.app import open_hub
from hub.config import Config
from hub.config_sources import Loaded, Sources
from hub.errors import StartFault, TooLarge
from hub.services import Services
from web.api import owner
from web.api.endpoint import PREFIX
from web.api.owner import answer_owner
from web.app import create_app
from web.auth import OWNER
from web.quart_app import HubQuart


@pytest.fixture
async def services(tmp_path: Path) -> AsyncIterator[Services]:
    loaded = Loaded(Config(), Sources(tmp_path))
    async with open_hub(loaded, tmp_path, closing=trio.Event()) as services:
        yield services


@pytest.fixture
def app(services: Services) -> HubQuart:
    return create_app(services)


async def test_the_owner_may_do_everything_and_is_named_in_the_audit_log(
    app: HubQuart, services: Services
) -> None:
    group = json.loads(await answer_owner(app, "POST", "groups", b'{"name": "Gate & Co"}'))
    assert json.loads(await answer_owner(app, "GET", "groups", b""))["items"] == [group]
    await answer_owner(app, "DELETE", f"groups/{group['id']}", b"")
    target = b'{"kind": "webhook", "url": "http://127.0.0.1:9/in"}'
    await answer_owner(app, "POST", "targets", target)
    entries = await services.core.audit.oldest()
    assert {(entry.who, entry.address) for entry in entries} == {("command line", "")}
    assert [entry.action for entry in entries] == ["group.add", "group.remove", "target.add"]


async def test_a_refusal_is_the_sentence_of_the_api(app: HubQuart) -> None:
    with pytest.raises(StartFault, match=r"^sn: "):
        await answer_owner(app, "POST", "devices", b'{"sn": "", "code": "1"}')
    with pytest.raises(StartFault, match="Not Found"):
        await answer_owner(app, "GET", "nothing%2Fhere?x=1", b"")


async def test_text_is_answered_as_json(app: HubQuart) -> None:
    assert json.loads(await answer_owner(app, "GET", "devices/export", b"")).startswith("sn,")


async def test_pages_are_not_for_the_owner(app: HubQuart) -> None:
    for path in ("../../../settings", "..%2F..%2F..%2Fsettings", "/settings"):
        with pytest.raises(StartFault):
            await answer_owner(app, "GET", path, b"")


async def test_an_answer_that_is_too_long_is_refused(
    app: HubQuart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owner, "_MAX_ANSWER_BYTES", 10)
    with pytest.raises(TooLarge):
        await answer_owner(app, "GET", "devices/export", b"")


async def test_nothing_that_a_client_sends_makes_it_the_owner(app: HubQuart) -> None:
    client = app.test_client(use_cookies=False)
    paths = (f"{PREFIX}/groups", f"{PREFIX}/groups?{OWNER}=1&extensions={OWNER}")
    for path in paths:
        for name in (OWNER, "extensions", "x-sitehub-owner", "Cookie", "Authorization"):
            response = await client.get(
                path, headers={name: OWNER}, scope_base={"client": ("127.0.0.1", 1)}
            )
            assert response.status_code in (400, 401), (path, name)
