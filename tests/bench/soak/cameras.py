"""The simulated cameras of a soak, and what the hub acknowledged to them.

Run as `python -m tests.bench.soak.cameras`, with a `Plan` as JSON on stdin. Each upload that was
answered 200 is a line of JSON (`Acknowledged`) in the file of the plan, written right away.
"""

from __future__ import annotations

import base64
import random
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

import msgspec
import trio
from msgspec import Struct

from hub.simulator.camera import Camera, Timing
from hub.simulator.endpoint import HubEndpoint
from hub.simulator.events import CameraEvent
from hub.simulator.faults import quirks_of
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import Population, make_population
from hub.simulator.uploads import UploadRequest

#: What cameras of a site have, one after the other. None of them keeps an upload from arriving.
FAULTS = (
    ("none",),
    ("drop-before-reply",),
    ("slow", "no-ip"),
    ("duplicates",),
    ("none",),
    ("drop-in-upload", "no-did"),
    ("forgets-did",),
    ("reboots",),
    ("none",),
    ("fragments", "half-frames"),
    ("silent",),
    ("garbage",),
    ("drop-on-command",),
    ("refuses", "real-camera"),
    ("text-numbers", "success-200"),
    ("floods",),
)
#: The sizes of the pictures: face, body, background.
_SIZES = {"face_data": 2_000, "body_data": 4_000, "bg_data": 12_000}
_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_FACE, _EVENT = "/api/v1/adapter/lenfocus/face/capture", "/api/v1/device/report/event"
_EVENT_TYPES = (1, 3, 4, 5, 8)
_TIMING = Timing(
    connect_retry_seconds=1, max_backoff_seconds=2, restart_seconds=1, upgrade_check_seconds=20
)


class Plan(Struct):
    """`rate`: uploads per second of all cameras together."""

    host: str
    web_port: int
    device_port: int
    cameras: list[CameraIdentity]
    rate: float
    seed: int
    acknowledged: str


class Acknowledged(Struct):
    """An upload that was answered 200: its number, when, and the digests of its pictures."""

    number: str
    did: str
    at: float
    pictures: dict[str, str]


class _Site:
    def __init__(self, plan: Plan, file: BinaryIO) -> None:
        self.plan = plan
        self.population: Population = make_population(plan.seed)
        self._file = file
        self._endpoint = HubEndpoint(plan.host, ws_port=plan.device_port, http_port=plan.web_port)

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            for number, identity in enumerate(self.plan.cameras):
                nursery.start_soon(self._run_camera, number, identity)

    async def _run_camera(self, number: int, identity: CameraIdentity) -> None:
        rng = random.Random(f"{self.plan.seed}/{number}")
        camera = Camera(
            identity,
            self._endpoint,
            population=self.population,
            now=time.time,
            rng=random.Random(f"{self.plan.seed}/{number}/patience"),
            on_event=_ignore,
            quirks=quirks_of(FAULTS[number % len(FAULTS)]),
            timing=_TIMING,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(camera.run)
            await camera.wait_reported()
            mean = len(self.plan.cameras) / self.plan.rate
            for count in range(sys.maxsize):
                await trio.sleep(rng.expovariate(1 / mean))
                await self._upload(camera, identity, f"{number}/{count}", rng)

    async def _upload(
        self, camera: Camera, identity: CameraIdentity, number: str, rng: random.Random
    ) -> None:
        upload, pictures = _make(identity, number, rng)
        reply = await camera.upload(upload)
        if reply.code == 200:
            done = Acknowledged(number, identity.did or "", time.time(), pictures)
            self._file.write(msgspec.json.encode(done) + b"\n")
            self._file.flush()
        else:
            print(f"{identity.sn}: {number} was answered {reply}", file=sys.stderr, flush=True)


def _make(
    identity: CameraIdentity, number: str, rng: random.Random
) -> tuple[UploadRequest, dict[str, str]]:
    """Make an upload with its number, and the digests of its pictures by their names."""
    is_face = rng.random() < 0.75
    names = ("face_data", "body_data", "bg_data") if is_face else ("bg_data",)
    pictures = {name: _JPEG + rng.randbytes(_SIZES[name]) for name in names}
    body: dict[str, object] = {
        "did": identity.did,
        "sn": identity.sn,
        "soak": number,
        "data": {
            name: "data:image/jpeg;base64," + base64.b64encode(picture).decode()
            for name, picture in pictures.items()
        },
    }
    if is_face:
        body |= {"time": int(time.time()), "name": ""}
    else:
        body |= {"time": int(time.time() * 1000), "type": rng.choice(_EVENT_TYPES)}
    shown = {"face_data": "face", "body_data": "body", "bg_data": "background"}
    digests = {shown[name]: sha256(picture).hexdigest() for name, picture in pictures.items()}
    return UploadRequest("POST", _FACE if is_face else _EVENT, msgspec.json.encode(body)), digests


def _ignore(_event: CameraEvent) -> None:
    pass


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    with Path(plan.acknowledged).open("ab") as file:
        trio.run(_Site(plan, file).run)


if __name__ == "__main__":
    main()
