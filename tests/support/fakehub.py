"""The hub as a simulated camera meets it, over streams in memory: it answers as it is told."""

from __future__ import annotations

from collections.abc import Callable

import h11
import msgspec
import trio
import trio_websocket
from trio.abc import Stream
from trio.testing import memory_stream_pair

from hub.simulator.target import HubAway
from hub.wire.envelope import Request, Response, decode_frame, encode_ok
from hub.wire.session import ConnectResult

Answer = Callable[[Request], str | None]


def let_in(request: Request) -> str:
    """The answer to a connect or an update that goes well; heartbeats are answered alike."""
    return encode_ok(request, ConnectResult(f"token-{request.msgid}", expire=3600, interval=30))


class FakeHub:
    """`ws_answers` and `http_answers` may be exchanged while it runs."""

    host = "hub.test"

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.away = False
        self.answer: Answer = let_in
        self.http_statuses: list[tuple[int, dict[str, str]]] = []
        self.frames: list[Request | Response] = []
        self.posts: list[tuple[str, str, bytes, str]] = []
        self.sockets: list[trio_websocket.WebSocketConnection] = []
        self.http_connections = 0
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

    async def hang_up(self) -> None:
        """End every connection without a word, as a power cut does."""
        for stream in self._streams:
            await trio.aclose_forcefully(stream)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something has come in that makes `holds` true."""
        with trio.fail_after(3600):
            while not holds():
                await self._changed.wait()

    def requests(self, uri: str) -> list[Request]:
        return [f for f in self.frames if isinstance(f, Request) and f.uri == uri]

    def _note(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    async def _serve_ws(self, stream: Stream) -> None:
        try:
            async with trio.open_nursery() as nursery:
                request = await trio_websocket.wrap_server_stream(nursery, stream)
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
            self._note()

    async def _serve_http(self, stream: Stream) -> None:
        try:
            async with stream:
                http = h11.Connection(h11.SERVER)
                while await self._serve_one(http, stream):
                    http.start_next_cycle()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass

    async def _serve_one(self, http: h11.Connection, stream: Stream) -> bool:
        method = target = token = ""
        body = b""
        while True:
            event = http.next_event()
            if event is h11.NEED_DATA:
                http.receive_data(bytes(await stream.receive_some()))
            elif isinstance(event, h11.Request):
                method, target = event.method.decode(), event.target.decode()
                token = dict(event.headers).get(b"authorization", b"").decode()
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                return False
        self.posts.append((method, target, body, token))
        status, headers = self.http_statuses.pop(0) if self.http_statuses else (200, {})
        content = msgspec.json.encode({"code": status, "msg": "OK"})
        out = [*headers.items(), ("Content-Length", str(len(content)))]
        for event in (
            h11.Response(status_code=status, headers=out),
            h11.Data(content),
            h11.EndOfMessage(),
        ):
            await stream.send_all(http.send(event) or b"")
        self._note()
        return http.our_state is h11.DONE
