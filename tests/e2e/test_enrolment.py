"""Enrolment against a real process: pending camera, check, accept, new key, disable."""

from __future__ import annotations

import json
import time
from pathlib import Path

import trio

from tests.e2e.camera import Camera, read_until_closed, try_connect
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import TIMEOUT_SECONDS


async def test_a_pending_camera_is_accepted_on_the_command_line(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub().start()
    camera = Camera.make(tmp_path)
    connect = camera.connect_frame(ts=int(time.time()) - 20)
    assert await try_connect(hub.device_url, hub.trust(), connect) == 421

    def cli(*words: str, check: bool = True) -> str:
        return hub.cli("device", *words, check=check)

    (row,) = json.loads(cli("waiting", "--json"))
    assert (row["sn"], row["tries"]) == (camera.sn, 1)
    assert "there is no key" in row["reason"]
    key = ("--key", str(camera.public_key))
    wrong = cli("check", camera.sn, "--code", "WRONG", *key, check=False)
    assert wrong == "the code does not match the signature\n"
    assert cli("accept", camera.sn, "--code", "WRONG", *key, check=False) == ""
    assert json.loads(cli("list", "--json")) == []
    assert cli("check", camera.sn, "--code", camera.code, *key) == "fits\n"
    did, outcome = cli("accept", camera.sn, "--code", camera.code, *key).splitlines()
    assert did == "1"
    assert outcome.startswith("initial parameters: ")
    assert cli("waiting", "--json") == "[]\n"
    async with camera.connect(hub.device_url, hub.trust(), did):
        assert json.loads(cli("list", "--json"))[0]["state"] == "online"


async def test_replacing_a_key_keeps_the_connection_and_accepts_the_new_key(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub("devices.require_did=never").start()
    trust = hub.trust()
    camera = Camera.make(tmp_path)
    (tmp_path / "renewed").mkdir()
    renewed = Camera.make(tmp_path / "renewed", camera.sn, camera.code)
    camera.enrol(hub)
    now = int(time.time())

    async def is_accepted(one: Camera, ts: int) -> bool:
        return await try_connect(hub.device_url, trust, one.connect_frame(ts=ts)) == 200

    async with camera.connect(hub.device_url, trust, "") as (socket, _):
        hub.cli("device", "set", "1", "--key", str(renewed.public_key))
        with trio.move_on_after(0.5) as waited:
            await read_until_closed(socket)
        assert waited.cancelled_caught, "the camera was disconnected"
    assert await is_accepted(camera, now - 3)
    assert await is_accepted(renewed, now - 2)
    assert not await is_accepted(camera, now - 1)


async def test_a_disabled_camera_is_disconnected_at_once(make_hub: MakeHub, tmp_path: Path) -> None:
    hub = make_hub("devices.require_did=never").start()
    camera = Camera.make(tmp_path)
    did = camera.enrol(hub)
    async with camera.connect(hub.device_url, hub.trust(), "") as (socket, _):
        hub.cli("device", "disable", did)
        with trio.fail_after(TIMEOUT_SECONDS):
            await read_until_closed(socket)
    again = camera.connect_frame(ts=int(time.time()) + 1)
    assert await try_connect(hub.device_url, hub.trust(), again) == 401
    (listed,) = json.loads(hub.cli("device", "list", "--json"))
    assert listed["state"] == "disabled"
