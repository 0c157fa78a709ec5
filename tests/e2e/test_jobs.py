"""Jobs whose hub is killed: what was in flight is interrupted, and never done."""

from __future__ import annotations

import base64
import io
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any
from zipfile import ZipFile

import httpx
import msgspec
import trio
from PIL import Image

from hub.simulator.camera import Camera, Timing
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.events import CameraEvent
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import make_population
from hub.wire.commands.dialect import SET_RECORDING
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import HubProcess

API = "/api/hub/v1"
PEOPLE = 150
SECONDS = 60


async def test_an_import_that_is_killed_is_interrupted_and_may_be_repeated(
    make_hub: MakeHub,
) -> None:
    hub = make_hub().start()
    headers = hub.add_api_key()
    async with hub.client(headers=headers) as client:
        job = await _import(client)
        await _until(lambda: _has_begun(client, job))
        await trio.to_thread.run_sync(hub.kill)
    await trio.to_thread.run_sync(hub.start)
    async with hub.client(headers=headers) as client:
        found = await _job(client, job)
        assert (found["state"], found["total"]) == ("interrupted", PEOPLE)
        assert found["ended_at"] is not None
        stored = await _count_people(client)
        # Nothing counts as done that is not there.
        assert 0 <= found["done"] <= stored
        assert 0 < stored < PEOPLE
        again = await _import(client)
        await _until(lambda: _has_ended(client, again))
        assert (await _job(client, again))["state"] == "done"
        assert await _count_people(client) == PEOPLE
        assert (await _job(client, job))["state"] == "interrupted"


async def test_what_cameras_were_asked_for_is_interrupted_and_settings_go_on(
    make_hub: MakeHub,
) -> None:
    hub = make_hub().start()
    headers = hub.add_api_key()
    async with hub.client(headers=headers) as client, trio.open_nursery() as nursery:
        (identity,) = await _enrol(client)
        silent = _camera(hub, identity, Quirks(silent=True))
        nursery.start_soon(silent.run)
        await _until(lambda: _is_online(client))
        compare = await _post(client, f"devices/{identity.did}/people/compare", {})
        search = await _post(client, "search/photo", _search())
        setting = {"uri": SET_RECORDING.uri, "dids": [identity.did]}
        param = msgspec.to_builtins(SET_RECORDING.example)
        settings = await _post(client, "devices/commands", {**setting, "param": param})
        jobs = [compare, search, settings]
        for job in jobs:
            assert (await _job(client, job))["state"] == "running"
        await trio.to_thread.run_sync(hub.kill)
        nursery.cancel_scope.cancel()
    await silent.aclose()
    await trio.to_thread.run_sync(hub.start)
    async with hub.client(headers=headers) as client, trio.open_nursery() as nursery:
        found = [await _job(client, job) for job in jobs]
        assert [one["state"] for one in found] == ["interrupted", "interrupted", "running"]
        assert [one["done"] for one in found] == [0, 0, 0]
        assert [one["state"] for one in found[1]["devices"]] == ["interrupted"]
        mended = _camera(hub, identity, FAULTLESS)
        nursery.start_soon(mended.run)
        await _until(lambda: _has_ended(client, settings))
        assert (await _job(client, settings))["state"] == "done"
        nursery.cancel_scope.cancel()
    await mended.aclose()


def _camera(hub: HubProcess, identity: CameraIdentity, quirks: Quirks) -> Camera:
    return Camera(
        identity,
        HubEndpoint("127.0.0.1", ws_port=hub.device_port, http_port=hub.web_port),
        population=make_population(),
        now=time.time,
        rng=random.Random(1),
        on_event=_ignore,
        quirks=quirks,
        timing=Timing(connect_retry_seconds=1, max_backoff_seconds=1),
    )


def _photo() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((900, 900), 60).save(out, "JPEG")
    return out.getvalue()


def _search() -> dict[str, Any]:
    return {
        "photo": base64.b64encode(_photo()).decode(),
        "threshold": 80,
        "since": "2026-11-25T00:00:00Z",
        "until": "2026-11-25T12:00:00Z",
    }


async def _import(client: httpx.AsyncClient) -> Any:
    photo, out = _photo(), io.BytesIO()
    with ZipFile(out, "w") as archive:
        rows = (f"{pid},Person {pid}" for pid in range(1, PEOPLE + 1))
        archive.writestr("people.csv", "\n".join(["pid,name", *rows]))
        for pid in range(1, PEOPLE + 1):
            archive.writestr(f"{pid}.jpg", photo)
    kind = {"Content-Type": "application/zip"}
    answer = await client.post(f"{API}/people/import", content=out.getvalue(), headers=kind)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _post(client: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await client.post(f"{API}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def _enrol(client: httpx.AsyncClient) -> list[CameraIdentity]:
    enrolled = []
    for identity in make_cameras(1, seed=5, one_key=True):
        body = {"sn": identity.sn, "code": identity.code, "key": identity.public_pem()}
        did = (await _post(client, "devices", body))["did"]
        enrolled.append(msgspec.structs.replace(identity, did=did))
    return enrolled


async def _job(client: httpx.AsyncClient, job: Any) -> Any:
    return (await client.get(f"{API}/jobs/{job['id']}")).json()


async def _has_begun(client: httpx.AsyncClient, job: Any) -> bool:
    """Whether a part of it is done, while it still runs."""
    found = await _job(client, job)
    assert found["state"] == "running"
    return bool(found["done"] > 0)


async def _has_ended(client: httpx.AsyncClient, job: Any) -> bool:
    return bool((await _job(client, job))["state"] != "running")


async def _is_online(client: httpx.AsyncClient) -> bool:
    (device,) = (await client.get(f"{API}/devices")).json()["items"]
    return bool(device["state"] == "online")


async def _count_people(client: httpx.AsyncClient) -> int:
    return len((await client.get(f"{API}/people?limit=1000")).json()["items"])


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    with trio.fail_after(SECONDS):
        while not await condition():  # noqa: ASYNC110 - another process
            await trio.sleep(0.02)


def _ignore(_event: CameraEvent) -> None:
    pass
