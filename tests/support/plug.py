"""Cameras connected to device links over memory streams, with trio's clock."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from hub.link.connection import DeviceLink
from hub.link.dispatch import Dispatch
from hub.link.message_budget import MessageBudget
from hub.live.old_tls import OldTls
from hub.net.connection import Peer
from hub.net.connection_slots import KnownAddresses
from hub.net.deadlines import Deadlines
from hub.store.tables.devices import Device
from tests.support.clock import NOON
from tests.support.gate import ADDRESS, SN, Gate
from tests.support.memory_store import MemoryStore


class TrioWallClock:
    """A wall clock that moves with trio's clock, which tests may jump."""

    @property
    def seconds(self) -> float:
        return NOON + trio.current_time()

    @property
    def ms(self) -> int:
        return round(self.seconds * 1000)

    def __call__(self) -> float:
        return self.seconds


class Port:
    """A device port without sockets."""

    def __init__(self, nursery: trio.Nursery, deadlines: Deadlines, **config: Any) -> None:
        clock: Any = TrioWallClock()
        self.site = Gate(MemoryStore(clock), clock, **{"require_did": "never", **config})
        self.traces = self.site.traces
        self.known_addresses = KnownAddresses()
        self.dispatch = Dispatch(
            self.site.admission,
            self.site.enrolment,
            self.traces,
            self.site.config,
            clock,
            OldTls(clock),
            note_address=self.known_addresses.note,
        )
        self.nursery = nursery
        self.deadlines = deadlines
        self.messages = MessageBudget(self.site.config.message_budget_mb * 1024 * 1024)
        self.links: list[DeviceLink] = []

    def plug(self, address: str = ADDRESS) -> trio.StapledStream:
        """Open a connection; returns the camera's end."""
        ours, theirs = trio.testing.memory_stream_pair()
        self.serve(ours, address)
        return theirs

    def serve(self, stream: trio.abc.Stream, address: str = ADDRESS) -> DeviceLink:
        link = DeviceLink(
            stream,
            Peer(address, 40_000, trio.current_time()),
            self.site.config,
            self.deadlines,
            self.messages,
            trace=self.traces.open(),
            handle=self.dispatch.handle,
            on_ended=self.dispatch.on_ended,
            own_names=lambda: frozenset({"hub", "*.site.example"}),
        )
        self.links.append(link)
        self.nursery.start_soon(link.run)
        return link

    async def camera(
        self, sn: str = SN, address: str = ADDRESS, *, path: str = "/any/path"
    ) -> Camera:
        """A camera with an open WebSocket."""
        stream = self.plug(address)
        socket = await wrap_client_stream(self.nursery, stream, "hub", path)
        return Camera(self.site, socket, self.links[-1], sn)


class Camera:
    """The device's side of a connection. Frames are dicts, or raw text or bytes."""

    def __init__(self, site: Gate, socket: WebSocketConnection, link: DeviceLink, sn: str) -> None:
        self.site = site
        self.socket = socket
        self.link = link
        self.sn = sn
        self.token: str | None = None
        self._msgids = itertools.count(1)

    async def send(self, frame: Any) -> None:
        await self.socket.send_message(
            frame if isinstance(frame, str | bytes) else json.dumps(frame)
        )

    async def receive(self) -> Any:
        """The next frame. Raises ConnectionClosed if the hub closed the connection."""
        return json.loads(await self.socket.get_message())

    async def ask(self, uri: str, param: Any = None, *, token: Any = ...) -> Any:
        """Send a request with the camera's token; returns the `data` of the answer."""
        msgid = f"m{next(self._msgids)}"
        frame = {"msgid": msgid, "data": {"uri": uri, "param": param or {}}}
        token = self.token if token is ... else token
        await self.send(frame if token is None else {**frame, "token": token})
        answer = await self.receive()
        assert answer["msgid"] == msgid
        return answer["data"]

    def connect_param(self, **fields: Any) -> dict[str, Any]:
        """The param of a signed connect."""
        param = self.site.connect_param(self.sn, **fields)
        sent = {"sn": param.sn, "ts": param.ts_text, "sign": param.sign, "did": param.did}
        return {key: value for key, value in sent.items() if value is not None}

    async def send_connect(self, **fields: Any) -> None:
        """Send a connect without waiting for its answer."""
        await self.send(
            {"msgid": "x", "data": {"uri": "/connect", "param": self.connect_param(**fields)}}
        )

    async def connect(self, **fields: Any) -> Any:
        """Connect, and keep the token if the answer is 200."""
        answer = await self.ask("/connect", self.connect_param(**fields), token=None)
        if answer["code"] == 200:
            self.token = answer["result"]["token"]
        return answer

    async def ended(self) -> tuple[int, str]:
        """Wait until the hub closes the connection; returns the close code and the reason."""
        with suppress(ConnectionClosed):
            while True:
                await self.socket.get_message()
        reason = self.socket.closed
        assert reason is not None
        return reason.code, reason.reason or ""


@asynccontextmanager
async def device_port(**config: Any) -> AsyncIterator[Port]:
    deadlines = Deadlines()
    async with deadlines.watched(), trio.open_nursery() as nursery:
        yield Port(nursery, deadlines, **config)
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def connected_camera(**config: Any) -> AsyncIterator[tuple[Port, Device, Camera]]:
    """A port, an enrolled device, and its camera, which has connected (or was refused)."""
    async with device_port(**config) as port:
        device = await port.site.enrol()
        camera = await port.camera()
        await camera.connect()
        yield port, device, camera
