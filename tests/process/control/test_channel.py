"""What a program that does not know the secret can do on the port of the command line."""

from __future__ import annotations

import pkgutil
from typing import Any

import msgspec
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from hub.process import control
from hub.process.control import channel
from hub.process.control.channel import Strangers, _serve_one
from hub.process.control.request import ApiCall

SECRET = "s" * 43
PEER: Any = None
SERVICES: Any = None
API: Any = None
REFUSED = b'{"fault":"not authorised"}\n'


class Client:
    """A connection to the port, and what it was sent."""

    def __init__(self, nursery: trio.Nursery, strangers: Strangers) -> None:
        self.stream, self._other = memory_stream_pair()
        self.is_closed = False
        self.taken_bytes = 0
        receive = self._other.receive_some

        async def counted(most: int | None = None) -> bytes:
            chunk = await receive(most)
            self.taken_bytes += len(chunk)
            return bytes(chunk)

        self._other.receive_some = counted  # type: ignore[method-assign]
        nursery.start_soon(self._serve, strangers)

    async def _serve(self, strangers: Strangers) -> None:
        async with self._other:
            await _serve_one(SERVICES, API, SECRET, strangers, self._other, PEER)
        self.is_closed = True

    async def read(self) -> bytes:
        received = b""
        while chunk := await self.stream.receive_some():
            received += chunk
        return received


def request(secret: str, size: int = 0) -> bytes:
    """A request whose operation does not exist."""
    return msgspec.json.encode({"secret": secret, "operation": {"x": "x" * size}}) + b"\n"


async def test_a_program_without_the_secret_is_refused_before_its_request_is_received() -> None:
    async with trio.open_nursery() as nursery:
        client = Client(nursery, Strangers())
        await client.stream.send_all(request("t" * 43, size=10**6))
        assert await client.read() == REFUSED
        assert client.taken_bytes <= 512


async def test_whoever_sends_the_secret_slowly_gets_no_room(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        client = Client(nursery, Strangers())
        started = trio.current_time()
        await client.stream.send_all(request(SECRET)[:20])
        assert await client.read() == REFUSED
        assert trio.current_time() - started == 2


async def test_the_oldest_of_many_silent_connections_makes_room(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        strangers = Strangers()
        silent = [Client(nursery, strangers) for _ in range(16)]
        await wait_all_tasks_blocked()
        assert not any(one.is_closed for one in silent)
        command = Client(nursery, strangers)
        await command.stream.send_all(request(SECRET, size=100_000))
        assert b"does not know this command" in await command.read()
        await wait_all_tasks_blocked()
        assert [one.is_closed for one in silent].count(True) == 1
        nursery.cancel_scope.cancel()


async def test_a_request_with_the_secret_may_come_in_parts_and_be_long() -> None:
    async with trio.open_nursery() as nursery:
        for parts in (1, 7, 700, 70_000):
            client = Client(nursery, Strangers())
            sent = request(SECRET, size=1000)
            for start in range(0, len(sent), parts):
                await client.stream.send_all(sent[start : start + parts])
            assert b"does not know this command" in await client.read()


async def test_a_call_of_the_api_that_does_not_end_is_given_up(
    autojump_clock: MockClock,
) -> None:
    async def api(method: str, path: str, body: bytes) -> bytes:
        await trio.sleep_forever()
        raise AssertionError

    line = msgspec.json.encode({"secret": SECRET, "operation": ApiCall("GET", "stream", "")})
    assert (await channel._respond(SERVICES, api, line)).fault == "this takes too long"


def test_a_running_hub_knows_the_requests_of_all_commands() -> None:
    modules = {module.name for module in pkgutil.iter_modules(control.__path__)}
    assert modules - {"channel", "client", "request"} <= vars(channel).keys()
