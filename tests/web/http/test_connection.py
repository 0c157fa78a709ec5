"""One connection over a socket with tiny buffers: answers arrive whole, or the connection ends."""

from __future__ import annotations

import gc
import socket
import ssl
import sys
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock, memory_stream_pair, wait_all_tasks_blocked

from hub.net.connection import Peer
from hub.net.deadlines import Deadlines
from hub.net.socket_stream import SocketStream
from hub.net.tls_stream import TlsStream
from tests.support.certificates import server_context, trusting_anybody
from tests.support.web import Client, request
from web.http import sender
from web.http.answers import AnswerBudget
from web.http.connection import Connection, Serving
from web.http.protocol import MAX_HEAD_BYTES

#: The kernel raises it to its minimum, a few KB.
TINY = 1
#: Less than one step of a send, and more than a tiny socket takes.
ANSWER = bytes(range(256)) * 60
#: Room for all answers of these tests.
PLENTY = 10_000_000


class Wire:
    """A connection of the server, and the client at its other end."""

    def __init__(self, connection: Connection, client: Client) -> None:
        self.connection = connection
        self.client = client
        self.has_ended = trio.Event()

    async def run(self) -> None:
        try:
            await self.connection.run()
        finally:
            self.has_ended.set()


def connection_over(
    app: Any, stream: Any, *, tls: bool, answers: AnswerBudget | None = None
) -> Connection:
    return Connection(
        app,
        Serving(
            closing=trio.Event(),
            deadlines=Deadlines(),
            answers=answers or AnswerBudget(PLENTY),
        ),
        stream,
        Peer("10.0.0.9", 50_000, trio.current_time()),
        ("10.0.0.1", 8443),
        tls=tls,
    )


@asynccontextmanager
async def wired(
    app: Any, tls: ssl.SSLContext | None = None, answers: AnswerBudget | None = None
) -> AsyncIterator[Wire]:
    """Both ends of a connection, with the smallest possible buffers."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TINY)
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TINY)
    stream: Any = SocketStream(ours)
    client: Any = SocketStream(theirs)
    # Closed even if the test fails.
    with ours, theirs:
        async with trio.open_nursery() as nursery:
            if tls is not None:
                stream = TlsStream(stream, tls)
                client = trio.SSLStream(client, trusting_anybody(), https_compatible=True)
                async with trio.open_nursery() as handshakes:
                    handshakes.start_soon(stream.do_handshake)
                    handshakes.start_soon(client.do_handshake)
            wire = Wire(
                connection_over(app, stream, tls=tls is not None, answers=answers), Client(client)
            )
            nursery.start_soon(wire.run)
            try:
                yield wire
            finally:
                theirs.close()
                nursery.cancel_scope.cancel()


@pytest.fixture
def no_collector() -> Iterator[None]:
    """No garbage collection, as in an idle hub: reference cycles are not freed."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(params=["plain", "tls"])
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> ssl.SSLContext | None:
    return server_context(tmp_path) if request.param == "tls" else None


