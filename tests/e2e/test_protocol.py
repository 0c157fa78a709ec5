"""The whole protocol at once: a site of cameras of which hardly one is ideal, against a real hub.

Commands by API, uploads, and connections that are cut, all at the same time; then nothing that was
acknowledged is lost, nothing hangs, and the hub is as it was before. `SITEHUB_PROTOCOL_SECONDS`
makes it as long as one likes; the figures stand in what it prints (`pytest -s`).
"""

from __future__ import annotations

import os
import random
import re
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pybase64
import trio
from trio.abc import Stream

from hub.simulator.camera import Camera, Timing
from hub.simulator.drawing import people
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.events import CameraEvent
from hub.simulator.faults import FAULTS, quirks_of
from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import make_population
from hub.simulator.uploads import Upload
from hub.wire.commands.dialect import DIALECT, PERSON_SEARCH, REBOOT, Command
from hub.wire.commands.params import encode_param
from tests.e2e.camera import FACE_PATH, Capture
from tests.e2e.conftest import MakeHub
from tests.e2e.hubprocess import HubProcess
from tests.e2e.load import read_all

SECONDS = float(os.environ.get("SITEHUB_PROTOCOL_SECONDS", "30"))
#: A command may wait in its queue for so long, and then for its answer.
LONGEST_COMMAND = 65.0
#: Cut off this many connections a second.
CUTS = 1.5

#: The faults of forty cameras. The hub lets none of the first three in.
FLEET = (
    *("wrong-code", "no-signature", "clock-skewed"),
    *("replays", "none", "none", "none", "none", "none", "none"),
    *("slow,no-ip", "late", "silent", "refuses", "other-uri,success-0"),
    *("success-200,first-page-0", "first-page-1,text-numbers"),
    *("endless-pages", "repeated-pages", "missing-results", "wrong-types", "huge-lists"),
    *("old-uri", "no-pictures", "bad-pictures"),
    *("drop-on-connect", "drop-on-command", "drop-in-answer", "drop-in-upload"),
    *("drop-before-reply", "duplicates", "floods", "half-frames,garbage", "fragments"),
    *("reboots,fails-upgrade", "real-camera,never-upgrades"),
    *("no-did", "forgets-did", "refuses-init", "no-token"),
)
OUTSIDE = FLEET[:3]
PACE = Timing(
    connect_retry_seconds=2, max_backoff_seconds=3, restart_seconds=1, upgrade_check_seconds=5
)
#: What an integrator may be told of a command: it was answered; the device is away, busy or has
#: left; it talked nonsense; it was silent.
EXPECTED = {200, 409, 502, 504}
#: Traces and the store's cache fill up to their bounds, and answers of 5 MB, several at a time,
#: leave holes in what the allocator keeps: it grows in steps, and then stands. A leak grows on.
ALLOWANCE_MB = 64
#: Connections of this test's own client.
MORE_TASKS = 3
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100)


class Roads(HubEndpoint):
    """The way to the hub, on which connections can be cut."""

    def __init__(self, hub: HubProcess) -> None:
        super().__init__("127.0.0.1", ws_port=hub.device_port, http_port=hub.web_port)
        self._open_ones: list[Stream] = []
        self.cut = 0

    async def open_ws(self) -> Stream:
        return self._remember(await super().open_ws())

    async def open_http(self) -> Stream:
        return self._remember(await super().open_http())

    async def cut_one(self, rng: random.Random) -> None:
        if self._open_ones:
            stream = self._open_ones.pop(rng.randrange(len(self._open_ones)))
            await trio.aclose_forcefully(stream)
            self.cut += 1

    def _remember(self, stream: Stream) -> Stream:
        self._open_ones.append(stream)
        # Those that have long ended are of no interest.
        del self._open_ones[:-200]
        return stream


class Site:
    """Forty cameras, what they were acknowledged, and what their commands came to."""

    def __init__(self, hub: HubProcess, headers: dict[str, str]) -> None:
        self.roads = Roads(hub)
        self.acknowledged: set[str] = set()
        self.codes = {faults: Counter[int]() for faults in FLEET}
        self.sent = 0
        self.longest = 0.0
        self.unexpected: list[str] = []
        self._hub = hub
        self._headers = headers
        self._rng = random.Random(11)
        self._until = 0.0

    async def enrol(self, client: httpx.AsyncClient) -> list[CameraIdentity]:
        identities = make_cameras(len(FLEET), seed=5, one_key=True)
        (key,) = {identity.public_pem() for identity in identities}
        enrolled = []
        for identity in identities:
            body = {"sn": identity.sn, "code": identity.code, "name": identity.name, "key": key}
            answer = await client.post("/api/hub/v1/devices", json=body)
            enrolled.append(msgspec.structs.replace(identity, did=answer.json()["did"]))
        return enrolled

    async def live(self, identities: list[CameraIdentity], seconds: float) -> None:
        """Everything at once, for so long; then let what is asked come to an end."""
        self._until = trio.current_time() + seconds
        async with trio.open_nursery() as nursery:
            for number, identity in enumerate(identities):
                camera = self._camera(number, identity)
                nursery.start_soon(camera.run)
                nursery.start_soon(self._see, camera)
            nursery.start_soon(self._cut)
            async with (
                self._hub.client(headers=self._headers, limits=_LIMITS) as client,
                trio.open_nursery() as commanders,
            ):
                for number, identity in enumerate(identities):
                    for _ in range(2):
                        commanders.start_soon(self._command, client, identity.did, FLEET[number])
            nursery.cancel_scope.cancel()

    def _camera(self, number: int, identity: CameraIdentity) -> Camera:
        return Camera(
            identity,
            self.roads,
            population=make_population(),
            now=time.time,
            rng=random.Random(number),
            on_event=_ignore,
            quirks=quirks_of(FLEET[number].split(",")),
            timing=PACE,
            preload_faces=True,
        )

    async def _see(self, camera: Camera) -> None:
        rng = self._rng
        try:
            while True:
                await trio.sleep(rng.uniform(0.5, 1.5))
                capture = Capture.draw(rng, 3000, 3000, 10_000)
                self.sent += 1
                reply = await camera.upload(Upload("POST", FACE_PATH, capture.body()))
                if reply.code == 200:
                    self.acknowledged.add(capture.uuid)
        finally:
            await camera.aclose()

    async def _cut(self) -> None:
        while True:
            await trio.sleep(1 / CUTS)
            await self.roads.cut_one(self._rng)

    async def _command(self, client: httpx.AsyncClient, did: str | None, faults: str) -> None:
        rng = self._rng
        while trio.current_time() < self._until:
            await trio.sleep(rng.uniform(0.1, 0.6))
            command = rng.choices(DIALECT.commands, _WEIGHTS)[0]
            started = trio.current_time()
            answer = await client.post(
                f"/api/hub/v1/devices/{did}/commands",
                content=_body_of(command),
                timeout=LONGEST_COMMAND,
            )
            self.longest = max(self.longest, trio.current_time() - started)
            self.codes[faults][answer.status_code] += 1
            if answer.status_code not in EXPECTED:
                self.unexpected.append(f"{faults} {command.name}: {answer.text}")


