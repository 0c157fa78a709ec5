"""/devices/{did}/relay: the door or relay of a camera (2.8, D12)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from hub.services.camera_functions.relays import relays
from hub.simulator.camera_web import CameraWeb, Pulse
from hub.store.tables.devices import NewDevice
from tests.support.clock import FrozenClock
from tests.support.gate import FakeLink
from tests.support.hub_services import HubServices, open_hub_services
from web.app import create_app

PATH = "/api/hub/v1/devices/1/relay"
BODY = {"name": "Front door", "username": "operator", "password": "Kl9-gate"}


@pytest.fixture
async def hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[HubServices]:
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.services.cameras.devices.add(NewDevice(sn="SN1", code="CODE0001", did="1"))
        link = FakeLink("127.0.0.1")
        link.did, link.sn = "1", "SN1"
        hub.registry.attach(link)
        yield hub


@pytest.fixture
async def web() -> AsyncIterator[CameraWeb]:
    web = CameraWeb("operator", "Kl9-gate")
    async with trio.open_nursery() as nursery:
        await nursery.start(web.serve)
        yield web
        nursery.cancel_scope.cancel()


async def ask(
    hub: HubServices, method: str, body: object = None, *, read_only: bool = False
) -> tuple[int, Any]:
    client = create_app(hub.services).test_client(use_cookies=False)
    headers = await hub.bearer(read_only=read_only)
    response = await client.open(PATH, method=method, headers=headers, json=body)
    return response.status_code, await response.get_json()


async def test_a_program_sets_up_a_relay_and_switches_it(hub: HubServices, web: CameraWeb) -> None:
    status, found = await ask(hub, "PUT", {**BODY, "port": web.port, "seconds": 7})
    assert (status, found["own_address"], found["address"]) == (200, True, "127.0.0.1")
    assert "password" not in found
    assert (await ask(hub, "GET"))[1] == found
    expected = {"name": "Front door", "on": True, "seconds": 7}
    assert await ask(hub, "POST", {}) == (200, expected)
    assert await ask(hub, "POST", {"on": False}) == (200, {**expected, "on": False})
    assert web.relay == [Pulse(True, 7), Pulse(False, 7)]
    assert await ask(hub, "DELETE") == (200, found)
    assert (await ask(hub, "GET"))[1]["code"] == 426


async def test_what_went_wrong_has_a_code_and_a_sentence(
    hub: HubServices, web: CameraWeb, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However busy this machine is, the second comes soon.
    monkeypatch.setattr(relays, "PAUSE_SECONDS", 600.0)
    assert (await ask(hub, "POST", {}))[1]["code"] == 426
    status, refused = await ask(hub, "PUT", {**BODY, "password": "admin"})
    assert (status, refused["code"]) == (400, 420)
    assert refused["msg"].startswith("password: a default password")
    assert (await ask(hub, "PUT", {**BODY, "seconds": 61}))[0] == 400
    web.fault = "unset"
    await ask(hub, "PUT", {**BODY, "port": web.port})
    status, failed = await ask(hub, "POST", {})
    assert (status, failed["code"]) == (502, 502)
    assert "default password" in failed["msg"]
    assert (await ask(hub, "POST", {}))[0] == 429
