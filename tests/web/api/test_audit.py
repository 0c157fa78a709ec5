"""GET /audit."""

from __future__ import annotations

from typing import Any

import pytest
from quart.typing import TestClientProtocol as HttpClient

from hub.services.audit import Actor
from tests.support.hub_services import HubServices
from web.app import create_app

PATH = "/api/hub/v1/audit"
ANN = Actor("user ann", "10.0.0.9")


@pytest.fixture
def client(hub: HubServices) -> HttpClient:
    return create_app(hub.services).test_client(use_cookies=False)


async def get(client: HttpClient, query: str, headers: dict[str, str]) -> tuple[int, Any]:
    response = await client.get(PATH + query, headers=headers)
    return response.status_code, await response.get_json()


async def test_the_audit_log_is_read_page_by_page_the_oldest_first(
    hub: HubServices, client: HttpClient
) -> None:
    key = await hub.bearer()
    await hub.services.core.audit.add_each(ANN, "device.remove", ["1", "2", "3"])
    status, first = await get(client, "?limit=2", key)
    assert status == 200
    assert [item["action"] for item in first["items"]] == ["apikey.add", "device.remove"]
    assert first["next"] == first["items"][-1]["id"]
    _, second = await get(client, f"?limit=2&after={first['next']}", key)
    assert [item["target"] for item in second["items"]] == ["2", "3"]
    assert second["next"] is None
    assert second["items"][0] == {
        "id": second["items"][0]["id"],
        "time": "2026-11-25T12:00:00.000Z",
        "who": "user ann",
        "address": "10.0.0.9",
        "action": "device.remove",
        "target": "2",
    }


async def test_the_audit_log_is_read_page_by_page_the_newest_first(
    hub: HubServices, client: HttpClient
) -> None:
    key = await hub.bearer()
    await hub.services.core.audit.add_each(ANN, "device.remove", ["1", "2", "3"])
    _, first = await get(client, "?limit=2&order=desc", key)
    assert [item["target"] for item in first["items"]] == ["3", "2"]
    _, second = await get(client, f"?limit=2&order=desc&before={first['next']}", key)
    assert [item["target"] for item in second["items"][:1]] == ["1"]
    assert second["next"] is None


async def test_a_reader_that_has_caught_up_gets_an_empty_page(
    hub: HubServices, client: HttpClient
) -> None:
    key = await hub.bearer()
    assert await get(client, "?after=999", key) == (200, {"items": [], "next": None})


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?after=-1", "?before=x"])
async def test_a_bad_parameter_is_refused_by_its_name(
    hub: HubServices, client: HttpClient, query: str
) -> None:
    status, answer = await get(client, query, await hub.bearer())
    assert status == 400
    assert query[1:].partition("=")[0] in answer["msg"]


async def test_read_only_keys_and_users_who_are_not_administrators_are_refused(
    hub: HubServices, client: HttpClient
) -> None:
    assert (await get(client, "", await hub.bearer(read_only=True)))[0] == 403
    for role, expected in (("viewer", 403), ("guard", 403), ("admin", 200)):
        token = await hub.add_user(role, role)
        cookie = {"Cookie": f"__Host-sitehub_session={token}"}
        assert (await get(client, "", cookie))[0] == expected
    assert (await get(client, "", {}))[0] == 401
