"""A client of server-sent events, for an application in the same process."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import trio
from msgspec import Struct

#: How many pieces a connection buffers while the reader does not read.
_MAX_BUFFERED = 10
#: The limit for things that should happen at once.
_SOON_SECONDS = 10


class Event(Struct, frozen=True):
    """One event; a comment has neither name nor data."""

    id: str
    name: str
    data: Any


COMMENT = Event("", "", None)


class EventReader:
    """Reads an open stream, piece by piece."""

    def __init__(self, pieces: trio.MemoryReceiveChannel[bytes]) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self._pieces = pieces
        self._text = ""

    async def next(self) -> Event:
        """The next event, or COMMENT. Raises trio.EndOfChannel when the stream has ended."""
        block = await self._block()
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[0] != ":")
        data = json.loads(fields["data"]) if "data" in fields else None
        event = Event(fields.get("id", ""), fields.get("event", ""), data)
        return await self.next() if "retry" in fields else event

    async def ids(self, count: int) -> list[int]:
        """The ids of the next `count` record events; comments are skipped."""
        ids: list[int] = []
        while len(ids) < count:
            event = await self.next()
            if event != COMMENT:
                assert event.name == "record"
                assert event.data["seq"] == int(event.id)
                ids.append(int(event.id))
        return ids

    async def _block(self) -> str:
        with trio.fail_after(_SOON_SECONDS):
            while "\n\n" not in self._text:
                self._text += (await self._pieces.receive()).decode()
        block, self._text = self._text.split("\n\n", 1)
        return block


@asynccontextmanager
async def open_event_stream(
    app: Any, path: str, query: str, headers: Mapping[str, str]
) -> AsyncIterator[EventReader]:
    """An open stream; the reader hangs up when the block ends."""
    to_reader, pieces = trio.open_memory_channel[bytes](_MAX_BUFFERED)
    reader = EventReader(pieces)
    begun, hung_up = trio.Event(), trio.Event()
    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> dict[str, Any]:
        if requests:
            return requests.pop()
        await hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            reader.status = message["status"]
            reader.headers = {k.decode().lower(): v.decode() for k, v in message["headers"]}
            return
        if message["body"]:
            await to_reader.send(message["body"])
            begun.set()
        if not message["more_body"]:
            to_reader.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(app, _scope(path, query, headers), receive, send)
        with trio.fail_after(_SOON_SECONDS):
            await begun.wait()
        yield reader
        hung_up.set()


def _scope(path: str, query: str, headers: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "http",
        "http_version": "1.1",
        "asgi": {"spec_version": "2.3", "version": "3.0"},
        "method": "GET",
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
        "client": ("10.0.0.5", 40000),
        "server": ("hub", 8443),
        "extensions": {},
    }
