"""A camera that connects without a signature, over memory streams (D12)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio
from trio_websocket import ConnectionClosed

from tests.support.gate import ADDRESS, CODE, SN, Gate
from tests.support.plug import Camera, Port, device_port

MAC, DEVID = "00:1b:2c:3d:4e:5f", "3001"
NETWORKS = "10.0.0.0/24"
#: The settings of a site that has such cameras.
ASK = {"unsigned": "ask", "unsigned_networks": NETWORKS}


class UnsignedCamera:
    """Answers what the hub asks, and keeps it in `asked`. Change `facts` to make it another one.

    `answers`: false while it reads, and does not answer. `may_answer`: what its answers wait for;
    replace it by an event that is not set to hold them back.
    """

    def __init__(self, camera: Camera, **facts: str) -> None:
        self.camera = camera
        self.link = camera.link
        self.facts = {"sn": camera.sn, "devid": DEVID, "auth_code": CODE, "mac": MAC, **facts}
        self.answers = True
        self.may_answer = trio.Event()
        self.may_answer.set()
        self.asked: list[tuple[str, Any]] = []
        self.token: str | None = None
        self.closed = trio.Event()
        self._send, self._receive = trio.open_memory_channel[Any](100)

    @property
    def uris(self) -> list[str]:
        return [uri for uri, _ in self.asked]

    async def run(self) -> None:
        with suppress(ConnectionClosed):
            while True:
                frame = await self.camera.receive()
                if "code" in frame["data"]:
                    self.token = frame["data"].get("result", {}).get("token", self.token)
                    await self._send.send(frame["data"])
                else:
                    await self._reply(frame)
        self.closed.set()

    async def ask(self, uri: str, param: Any = None) -> Any:
        frame = {"msgid": "m", "data": {"uri": uri, "param": param or {}}}
        await self.camera.send(frame if self.token is None else {**frame, "token": self.token})
        return await self._receive.receive()

    async def connect(self) -> Any:
        """Connect, and keep the token if there is one."""
        return await self.ask("/connect", {"sn": self.camera.sn, "ts": "1795608000"})

    async def _reply(self, frame: Any) -> None:
        uri, facts = frame["data"]["uri"], self.facts
        self.asked.append((uri, frame["data"]["param"]))
        await self.may_answer.wait()
        if not self.answers:
            return
        assert frame.get("token") == self.token
        result: dict[str, Any] = {}
        if uri == "/system/device/get_info":
            names = ("sn", "devid", "auth_code")
            result = {name: facts[name] for name in names} | {"firmware": "1.1.7_x", "model": "M"}
        elif uri == "/net/ifconfig_get_inet":
            result = {"iface": "eth0", "eth": {"name": "eth0", "mac": facts["mac"]}}
        answer = {"uri": uri, "code": 0, "msg": "OK", "result": result}
        await self.camera.send({"msgid": frame["msgid"], "data": answer})


async def unsigned_camera(
    port: Port, sn: str = SN, address: str = ADDRESS, *, path: str = "/", **facts: str
) -> UnsignedCamera:
    """A camera with an open WebSocket, which has not connected yet."""
    camera = UnsignedCamera(await port.camera(sn, address, path=path), **facts)
    port.nursery.start_soon(camera.run)
    return camera


async def approved(
    port: Port, sn: str = SN, address: str = ADDRESS, **facts: str
) -> UnsignedCamera:
    """A camera that was approved, and is online."""
    waiting = await unsigned_camera(port, sn, address, **facts)
    assert (await waiting.connect())["code"] == 200
    await port.site.enrolment.accept(sn, facts.get("auth_code", CODE))
    await waiting.closed.wait()
    camera = await unsigned_camera(port, sn, address, **facts)
    await camera.connect()
    await settle()
    assert is_online(port.site, sn), camera.asked
    return camera


@asynccontextmanager
async def approved_camera(**config: Any) -> AsyncIterator[tuple[Port, UnsignedCamera]]:
    """A port that admits cameras without a signature, and one that was approved."""
    async with device_port(**ASK, **config) as port:
        yield port, await approved(port)


def is_online(site: Gate, sn: str = SN) -> bool:
    device = site.store.devices.by_sn(sn)
    return device is not None and site.registry.get(device.did) is not None


async def settle() -> None:
    """Wait until the check of who the camera is has ended, without a time-out."""
    await trio.sleep(0.5)
