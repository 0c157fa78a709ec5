"""Who must not notice a fuzz: cameras with heartbeats and captures, a health check, a reader.

Run as `python -m tests.fuzz.neighbours`, with a `Plan` as JSON on stdin. It works until stdin ends,
and then writes a `Result` as JSON to stdout.
"""

from __future__ import annotations

import base64
import json
import random
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import httpx
import msgspec
import trio
from msgspec import Struct
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from hub.simulator.identity import CameraIdentity
from hub.wire.signing import sign_connect
from tests.fuzz.peer import HOST

_BEAT_SECONDS, _UPLOAD_SECONDS, _LOOK_SECONDS = 1.0, 1.0, 1.0
_TIMEOUT_SECONDS = 20.0
_JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_FACE = "/api/v1/adapter/lenfocus/face/capture"


class Plan(Struct):
    """`cameras` by their dids. `cookie`: of a user; `bearer`: of an API key."""

    url: str
    device_port: int
    cameras: dict[str, CameraIdentity]
    cookie: str
    bearer: str


class Times(Struct):
    """How often it was done, and how long it took in milliseconds."""

    count: int = 0
    p50: float = 0
    p99: float = 0
    worst: float = 0


class Result(Struct):
    times: dict[str, Times]
    #: What went wrong, and how often.
    failures: dict[str, int]


