"""Changes on a disk that hangs, looked at from outside: on cameras, records and connections.

The hub gives its callers up after 2 s in place of 30.
"""

from __future__ import annotations

import base64
import io
import os
import random
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
import trio
from PIL import Image
from trio_websocket import ConnectionClosed

from hub.simulator.camera import Camera as SimulatedCamera
from hub.simulator.camera import Timing
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.identity import make_cameras
from hub.simulator.scenario.population import make_population
from tests.e2e.camera import Camera, Capture, upload_sync
from tests.e2e.faulty_disk import FLUSH, FaultyDisk
from tests.e2e.hub_process import SITEHUB, TIMEOUT_SECONDS, HubProcess, copy_certificates

pytestmark = pytest.mark.skipif("SITEHUB" in os.environ, reason="the executable waits for 30 s")
API = "/api/hub/v1"
_PROGRAM = """
import hub.services.changes, hub.store.commit.group_commit
hub.store.commit.group_commit._COMMIT_SECONDS = hub.services.changes._SLOW_SECONDS = 2.0
from hub.__main__ import main
main()
"""


class HastyHub(HubProcess):
    """A hub whose callers wait for the disk for 2 s only."""

    def command(self) -> list[str]:
        return [sys.executable, "-c", _PROGRAM, *super().command()[len(SITEHUB) :]]


