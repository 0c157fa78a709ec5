"""A web server in the test's process, and a client that sends exactly the bytes it is given."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import trio

from hub.config import Config, DevicesConfig, WebConfig
from hub.errors import DeviceNotRegistered, NotAuthorised
from hub.live.frame_ring import TracedUpload
from hub.live.old_tls import OldTls
from hub.net.connection_slots import KnownAddresses
from hub.upload_priority import UploadPriority
from tests.support.certificates import trusting_anybody
from tests.support.clock import NOON
from tests.support.ports import free_port
from web.server import MakeApp, serve

#: The limit for things that should happen at once, in seconds.
SOON = 5


class Device(msgspec.Struct, frozen=True):
    """The fields of a device that an upload needs."""

    did: str
    sn: str
    name: str = ""


GATE = Device("12", "SN0000000000012", "Gate")


class FakeAuthentication:
    """Knows the tokens "good" (the gate), "1", "2" ... (others), and those that a test adds."""

    def __init__(self) -> None:
        self.tokens = {"good": GATE}
        self.tokens |= {str(n): Device(str(100 + n), f"SN{n}") for n in range(1, 100)}
        self.on_signature: Callable[[dict[str, str]], Device] | None = None
        self.online_from: dict[tuple[str, str], Device] = {}
        #: By the hash of its path and its address.
        self.by_paths: dict[tuple[str, str], Device] = {}

    def by_path(self, path_hash: str, address: str) -> Device | None:
        return self.by_paths.get((path_hash, address))

    def by_token(self, token: str | None, address: str = "") -> Device:
        if token is None or token not in self.tokens:
            raise NotAuthorised
        return self.tokens[token]

    def by_signature(self, query: dict[str, str]) -> Device:
        assert self.on_signature is not None
        return self.on_signature(query)

    def is_address_known(self, address: str) -> bool:
        return any(known == address for _, known in self.online_from)

    def by_address(self, sn: str, did: str, address: str) -> Device | None:
        if did == "nobody":
            raise DeviceNotRegistered
        return self.online_from.get((sn, address))


class FakeIngest:
    """Keeps what it is given. `before` runs first, and may wait or raise."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, Device, bytes]] = []
        self.before: Callable[[], Any] | None = None

    def __getattr__(self, kind: str) -> Any:
        async def take(device: Device, body: bytes, **how: Any) -> None:
            if self.before:
                await self.before()
            self.taken.append((kind, device, body))

        return take


class FakeTrace:
    """Keeps the requests that are traced: the device, the address and the upload."""

    def __init__(self) -> None:
        self.uploads: list[tuple[str, str, TracedUpload]] = []

    def add_upload(self, device: Device | None, address: str, upload: TracedUpload) -> None:
        self.uploads.append((device.did if device else "", address, upload))


def services(
    *,
    tls: ssl.SSLContext | None = None,
    web: dict[str, Any] | None = None,
    devices: dict[str, Any] | None = None,
) -> Any:
    """The part of Services that web.server and web.device_api use. `web`, `devices`: settings."""
    config = Config(
        web=WebConfig(bind="127.0.0.1", port=free_port(), tls=tls is not None, **(web or {})),
        devices=DevicesConfig(bind="127.0.0.1", **(devices or {})),
    )
    part = SimpleNamespace
    clock = part(is_doubted=False, shown_time=lambda: NOON, likely_time=lambda: NOON)
    return part(
        config=config,
        core=part(
            clock=clock,
            settings=part(current=config, follow=no_change),
            closing=trio.Event(),
        ),
        access=part(known_addresses=KnownAddresses()),
        cameras=part(
            authentication=FakeAuthentication(),
            old_tls=OldTls(lambda: NOON),
            upload_priority=UploadPriority(),
            trace=FakeTrace(),
        ),
        firmware=part(downloads=None),
        records=part(ingest=FakeIngest()),
        upkeep=part(certificates=part(context=lambda: tls)),
    )


def serving(app: Any, parts: Any) -> AbstractAsyncContextManager[trio.Event]:
    """Serve `app` by the real server; yields the event that shuts it down."""
    return serving_made(lambda *_: app, parts)


@asynccontextmanager
async def serving_made(make_app: MakeApp, parts: Any) -> AsyncIterator[trio.Event]:
    """Serve the application that `make_app` makes, as `serving` does."""
    shutdown = trio.Event()

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        await serve(make_app, parts, shutdown=shutdown, task_status=task_status)

    async with trio.open_nursery() as nursery:
        await nursery.start(run)
        try:
            yield shutdown
        finally:
            shutdown.set()


async def no_change(take_over: Any, *, task_status: trio.TaskStatus[None]) -> None:
    """Settings that do not change."""
    task_status.started()


class Answer(msgspec.Struct):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class Client:
    """One connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.max_read_bytes: int | None = None
        self._read = b""

    async def send(self, *parts: bytes) -> None:
        await self.stream.send_all(b"".join(parts))

    async def answer(self, *, method: str = "GET") -> Answer:
        head = (await self._until(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        lines = [line.partition(":") for line in head[1:] if line]
        names = [name.lower() for name, _, _ in lines]
        assert len(names) == len(set(names)), f"a header came twice: {names}"
        headers = {name.lower(): value.strip() for name, _, value in lines}
        status = int(head[0].split()[1])
        return Answer(status, headers, await self._body(status, headers, method))

    async def answer_begins(self) -> None:
        await self._until(b"\r\n\r\n")

    async def ask(self, *parts: bytes) -> Answer:
        await self.send(*parts)
        return await self.answer()

    async def ended(self) -> bytes:
        """Everything that arrives until the server closes the connection."""
        try:
            while chunk := await self.stream.receive_some():
                self._read += chunk
        except trio.BrokenResourceError:
            pass
        return self._read

    async def _body(self, status: int, headers: dict[str, str], method: str) -> bytes:
        if status < 200 or status in (204, 304) or method == "HEAD":
            return b""
        if headers.get("transfer-encoding") == "chunked":
            return await self._chunks()
        return await self._exactly(int(headers["content-length"]))

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self._until(b"\r\n"), 16):
            body += await self._exactly(size)
            await self._exactly(2)
        await self._exactly(2)
        return body

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._read:
            await self._more()
        found, _, self._read = self._read.partition(mark)
        return found

    async def _exactly(self, size: int) -> bytes:
        while len(self._read) < size:
            await self._more()
        found, self._read = self._read[:size], self._read[size:]
        return found

    async def _more(self) -> None:
        chunk = await self.stream.receive_some(self.max_read_bytes)
        if not chunk:
            raise EOFError(f"the server ended the connection after {self._read!r}")
        self._read += chunk


@asynccontextmanager
async def connected(parts: Any, *, port: int | None = None) -> AsyncIterator[Client]:
    """A client of the web port, or of another port, without TLS."""
    stream: trio.abc.Stream = await trio.open_tcp_stream("127.0.0.1", port or parts.config.web.port)
    if port is None and parts.config.web.tls:
        stream = trio.SSLStream(
            stream, trusting_anybody(), server_hostname="localhost", https_compatible=True
        )
    try:
        yield Client(stream)
    finally:
        await trio.aclose_forcefully(stream)


def request(
    method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
) -> bytes:
    """A request as bytes, with the token of the gate and the length of `body`."""
    lines = {"Host": "hub", "Authorization": "Bearer good", **(headers or {})}
    if body is not None:
        lines.setdefault("Content-Length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + (body or b"")
