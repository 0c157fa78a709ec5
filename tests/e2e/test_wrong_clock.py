"""A hub whose clock is wrong: people stay on cameras as they are, and no alarm is missed."""

from __future__ import annotations

import base64
import io
import json
import random
import time

import httpx
import msgspec
import trio
from PIL import Image

from hub.simulator.camera import Camera as SimulatedCamera
from hub.simulator.camera import Timing
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import make_population
from hub.wire.times import format_rfc3339
from tests.e2e.camera import FACE_PATH, Camera, Capture, upload
from tests.e2e.conftest import MakeHub
from tests.e2e.faketime import DAY, YEAR, FakeClock
from tests.e2e.hub_process import TIMEOUT_SECONDS, HubProcess

API = "/api/hub/v1"
VEHICLE_PATH = "/api/v1/vehicle/capture"


async def test_a_start_with_a_wrong_clock_changes_nobody_on_cameras(
    make_hub: MakeHub, fake_clock: FakeClock
) -> None:
    """A PC without a battery, then one that is ahead, then it is right again."""
    hub = make_hub(environment=fake_clock.environment).start()
    headers = hub.add_api_key()
    async with hub.client(headers=headers) as client:
        camera = simulated(hub, await enrol(client))
        await put(client, "1")
        await put(client, "2", valid_from=in_days(-200))
        await put(client, "3", valid_until=in_days(-30))
        await put(client, "4", valid_from=in_days(100))
    held = {"1", "2"}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(camera.run)
        await until_held(camera, held)
        for ahead, waiting in ((-30 * YEAR, "3"), (120 * DAY, "3"), (0, None)):
            await trio.to_thread.run_sync(hub.kill)
            fake_clock.set_ahead(ahead)
            await trio.to_thread.run_sync(lambda: hub.start(accept_unwell=True))
            async with hub.client(headers=headers) as client:
                # Once the next person is there, the hub has looked through all.
                held.add(pid := str(5 + len(held)))
                await put(client, pid)
                await until_held(camera, held)
                assert await waiting_people(client) == waiting
        nursery.cancel_scope.cancel()
    await camera.aclose()


async def test_a_clock_that_is_or_was_ahead_mutes_no_alarm(
    make_hub: MakeHub, camera: Camera, fake_clock: FakeClock
) -> None:
    hub = make_hub("alarms.escalate_seconds=5", environment=fake_clock.environment).start()
    did = camera.enrol(hub)
    async with (
        hub.client(headers=hub.add_api_key()) as client,
        camera.connect(hub.device_url, hub.trust(), did) as (_, token),
    ):
        entry = {"pattern": "AB123", "until": in_days(30)}
        listed = {"name": "Stolen", "entries": [entry]}
        assert (await client.post(f"{API}/plate-lists", json=listed)).status_code == 200
        fake_clock.set_ahead(YEAR)
        assert await upload(client, token, vehicle("AB123"), VEHICLE_PATH) == 200
        for uuid in ("555", "777"):
            assert await upload(client, token, wanted(uuid), FACE_PATH) == 200
        plate, first, second = (one["seq"] for one in await alarms(client))
        acknowledged = await client.post(f"{API}/alarms/{first}/ack", json={})
        assert acknowledged.status_code == 200
        fake_clock.set_ahead(0)
        assert await upload(client, token, wanted("555"), FACE_PATH) == 200
        found = {one["seq"]: one for one in await alarms(client)}
        assert (found[first]["state"], found[first]["count"]) == ("new", 2)
        with trio.fail_after(TIMEOUT_SECONDS):
            while not await all_escalated(client):  # noqa: ASYNC110 - another process
                await trio.sleep(0.1)
        assert {one["seq"] for one in await alarms(client)} == {plate, first, second}


async def enrol(client: httpx.AsyncClient) -> CameraIdentity:
    [identity] = make_cameras(1, seed=5, one_key=True)
    body = {"sn": identity.sn, "code": identity.code, "key": identity.public_pem()}
    answer = await client.post(f"{API}/devices", json=body)
    return msgspec.structs.replace(identity, did=answer.json()["did"])


def simulated(hub: HubProcess, identity: CameraIdentity) -> SimulatedCamera:
    return SimulatedCamera(
        identity,
        HubEndpoint("127.0.0.1", ws_port=hub.device_port, http_port=hub.web_port),
        population=make_population(),
        now=time.time,
        rng=random.Random(1),
        on_event=lambda event: None,
        timing=Timing(connect_retry_seconds=1, max_backoff_seconds=1),
    )


async def put(client: httpx.AsyncClient, pid: str, **fields: str) -> None:
    out = io.BytesIO()
    Image.effect_noise((200, 200), 60).save(out, "JPEG")
    photo = base64.b64encode(out.getvalue()).decode()
    body = {"pid": pid, "name": f"Person {pid}", "photo": photo, **fields}
    answer = await client.post(f"{API}/people", json=body)
    assert answer.status_code == 200, answer.text


async def until_held(camera: SimulatedCamera, pids: set[str]) -> None:
    with trio.fail_after(TIMEOUT_SECONDS):
        while set(camera.state.people) != pids:  # noqa: ASYNC110 - another process
            await trio.sleep(0.05)


async def waiting_people(client: httpx.AsyncClient) -> str | None:
    """How many people wait for the clock, as the hub tells it."""
    problems = (await client.get(f"{API}/status")).json()["problems"]
    found = [one["text"].split()[0] for one in problems if one["code"] == "people-wait"]
    return found[0] if found else None


async def alarms(client: httpx.AsyncClient) -> list[dict[str, object]]:
    """The alarms of what cameras saw, not of the hub's clock."""
    items: list[dict[str, object]] = (await client.get(f"{API}/alarms")).json()["items"]
    return [one for one in items if one["kind"] != "hub"]


async def all_escalated(client: httpx.AsyncClient) -> bool:
    return all(one["escalated_at"] is not None for one in await alarms(client))


def in_days(days: float) -> str:
    return format_rfc3339(int((time.time() + days * DAY) * 1000))


def vehicle(plate: str) -> bytes:
    data = {"plate": {"id": plate, "plate_type": 1}, "type": 1}
    return json.dumps({"time": int(time.time()), "data": data}).encode()


def wanted(uuid: str) -> bytes:
    capture = json.loads(Capture.random(random.Random(), 10, 10, 10, category=2).body())
    return json.dumps({**capture, "uuid": uuid}).encode()
