"""Backups of a real hub: a dead PC replaced under load, and kill -9 in the middle of it."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from hub.simulator.endpoint import HubEndpoint
from hub.simulator.fleet import run_fleet
from hub.simulator.identity import CameraIdentity, make_cameras
from tests.e2e.browser import PASSWORD
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import SITEHUB, TIMEOUT_SECONDS, HubProcess
from tests.e2e.load import RECORDS
from tests.e2e.seeds import SEEDS

_CAMERAS = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the nightly backups, outside of the data directory."""
    return tmp_path / "second disk"


@pytest.fixture
def busy_hub(make_hub: MakeHub, staffed_data: Path, folder: Path, tmp_path: Path) -> HubProcess:
    """A hub, not started, with the administrator ada."""
    shutil.copytree(staffed_data, tmp_path / "data")
    return make_hub(f"backup.folder={folder}")


async def test_a_dead_pc_is_replaced_and_its_cameras_notice_nothing_but_a_pause(
    busy_hub: HubProcess, folder: Path
) -> None:
    hub = await trio.to_thread.run_sync(busy_hub.start)
    key = await trio.to_thread.run_sync(hub.add_api_key)
    async with hub.client(headers=key) as client, trio.open_nursery() as nursery:
        cameras = [await enrolled(client, camera) for camera in make_cameras(_CAMERAS)]
        ca_pem = (await client.get("/ca.crt")).content
        # They keep what they know of the hub: addresses, authority and tokens.
        endpoint = HubEndpoint(
            "127.0.0.1", ws_port=hub.device_port, http_port=hub.web_port, ca_pem=ca_pem
        )
        nursery.start_soon(lambda: run_fleet(cameras, endpoint, rate=20))
        await until(lambda: has_records(client, 20))
        before = await client.get(RECORDS, params={"limit": 1000})
        await trio.to_thread.run_sync(back_up, hub)

        await trio.to_thread.run_sync(replace_pc, hub, folder)

        after = await client.get(RECORDS, params={"limit": 1000})
        assert after.json()["items"][: len(before.json()["items"])] == before.json()["items"]
        assert after.headers["Sitehub-Log"] != before.headers["Sitehub-Log"]
        await until(lambda: all_online(client))
        last = after.json()["items"][-1]["seq"]
        await until(lambda: has_records(client, 10, after=last))
        for record in (await client.get(RECORDS, params={"limit": 30})).json()["items"]:
            for path in record["images"].values():
                assert (await client.get(path)).status_code == 200
        assert (await client.get("/healthz")).status_code == 200
        nursery.cancel_scope.cancel()


def test_a_backup_that_is_killed_leaves_nothing_that_looks_like_one(
    busy_hub: HubProcess, tmp_path: Path
) -> None:
    hub, file = busy_hub.start(), tmp_path / "site.backup"
    words = ["backup", str(file), "--data", str(hub.data_dir)]
    for seed in SEEDS:
        killed(words, after=random.Random(seed).uniform(0.2, 1.2))
        if file.exists():
            # It was complete before.
            hub.cli("backup", str(file))
            file.unlink()
    hub.cli("backup", str(file))
    assert not list(tmp_path.glob("*.part"))
    assert hub.is_healthy()


def test_a_hub_that_is_killed_while_it_backs_up_has_good_backups_only(
    busy_hub: HubProcess, folder: Path
) -> None:
    hub = busy_hub
    for seed in SEEDS:
        hub.start()
        with closing(signed_in(hub)) as client:
            begin_backup(client)
        time.sleep(random.Random(seed).uniform(0, 0.3))
        hub.kill()
    hub.start()
    back_up(hub)
    with hub.sync_client(headers=hub.add_api_key()) as api:
        found = api.get("/api/hub/v1/backups").json()
    assert found["failure"] == ""
    assert all(item["verified"] for item in found["items"])
    assert not list(folder.glob("*.part"))
    assert not (hub.data_dir / "snapshots").exists()


def test_a_restore_that_is_killed_leaves_the_old_or_the_new_data(
    busy_hub: HubProcess, tmp_path: Path
) -> None:
    hub, file = busy_hub, tmp_path / "site.backup"
    hub.cli("apikey", "add", "in the backup")
    hub.cli("backup", str(file))
    hub.cli("apikey", "add", "made afterwards")
    words = ["restore", str(file), "--force", "--data", str(hub.data_dir)]
    for seed in SEEDS:
        killed(words, after=random.Random(seed).uniform(0.2, 1.0))
        names = re.findall("in the backup|made afterwards", hub.cli("apikey", "list"))
        assert names in (["in the backup"], ["in the backup", "made afterwards"])
    hub.cli(*words[:3])
    assert "made afterwards" not in hub.cli("apikey", "list")
    hub.start()


def replace_pc(hub: HubProcess, folder: Path) -> None:
    """Lose all data of a running hub; restore it from the only backup in the folder."""
    hub.kill()
    shutil.rmtree(hub.data_dir)
    (generation,) = folder.glob("sitehub-*.tar")
    assert "restored" in hub.cli("restore", str(generation))
    hub.start()


async def enrolled(client: httpx.AsyncClient, camera: CameraIdentity) -> CameraIdentity:
    body = {"sn": camera.sn, "code": camera.code, "key": camera.public_pem(), "name": camera.name}
    assert (await client.post("/api/hub/v1/devices", json=body)).status_code == 200
    return camera


async def has_records(client: httpx.AsyncClient, count: int, after: int = 0) -> bool:
    found = await client.get(RECORDS, params={"limit": 1000, "after": after})
    return len(found.json()["items"]) >= count


async def all_online(client: httpx.AsyncClient) -> bool:
    items = (await client.get("/api/hub/v1/devices")).json()["items"]
    return [device["state"] for device in items] == ["online"] * _CAMERAS


async def until(holds: Callable[[], Any]) -> None:
    for _ in range(int(10 * TIMEOUT_SECONDS)):
        if await holds():
            return
        await trio.sleep(0.2)
    raise AssertionError("it did not happen in time")


def signed_in(hub: HubProcess) -> httpx.Client:
    client = hub.sync_client()
    form = {
        "name": "ada",
        "password": PASSWORD,
        "next": "/",
        "csrf_token": csrf(client, "/sign-in"),
    }
    assert client.post("/sign-in", data=form).status_code == 303
    return client


def csrf(client: httpx.Client, path: str) -> str:
    return re.findall(r'name="csrf_token" value="([^"]+)"', client.get(path).text)[0]


def begin_backup(client: httpx.Client) -> None:
    form = {"csrf_token": csrf(client, "/site/backups")}
    assert client.post("/site/backups/run", data=form).status_code == 303


def back_up(hub: HubProcess) -> None:
    """Back up into the folder, as every night, and wait until it is done."""
    with closing(signed_in(hub)) as client:
        begin_backup(client)
        deadline = time.monotonic() + TIMEOUT_SECONDS
        # The last one may be of before.
        while is_backing_up(page := client.get("/site/backups").text):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert "The last valid backup was made on" in page


def is_backing_up(page: str) -> bool:
    return "in progress" in page or "The backup has started" in page


def killed(words: list[str], *, after: float) -> None:
    """Run a command, and kill it after some seconds."""
    process = subprocess.Popen(
        [*SITEHUB, *words], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    time.sleep(after)
    process.kill()
    process.communicate(timeout=TIMEOUT_SECONDS)
