"""The client side of HTTP and of a camera's WebSocket, for neighbours and attackers alike."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import msgspec
import trio
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hub.wire.signing import sign_connect
from tests.bench.cameras import UPGRADE, Identity, request
from tests.bench.hub_process import HOST

_READ_BYTES = 65536


class Refused(Exception):
    """The hub answered something else than was wanted, or hung up."""


class Answer(NamedTuple):
    status: int
    head: bytes
    body: bytes


async def open_stream(
    port: int, *, tls: bool, source: str = HOST, receive_buffer: int = 0
) -> trio.abc.Stream:
    """Connect from the address `source`, one of 127.0.0.0/8.

    With `receive_buffer` the kernel takes hardly more bytes than are read.
    """
    one = trio.socket.socket()
    if receive_buffer:
        one.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, receive_buffer)
    try:
        await one.bind((source, 0))
        await one.connect((HOST, port))
    except BaseException:
        one.close()
        raise
    stream = trio.SocketStream(one)
    if not tls:
        return stream
    secured = trio.SSLStream(stream, _context(), https_compatible=True)
    await secured.do_handshake()
    return secured


def request_bytes(
    method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request after which the hub closes the connection."""
    fields = {"Host": "hub", "Connection": "close", **(headers or {})}
    if body or method != "GET":
        fields["Content-Length"] = str(len(body))
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def ask(port: int, sent: bytes, *, tls: bool, source: str = HOST) -> Answer:
    """Send a request on a new connection, and read until the hub closes it."""
    stream = await open_stream(port, tls=tls, source=source)
    async with stream:
        await stream.send_all(sent)
        received = bytearray()
        while chunk := await stream.receive_some(_READ_BYTES):
            received += chunk
    head, end, body = bytes(received).partition(b"\r\n\r\n")
    if not end:
        raise Refused("the hub hung up")
    return Answer(int(head.split(b" ", 2)[1]), head, body)


class CameraLink:
    """The WebSocket of one enrolled camera. Use `connect`, then `beat` any number of times."""

    def __init__(self, identity: Identity, key: str, code: str, source: str) -> None:
        self.identity = identity
        self.token = ""
        self._key = load_key(key)
        self._code = code
        self._source = source
        self._stream: trio.abc.Stream | None = None
        self._received = b""

    async def connect(self, port: int, *, tls: bool) -> None:
        """Connect anew. Raises OSError, trio.BrokenResourceError, Refused."""
        await self.close()
        self._received = b""
        self._stream = await open_stream(port, tls=tls, source=self._source)
        await self._stream.send_all(UPGRADE)
        while b"\r\n\r\n" not in self._received:
            await self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        if b" 101 " not in head.partition(b"\r\n")[0]:
            raise Refused(head.decode("latin-1"))
        answer = await self._ask(self._connect_frame())
        self.token = answer["result"]["token"]

    async def beat(self) -> None:
        one = self.identity
        await self._ask(
            request("/heartbeat", self.token, did=one.did, sn=one.sn, ip="192.168.100.168")
        )

    async def send(self, data: bytes) -> None:
        """Send any bytes."""
        assert self._stream is not None
        await self._stream.send_all(data)

    async def wait_for_end(self) -> None:
        """Read until the hub closes the connection."""
        assert self._stream is not None
        while await self._stream.receive_some(_READ_BYTES):
            pass

    async def close(self) -> None:
        if self._stream is not None:
            await trio.aclose_forcefully(self._stream)
            self._stream = None

    def _connect_frame(self) -> bytes:
        one, ts = self.identity, int(time.time())
        sign = sign_connect(self._key, sn=one.sn, code=self._code, ts=ts)
        return request(
            "/connect", None, did=one.did, sn=one.sn, ip="192.168.100.168", ts=ts, sign=sign
        )

    async def _ask(self, frame: bytes) -> dict[str, dict[str, str]]:
        if self._stream is None:
            raise Refused("not connected")
        await self._stream.send_all(frame)
        while True:
            payload = await self._payload()
            data = msgspec.json.decode(payload)["data"]
            if "code" in data:
                break
        if data["code"] != 200:
            raise Refused(f"{data['code']} {data.get('msg')}")
        answer: dict[str, dict[str, str]] = data
        return answer

    async def _payload(self) -> bytes:
        """The payload of the next text frame."""
        while True:
            if len(self._received) >= 2:
                size, start = self._received[1], 2
                if size == 126:
                    size, start = int.from_bytes(self._received[2:4], "big"), 4
                if len(self._received) >= start + size:
                    frame = self._received[: start + size]
                    self._received = self._received[start + size :]
                    if frame[0] & 0x0F == 1:
                        return frame[start:]
                    continue
            await self._receive()

    async def _receive(self) -> None:
        assert self._stream is not None
        chunk = await self._stream.receive_some(_READ_BYTES)
        if not chunk:
            raise Refused("the hub hung up")
        self._received += chunk


@cache
def load_key(pem: str) -> RSAPrivateKey:
    key = load_pem_private_key(pem.encode(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


@cache
def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
