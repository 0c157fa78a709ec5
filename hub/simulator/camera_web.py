"""A simulated camera's own HTTP (2.1, 2.8 of edition 3, D12): it logs in and switches a relay."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import h11
import msgspec
import trio
from msgspec import Struct

from hub.wire.camera_http import LOGIN_URI, PATH, RELAY_URI, login_digest

#: What it does instead of answering as documented. `unset`: it says that its password was never
#: set. `drops`: it switches the relay and ends the connection before its answer.
WebFault = Literal[
    "none", "unset", "silent", "huge", "redirect", "no-relay", "nonsense", "drops", "refuses"
]

_HEAD_BYTES, _MAX_BODY_BYTES = 16 * 1024, 16 * 1024
_HUGE_BYTES = 1 << 20
_MAX_CONNECTIONS = 8
_MAX_KEPT = 100


class Pulse(Struct, frozen=True):
    """A request that switched the relay."""

    on: bool
    seconds: int


class CameraWeb:
    """Answers on a port of its own. Start `serve` in a nursery; `port` is known then.

    `relay`: what the relay was told, the newest last.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        fault: WebFault = "none",
        context: ssl.SSLContext | None = None,
        token: Callable[[int], str] = lambda number: f"{1_795_608_000 + number}",
    ) -> None:
        """`context`: for HTTPS. `token`: of a login's number; like a camera's, a UNIX time."""
        self.username, self.password = username, password
        self.fault: WebFault = fault
        self.relay: list[Pulse] = []
        self.logins = 0
        self.refused_logins = 0
        self.port = 0
        self._context = context
        self._new_token = token
        self._token = ""
        self._places = trio.Semaphore(_MAX_CONNECTIONS)

    async def serve(
        self,
        address: str = "127.0.0.1",
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Answer until cancelled."""
        (listener,) = await trio.open_tcp_listeners(0, host=address)
        self.port = listener.socket.getsockname()[1]
        task_status.started()
        await trio.serve_listeners(self._serve_tcp, [listener])

    async def _serve_tcp(self, tcp: trio.SocketStream) -> None:
        stream: trio.abc.Stream = tcp
        if self._context is not None:
            stream = trio.SSLStream(tcp, self._context, server_side=True, https_compatible=True)
        async with self._places:
            try:
                await self.answer(stream)
            except (OSError, trio.BrokenResourceError, h11.ProtocolError):
                pass
            finally:
                await trio.aclose_forcefully(stream)

    async def answer(self, stream: trio.abc.Stream) -> None:
        """Answer one request, and say no more on this connection."""
        http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD_BYTES)
        request, body = await _receive(http, stream)
        if request is None:
            return
        if self.fault == "silent":
            await stream.receive_some()  # until the client leaves
            return
        if self.fault == "redirect":
            headers = [("Location", f"http://127.0.0.2{PATH}"), ("Content-Length", "0")]
            await _send(http, stream, 302, headers, b"")
            return
        reply = self._reply(request, body)
        if reply is None:
            return
        status, content = reply
        await _send(http, stream, status, [("Content-Length", str(len(content)))], content)

    def _reply(self, request: h11.Request, body: bytes) -> tuple[int, bytes] | None:
        """Return status and body; None to end the connection without an answer."""
        parts = urlsplit(request.target.decode("ascii"))
        if parts.path != PATH:
            return 404, b""
        if self.fault == "huge":
            return 200, b" " * _HUGE_BYTES
        if self.fault == "nonsense":
            return 200, b"<html>camera</html>"
        if request.method == b"GET":
            text = parse_qs(parts.query).get("cmd", ["{}"])[0]
            return 200, self._log_in(msgspec.json.decode(text))
        return self._switch(request, msgspec.json.decode(body))

    def _log_in(self, command: dict[str, Any]) -> bytes:
        param = command.get("param", {})
        expected = (self.username, login_digest(self.username, self.password))
        if command.get("uri") != LOGIN_URI:
            return _answer(command, 404, "no such uri")
        if (param.get("username"), param.get("password")) != expected:
            self.refused_logins += 1
            return _answer(command, 401, "wrong username or password")
        self.logins += 1
        self._token = self._new_token(self.logins)
        # The page misprints a key.
        result = {
            "access_token": self._token,
            "passwd_rule": 1,
            "passwd_level ": 2,
            "force_modify": int(self.fault == "unset"),
        }
        return _answer(command, 0, "success", result)

    def _switch(self, request: h11.Request, command: dict[str, Any]) -> tuple[int, bytes] | None:
        headers = dict(request.headers)
        cookies = headers.get(b"cookie", b"").decode("latin-1")
        is_known = self._token and f"Access-Token={self._token}" in cookies
        if not is_known or headers.get(b"access-token", b"").decode("latin-1") != self._token:
            return 401, b""
        if command.get("uri") != RELAY_URI or self.fault == "no-relay":
            return 200, _answer(command, 404, "no such uri")
        if self.fault == "refuses":
            return 200, _answer(command, 503, "busy")
        param = command["param"]
        self.relay = [*self.relay, Pulse(param["enable"] == 1, param["duration"])][-_MAX_KEPT:]
        return None if self.fault == "drops" else (200, _answer(command, 0, "success"))


async def _receive(
    http: h11.Connection, stream: trio.abc.Stream
) -> tuple[h11.Request | None, bytes]:
    """Read a request; None if the client left, or sent more than is allowed."""
    request, body = None, bytearray()
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            http.receive_data(bytes(await stream.receive_some(_HEAD_BYTES)))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _MAX_BODY_BYTES:
                return None, b""
        elif isinstance(event, h11.EndOfMessage):
            return request, bytes(body)
        else:
            return None, b""


async def _send(
    http: h11.Connection,
    stream: trio.abc.Stream,
    status: int,
    headers: list[tuple[str, str]],
    content: bytes,
) -> None:
    head = h11.Response(status_code=status, headers=[*headers, ("Connection", "close")])
    for event in (head, h11.Data(content), h11.EndOfMessage()):
        await stream.send_all(http.send(event) or b"")


def _answer(command: dict[str, Any], code: int, msg: str, result: object = None) -> bytes:
    answer: dict[str, Any] = {"uri": command.get("uri"), "code": code, "msg": msg}
    return msgspec.json.encode(answer if result is None else {**answer, "result": result})
