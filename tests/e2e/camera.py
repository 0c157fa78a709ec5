"""A camera that follows the specification: openssl signs, and nothing of `hub` is imported."""

from __future__ import annotations

import base64
import io
import json
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import trio
from PIL import Image
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

if TYPE_CHECKING:
    from tests.e2e.hub_process import HubProcess

FACE_PATH = "/api/v1/adapter/lenfocus/face/capture"
EVENT_PATH = "/api/v1/device/report/event"
_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


@dataclass(frozen=True)
class Camera:
    sn: str
    code: str
    #: PEM files made by openssl.
    private_key: Path
    public_key: Path
    #: The times of its connects: the hub refuses one that it has seen.
    signed: list[int] = field(default_factory=list)

    @staticmethod
    def make(directory: Path, sn: str = "Y3CTEST00000001", code: str = "12345678") -> Camera:
        private, public = directory / f"{sn}.key.pem", directory / f"{sn}.pem"
        _openssl("genrsa", "-out", str(private), "1024")
        _openssl("rsa", "-in", str(private), "-pubout", "-out", str(public))
        return Camera(sn, code, private, public)

    def enrol(self, hub: HubProcess, *more: str) -> str:
        """Add it to the devices of a hub; return its did."""
        return hub.add_device(self.sn, self.code, self.public_key, *more)

    def join(self, hub: HubProcess, *more: str) -> str:
        """Be enrolled, connect once, and return the token."""
        did = self.enrol(hub, *more)

        async def connect() -> str:
            async with self.connect(hub.device_url, hub.trust(), did) as (_, token):
                return token

        return trio.run(connect)

    def sign(self, ts: int) -> str:
        """Sign a connect (1.1) with openssl: MD5 over serial number, code and time."""
        text = f"{self.sn}{self.code}{ts}".encode()
        signature = _openssl("dgst", "-md5", "-sign", str(self.private_key), text=text)
        return base64.b64encode(signature).decode()

    def connect_frame(self, did: str = "", ts: int | None = None) -> str:
        if ts is None:
            ts = max([int(time.time()), *(one + 1 for one in self.signed[-1:])])
            self.signed.append(ts)
        param = {
            "did": did,
            "sn": self.sn,
            "ip": "127.0.0.1",
            "sign": self.sign(ts),
            "ts": ts,
        }
        return encode_request("/connect", param)

    @asynccontextmanager
    async def connect(
        self, url: str, trust: ssl.SSLContext, did: str, *, connect_frame: str | None = None
    ) -> AsyncIterator[tuple[WebSocketConnection, str]]:
        """Connect (1.1) with `connect_frame` or a new one; yield the socket and the token."""
        async with _open(url, trust) as socket:
            answer = await request(socket, connect_frame or self.connect_frame(did))
            assert answer["code"] == 200, answer
            yield socket, answer["result"]["token"]


async def try_connect(url: str, trust: ssl.SSLContext, connect_frame: str) -> int:
    """Send one connect and disconnect; return the code of the answer."""
    async with _open(url, trust) as socket:
        code: int = (await request(socket, connect_frame))["code"]
        return code


@asynccontextmanager
async def _open(url: str, trust: ssl.SSLContext) -> AsyncIterator[WebSocketConnection]:
    """Like trio_websocket.open_websocket(), which leaks the socket if the hub closes it."""
    host, port = urlsplit(url).hostname, urlsplit(url).port
    assert host is not None
    assert port is not None
    stream = await trio.open_ssl_over_tcp_stream(
        host, port, ssl_context=trust, https_compatible=True
    )
    try:
        async with trio.open_nursery() as nursery:
            socket = await wrap_client_stream(nursery, stream, host, "/")
            async with socket:
                yield socket
    finally:
        await trio.aclose_forcefully(stream)


def picture_text() -> str:
    """A small picture, as an upload has it in JSON."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64), "tan").save(out, "JPEG")
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def encode_request(uri: str, param: dict[str, Any], token: str | None = None) -> str:
    document: dict[str, Any] = {"msgid": uuid4().hex, "data": {"uri": uri, "param": param}}
    if token is not None:
        document["token"] = token
    return json.dumps(document)


async def read_until_closed(socket: WebSocketConnection) -> None:
    """Skip requests from the hub until it ends the connection."""
    with suppress(ConnectionClosed):
        while True:
            await socket.get_message()


async def request(socket: WebSocketConnection, text: str) -> dict[str, Any]:
    """Send a request; return the `data` of its answer. Requests from the hub are skipped."""
    await socket.send_message(text)
    while True:
        answer = json.loads(await socket.get_message())
        if answer["msgid"] == json.loads(text)["msgid"]:
            data: dict[str, Any] = answer["data"]
            return data


@dataclass(frozen=True)
class Capture:
    """A face capture (2.1) with three unique pictures."""

    uuid: str
    taken_at: int
    pictures: dict[str, bytes] = field(repr=False)
    category: int | None = None
    name: str = ""

    @staticmethod
    def random(rng: Random, *sizes: int, category: int | None = None) -> Capture:
        names = ("face", "body", "background")
        pictures = {
            name: _JPEG + rng.randbytes(size) for name, size in zip(names, sizes, strict=True)
        }
        return Capture(f"{rng.getrandbits(64):016x}", int(time.time()), pictures, category)

    def body(self) -> bytes:
        keys = {"face": "face_data", "body": "body_data", "background": "bg_data"}
        data = {
            keys[name]: "data:image/jpeg;base64," + base64.b64encode(picture).decode()
            for name, picture in self.pictures.items()
        }
        document = {
            "did": "",
            "time": self.taken_at,
            "name": self.name,
            "uuid": self.uuid,
            "data": data,
            **({} if self.category is None else {"category": self.category}),
        }
        return json.dumps(document).encode()


async def upload(client: httpx.AsyncClient, token: str, body: bytes, path: str = FACE_PATH) -> int:
    """Post a body; return the code of the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = await client.post(path, content=body, headers=headers)
    code: int = answer.json()["code"]
    return code


def upload_sync(client: httpx.Client, token: str, body: bytes, path: str = FACE_PATH) -> int:
    """Post a body from a thread; return the code of the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    code: int = client.post(path, content=body, headers=headers).json()["code"]
    return code


def _openssl(*words: str, text: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=text, capture_output=True, check=True).stdout
