"""Firmware against a real process: made by command, asked for (2.3), downloaded, installed."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from hub.simulator.camera import Camera as SimulatedCamera
from hub.simulator.camera import Pace
from hub.simulator.cast import make_cast
from hub.simulator.faults import quirks_of
from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.target import Target
from tests.e2e.camera import Camera
from tests.e2e.conftest import MakeHub
from tests.e2e.hubprocess import PATIENCE_SECONDS, HubProcess, free_ports

OTA = "/api/v1/ota/query"
INFO = "/api/v1/device/report/info"
FILE = random.Random(0).randbytes(1_500_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "app.bin"
    path.write_bytes(FILE)
    return path


def add_release(hub: HubProcess, file: Path, *more: str) -> str:
    words = ("--ver-code", "453523", "--ver-name", "V2.0", "--app", str(file))
    return hub.cli("firmware", "add", *words, "--reports", "swVer=V2.0", *more).strip()


def campaign(hub: HubProcess, number: str) -> Any:
    return json.loads(hub.cli("firmware", "campaign", number, "--json"))


def states(hub: HubProcess, number: str) -> dict[str, str]:
    return {one["did"]: one["state"] for one in campaign(hub, number)["devices"]}


def ask(client: httpx.Client, token: str, path: str, **fields: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return client.post(path, json=fields, headers=headers).json()


async def test_a_camera_is_upgraded_though_the_hub_is_killed_on_the_way(
    make_hub: MakeHub, camera: Camera, file: Path
) -> None:
    (plain_port,) = free_ports(1)
    hub = make_hub(f"devices.plain_http_port={plain_port}").start()
    did = hub.add_device(camera.sn, camera.code, camera.public_key)
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        release = add_release(hub, file, "--least", "hwVer=1.0")
        with hub.blocking_client() as client:
            assert ask(client, token, OTA, swVer="V1.0")["code"] == 426
            number = hub.cli("firmware", "give", release, did).strip()
            assert ask(client, token, OTA, hwVer="0.9")["code"] == 425
            answer = ask(client, token, OTA, swVer="V1.0", hwVer="1.0")
        (component,) = answer["data"]["componentList"]
        assert component["url"].startswith(f"https://127.0.0.1:{hub.web_port}/api/v1/firmware/")
        begun = fetch(hub, component["url"], 0, 600_000)
        assert begun.status_code == 206
        hub.kill()
    hub.start()
    rest = fetch(hub, component["url"], 600_000, len(FILE), If_Range=begun.headers["etag"])
    assert rest.status_code == 206
    assert begun.content + rest.content == FILE
    with httpx.Client(base_url=f"http://127.0.0.1:{plain_port}") as client:
        answer = ask(client, token, OTA, swVer="V1.0")
        assert answer["data"]["componentList"][0]["url"].startswith(
            f"http://127.0.0.1:{plain_port}/api/v1/firmware/"
        )
        assert ask(client, token, INFO, swVer="2.0")["code"] == 200
        assert ask(client, token, OTA, swVer="2.0") == {"code": 200, "msg": "OK"}
    assert campaign(hub, number)["state"] == "done"
    assert hub.stop() == 0


def fetch(hub: HubProcess, url: str, start: int, end: int, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    wanted = {"Range": f"bytes={start}-{end - 1}", **given}
    return httpx.get(url, headers=wanted, verify=hub.trust(), timeout=PATIENCE_SECONDS)


async def test_a_campaign_reaches_simulated_cameras_one_and_then_the_others(
    make_hub: MakeHub, file: Path, tmp_path: Path
) -> None:
    hub = make_hub().start()
    cameras = make_cameras(4, seed=3, one_key=True)
    key = tmp_path / "site.pem"
    key.write_text(cameras[0].public_pem())
    hub.cli("site-key", str(key))
    dids = [hub.cli("device", "add", "--sn", one.sn, "--code", one.code).strip() for one in cameras]
    given = hub.cli("firmware", "give", add_release(hub, file), *dids).strip()
    async with trio.open_nursery() as nursery:
        all_of_them = [simulated(one, hub, number) for number, one in enumerate(cameras)]
        first, stubborn, *others = all_of_them
        for late in (stubborn, *others):
            nursery.start_soon(late.run)
        await until(lambda: online(hub) == 3)
        # They ask at once, and are offered nothing yet.
        assert set(states(hub, given).values()) == {"waiting"}
        nursery.start_soon(first.run)
        await until(lambda: set(states(hub, given).values()) == {"done", "downloaded"})
        assert states(hub, given)[dids[1]] == "downloaded"
        assert campaign(hub, given)["state"] == "rest"
        nursery.cancel_scope.cancel()
    for camera in all_of_them:
        await camera.aclose()
    downloads = json.loads(hub.cli("firmware", "downloads", "--json"))
    assert {one["did"] for one in downloads} == set(dids)
    assert hub.stop() == 0


def simulated(identity: CameraIdentity, hub: HubProcess, number: int) -> SimulatedCamera:
    """The second one downloads, and does not install."""
    return SimulatedCamera(
        identity,
        Target("127.0.0.1", ws_port=hub.device_port, http_port=hub.web_port),
        cast=make_cast(0),
        now=time.time,
        chance=random.Random(number),
        tell=lambda told: None,
        quirks=quirks_of(("fails-upgrade",) if number == 1 else ()),
        pace=Pace(knock=0.2, restart=0.1, upgrade=0.2),
    )


def online(hub: HubProcess) -> int:
    devices = json.loads(hub.cli("device", "list", "--json"))
    return sum(one["state"] == "online" for one in devices)


async def until(happens: Callable[[], bool]) -> None:
    with trio.fail_after(PATIENCE_SECONDS):
        while not await trio.to_thread.run_sync(happens):
            # Each look is a process of its own: no sleep is needed between them.
            pass
