"""Requests to the device HTTP interface as an ASGI application, without a server."""

from __future__ import annotations

from typing import Any

import msgspec
import trio

FACE = "/api/v1/adapter/lenfocus/face/capture"


class Call:
    """One request to the application; the test sends its body."""

    def __init__(
        self,
        method: str = "POST",
        path: str = FACE,
        *,
        query: str = "",
        token: str | None = "good",
        length: int | None = None,
        chunked: bool = False,
        address: str = "10.0.0.8",
    ) -> None:
        headers = [(b"host", b"hub")]
        if token is not None:
            headers.append((b"authorization", f"Bearer {token}".encode()))
        if length is not None:
            headers.append((b"content-length", str(length).encode()))
        if chunked:
            headers.append((b"transfer-encoding", b"chunked"))
        self.scope = {
            "type": "http",
            "scheme": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
            "client": (address, 40000),
        }
        self.give, self._receive = trio.open_memory_channel[Any](100)
        self.wanted = False
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.json: Any = None
        self.answered = trio.Event()

    async def receive(self) -> Any:
        self.wanted = True
        event = await self._receive.receive()
        self.wanted = event["type"] != "http.request" or not event["more_body"]
        return event

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            self.json = msgspec.json.decode(message["body"])
            self.answered.set()

    def body(self, data: bytes, *, more: bool = False) -> None:
        self.give.send_nowait({"type": "http.request", "body": data, "more_body": more})

    def hang_up(self) -> None:
        self.give.send_nowait({"type": "http.disconnect"})

    @property
    def outcome(self) -> tuple[int, int]:
        return self.status, self.json["code"]


async def ask(api: Any, body: bytes = b"{}", **how: Any) -> Call:
    call = Call(**{"length": len(body), **how})
    call.body(body)
    await api(call.scope, call.receive, call.send)
    return call
