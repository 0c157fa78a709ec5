"""The whole protocol under load: a fleet of cameras, most of them faulty, against a real hub.

The cameras answer commands and upload while connections are cut at random. Afterwards every
acknowledged upload is stored once, every command was answered, and the hub's tasks and memory are
back where they were. `SITEHUB_PROTOCOL_SECONDS` sets the duration; the test prints its figures
(`pytest -s`).
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
from hub.simulator.faults import FAULTS, Quirks, quirks_of
from hub.simulator.identity import CameraIdentity, make_cameras
from hub.simulator.scenario.population import make_population
from hub.simulator.uploads import UploadRequest
from hub.wire.commands.dialect import DIALECT, PERSON_SEARCH, REBOOT, Command
from hub.wire.commands.params import encode_param
from tests.e2e.camera import FACE_PATH, Capture
from tests.e2e.conftest import MakeHub
from tests.e2e.hub_process import HubProcess
from tests.e2e.load import read_all

SECONDS = float(os.environ.get("SITEHUB_PROTOCOL_SECONDS", "21"))
#: The longest time in the queue plus the longest wait for the answer, with a margin.
MAX_COMMAND_SECONDS = 65.0
CUTS_PER_SECOND = 2.5
#: The fault "reboots" restarts every 20 s, too seldom for a short run.
REBOOT_SECONDS = 5.0

#: The faults of forty cameras. The hub admits none of the first three.
FLEET = (
    *("wrong-code", "no-signature", "clock-skewed"),
    *("replays", "none", "none", "none", "none", "none", "none"),
    *("slow,no-ip", "late", "silent", "refuses", "other-uri,success-0"),
    *("success-200,first-page-0,small-library", "first-page-1,text-numbers,deletes-first"),
    *("endless-pages", "repeated-pages", "missing-results", "wrong-types", "huge-lists"),
    *("old-uri,picky", "no-pictures,lost-answers", "bad-pictures"),
    *("drop-on-connect", "drop-on-command", "drop-in-answer", "drop-in-upload"),
    *("drop-before-reply", "duplicates", "floods", "half-frames,garbage", "fragments"),
    *("reboots,fails-upgrade,forgets-people", "real-camera,never-upgrades"),
    *("no-did", "forgets-did", "refuses-init", "no-token"),
)
NOT_ADMITTED = FLEET[:3]
TIMING = Timing(
    connect_retry_seconds=2, max_backoff_seconds=3, restart_seconds=1, upgrade_check_seconds=5
)
#: Statuses that an integrator may get for a command: answered; the device is offline, busy or left;
#: its answer was nonsense; it was silent.
EXPECTED_STATUSES = {200, 409, 502, 504}
#: Traces and the store's cache fill up to their limits, and answers of 5 MB, several at a time,
#: fragment the allocator's memory: it grows in steps up to a limit. A leak keeps growing.
MAX_GROWTH_MB = 64
#: The connections of this test's own client.
EXTRA_TASKS = 3
_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=100)


class CuttableEndpoint(HubEndpoint):
    """An endpoint whose connections can be cut."""

    def __init__(self, hub: HubProcess) -> None:
        super().__init__("127.0.0.1", ws_port=hub.device_port, http_port=hub.web_port)
        self._streams: list[Stream] = []
        self.cuts = 0

    async def open_ws(self) -> Stream:
        return self._remember(await super().open_ws())

    async def open_http(self) -> Stream:
        return self._remember(await super().open_http())

    async def cut_one(self, rng: random.Random) -> None:
        if self._streams:
            stream = self._streams.pop(rng.randrange(len(self._streams)))
            await trio.aclose_forcefully(stream)
            self.cuts += 1

    def _remember(self, stream: Stream) -> Stream:
        self._streams.append(stream)
        # Most of the older streams have ended.
        del self._streams[:-200]
        return stream


class Fleet:
    """Forty cameras, their acknowledged uploads, and the statuses of their commands."""

    def __init__(self, hub: HubProcess, headers: dict[str, str]) -> None:
        self.endpoint = CuttableEndpoint(hub)
        self.acknowledged: set[str] = set()
        self.statuses = {faults: Counter[int]() for faults in FLEET}
        self.longest_command = 0.0
        self.unexpected: list[str] = []
        self._hub = hub
        self._headers = headers
        self._rng = random.Random(11)
        self._ends_at = 0.0

    async def enrol(self, client: httpx.AsyncClient) -> list[CameraIdentity]:
        identities = make_cameras(len(FLEET), seed=5, one_key=True)
        (key,) = {identity.public_pem() for identity in identities}
        enrolled = []
        for identity in identities:
            body = {"sn": identity.sn, "code": identity.code, "name": identity.name, "key": key}
            answer = await client.post("/api/hub/v1/devices", json=body)
            enrolled.append(msgspec.structs.replace(identity, did=answer.json()["did"]))
        return enrolled

    async def run(
        self, identities: list[CameraIdentity], seconds: float, *, await_answers: bool
    ) -> None:
        """Run the cameras, their uploads, commands and cuts at once for `seconds`.

        With `await_answers` the cameras stay until the last command is answered. Without it they
        leave first, so the hub answers all pending commands at once.
        """
        self._ends_at = trio.current_time() + seconds
        answered = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._command_all, identities, answered)
            async with trio.open_nursery() as cameras:
                for number, identity in enumerate(identities):
                    camera = self._camera(number, identity)
                    cameras.start_soon(camera.run)
                    cameras.start_soon(self._upload, camera)
                cameras.start_soon(self._cut_connections)
                if await_answers:
                    await answered.wait()
                else:
                    await trio.sleep(seconds)
                cameras.cancel_scope.cancel()

    async def _command_all(self, identities: list[CameraIdentity], answered: trio.Event) -> None:
        async with (
            self._hub.client(headers=self._headers, limits=_LIMITS) as client,
            trio.open_nursery() as nursery,
        ):
            for number, identity in enumerate(identities):
                for _ in range(2):
                    nursery.start_soon(self._command, client, identity.did, FLEET[number])
        answered.set()

    def _camera(self, number: int, identity: CameraIdentity) -> Camera:
        return Camera(
            identity,
            self.endpoint,
            population=make_population(),
            now=time.time,
            rng=random.Random(number),
            on_event=_ignore,
            quirks=_quirks(FLEET[number]),
            timing=TIMING,
            preload_faces=True,
        )

    async def _upload(self, camera: Camera) -> None:
        rng = self._rng
        try:
            while True:
                await trio.sleep(rng.uniform(0.5, 1.5))
                capture = Capture.random(rng, 3000, 3000, 10_000)
                reply = await camera.upload(UploadRequest("POST", FACE_PATH, capture.body()))
                if reply.code == 200:
                    self.acknowledged.add(capture.uuid)
        finally:
            await camera.aclose()

    async def _cut_connections(self) -> None:
        while True:
            await trio.sleep(1 / CUTS_PER_SECOND)
            await self.endpoint.cut_one(self._rng)

    def _is_ending(self, seconds: float) -> bool:
        return trio.current_time() + seconds > self._ends_at

    async def _command(self, client: httpx.AsyncClient, did: str | None, faults: str) -> None:
        rng = self._rng
        while trio.current_time() < self._ends_at:
            await trio.sleep(rng.uniform(0.1, 0.6))
            command = rng.choices(DIALECT.commands, _WEIGHTS)[0]
            if faults in ("silent", "late") and self._is_ending(command.seconds):
                # It would prolong the run by its timeout.
                continue
            started = trio.current_time()
            answer = await client.post(
                f"/api/hub/v1/devices/{did}/commands",
                content=_body_of(command),
                timeout=MAX_COMMAND_SECONDS,
            )
            self.longest_command = max(self.longest_command, trio.current_time() - started)
            self.statuses[faults][answer.status_code] += 1
            if answer.status_code not in EXPECTED_STATUSES:
                self.unexpected.append(f"{faults} {command.name}: {answer.text}")


async def test_forty_cameras_under_commands_uploads_and_cuts(make_hub: MakeHub) -> None:
    assert {name for faults in FLEET for name in faults.split(",")} >= {f.name for f in FAULTS}
    hub = make_hub("devices.heartbeat_interval=2", "devices.token_ttl=8").start()
    headers = hub.add_api_key()
    async with hub.client(headers=headers) as client:
        fleet = Fleet(hub, headers)
        identities = await fleet.enrol(client)
        # The first run opens the connections, caches and threads that any busy hub has.
        await fleet.run(identities, SECONDS / 3, await_answers=False)
        tasks, memory = await _idle_figures(client, hub, 3)
        await fleet.run(identities, SECONDS * 2 / 3, await_answers=True)
        tasks_after, memory_after = await _idle_figures(client, hub, 90, enough=tasks + EXTRA_TASKS)
        records = await read_all(client)
        figures = {
            "commands": dict(sum(fleet.statuses.values(), Counter())),
            "longest command": round(fleet.longest_command, 1),
            "uploads acknowledged": len(fleet.acknowledged),
            "records": len(records),
            "connections cut": fleet.endpoint.cuts,
            "tasks": (tasks, tasks_after),
            "memory MB": (memory, memory_after),
        }
        print(figures)
        assert fleet.unexpected == []
        assert set(fleet.statuses["none"]) <= {200, 409}
        assert fleet.statuses["none"][200]
        assert all(set(fleet.statuses[faults]) == {409} for faults in NOT_ADMITTED)
        assert not fleet.statuses["silent"][200]
        assert fleet.longest_command < MAX_COMMAND_SECONDS
        counts = Counter(record["uuid"] for record in records)
        assert fleet.acknowledged <= set(counts), "an acknowledged record is lost"
        assert set(counts.values()) == {1}, "a repeated upload is two records"
        assert len(fleet.acknowledged) > SECONDS
        assert tasks_after <= tasks + EXTRA_TASKS
        assert memory_after <= memory + MAX_GROWTH_MB
    assert "Traceback" not in hub.err
    assert not re.search(r"\bERROR\b", hub.err)
    assert hub.stop() == 0


async def _idle_figures(
    client: httpx.AsyncClient, hub: HubProcess, seconds: float, *, enough: int = 0
) -> tuple[int, float]:
    """The hub's number of tasks and memory in MB, once all cameras are offline.

    Connections that were cut silently end by their own deadlines. So the smallest number of tasks
    within `seconds` counts; waiting ends early when it is down to `enough`.
    """
    with trio.fail_after(30):
        while await _metric(client, "sitehub_devices_online"):  # noqa: ASYNC110 - another process
            await trio.sleep(0.1)
    fewest = await _metric(client, "sitehub_tasks")
    with trio.move_on_after(seconds):
        while fewest > enough:
            await trio.sleep(0.25)
            fewest = min(fewest, await _metric(client, "sitehub_tasks"))
    return int(fewest), _megabytes(hub.process.pid)


async def _metric(client: httpx.AsyncClient, name: str) -> float:
    text = (await client.get("/metrics")).text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def _megabytes(pid: int) -> float:
    """Resident memory; 0 without /proc."""
    if sys.platform != "linux":
        return 0.0
    status = Path(f"/proc/{pid}/status").read_text("ascii")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024


#: How often each command is sent: restarts and photos are rare in practice, too.
_WEIGHTS = [
    0.2 if command == REBOOT else 1 if command.has_photo else 3 for command in DIALECT.commands
]


def _quirks(faults: str) -> Quirks:
    quirks = quirks_of(faults.split(","))
    return msgspec.structs.replace(quirks, reboot_every=min(quirks.reboot_every, REBOOT_SECONDS))


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


def _ignore(_event: CameraEvent) -> None:
    pass