class _Neighbours:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._seconds: dict[str, list[float]] = {}
        self._failures: dict[str, int] = {}
        self._trust = ssl._create_unverified_context()
        self._uuids: list[str] = []

    async def run(self) -> Result:
        async with trio.open_nursery() as nursery:
            for did, camera in self._plan.cameras.items():
                nursery.start_soon(self._keep, "a camera was disconnected", self._live, did, camera)
            nursery.start_soon(self._keep, "no health check", self._check_health)
            nursery.start_soon(self._keep, "no page", self._read_page)
            nursery.start_soon(self._keep, "no records", self._read_records)
            await trio.to_thread.run_sync(sys.stdin.buffer.read)
            nursery.cancel_scope.cancel()
        return Result(
            {name: _times(found) for name, found in self._seconds.items()}, self._failures
        )

    async def _keep(self, fault: str, work: Callable[..., Awaitable[None]], *args: object) -> None:
        while True:
            try:
                await work(*args)
            except* (httpx.HTTPError, ConnectionClosed, OSError, trio.TooSlowError) as group:
                self._fail(f"{fault}: {type(_first_leaf(group)).__name__}")
            await trio.sleep(0.5)

    def _fail(self, text: str) -> None:
        self._failures[text] = self._failures.get(text, 0) + 1

    def _note(self, name: str, started: float) -> None:
        self._seconds.setdefault(name, []).append(time.monotonic() - started)

    async def _live(self, did: str, camera: CameraIdentity) -> None:
        """Connect, then send heartbeats and captures until the connection ends."""
        async with self._open_socket() as socket, self._client() as client:
            token = await self._connect(socket, did, camera)
            rng = random.Random(did)
            await trio.sleep(rng.random())
            while True:
                await self._beat(socket, did, token)
                await self._upload(client, did, token, rng)
                await trio.sleep(_BEAT_SECONDS)

    @asynccontextmanager
    async def _open_socket(self) -> AsyncIterator[WebSocketConnection]:
        """Like trio_websocket.open_websocket(), which leaks the socket if the hub closes it."""
        stream: trio.abc.Stream = await trio.open_tcp_stream(HOST, self._plan.device_port)
        if self._plan.url.startswith("https"):
            stream = trio.SSLStream(stream, self._trust, server_hostname=HOST)
        try:
            async with trio.open_nursery() as nursery:
                with trio.fail_after(_TIMEOUT_SECONDS):
                    socket = await wrap_client_stream(nursery, stream, "hub", "/")
                async with socket:
                    yield socket
        finally:
            await trio.aclose_forcefully(stream)

    async def _connect(self, socket: WebSocketConnection, did: str, camera: CameraIdentity) -> str:
        ts = int(time.time())
        sign = sign_connect(camera.signer(), sn=camera.sn, code=camera.code, ts=ts)
        param = {"sn": camera.sn, "did": did, "ts": ts, "sign": sign}
        answer = await self._ask(socket, "/connect", param, "")
        if answer["code"] != 200:
            self._fail(f"a connect was answered {answer['code']}")
            raise trio.TooSlowError
        return str(answer["result"]["token"])

    async def _beat(self, socket: WebSocketConnection, did: str, token: str) -> None:
        started = time.monotonic()
        answer = await self._ask(socket, "/heartbeat", {"did": did}, token)
        self._note("heartbeat", started)
        if answer["code"] != 200:
            self._fail(f"a heartbeat was answered {answer['code']}")

    async def _ask(
        self, socket: WebSocketConnection, uri: str, param: dict[str, object], token: str
    ) -> dict[str, object]:
        msgid = f"{time.monotonic_ns()}"
        frame = {"msgid": msgid, "token": token, "data": {"uri": uri, "param": param}}
        with trio.fail_after(_TIMEOUT_SECONDS):
            await socket.send_message(json.dumps(frame))
            while True:
                answer = json.loads(await socket.get_message())
                if answer["msgid"] == msgid:
                    data: dict[str, object] = answer["data"]
                    return data

    async def _upload(
        self, client: httpx.AsyncClient, did: str, token: str, rng: random.Random
    ) -> None:
        uuid = f"{rng.getrandbits(60):015x}n{did}"
        picture = "data:image/jpeg;base64," + base64.b64encode(_JPEG + rng.randbytes(3000)).decode()
        document = {"did": did, "time": int(time.time()), "uuid": uuid}
        document["data"] = {"face_data": picture, "bg_data": picture}
        headers = {"Authorization": f"Bearer {token}"}
        started = time.monotonic()
        answer = await client.post(_FACE, json=document, headers=headers)
        self._note("capture", started)
        if answer.status_code != 200 or answer.json()["code"] != 200:
            self._fail(f"a capture was answered {answer.status_code} {answer.text[:60]}")
        else:
            self._uuids.append(uuid)

    async def _check_health(self) -> None:
        """As a monitor does: each time on a new connection."""
        while True:
            started = time.monotonic()
            async with self._client() as client:
                answer = await client.get("/healthz")
            self._note("health check", started)
            if answer.status_code != 200:
                self._fail(f"the health check was answered {answer.status_code} {answer.text[:80]}")
            await trio.sleep(_LOOK_SECONDS)

    async def _read_page(self) -> None:
        async with self._client(headers={"Cookie": self._plan.cookie}) as client:
            while True:
                started = time.monotonic()
                answer = await client.get("/")
                self._note("page", started)
                if answer.status_code != 200:
                    self._fail(f"the page was answered {answer.status_code}")
                await trio.sleep(_LOOK_SECONDS)

    async def _read_records(self) -> None:
        """Look for each capture that was acknowledged: it must be there once, with its pictures."""
        async with self._client(headers={"Authorization": self._plan.bearer}) as client:
            while True:
                if self._uuids:
                    uuid = self._uuids.pop()
                    answer = await client.get("/api/hub/v1/records", params={"uuid": uuid})
                    items = answer.json()["items"] if answer.status_code == 200 else []
                    if answer.status_code != 200 or len(items) != 1 or len(items[0]["images"]) != 2:
                        self._fail(f"an acknowledged capture: {answer.status_code}, {len(items)}")
                await trio.sleep(0.2)

    def _client(self, **options: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            base_url=self._plan.url,
            verify=self._trust,
            timeout=_TIMEOUT_SECONDS,
            **options,  # type: ignore[arg-type]
        )


def _first_leaf(group: BaseException) -> BaseException:
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _times(seconds: list[float]) -> Times:
    ordered = sorted(one * 1000 for one in seconds)
    last = len(ordered) - 1
    return Times(len(ordered), ordered[last // 2], ordered[int(last * 0.99)], ordered[-1])


def main() -> None:
    plan = msgspec.json.decode(sys.stdin.buffer.readline(), type=Plan)
    result = trio.run(_Neighbours(plan).run)
    sys.stdout.buffer.write(msgspec.json.encode(result) + b"\n")


if __name__ == "__main__":
    main()