class Site:
    """A hub with three people and a camera that holds them, and the answers of its API."""

    def __init__(self, hub: HubProcess, disk: FaultyDisk) -> None:
        self.hub = hub
        self.disk = disk
        self.headers = hub.add_api_key()
        [identity] = make_cameras(1, seed=5, one_key=True)
        added = self.good(
            "POST",
            "devices",
            {"sn": identity.sn, "code": identity.code, "key": identity.public_pem()},
        )
        self.identity = msgspec.structs.replace(identity, did=added["did"])
        for pid in "123":
            self.good("POST", "people", {"pid": pid, "name": f"P{pid}", "photo": _photo()})

    def call(self, method: str, path: str, body: object = None) -> httpx.Response:
        with self.hub.sync_client(headers=self.headers, timeout=TIMEOUT_SECONDS) as client:
            return client.request(method, f"{API}/{path}", json=body)

    def good(self, method: str, path: str, body: object = None) -> Any:
        answer = self.call(method, path, body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def call_all(self, *calls: tuple[str, str, object]) -> list[int]:
        """Make the calls at the same time; return the statuses."""
        found: dict[int, int] = {}

        def make(number: int, call: tuple[str, str, object]) -> None:
            found[number] = self.call(*call).status_code

        threads = [threading.Thread(target=make, args=one) for one in enumerate(calls)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return [found[number] for number in range(len(calls))]

    def simulated(self) -> SimulatedCamera:
        return SimulatedCamera(
            self.identity,
            HubEndpoint("127.0.0.1", ws_port=self.hub.device_port, http_port=self.hub.web_port),
            population=make_population(),
            now=time.time,
            rng=random.Random(1),
            on_event=lambda event: None,
            timing=Timing(connect_retry_seconds=1, max_backoff_seconds=1),
        )


@pytest.fixture
def site(hub: HubProcess, faulty_disk: FaultyDisk, tmp_path: Path) -> Iterator[Site]:
    copy_certificates(hub.data_dir, tmp_path / "data")
    hasty = HastyHub(tmp_path / "data", environment=faulty_disk.environment)
    with closing(hasty.start()):
        try:
            yield Site(hasty, faulty_disk)
        finally:
            faulty_disk.work()


CHANGES: tuple[tuple[str, str, object], ...] = (
    ("DELETE", "people/3", None),
    ("POST", "plate-lists", {"name": "Stolen", "entries": [{"pattern": "AB123"}]}),
    ("POST", "erasures", {"seqs": [1], "confirm": 1}),
    ("DELETE", "devices/77", None),
)


@asynccontextmanager
async def in_step(
    site: Site, camera: Camera
) -> AsyncIterator[tuple[SimulatedCamera, trio.Nursery]]:
    """Enrol `camera` as 77; run the other camera within the block, from when it holds everybody."""
    camera.enrol(site.hub, "--did", "77")
    simulated = site.simulated()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(simulated.run)
        await until(lambda: len(simulated.state.people) == 3)
        yield simulated, nursery
        nursery.cancel_scope.cancel()
    await simulated.aclose()


async def test_what_was_answered_503_is_done_as_a_whole_when_the_disk_responds(
    site: Site, camera: Camera
) -> None:
    async with in_step(site, camera) as (simulated, nursery):
        async with camera.connect(site.hub.device_url, site.hub.trust(), "77") as (socket, token):
            nursery.start_soon(_read_until_closed, socket, closed := trio.Event())
            await trio.to_thread.run_sync(_upload, site, token)
            statuses = await trio.to_thread.run_sync(_change_on_hanging_disk, site)
            assert statuses == [503] * 4
            # Each repeat is told that it was done.
            statuses = await trio.to_thread.run_sync(site.call_all, *CHANGES)
            assert statuses == [200] * 4
            with trio.fail_after(TIMEOUT_SECONDS):
                await closed.wait()
        await until(lambda: set(simulated.state.people) == {"1", "2"})
        await until(lambda: site.good("GET", "erasures")["items"][0]["finished_at"] is not None)
    assert "Li Wei" not in site.call("GET", "records").text
    assert [one["name"] for one in site.good("GET", "plate-lists")["items"]] == ["Stolen"]
    assert site.good("GET", "people")["items"][-1]["pid"] == "2"
    assert "Traceback" not in site.hub.err


async def test_a_kill_while_the_disk_hangs_leaves_all_of_a_change_or_none(
    site: Site, camera: Camera
) -> None:
    async with in_step(site, camera) as (simulated, _):
        async with camera.connect(site.hub.device_url, site.hub.trust(), "77") as (_, token):
            await trio.to_thread.run_sync(_upload, site, token)
        site.disk.hang(FLUSH, "-wal")
        statuses = await trio.to_thread.run_sync(site.call_all, *CHANGES)
        assert statuses == [503] * 4
        await trio.to_thread.run_sync(site.hub.kill)
        site.disk.work()
        await trio.to_thread.run_sync(site.hub.start)
        people = {one["pid"] for one in site.good("GET", "people")["items"]}
        await until(lambda: set(simulated.state.people) == people)
        for erasure in site.good("GET", "erasures")["items"]:
            await until(
                lambda id=erasure["id"]: (  # type: ignore[misc]
                    site.good("GET", f"erasures/{id}")["finished_at"] is not None
                )
            )
    erased = bool(site.good("GET", "erasures")["items"])
    assert ("Li Wei" in site.call("GET", "records").text) != erased


def _change_on_hanging_disk(site: Site) -> list[int]:
    site.disk.hang(FLUSH, "-wal")
    statuses = site.call_all(*CHANGES)
    site.disk.work()
    return statuses


def _upload(site: Site, token: str) -> None:
    capture = replace(Capture.random(random.Random(1), 10, 10, 10), name="Li Wei")
    with site.hub.sync_client() as client:
        assert upload_sync(client, token, capture.body()) == 200


async def _read_until_closed(socket: Any, closed: trio.Event) -> None:
    try:
        while True:
            await socket.get_message()
    except ConnectionClosed:
        closed.set()


async def until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(2 * TIMEOUT_SECONDS):
        while not await trio.to_thread.run_sync(condition):  # noqa: ASYNC110 - another process
            await trio.sleep(0.05)


def _photo() -> str:
    file = io.BytesIO()
    Image.effect_noise((200, 200), 60).save(file, "JPEG")
    return base64.b64encode(file.getvalue()).decode()
