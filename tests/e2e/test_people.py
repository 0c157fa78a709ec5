"""The site's people on many cameras, of which half are cut off, while the hub is killed.

`CAMERAS=40 PEOPLE=200` tries it in the size of a site.
"""

from __future__ import annotations

import base64
import io
import os
import random
import time

import httpx
import msgspec
import trio
from PIL import Image
from trio.abc import Stream

from hub.simulator.camera import Camera, Timing
from hub.simulator.endpoint import HubAway, HubEndpoint
from hub.simulator.events import CameraEvent
from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import make_population
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import HubProcess

CAMERAS = int(os.environ.get("CAMERAS", "6"))
PEOPLE = int(os.environ.get("PEOPLE", "60"))
SECONDS = 120 + CAMERAS * PEOPLE / 50
API = "/api/hub/v1"
TIMING = Timing(connect_retry_seconds=1, max_backoff_seconds=1)


class SwitchedEndpoint(HubEndpoint):
    """An endpoint whose connections can be cut, and refused until it is restored."""

    def __init__(self, hub: HubProcess) -> None:
        super().__init__("127.0.0.1", ws_port=hub.device_port, http_port=hub.web_port)
        self._streams: list[Stream] = []
        self.is_up = True

    async def open_ws(self) -> Stream:
        if not self.is_up:
            raise HubAway("cut off")
        self._streams.append(await super().open_ws())
        return self._streams[-1]

    async def cut(self) -> None:
        self.is_up = False
        for stream in self._streams:
            await trio.aclose_forcefully(stream)


class Site:
    """The cameras of a hub, half of them behind a switch that can be cut off."""

    def __init__(self, hub: HubProcess, identities: list[CameraIdentity]) -> None:
        self.far = SwitchedEndpoint(hub)
        near = SwitchedEndpoint(hub)
        self.cameras = [
            Camera(
                identity,
                self.far if number % 2 else near,
                population=make_population(),
                now=time.time,
                rng=random.Random(number),
                on_event=_ignore,
                timing=TIMING,
            )
            for number, identity in enumerate(identities)
        ]

    @property
    def held(self) -> int:
        """How many people all cameras hold together."""
        return sum(len(camera.state.people) for camera in self.cameras)

    async def until_held(self, share: float) -> None:
        with trio.fail_after(SECONDS):
            while self.held < share * CAMERAS * PEOPLE:  # noqa: ASYNC110 - another process
                await trio.sleep(0.01)


async def test_everybody_is_on_every_camera_once_after_cuts_and_kill_9(make_hub: MakeHub) -> None:
    hub = make_hub().start()
    headers = hub.add_api_key()
    async with hub.client(headers=headers) as client:
        site = Site(hub, await _enrol(client))
        await _add_people(client)
    async with trio.open_nursery() as nursery:
        for camera in site.cameras:
            nursery.start_soon(camera.run)
        await site.until_held(0.25)
        await site.far.cut()
        await site.until_held(0.4)
        await trio.to_thread.run_sync(hub.kill)
        await trio.to_thread.run_sync(hub.start)
        await site.until_held(0.5)
        site.far.is_up = True
        await site.until_held(1)
        async with hub.client(headers=headers) as client:
            await _until_done(client)
        nursery.cancel_scope.cancel()
    for camera in site.cameras:
        await camera.aclose()
        assert set(camera.state.people) == {str(pid) for pid in range(1, PEOPLE + 1)}
        assert camera.state.people.additions == PEOPLE
    assert "Traceback" not in hub.err


async def _enrol(client: httpx.AsyncClient) -> list[CameraIdentity]:
    enrolled = []
    for identity in make_cameras(CAMERAS, seed=5, one_key=True):
        body = {"sn": identity.sn, "code": identity.code, "key": identity.public_pem()}
        answer = await client.post(f"{API}/devices", json=body)
        enrolled.append(msgspec.structs.replace(identity, did=answer.json()["did"]))
    return enrolled


async def _add_people(client: httpx.AsyncClient) -> None:
    out = io.BytesIO()
    Image.effect_noise((200, 200), 60).save(out, "JPEG")
    photo = base64.b64encode(out.getvalue()).decode()
    for pid in range(1, PEOPLE + 1):
        body = {"pid": str(pid), "name": f"Person {pid}", "photo": photo}
        answer = await client.post(f"{API}/people", json=body)
        assert answer.status_code == 200, answer.text


async def _until_done(client: httpx.AsyncClient) -> None:
    with trio.fail_after(SECONDS):
        for one in (await client.get(f"{API}/devices")).json()["items"]:
            while True:
                numbers = (await client.get(f"{API}/devices/{one['did']}/people?limit=1")).json()
                if numbers["is"] == numbers["should"] == PEOPLE and not numbers["pending"]:
                    break
                await trio.sleep(0.1)


def _ignore(_event: CameraEvent) -> None:
    pass
