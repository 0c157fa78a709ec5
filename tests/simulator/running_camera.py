"""A simulated camera that runs against a fake hub in memory."""

from __future__ import annotations

import json
import random
from typing import Any

import trio

from hub.simulator.camera import DEFAULT_TIMING, Camera, Timing
from hub.simulator.events import CameraEvent
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity
from hub.wire.envelope import Request, Response, encode_request
from hub.wire.session import ConnectParam, decode_connect
from tests.simulator.commands import POPULATION
from tests.support.fake_hub import FakeHub

#: The time at which the tests start, in UNIX seconds.
NOW = 1764028800.0


class RunningCamera:
    """A camera, the hub that it connects to, and the events that it has reported."""

    def __init__(
        self,
        nursery: trio.Nursery,
        identity: CameraIdentity,
        quirks: Quirks = FAULTLESS,
        timing: Timing = DEFAULT_TIMING,
    ) -> None:
        self.hub = FakeHub(nursery)
        self.events: list[CameraEvent] = []
        self.camera = Camera(
            identity,
            self.hub,
            population=POPULATION,
            now=lambda: NOW + trio.current_time(),
            rng=random.Random(1),
            on_event=self.events.append,
            quirks=quirks,
            timing=timing,
        )
        nursery.start_soon(self.camera.run)

    def states(self) -> list[str]:
        """The kinds of its events, except those of uploads."""
        return [event.kind for event in self.events if event.kind not in ("sent", "not-sent")]

    def requests(self) -> list[Request]:
        return [frame for frame in self.hub.frames if isinstance(frame, Request)]

    def answers(self) -> list[Response]:
        """Its answers to commands so far."""
        return [frame for frame in self.hub.frames if isinstance(frame, Response)]

    async def command(self, uri: str, param: object, *, msgid: str = "m1") -> None:
        """Send it a command over its newest connection."""
        await self.hub.sockets[-1].send_message(encode_request(msgid, "t", uri, param))

    async def wait_connects(self, count: int = 1) -> list[ConnectParam]:
        """Wait for its connects, and return their params."""
        await self.hub.until(lambda: len(self.hub.requests("/connect")) >= count)
        return [decode_connect(request.param) for request in self.hub.requests("/connect")]

    async def wait_answers(self, count: int = 1) -> list[Response]:
        await self.hub.until(lambda: len(self.answers()) >= count)
        return self.answers()

    async def wait_reports(self, path: str, count: int) -> list[Any]:
        """Wait for its reports of itself (2.2, 2.3), and return their bodies."""
        await self.hub.until(lambda: [p for p, _ in self.hub.reports].count(path) >= count)
        return [json.loads(body) for sent, body in self.hub.reports if sent == path]
