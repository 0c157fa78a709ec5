"""Calls of the API by the owner of the data directory, whose command line asks in this process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from urllib.parse import unquote

import msgspec
import trio
from hypercorn.typing import ASGIFramework, ASGIReceiveEvent, ASGISendEvent, HTTPScope

from hub.errors import StartFault, TooLarge
from web.api.endpoint import PREFIX
from web.auth import OWNER

#: The method, the path below PREFIX with the query, quoted, and the body -> the answer as JSON.
AnswerOwner = Callable[[str, str, bytes], Awaitable[bytes]]

#: Lists are read page by page.
_MAX_ANSWER_BYTES = 16 * 1024 * 1024


async def answer_owner(app: ASGIFramework, method: str, path: str, body: bytes) -> bytes:
    """Let `app` answer a call; text that is not JSON is returned as JSON.

    Raises StartFault with the message of a refusal, and TooLarge.
    """
    exchange = _Exchange(body)
    with exchange.reading:
        await app(_scope(method, path, body), exchange.receive, exchange.send)
    if exchange.reading.cancelled_caught:
        raise TooLarge("this answer is too long for the command line")
    answer = bytes(exchange.answer)
    if exchange.status != 200:
        # What is no JSON leads from a path with an empty part to one without.
        raise StartFault(msgspec.json.decode(answer)["msg"] if exchange.is_json else "Not Found")
    return answer if exchange.is_json else msgspec.json.encode(answer.decode())


def _scope(method: str, path: str, body: bytes) -> HTTPScope:
    path, _, query = path.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": f"{PREFIX}/{unquote(path)}",
        "raw_path": f"{PREFIX}/{path}".encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ],
        "client": None,
        "server": None,
        "state": {},  # type: ignore[typeddict-item]
        # Requests of the network have those that web.http.connection says.
        "extensions": {OWNER: {}},
    }


class _Exchange:
    """One request whose body is there, and its answer."""

    def __init__(self, body: bytes) -> None:
        self._body = [body]
        #: Cancelled when the answer is too long.
        self.reading = trio.CancelScope()
        self.status = 0
        self.is_json = True
        self.answer = bytearray()

    async def receive(self) -> ASGIReceiveEvent:
        if not self._body:
            await trio.sleep_forever()
        return {"type": "http.request", "body": self._body.pop(), "more_body": False}

    async def send(self, event: ASGISendEvent) -> None:
        if event["type"] == "http.response.start":
            self.status = event["status"]
            self.is_json = (b"content-type", b"application/json") in event["headers"]
        elif event["type"] == "http.response.body":
            self.answer += event["body"]
            if len(self.answer) > _MAX_ANSWER_BYTES:
                self.reading.cancel()
                await trio.lowlevel.checkpoint()
