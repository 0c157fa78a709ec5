"""Records that the database does not know come back from the packs, or are put aside."""

from __future__ import annotations

import base64
import io
import random
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from PIL import Image

from hub.simulator.camera import Camera as SimulatedCamera
from hub.simulator.camera import Timing
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.identity import make_cameras
from hub.simulator.scenario.population import make_population
from tests.e2e.camera import Camera
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import TIMEOUT_SECONDS
from tests.e2e.seeds import SEEDS
from tests.e2e.site import (
    SHM,
    WAL,
    Site,
    copy_database_alone,
    copy_while_stopped,
    copy_with_wal,
    put_back,
)

API = "/api/hub/v1"


@pytest.mark.parametrize("copy", [copy_while_stopped, copy_database_alone, copy_with_wal])
async def test_after_an_older_database_a_rebuild_brings_every_record_back(
    make_hub: MakeHub, camera: Camera, tmp_path: Path, copy: Callable[[Site, Path], None]
) -> None:
    site = Site(make_hub(), camera, 1)
    await site.upload(10)
    copy(site, tmp_path / "copy")
    await site.upload(10)
    log_id, records = await site.log_id(), await site.records()
    assert site.hub.stop() == 0
    put_back(tmp_path / "copy", site.data)
    assert "sitehub doctor --rebuild" in site.fails_to_start()
    assert "They raised no alarm: alarms may be missing from 2" in site.hub.cli(
        "doctor", "--rebuild"
    )
    site.hub.start()
    site.enrol_again()
    await site.check()
    await site.upload(1)
    newer = await site.records()
    assert newer[-1]["seq"] > records[-1]["seq"]
    is_same_log = await site.log_id() == log_id
    assert not is_same_log or _numbers(newer[:-1]) == _numbers(records)


def _numbers(records: list[dict[str, Any]]) -> dict[str, int]:
    return {record["uuid"]: record["seq"] for record in records}


async def test_after_an_older_database_cameras_are_given_its_people_again(
    make_hub: MakeHub, camera: Camera, tmp_path: Path
) -> None:
    """Also a photo, which no list of a camera tells from another one."""
    site = Site(make_hub(), camera, 1)
    endpoint = HubEndpoint("127.0.0.1", ws_port=site.hub.device_port, http_port=site.hub.web_port)

    async def put(pid: str, shade: int) -> None:
        out = io.BytesIO()
        Image.new("RGB", (200, 200), (shade, 90, 90)).save(out, "JPEG")
        photo = base64.b64encode(out.getvalue()).decode()
        async with site.hub.client(headers=site.headers) as client:
            answer = await client.put(f"{API}/people/{pid}", json={"name": "A", "photo": photo})
            assert answer.status_code == 200, answer.text

    async with site.hub.client(headers=site.headers) as client:
        (identity,) = make_cameras(1, seed=5, one_key=True)
        body = {"sn": identity.sn, "code": identity.code, "key": identity.public_pem()}
        did = (await client.post(f"{API}/devices", json=body)).json()["did"]
    simulated = SimulatedCamera(
        replace(identity, did=did),
        endpoint,
        population=make_population(),
        now=time.time,
        rng=random.Random(1),
        on_event=lambda event: None,
        timing=Timing(connect_retry_seconds=1, max_backoff_seconds=1),
    )

    async def until(is_so: Callable[[dict[str, int]], bool]) -> dict[str, int]:
        """Wait until the hub says that all is done; return the photo of each person there."""
        with trio.fail_after(3 * TIMEOUT_SECONDS):
            while True:
                async with site.hub.client(headers=site.headers) as client:
                    said = (await client.get(f"{API}/devices/{did}/people?limit=1")).json()
                held = {one.row.pid: one.checksum for one in simulated.state.people.entries()}
                is_done = said["is"] == said["should"] == len(held) and not said["pending"]
                if is_done and is_so(held):
                    return held
                await trio.sleep(0.1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(simulated.run)
        await put("1", 10)
        await put("2", 20)
        older = await until(lambda held: len(held) == 2)
        await trio.to_thread.run_sync(copy_while_stopped, site, tmp_path / "copy")
        async with site.hub.client(headers=site.headers) as client:
            assert (await client.delete(f"{API}/people/2")).status_code == 200
        await put("1", 30)
        await until(lambda held: len(held) == 1 and held["1"] != older["1"])
        await site.upload(1)
        assert await trio.to_thread.run_sync(site.hub.stop) == 0
        put_back(tmp_path / "copy", site.data)
        site.hub.cli("doctor", "--rebuild")
        await trio.to_thread.run_sync(partial(site.hub.start, accept_unwell=True))
        await until(lambda held: held == older)
        nursery.cancel_scope.cancel()
    await simulated.aclose()


@pytest.mark.parametrize("seed", SEEDS)
async def test_what_is_put_aside_is_kept_and_numbers_go_on_above_it(
    make_hub: MakeHub, camera: Camera, tmp_path: Path, seed: int
) -> None:
    site = Site(make_hub(), camera, seed)
    await site.upload(site.rng.randint(1, 6))
    copy_while_stopped(site, tmp_path / "copy")
    kept = list(site.acknowledged)
    await site.upload(site.rng.randint(2, 6))
    log_id = await site.log_id()
    newest = (await site.records())[-1]["seq"]
    pictures = [picture for one in site.acknowledged for picture in one.pictures.values()]
    assert site.hub.stop() == 0
    put_back(tmp_path / "copy", site.data)
    site.fails_to_start()
    site.hub.cli("doctor", "--set-aside")
    files = [path.read_bytes() for path in (site.data / "media").rglob("*") if path.is_file()]
    assert all(any(picture in file for file in files) for picture in pictures)
    site.hub.start()
    site.acknowledged = kept
    await site.check()
    await site.upload(1)
    assert (await site.records())[-1]["seq"] > newest
    assert await site.log_id() != log_id


@pytest.mark.parametrize("seed", SEEDS)
async def test_after_a_lost_wal_a_rebuild_brings_every_record_back(
    make_hub: MakeHub, camera: Camera, seed: int
) -> None:
    site = Site(make_hub(), camera, seed)
    await site.upload(site.rng.randint(10, 30))
    site.hub.kill()
    (site.data / WAL).unlink()
    (site.data / SHM).unlink(missing_ok=True)
    assert "sitehub doctor --rebuild" in site.fails_to_start()
    site.hub.cli("doctor", "--rebuild")
    site.hub.start()
    site.enrol_again()
    await site.check()