async def test_forty_cameras_under_commands_uploads_and_cuts(make_hub: MakeHub) -> None:
    assert {name for faults in FLEET for name in faults.split(",")} >= {f.name for f in FAULTS}
    hub = make_hub("devices.heartbeat_interval=5", "devices.token_ttl=20").start()
    headers = hub.add_api_key()
    async with hub.client(headers=headers) as client:
        site = Site(hub, headers)
        identities = await site.enrol(client)
        # Connections, caches and threads that a hub in use has anyway are there after this.
        await site.live(identities, SECONDS / 3)
        tasks, memory = await _rest(client, hub, 5)
        await site.live(identities, SECONDS * 2 / 3)
        tasks_after, memory_after = await _rest(client, hub, 90, enough=tasks + MORE_TASKS)
        records = await read_all(client)
        figures = {
            "commands": dict(sum(site.codes.values(), Counter())),
            "longest command": round(site.longest, 1),
            "uploads acknowledged": len(site.acknowledged),
            "records": len(records),
            "connections cut": site.roads.cut,
            "tasks": (tasks, tasks_after),
            "memory MB": (memory, memory_after),
        }
        print(figures)
        assert site.unexpected == []
        assert set(site.codes["none"]) <= {200, 409}
        assert site.codes["none"][200] > SECONDS
        assert all(set(site.codes[faults]) == {409} for faults in OUTSIDE)
        assert not site.codes["silent"][200]
        assert site.longest < LONGEST_COMMAND
        counts = Counter(record["uuid"] for record in records)
        assert site.acknowledged <= set(counts), "an acknowledged record is lost"
        assert set(counts.values()) == {1}, "a repeated upload is two records"
        assert len(site.acknowledged) > SECONDS
        assert tasks_after <= tasks + MORE_TASKS
        assert memory_after <= memory + ALLOWANCE_MB
    assert "Traceback" not in hub.err
    assert not re.search(r"\bERROR\b", hub.err)
    assert hub.stop() == 0


async def _rest(
    client: httpx.AsyncClient, hub: HubProcess, seconds: float, *, enough: int = 0
) -> tuple[int, float]:
    """The hub's tasks and its memory in MB, once all cameras are gone.

    Connections whose end nobody told of are given up by their own deadlines: how few tasks there
    are is looked at for so many seconds, or until they are few enough.
    """
    with trio.fail_after(30):
        while True:
            await trio.sleep(0.1)
            if not await _figure(client, "sitehub_devices_online"):
                break
    fewest = await _figure(client, "sitehub_tasks")
    with trio.move_on_after(seconds):
        while fewest > enough:
            await trio.sleep(0.25)
            fewest = min(fewest, await _figure(client, "sitehub_tasks"))
    return int(fewest), _megabytes(hub.process.pid)


async def _figure(client: httpx.AsyncClient, name: str) -> float:
    text = (await client.get("/metrics")).text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def _megabytes(pid: int) -> float:
    """Resident memory; 0 where the system does not tell it so."""
    if sys.platform != "linux":
        return 0.0
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


#: Restarts and photos are rare on a site, too.
_WEIGHTS = [
    0.2 if command == REBOOT else 1 if command.has_photo else 3 for command in DIALECT.commands
]


def _body_of(command: Command[Any, Any]) -> bytes:
    param = command.example
    if hasattr(param, "start_time"):
        today = time.strftime("%Y-%m-%d")
        span = {"start_time": f"{today} 00:00:00", "end_time": f"{today} 23:59:59"}
        param = msgspec.structs.replace(param, **span)
    if command == PERSON_SEARCH:
        face = people.face_jpeg(make_population().known[0], 1)
        param = msgspec.structs.replace(param, photo=pybase64.b64encode(face).decode())
    return msgspec.json.encode({"uri": command.uri, "param": encode_param(command, param)})


def _ignore(_told: CameraEvent) -> None:
    pass
