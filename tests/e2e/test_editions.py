"""Cameras of several editions of the protocol against a real process (D12)."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
import msgspec
import pytest

from hub.simulator.faults import Quirks
from hub.simulator.identity import CameraIdentity, make_cameras
from tests.e2e.conftest import MakeHub
from tests.e2e.fleet_thread import running_cameras
from tests.e2e.hub_process import TIMEOUT_SECONDS
from tests.e2e.load import RECORDS

#: Both connect with a signature.
_EDITIONS = (Quirks(edition=1), Quirks(edition=2))
_DEVICES = "/api/hub/v1/devices"
_CAMERAS = 6


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"still not true after {TIMEOUT_SECONDS} s")
        time.sleep(0.1)


def enrolled(client: httpx.Client) -> dict[str, CameraIdentity]:
    """Enrol cameras; return them by did. Those with an odd place in it are of edition 2."""
    found = {}
    for camera in make_cameras(_CAMERAS, seed=5, one_key=True):
        body = {"sn": camera.sn, "code": camera.code, "key": camera.public_pem()}
        did = client.post(_DEVICES, json=body).json()["did"]
        found[did] = msgspec.structs.replace(camera, did=did)
    return found


def send(client: httpx.Client, did: str, uri: str, param: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"{_DEVICES}/{did}/commands", json={"uri": uri, "param": param})
    found: dict[str, Any] = answer.json()
    return found


def test_cameras_of_two_editions_are_online_take_settings_and_send_what_they_see(
    make_hub: MakeHub,
) -> None:
    hub = make_hub().start()
    face = {
        **dict.fromkeys(("enable", "show_face", "show_human", "push_face", "push_bg"), True),
        **dict.fromkeys(("push_stranger", "push_vip", "relay"), True),
        **dict.fromkeys(("threshold", "reg_threshold", "quality_face", "quality_human"), 60),
        "play_audio": False,
        "mini_face": 80,
        "mini_human": 120,
        "alarm_out": {"interval": 10, "alarm_push": True},
    }
    with ExitStack() as stack:
        client = stack.enter_context(hub.sync_client(headers=hub.add_api_key()))
        cameras = enrolled(client)
        dids = list(cameras)
        stack.enter_context(
            running_cameras(hub, tuple(cameras.values()), rate=20, quirks=_EDITIONS)
        )

        def online() -> set[str]:
            items = client.get(_DEVICES).json()["items"]
            return {one["did"] for one in items if one["state"] == "online"}

        wait_until(lambda: online() == set(dids))
        for number, did in enumerate(dids):
            assert send(client, did, "/ivp/person_param_set", face)["code"] == 200
            recording = send(client, did, "/storage/record_by_month", {"year": 2026, "month": 1})
            # Edition 2 has no commands about recordings.
            assert recording["code"] == (404 if number % 2 else 0)
            people = send(client, did, "/person/list", {"page_size": 5})
            assert len(people["result"]["list"]) == 5

        def faces_with_attributes() -> set[str]:
            records = client.get(RECORDS, params={"kind": "face", "limit": 1000}).json()["items"]
            return {one["did"] for one in records if one.get("attributes", {}).get("helmet")}

        wait_until(lambda: faces_with_attributes() == set(dids[1::2]))
    assert "Traceback" not in hub.err