async def respond(send: Any, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": 200, "headers": [length]})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def respond_to_all(scope: Any, receive: Any, send: Any) -> None:
    await respond(send, b"")


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the path, the body, and more than these sockets take at once."""
    message = await receive()
    await respond(send, scope["raw_path"] + message["body"] + ANSWER)


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("size", [7, 1500, 70_000])
async def test_answers_that_the_socket_takes_in_parts_arrive_whole_and_in_order(
    tls: ssl.SSLContext | None, method: str, size: int
) -> None:
    """The client sends without waiting for answers, and reads `size` bytes at a time."""
    count = 3 if size == 7 else 40
    body = b"" if method == "GET" else b"?"
    sent = b"".join(request(method, f"/{n}", body) for n in range(count))
    async with wired(echo, tls) as wire, trio.open_nursery() as nursery:
        nursery.start_soon(wire.client.send, sent)
        wire.client.max_read_bytes = size
        for n in range(count):
            assert (await wire.client.answer()).body == b"/%d" % n + body + ANSWER


async def test_an_answer_of_any_size_arrives_whole(tls: ssl.SSLContext | None) -> None:
    async def sized(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, bytes(int(scope["path"][1:])))

    async with wired(sized, tls) as wire:
        for size in (0, 1, 4000, 16_000, 16_384, 16_385, 65_536, 400_000):
            assert len((await wire.client.ask(request("POST", f"/{size}", b""))).body) == size


async def test_an_answer_without_room_is_refused_at_once_and_later_ones_are_served(
    tls: ssl.SSLContext | None,
) -> None:
    async def sized(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, bytes(int(scope["path"][1:])))

    answers = AnswerBudget(400_000)
    other = answers.take(400_000, "10.0.0.66", lambda: None)
    assert other is not None
    async with wired(sized, tls, answers) as wire:
        assert (await wire.client.ask(request("GET", "/16000"))).status == 200
        answer = await wire.client.ask(request("GET", "/400000"))
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
        assert b"too many answers at once" in answer.body
    other.give_back()
    async with wired(sized, tls, answers) as wire:
        assert len((await wire.client.ask(request("GET", "/400000"))).body) == 400_000
        assert len((await wire.client.ask(request("GET", "/20000"))).body) == 20_000
    assert answers.used == 0


async def test_an_answer_that_is_not_read_holds_room_until_others_need_it(
    tls: ssl.SSLContext | None,
) -> None:
    async def sized(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, bytes(300_000))

    answers = AnswerBudget(400_000)
    async with wired(sized, tls, answers) as wire:
        await wire.client.send(request("GET", "/"))
        await wait_all_tasks_blocked()
        assert answers.used == 300_000
        assert answers.take(200_000, "10.0.0.5", lambda: None)
        assert answers.used == 200_000
        assert wire.connection._reading.cancel_called


async def test_a_streamed_answer_counts_its_largest_part() -> None:
    used: list[int] = []

    async def stream(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for size in (100, 50_000, 20_000, 90_000):
            await send({"type": "http.response.body", "body": bytes(size), "more_body": True})
            used.append(answers.used)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    answers = AnswerBudget(60_000)
    async with wired(stream, None, answers) as wire:
        assert len((await wire.client.ask(request("GET", "/"))).body) == 160_100
    assert used == [0, 50_000, 50_000, 90_000]
    assert answers.used == 0


async def heads_in_two_reads(first: int, second: int) -> int:
    """The status that answers a head of `first` bytes in one read and `second` in the next."""
    client, server = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        connection = connection_over(respond_to_all, server, tls=False)
        nursery.start_soon(connection.run)
        start = b"GET / HTTP/1.1\r\nHost: hub\r\nX-Long: "
        await client.send_all(start + b"x" * (first - len(start)))
        await wait_all_tasks_blocked()
        await client.send_all(b"x" * (second - 4) + b"\r\n\r\n")
        answer = await Client(client).answer()
        await client.aclose()
    return answer.status


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [
        (MAX_HEAD_BYTES - 100, 100, 200),
        (MAX_HEAD_BYTES - 100, 102, 431),
        (MAX_HEAD_BYTES - 100, MAX_HEAD_BYTES, 431),
        (100, MAX_HEAD_BYTES - 100, 200),
        (100, MAX_HEAD_BYTES - 98, 431),
    ],
)
async def test_the_size_limit_of_a_head_applies_to_any_split_of_it(
    first: int, second: int, status: int
) -> None:
    assert await heads_in_two_reads(first, second) == status


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("length", [{}, {"Content-Length": "0"}])
async def test_expect_100_continue_without_a_body_keeps_the_connection_open(
    method: str, length: dict[str, str]
) -> None:
    async with wired(echo) as wire:
        for _ in range(3):
            sent = request(method, "/", None, {"Expect": "100-continue", **length})
            answer = await wire.client.ask(sent)
            assert (answer.status, answer.body) == (200, b"/" + ANSWER)
            assert "connection" not in answer.headers


async def test_concurrent_sends_are_never_interleaved(tls: ssl.SSLContext | None) -> None:
    """It happens when the application answers while the rest of its request is refused."""
    async with wired(echo, tls) as wire, trio.open_nursery() as nursery:
        parts = [bytes([n]) * size for n, size in enumerate((90_000, 9000, 30, 16_000, 30) * 4)]
        for part in parts:
            nursery.start_soon(wire.connection._sender.send, part)
        got = b""
        while len(got) < sum(map(len, parts)):
            got += await wire.client.stream.receive_some(5000)
            # Start another send whenever there is room for a part of it.
            if len(parts) < 60:
                parts.append(bytes([len(parts)]) * 3000)
                nursery.start_soon(wire.connection._sender.send, parts[-1])
    runs = [got[0]]
    for byte in got:
        if byte != runs[-1]:
            runs.append(byte)
    assert sorted(runs) == list(range(len(parts)))


async def test_an_application_that_gives_up_its_answer_ends_the_connection(
    tls: ssl.SSLContext | None, mock_clock: MockClock
) -> None:
    asked = []

    async def impatient(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        with trio.move_on_after(3):
            await respond(send, bytes(5_000_000))

    async with wired(impatient, tls) as wire:
        await wire.client.send(request("GET", "/1"), request("GET", "/2"))
        await wait_all_tasks_blocked(0.01)
        mock_clock.jump(3)
        assert len(await wire.client.ended()) < 5_000_000
        await wire.has_ended.wait()
    assert asked == ["/1"]


async def test_a_client_that_does_not_read_gets_no_further_answers(
    tls: ssl.SSLContext | None, mock_clock: MockClock
) -> None:
    asked = []

    async def long(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["path"])
        await respond(send, ANSWER)

    async with wired(long, tls) as wire:
        await wire.client.send(b"".join(request("POST", f"/{n}", b"") for n in range(9)))
        await wait_all_tasks_blocked(0.01)
        begun = len(asked)
        assert begun < 9
        mock_clock.jump(sender.SEND_SECONDS)
        await wire.has_ended.wait()
    assert len(asked) == begun


async def test_a_flood_of_requests_does_not_block_other_tasks() -> None:
    turns = 0

    async def count(scope: Any, receive: Any, send: Any) -> None:
        await respond(send, b"%d" % turns)

    async with wired(count) as wire, trio.open_nursery() as nursery:

        async def take_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await trio.lowlevel.checkpoint()

        nursery.start_soon(take_turns)
        await wire.client.send(request("POST", "/", b"") * 5)
        seen = [int((await wire.client.answer()).body) for _ in range(5)]
        assert seen[-1] - seen[0] >= 3
        nursery.cancel_scope.cancel()


@pytest.mark.expects_error("a fault of the hub while answering")
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
async def test_an_error_of_the_application_is_answered_with_a_code_and_a_message(
    method: str,
) -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a bug")

    async with wired(fail) as wire:
        await wire.client.send(request(method, "/", b""))
        answer = await wire.client.answer(method=method)
        assert (answer.status, answer.headers["content-type"]) == (500, "application/json")
        if method == "HEAD":
            assert int(answer.headers["content-length"]) > 0
        else:
            assert answer.json["code"] == 503
        assert await wire.client.ended() == b""


@pytest.mark.expects_error("a fault of the hub while answering GET /setup\n")
async def test_neither_the_token_of_a_link_nor_a_signature_gets_into_the_log() -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("a bug")

    async with wired(fail) as wire:
        await wire.client.send(request("GET", "/setup/a-secret-token?sign=1", b""))
        assert (await wire.client.answer()).status == 500


async def test_a_refused_head_request_is_answered_without_a_body() -> None:
    async with wired(echo) as wire:
        upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
        await wire.client.send(request("HEAD", "/", headers=upgrade))
        assert (await wire.client.answer(method="HEAD")).status == 400
        assert await wire.client.ended() == b""


async def test_a_client_that_closes_its_side_after_its_requests_gets_all_answers() -> None:
    async with wired(echo) as wire:
        await wire.client.send(request("POST", "/1", b"") + request("POST", "/2", b""))
        await wire.client.stream.send_eof()  # type: ignore[attr-defined]
        for path in (b"/1", b"/2"):
            assert (await wire.client.answer()).body == path + ANSWER
        assert await wire.client.ended() == b""
        await wire.has_ended.wait()


async def test_the_client_sees_the_end_of_an_early_answer_at_once() -> None:
    """Though the application, like Quart, cancels its tasks when the exchange is over."""

    async def answer_early(scope: Any, receive: Any, send: Any) -> None:
        async with trio.open_nursery() as nursery:

            async def listen() -> None:
                while (await receive())["type"] == "http.request":
                    pass
                nursery.cancel_scope.cancel()

            nursery.start_soon(listen)
            await respond(send, b"")

    # The order in which trio runs two tasks is random.
    for _ in range(8):
        async with wired(answer_early) as wire:
            chunked = {"Transfer-Encoding": "chunked"}
            await wire.client.send(request("POST", "/", headers=chunked))
            assert (await wire.client.answer()).status == 200
            with trio.fail_after(5):
                assert await wire.client.ended() == b""


async def test_the_last_answer_of_a_connection_is_sent_whole() -> None:
    async with wired(echo) as wire:
        await wire.client.send(request("POST", "/1", b"", {"Connection": "close"}))
        assert (await wire.client.answer()).body == b"/1" + ANSWER
        assert await wire.client.ended() == b""
        await wire.has_ended.wait()


async def test_a_closed_connection_is_freed_without_the_garbage_collector(
    tls: ssl.SSLContext | None, no_collector: None
) -> None:
    async with wired(echo, tls) as wire:
        await wire.client.ask(request("POST", "/", b"?"))
        ended = weakref.ref(wire.connection)
        await wire.client.stream.aclose()
        await wire.has_ended.wait()
        await wait_all_tasks_blocked()
        del wire.connection
        assert ended() is None


async def test_an_idle_connection_holds_no_received_data(
    tls: ssl.SSLContext | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces: list[bytes] = []
    receive = Connection._receive

    async def received(connection: Connection) -> bytes:
        pieces.append(await receive(connection))
        return pieces[-1]

    monkeypatch.setattr(Connection, "_receive", received)
    async with wired(echo, tls) as wire:
        await wire.client.ask(request("POST", "/", b"?"))
        await wait_all_tasks_blocked()
        # Referenced only by the list and by this call.
        assert [sys.getrefcount(pieces[n]) for n in range(len(pieces))] == [2] * len(pieces)
