"""A client that hangs up: it stops what only reads, and no change half way."""

from __future__ import annotations

from typing import Any, cast

import pytest
import trio
import trio.testing
from quart import request

from web.quart_app import HubQuart

SCOPE: Any = {
    "type": "http",
    "http_version": "1.1",
    "asgi": {},
    "scheme": "http",
    "path": "/",
    "query_string": b"",
    "headers": [(b"host", b"hub")],
}


class Client:
    """Calls a view that has two steps, and hangs up when the test says so."""

    def __init__(self) -> None:
        self.app = HubQuart(__name__)
        self.steps: list[str] = []
        self._sent, self._received = trio.open_memory_channel[Any](10)
        self.first_step = trio.Event()
        self.second_step = trio.Event()

        @self.app.route("/", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
        async def change() -> str:
            body = await request.get_data()
            self.steps.append(f"first, {len(body)} bytes")
            self.first_step.set()
            await self.second_step.wait()
            self.steps.append("second")
            return ""

    def send(self, body: bytes, *, complete: bool = True) -> None:
        self._sent.send_nowait({"type": "http.request", "body": body, "more_body": not complete})

    def hang_up(self) -> None:
        self._sent.send_nowait({"type": "http.disconnect"})

    async def call(self, method: str) -> None:
        async def send(message: object) -> None:
            await trio.lowlevel.checkpoint()

        await self.app({**SCOPE, "method": method}, self._received.receive, cast(Any, send))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_change_is_finished_though_its_client_hangs_up(method: str) -> None:
    client = Client()
    client.send(b"body")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.call, method)
        await client.first_step.wait()
        client.hang_up()
        await trio.testing.wait_all_tasks_blocked()
        assert client.steps == ["first, 4 bytes"]
        client.second_step.set()
    assert client.steps == ["first, 4 bytes", "second"]


async def test_a_request_that_only_reads_is_stopped_when_its_client_hangs_up() -> None:
    client = Client()
    client.send(b"")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.call, "GET")
        await client.first_step.wait()
        client.hang_up()
    assert client.steps == ["first, 0 bytes"]


async def test_a_change_whose_body_never_becomes_complete_is_not_begun() -> None:
    client = Client()
    client.send(b"bo", complete=False)
    client.hang_up()
    await client.call("POST")
    assert client.steps == []


async def test_a_body_that_takes_long_does_not_count_as_a_slow_change(
    autojump_clock: trio.testing.MockClock,
) -> None:
    client = Client()
    client.app.config["BODY_TIMEOUT"] = None
    client.second_step.set()
    client.send(b"bo", complete=False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.call, "POST")
        await trio.sleep(1_000)
        client.send(b"dy")
    assert client.steps == ["first, 4 bytes", "second"]
