"""A camera made of the specification alone: openssl signs, nothing of ours is imported."""

from __future__ import annotations

import base64
import json
import random
import ssl
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx
import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

FACE_PATH = "/api/v1/adapter/lenfocus/face/capture"
EVENT_PATH = "/api/v1/device/report/event"
_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"


@dataclass(frozen=True)
class Camera:
    sn: str
    code: str
    #: PEM files, made by openssl.
    private_key: Path
    public_key: Path

    @staticmethod
    def make(directory: Path, sn: str = "Y3CTEST00000001", code: str = "12345678") -> Camera:
        private, public = directory / f"{sn}.key.pem", directory / f"{sn}.pem"
        _openssl("genrsa", "-out", str(private), "1024")
        _openssl("rsa", "-in", str(private), "-pubout", "-out", str(public))
        return Camera(sn, code, private, public)

    def sign(self, ts: int) -> str:
        """1.1, as any openssl does it: sign with MD5 over SN, code and time."""
        text = f"{self.sn}{self.code}{ts}".encode()
        signature = _openssl("dgst", "-md5", "-sign", str(self.private_key), text=text)
        return base64.b64encode(signature).decode()

    def connect_frame(self, did: str = "", ts: int | None = None) -> str:
        ts = int(time.time()) if ts is None else ts
        param = {
            "did": did,
            "sn": self.sn,
            "ip": "127.0.0.1",
            "sign": self.sign(ts),
            "ts": ts,
        }
        return frame("/connect", param)

    @asynccontextmanager
    async def connect(
        self, url: str, trust: ssl.SSLContext, did: str, *, said: str | None = None
    ) -> AsyncIterator[tuple[WebSocketConnection, str]]:
        """Connect (1.1) with a fresh frame, or with `said`; gives the connection and the token."""
        async with _open(url, trust) as socket:
            answer = await exchange(socket, said or self.connect_frame(did))
            assert answer["code"] == 200, answer
            yield socket, answer["result"]["token"]


async def knock(url: str, trust: ssl.SSLContext, said: str) -> int:
    """Connect, and go again; gives the code of the answer."""
    async with _open(url, trust) as socket:
        code: int = (await exchange(socket, said))["code"]
        return code


@asynccontextmanager
async def _open(url: str, trust: ssl.SSLContext) -> AsyncIterator[WebSocketConnection]:
    """trio-websocket's own open_websocket() leaves a socket open that the hub has closed."""
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


def frame(uri: str, param: dict[str, Any], token: str | None = None) -> str:
    document: dict[str, Any] = {"msgid": uuid4().hex, "data": {"uri": uri, "param": param}}
    if token is not None:
        document["token"] = token
    return json.dumps(document)


async def exchange(socket: WebSocketConnection, text: str) -> dict[str, Any]:
    """Send a request; gives the `data` of its answer, passing over what the hub asks meanwhile."""
    await socket.send_message(text)
    while True:
        answer = json.loads(await socket.get_message())
        if answer["msgid"] == json.loads(text)["msgid"]:
            data: dict[str, Any] = answer["data"]
            return data


@dataclass(frozen=True)
class Capture:
    """A face (2.1) with three pictures that no other capture has."""

    uuid: str
    taken_at: int
    pictures: dict[str, bytes] = field(repr=False)

    @staticmethod
    def draw(noise: random.Random, *sizes: int) -> Capture:
        names = ("face", "body", "background")
        pictures = {
            name: _JPEG + noise.randbytes(size) for name, size in zip(names, sizes, strict=True)
        }
        return Capture(f"{noise.getrandbits(64):016x}", int(time.time()), pictures)

    def body(self) -> bytes:
        keys = {"face": "face_data", "body": "body_data", "background": "bg_data"}
        data = {
            keys[name]: "data:image/jpeg;base64," + base64.b64encode(picture).decode()
            for name, picture in self.pictures.items()
        }
        document = {
            "did": "",
            "time": self.taken_at,
            "name": "",
            "uuid": self.uuid,
            "data": data,
        }
        return json.dumps(document).encode()


async def upload(client: httpx.AsyncClient, token: str, body: bytes, path: str = FACE_PATH) -> int:
    """Post a body; gives the code of the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = await client.post(path, content=body, headers=headers)
    code: int = answer.json()["code"]
    return code


def post(client: httpx.Client, token: str, body: bytes, path: str = FACE_PATH) -> int:
    """The same without waiting for anything but the answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    code: int = client.post(path, content=body, headers=headers).json()["code"]
    return code


def _openssl(*words: str, text: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=text, capture_output=True, check=True).stdout
