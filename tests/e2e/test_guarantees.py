"""The guarantees hold through kill -9, a stop under load, a restart and a full disk."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from tests.e2e.camera import Camera, Capture, request, try_connect, upload
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import HubProcess, copy_certificates
from tests.e2e.load import ALARMS, RECORDS, UploadLoad, read_all


async def test_after_kill_9_every_acknowledged_capture_is_there_once_and_whole(
    make_hub: MakeHub, camera: Camera
) -> None:
    hub = make_hub().start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        with UploadLoad(hub, token) as load:
            await trio.to_thread.run_sync(load.wait_acknowledged, 100)
            hub.kill()
    hub.start()
    async with hub.client(headers=headers) as client:
        await load.check_stored(client)
        # Cameras repeat uploads that got no reply; stored ones are not stored again.
        before = len(await read_all(client))
        capture = next(iter(load.acknowledged.values()))
        assert await upload(client, token, capture.body()) in (200, 401)
        assert len(await read_all(client)) == before


async def test_after_kill_9_every_acknowledged_upload_has_raised_its_alarm(
    make_hub: MakeHub, camera: Camera
) -> None:
    hub = make_hub().start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        with UploadLoad(hub, token, category=2) as load:
            await trio.to_thread.run_sync(load.wait_acknowledged, 100)
            hub.kill()
    hub.start()
    async with hub.client(headers=headers) as client:
        records = {record["seq"]: record["uuid"] for record in await read_all(client)}
        alarms = await read_all(client, ALARMS)
        # Nobody was seen twice: of each record there is one alarm, and no other.
        assert {one["seq"]: one["record"]["uuid"] for one in alarms} == records
        assert {(one["state"], one["count"]) for one in alarms} == {("new", 1)}
        assert set(load.acknowledged) <= set(records.values())


async def test_sigterm_under_load_ends_with_status_0_within_10_seconds(
    make_hub: MakeHub, camera: Camera
) -> None:
    hub = make_hub().start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    async with camera.connect(hub.device_url, hub.trust(), did) as (_, token):
        # A client that does not read its stream must not delay the shutdown.
        with (
            hub.sync_client(headers=headers) as idler,
            idler.stream("GET", "/api/hub/v1/stream?after=0"),
            UploadLoad(hub, token) as load,
        ):
            await trio.to_thread.run_sync(load.wait_acknowledged, 100)
            status = await trio.to_thread.run_sync(hub.stop, 10)
    assert status == 0
    hub.start()
    async with hub.client(headers=headers) as client:
        await load.check_stored(client)


async def test_sigterm_does_not_wait_for_answers_from_devices(
    make_hub: MakeHub, camera: Camera
) -> None:
    hub = make_hub().start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    answers: list[int] = []
    async with (
        camera.connect(hub.device_url, hub.trust(), did) as (connection, _),
        hub.client(headers=headers) as client,
        trio.open_nursery() as nursery,
    ):

        async def ask(pid: str) -> None:
            command = {"uri": "/person/delete", "param": {"pid": pid}}
            answer = await client.post(f"/api/hub/v1/devices/{did}/commands", json=command)
            answers.append(answer.json()["code"])

        # Four commands are sent, and the fifth is queued.
        for pid in "12345":
            nursery.start_soon(ask, pid)
        for _ in range(4):
            await connection.get_message()
        assert await trio.to_thread.run_sync(hub.stop, 5) == 0
    assert answers == [409] * 5


async def test_after_a_restart_tokens_are_valid_and_replays_are_refused(
    make_hub: MakeHub, camera: Camera
) -> None:
    hub = make_hub().start()
    did = camera.enrol(hub)
    headers = hub.add_api_key()
    body = Capture.random(random.Random(3), 10, 10, 10).body()
    connect = camera.connect_frame(did)
    async with (
        camera.connect(hub.device_url, hub.trust(), did, connect_frame=connect) as (_, token),
        hub.client() as client,
    ):
        assert await upload(client, token, body) == 200
    assert hub.stop() == 0
    hub.start()
    assert await try_connect(hub.device_url, hub.trust(), connect) == 423
    async with hub.client(headers=headers) as client:
        assert (
            await upload(client, token, Capture.random(random.Random(4), 10, 10, 10).body()) == 200
        )
        # An upload from before the restart is recognised.
        assert await upload(client, token, body) == 200
        assert len((await client.get(RECORDS)).json()["items"]) == 2


async def test_uploads_are_refused_while_the_disk_is_full_and_accepted_afterwards(
    small_disk: Path, hub: HubProcess, camera: Camera, make_hub: MakeHub
) -> None:
    copy_certificates(hub.data_dir, small_disk / "data")
    own = make_hub(data_dir=small_disk / "data").start()
    did = camera.enrol(own)
    headers = own.add_api_key()
    rng = random.Random(5)
    async with (
        camera.connect(own.device_url, own.trust(), did) as (_, token),
        own.client(headers=headers) as client,
    ):
        assert await upload(client, token, Capture.random(rng, 10, 10, 10).body()) == 200
        ballast = small_disk / "ballast"
        _fill(ballast)
        code = 200
        while code == 200:
            code = await upload(client, token, Capture.random(rng, 1000, 1000, 200_000).body())
        assert code == 503
        answer = await client.get("/healthz")
        assert answer.status_code == 503
        assert answer.json()["reasons"]
        ballast.unlink()
        kept = await read_all(client)
        capture = Capture.random(rng, 1000, 1000, 200_000)

        async def is_taken() -> bool:
            return await upload(client, token, capture.body()) == 200

        async def is_well() -> bool:
            return (await client.get("/healthz")).status_code == 200

        await eventually(is_taken)
        await eventually(is_well)
        records = await read_all(client)
        assert records[:-1] == kept
        assert (await client.get(records[-1]["images"]["background"])).content == (
            capture.pictures["background"]
        )
    assert own.stop() == 0


async def test_a_restart_keeps_everything(make_hub: MakeHub, camera: Camera) -> None:
    hub = make_hub().start()
    did = camera.enrol(hub, "--name", "大门")
    hub.cli("user", "add", "anna", "--role", "admin", "--password-stdin", stdin="correct horse")
    headers = hub.add_api_key()
    ca_pem = hub.trust().get_ca_certs()
    async with (
        camera.connect(hub.device_url, hub.trust(), did) as (socket, token),
        hub.client(headers=headers) as client,
    ):
        assert (await request(socket, camera.connect_frame(did, int(time.time()) - 5)))[
            "code"
        ] == 200
        await upload(client, token, Capture.random(random.Random(6), 10, 10, 10).body())
        records = await read_all(client)
        devices = (await client.get("/api/hub/v1/devices")).json()["items"]
    assert hub.stop() == 0
    hub.start()
    async with hub.client(headers=headers) as client:
        assert await read_all(client) == records
        [device] = (await client.get("/api/hub/v1/devices")).json()["items"]
        assert device["name"] == "大门"
        assert device["ip"] == devices[0]["ip"]
        assert device["last_seen"] is not None
    assert "anna" in hub.cli("user", "list")
    assert hub.trust().get_ca_certs() == ca_pem


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB. Skips the test if it cannot be mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root can mount a small disk; the store's tests inject the error")
    path = tmp_path / "disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(path)]
    if subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting is not allowed; the store's tests inject the error")
    yield path
    subprocess.run(["umount", "-l", str(path)], check=True)


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Poll another process until the condition holds; fail after 60 s."""
    with trio.fail_after(60):
        while not await condition():  # noqa: ASYNC110 - another process sets no event here
            await trio.sleep(0.1)


def _fill(path: Path) -> None:
    """Fill the disk with a file."""
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"\0" * 65536):
            pass
