"""A scripted hub for simulated cameras, over streams in memory."""

from __future__ import annotations

from collections.abc import Callable

import h11
import msgspec
import trio
import trio_websocket
from trio.abc import Stream
from trio.testing import memory_stream_pair

from hub.simulator.endpoint import HubAway
from hub.wire.envelope import Request, Response, decode_frame, encode_ok
from hub.wire.session import ConnectResult

#: Makes the answer to a request; None for no answer.
AnswerRequest = Callable[[Request], str | None]


def accept(request: Request) -> str:
    """Accept a connect, a token update or a heartbeat."""
    return encode_ok(request, ConnectResult(f"token-{request.msgid}", expire=3600, interval=30))


#: Where cameras report themselves (2.2) and query for releases (2.3).
INFO, OTA = "/api/v1/device/report/info", "/api/v1/ota/query"


class FakeHub:
    """Tests set how it behaves, while it runs: `away`, `answer`, `http_statuses` (of the next
    uploads), `release` (the `data` of 2.3) and `files` (downloads, by path).

    It records `frames`, uploads (`posts`), reports and queries (`reports`), and downloads
    (`fetched`: path and range).
    """

    host = authority = "hub.test"

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.away = False
        self.answer: AnswerRequest = accept
        self.http_statuses: list[tuple[int, dict[str, str]]] = []
        self.frames: list[Request | Response] = []
        self.posts: list[tuple[str, str, bytes, str]] = []
        self.reports: list[tuple[str, bytes]] = []
        self.release: object = None
        self.files: dict[str, bytes] = {}
        self.fetched: list[tuple[str, str]] = []
        self.sockets: list[trio_websocket.WebSocketConnection] = []
        self.http_connections = 0
        #: Of the WebSocket connections so far.
        self.paths: list[str] = []
        self._streams: list[Stream] = []
        self._changed = trio.Event()

    async def open_ws(self) -> Stream:
        if self.away:
            raise HubAway("the hub is away")
        camera, hub = memory_stream_pair()
        self._streams.append(hub)
        self._nursery.start_soon(self._serve_ws, hub)
        return camera

    async def open_http(self) -> Stream:
        if self.away:
            raise HubAway("the hub is away")
        self.http_connections += 1
        camera, hub = memory_stream_pair()
        self._streams.append(hub)
        self._nursery.start_soon(self._serve_http, hub)
        return camera

    async def drop_connections(self) -> None:
        """Drop every connection without a close frame, as a power cut does."""
        for stream in self._streams:
            await trio.aclose_forcefully(stream)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; it is checked whenever something was received."""
        with trio.fail_after(3600):
            while not condition():
                await self._changed.wait()

    def requests(self, uri: str) -> list[Request]:
        return [f for f in self.frames if isinstance(f, Request) and f.uri == uri]

    def _notify(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _serve_ws(self, stream: Stream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request = await trio_websocket.wrap_server_stream(nursery, stream)
                self.paths.append(request.path)
                socket = await request.accept()
                self.sockets.append(socket)
                await self._serve_frames(socket)
        except* (trio_websocket.ConnectionClosed, trio_websocket.HandshakeError):
            pass
        finally:
            await trio.aclose_forcefully(stream)

    async def _serve_frames(self, socket: trio_websocket.WebSocketConnection) -> None:
        while True:
            frame = decode_frame(await socket.get_message(), max_depth=64)
            self.frames.append(frame)
            if isinstance(frame, Request) and (answer := self.answer(frame)) is not None:
                await socket.send_message(answer)
            self._notify()

    async def _serve_http(self, stream: Stream) -> None:
        try:
            async with stream:
                http = h11.Connection(h11.SERVER)
                while await self._serve_one(http, stream):
                    http.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.RemoteProtocolError):
            pass

    async def _serve_one(self, http: h11.Connection, stream: Stream) -> bool:
        request, body = await _receive(http, stream)
        if request is None:
            return False
        head, content = self._reply(request, body)
        for event in (head, h11.Data(content), h11.EndOfMessage()):
            await stream.send_all(http.send(event) or b"")
        self._notify()
        return http.our_state is h11.DONE

    def _reply(self, request: h11.Request, body: bytes) -> tuple[h11.Response, bytes]:
        path, headers = request.target.decode(), dict(request.headers)
        if request.method == b"GET":
            return self._file_range(path, headers.get(b"range", b"").decode())
        if path in (INFO, OTA):
            self.reports.append((path, body))
            answer = {"code": 200, "msg": "OK", "data": self.release if path == OTA else None}
            return _head(200, content := msgspec.json.encode(answer)), content
        token = headers.get(b"authorization", b"").decode()
        self.posts.append((request.method.decode(), path, body, token))
        status, more = self.http_statuses.pop(0) if self.http_statuses else (200, {})
        content = msgspec.json.encode({"code": status, "msg": "OK"})
        return _head(status, content, more), content

    def _file_range(self, path: str, wanted: str) -> tuple[h11.Response, bytes]:
        self.fetched.append((path, wanted))
        first, last = map(int, wanted.removeprefix("bytes=").split("-"))
        content = self.files[path][first : last + 1]
        return _head(206, content), content


def _head(status: int, content: bytes, more: dict[str, str] | None = None) -> h11.Response:
    headers = [*(more or {}).items(), ("Content-Length", str(len(content)))]
    return h11.Response(status_code=status, headers=headers)


async def _receive(http: h11.Connection, stream: Stream) -> tuple[h11.Request | None, bytes]:
    """Receive one request; None if the camera disconnects before its end."""
    request, body = None, b""
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some()))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return request, body
        else:
            return None, b""
