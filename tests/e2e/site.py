"""A hub with one camera, whose acknowledged captures are checked after its files were changed."""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import httpx
import trio

from tests.e2e.camera import Camera, Capture, upload
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess
from tests.e2e.load import read_all

WAL, SHM = "hub.sqlite-wal", "hub.sqlite-shm"
_SIZES = (300, 600, 2_000)


class Site:
    """A hub with one camera and an API key, and what it acknowledged."""

    def __init__(self, hub: HubProcess, camera: Camera, seed: int, *device: str) -> None:
        """`device`: more options of `device add`."""
        self.hub = hub.start()
        self.rng = Random(seed)
        self.acknowledged: list[Capture] = []
        self.refused: list[Capture] = []
        self._camera = camera
        self._ts = 0
        self._token = "none yet"
        self._did = camera.enrol(hub, *device)
        self.headers = hub.add_api_key()

    def enrol_again(self) -> None:
        """Add the camera and an API key again if the database does not know them any more."""
        self.headers = self.hub.add_api_key()
        if self._camera.sn not in self.hub.cli("device", "list"):
            self._did = self._camera.enrol(self.hub)

    @property
    def data(self) -> Path:
        return self.hub.data_dir

    async def upload(self, count: int) -> None:
        """Upload new captures, one after the other."""
        await self._send([Capture.random(self.rng, *_SIZES) for _ in range(count)])

    async def retry(self) -> None:
        """Upload again what was refused, as a camera does, until it is acknowledged."""
        with trio.fail_after(TIMEOUT_SECONDS):
            while self.refused:
                refused, self.refused = self.refused, []
                await self._send(refused)
                await trio.sleep(0.1)

    async def _send(self, captures: Sequence[Capture]) -> None:
        async with self.hub.client() as client:
            for capture in captures:
                code = await upload(client, self._token, capture.body())
                if code == 401:
                    await self.connect()
                    code = await upload(client, self._token, capture.body())
                assert code in (200, 503)
                (self.acknowledged if code == 200 else self.refused).append(capture)

    async def connect(self) -> None:
        """Connect for a token, which remains good without the connection, and after a restart."""
        hub = self.hub
        # The hub accepts each time once.
        self._ts = max(int(time.time()), self._ts + 1)
        frame = self._camera.connect_frame(self._did, self._ts)
        async with self._camera.connect(
            hub.device_url, hub.trust(), self._did, connect_frame=frame
        ) as (_, self._token):
            pass

    async def records(self) -> list[dict[str, Any]]:
        async with self.hub.client(headers=self.headers) as client:
            return await read_all(client)

    async def log_id(self) -> str:
        async with self.hub.client(headers=self.headers) as client:
            return str((await client.get("/api/hub/v1/records")).json()["log"])

    async def check(self) -> None:
        """Assert that the records are those acknowledged and perhaps refused ones, each whole."""
        known = {capture.uuid: capture for capture in (*self.refused, *self.acknowledged)}
        async with self.hub.client(headers=self.headers) as client:
            records = await read_all(client)
            uuids = [record["uuid"] for record in records]
            assert len(set(uuids)) == len(uuids)
            assert {capture.uuid for capture in self.acknowledged} <= set(uuids) <= set(known)
            for record in records:
                await check_whole(client, record, known[record["uuid"]])
        assert "damaged" not in self.hub.err
        assert "pictures are lost" not in self.hub.err

    def start_degraded(self) -> None:
        """Start the hub, and wait until it answers that it works, but has lost pictures."""
        self.hub.spawn()
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while True:
            assert time.monotonic() < deadline, self.hub.err
            with suppress(httpx.TransportError):
                answer = httpx.get(f"{self.hub.url}/healthz", verify=False)
                if answer.status_code == 200:
                    assert "pictures are lost" in answer.json()["degraded"][0]
                    return
            time.sleep(0.05)

    def fails_to_start(self) -> str:
        """Assert that the hub refuses to start, touching no pack; return what it says."""
        before = self.packs()
        process = self.hub.spawn()
        assert process.wait(TIMEOUT_SECONDS) == 1
        assert self.packs() == before
        return self.hub.err.splitlines()[-1]

    def packs(self) -> dict[str, str]:
        """The packs with their digests."""
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((self.data / "media").rglob("*"))
            if path.is_file()
        }


async def check_whole(client: httpx.AsyncClient, record: dict[str, Any], sent: Capture) -> None:
    assert set(record["images"]) == set(sent.pictures)
    for name, path in record["images"].items():
        assert (await client.get(path)).content == sent.pictures[name]


def copy_while_stopped(site: Site, target: Path) -> None:
    assert site.hub.stop() == 0
    shutil.copytree(site.data, target)
    site.hub.start()


def copy_database_alone(site: Site, target: Path) -> None:
    target.mkdir()
    shutil.copy(site.data / "hub.sqlite", target)


def copy_with_wal(site: Site, target: Path) -> None:
    copy_database_alone(site, target)
    shutil.copy(site.data / WAL, target)


def put_back(copy: Path, data: Path) -> None:
    """Put a copy of the database back, as it was taken."""
    for name in ("hub.sqlite", WAL, SHM):
        (data / name).unlink(missing_ok=True)
        if (copy / name).exists():
            shutil.copy(copy / name, data / name)
