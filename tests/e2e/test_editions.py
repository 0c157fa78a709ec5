"""Cameras of several editions of the protocol against a real process (D12)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from hub.simulator.faults import Quirks
from hub.simulator.identity import CameraIdentity, make_cameras
from tests.e2e.conftest import MakeHub
from tests.e2e.fleet_thread import running_cameras
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess
from tests.e2e.load import RECORDS

_EDITIONS = (Quirks(edition=1), Quirks(edition=2), Quirks(edition=3))
_ASK = ("devices.unsigned=ask", "devices.unsigned_networks=127.0.0.0/8")
_DEVICES = "/api/hub/v1/devices"
_CAMERAS = 30
_TODAY = {
    "start_time": "2026-01-01 00:00:00",
    "end_time": "2026-01-02 00:00:00",
    "page_size": 10,
}


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"still not true after {TIMEOUT_SECONDS} s")
        time.sleep(0.1)


def enrolled(client: httpx.Client) -> list[CameraIdentity]:
    """Make cameras of all editions in turn, and enrol those that connect with a signature."""
    cameras = list(make_cameras(_CAMERAS, seed=5, one_key=True))
    for number, camera in enumerate(cameras):
        if number % 3 < 2:
            body = {"sn": camera.sn, "code": camera.code, "key": camera.public_pem()}
            did = client.post(_DEVICES, json=body).json()["did"]
            cameras[number] = msgspec.structs.replace(camera, did=did)
    return cameras


def accept(client: httpx.Client, cameras: Sequence[CameraIdentity]) -> None:
    """Accept the cameras that connect without a signature."""
    for camera in cameras:
        path = f"{_DEVICES}/waiting/{camera.sn}/accept"
        code = {"code": camera.code}
        wait_until(lambda path=path, code=code: client.post(path, json=code).is_success)


def send(client: httpx.Client, did: str, uri: str, param: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"{_DEVICES}/{did}/commands", json={"uri": uri, "param": param})
    found: dict[str, Any] = answer.json()
    return found


def test_cameras_of_all_editions_take_people_and_settings_and_send_what_they_see(
    make_hub: MakeHub, tmp_path: Path
) -> None:
    hub = make_hub(*_ASK).start()
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
        stack.enter_context(running_cameras(hub, cameras, rate=20, quirks=_EDITIONS))
        accept(client, cameras[2::3])

        def known() -> dict[str, str]:
            """The dids of the cameras that are online, by SN."""
            items = client.get(_DEVICES).json()["items"]
            return {one["sn"]: one["did"] for one in items if one["state"] == "online"}

        wait_until(lambda: len(known()) == _CAMERAS)
        dids = [known()[camera.sn] for camera in cameras]
        for number, did in enumerate(dids):
            assert send(client, did, "/ivp/person_param_set", face)["code"] == 200
            month = send(client, did, "/storage/record_by_month", {"year": 2026, "month": 1})
            assert month["code"] == (404 if number % 3 else 0)
            record = send(client, did, "/storage/get_record_list", _TODAY)
            assert record["code"] == (404 if number % 3 == 1 else 0)

        def senders(kind: str, field: str) -> set[str]:
            """The dids of the records of a kind that have a field."""
            query = {"kind": kind, "limit": 1000, "order": "desc"}
            records = client.get(RECORDS, params=query).json()["items"]
            return {one["did"] for one in records if field in one}

        later = {did for number, did in enumerate(dids) if number % 3}
        wait_until(lambda: len(senders("face", "attributes") & later) > 12)
        assert senders("face", "attributes") <= later
        assert senders("face", "face_loc") <= set(dids[2::3])

        number = give_release(hub, tmp_path, dids[2:9:3])
        path = f"/api/hub/v1/firmware/campaigns/{number}"
        wait_until(lambda: client.get(path).json()["state"] == "done")
    assert "Traceback" not in hub.err


def give_release(hub: HubProcess, folder: Path, dids: Sequence[str]) -> str:
    """Give cameras of edition 3 a release; return the number of the campaign."""
    (folder / "a-ver.bin").write_text('{"fwVer": "1.1.58_sim"}')
    (folder / "a.bin").write_bytes(bytes(300_000))
    words = ("--ver-code", "58", "--ver-name", "1.1.58", "--reports", "fwVer=1.1.58")
    files = ("--firmware", str(folder / "a.bin"), "--description-file", str(folder / "a-ver.bin"))
    release = hub.cli("firmware", "add", *words, *files).strip()
    return hub.cli("firmware", "give", release, *dids).strip()
