"""The server side of TLS, against trio's client side over a pair of sockets."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import trio
import trio.testing

from hub.net.socket_stream import SocketStream
from hub.net.tls_stream import TlsStream
from tests.support.certificates import server_context, trusting_anybody

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl")

BODY = os.urandom(220 * 1024)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_context(tmp_path_factory.mktemp("tls"))


async def sockets() -> tuple[trio.SocketStream, trio.SocketStream]:
    ours, theirs = trio.socket.socketpair()
    return trio.SocketStream(ours), trio.SocketStream(theirs)


class ThreeByteStream(trio.abc.Stream):
    """A stream that returns three bytes at a time."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        return bytes(await self.stream.receive_some(3))

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self.stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self.stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self.stream.aclose()


def client_over(
    stream: trio.SocketStream, context: ssl.SSLContext | None = None
) -> trio.SSLStream[trio.SocketStream]:
    return trio.SSLStream(stream, context or trusting_anybody())


@asynccontextmanager
async def connected(
    context: ssl.SSLContext, client_context: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[TlsStream, trio.SSLStream[trio.SocketStream]]]:
    ours, theirs = await sockets()
    server, client = TlsStream(ours, context), client_over(theirs, client_context)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        await client.do_handshake()
    try:
        yield server, client
    finally:
        server.transport_stream.socket.close()
        client.transport_stream.socket.close()


def tls_1_2() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


async def receive_exactly(stream: trio.abc.ReceiveStream, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        chunk = await stream.receive_some(256 * 1024)
        assert chunk, "the stream ended early"
        data += chunk
    return bytes(data)


@pytest.mark.parametrize("client_context", [None, tls_1_2()], ids=["1.3", "1.2"])
async def test_a_body_is_transmitted_in_both_directions(
    context: ssl.SSLContext, client_context: ssl.SSLContext | None
) -> None:
    async with connected(context, client_context) as (server, client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send_all, BODY)
            assert await receive_exactly(server, len(BODY)) == BODY
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send_all, BODY)
            assert await receive_exactly(client, len(BODY)) == BODY


async def test_one_receive_returns_all_records_that_have_arrived(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, client):
        for _ in range(5):
            await client.send_all(b"x" * 10_000)
        assert await server.receive_some(256 * 1024) == b"x" * 50_000


async def test_records_may_be_split_anywhere(context: ssl.SSLContext) -> None:
    ours, theirs = await sockets()
    server = TlsStream(ThreeByteStream(ours), context)
    client = client_over(theirs)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        await client.do_handshake()
    for size in (1, 10, 100, 20_000):
        await client.send_all(BODY[:size])
        assert await receive_exactly(server, size) == BODY[:size]
    ours.socket.close()
    theirs.socket.close()


async def test_the_first_data_may_arrive_with_the_end_of_the_handshake(
    context: ssl.SSLContext,
) -> None:
    """A TLS 1.3 client may send both in one segment."""
    ours, theirs = await sockets()
    server = TlsStream(ours, context)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting_anybody().wrap_bio(incoming, outgoing)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        while not _handshake_step(client):
            await theirs.send_all(outgoing.read())
            incoming.write(await theirs.receive_some())
        client.write(b"at once")
        await theirs.send_all(outgoing.read())
    assert await server.receive_some() == b"at once"
    ours.socket.close()
    theirs.socket.close()


def _handshake_step(client: ssl.SSLObject) -> bool:
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


async def test_a_small_receive_leaves_the_rest_for_the_next(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, client):
        await client.send_all(BODY[:60_000])
        assert await server.receive_some(7) == BODY[:7]
        assert await server.receive_some(4096) == BODY[7:4103]
        assert await receive_exactly(server, 60_000 - 4103) == BODY[4103:60_000]


@pytest.mark.parametrize("size", [3, 8], ids=["partial header", "partial record"])
async def test_a_partial_record_does_not_keep_the_records_before_it(
    context: ssl.SSLContext, size: int
) -> None:
    async with connected(context) as (server, client):
        await client.send_all(BODY[:100_000])
        await client.transport_stream.send_all(b"\x17\x03\x03\x40\x00abc"[:size])
        tracemalloc.start()
        try:
            assert len(await server.receive_some()) == 100_000
            assert tracemalloc.get_traced_memory()[0] < 10_000
        finally:
            tracemalloc.stop()


class RecordingBio:
    """Forwards what is fed to OpenSSL, and notes the most that waited for it."""

    def __init__(self, bio: ssl.MemoryBIO) -> None:
        self.bio = bio
        self.most = 0

    def write(self, data: bytes | memoryview) -> int:
        written = self.bio.write(data)
        self.most = max(self.most, self.bio.pending)
        return written


@pytest.mark.parametrize("portion", [5, 4096, 100_000])
async def test_openssl_is_fed_long_records_in_portions(
    context: ssl.SSLContext, portion: int
) -> None:
    async with connected(context) as (server, client):
        server.portion_bytes = portion
        bio: Any = RecordingBio(server._incoming)
        server._incoming = bio
        await client.send_all(BODY[:60_000])
        assert await receive_exactly(server, 60_000) == BODY[:60_000]
        assert min(portion, 16_384) <= bio.most < 2 * portion
        await server.send_all(b"and back")
        assert await receive_exactly(client, 8) == b"and back"


async def test_any_buffer_can_be_sent_even_an_empty_one(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, client):
        await server.send_all(b"")
        await server.send_all(bytearray(b"one "))
        await server.send_all(memoryview(b"two"))
        assert await receive_exactly(client, 7) == b"one two"


async def test_send_nowait_is_no_checkpoint_and_keeps_the_rest(context: ssl.SSLContext) -> None:
    (ours, theirs), no_checkpoint = trio.socket.socketpair(), trio.testing.assert_no_checkpoints
    transport = SocketStream(socket.socket(fileno=ours.detach()))
    server, client = TlsStream(transport, context), client_over(trio.SocketStream(theirs))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.do_handshake)
        await client.do_handshake()
    with no_checkpoint():
        assert server.send_nowait(b"hello")
    assert await client.receive_some() == b"hello"
    said = 0
    with no_checkpoint():
        while server.send_nowait(BODY):
            said += len(BODY)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.send_all, b"")
        assert (await receive_exactly(client, said + len(BODY)))[-len(BODY) :] == BODY
    transport.close()
    theirs.close()


async def test_without_send_nowait_below_the_next_send_sends_the_data(
    context: ssl.SSLContext,
) -> None:
    async with connected(context) as (server, client):
        assert not server.send_nowait(b"hel")
        await server.send_all(b"lo")
        assert await receive_exactly(client, 5) == b"hello"


async def test_alpn_selects_http_1_1(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, _):
        assert server.selected_alpn_protocol() == "http/1.1"
        await server.do_handshake()


async def test_sending_and_receiving_require_the_handshake(context: ssl.SSLContext) -> None:
    ours, theirs = await sockets()
    async with TlsStream(ours, context) as server, theirs:
        with pytest.raises(RuntimeError, match="do_handshake"):
            await server.receive_some()
        with pytest.raises(RuntimeError, match="do_handshake"):
            await server.send_all(b"x")


async def test_close_notify_of_the_peer_is_the_end(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, client), trio.open_nursery() as nursery:
        await client.send_all(b"last words")
        nursery.start_soon(client.aclose)
        assert await server.receive_some() == b"last words"
        assert await server.receive_some() == b""
        assert await server.receive_some() == b""
        await server.aclose()


async def test_an_end_without_close_notify_is_the_end_as_well(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, client):
        # Unread session tickets would turn the close into a reset.
        await server.send_all(b"x")
        await client.receive_some()
        client.transport_stream.socket.close()
        assert await server.receive_some() == b""
        assert await server.receive_some() == b""


async def test_closing_sends_close_notify(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, client):
        await server.send_all(b"last words")
        await server.aclose()
        assert await receive_exactly(client, 10) == b"last words"
        assert await client.receive_some() == b""
        await server.aclose()
        with pytest.raises(trio.ClosedResourceError):
            await server.send_all(b"x")
        with pytest.raises(trio.ClosedResourceError):
            await server.receive_some()


async def test_closing_wakes_a_receiving_task(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, _), trio.open_nursery() as nursery:

        async def receive() -> None:
            with pytest.raises(trio.ClosedResourceError):
                await server.receive_some()

        nursery.start_soon(receive)
        await trio.testing.wait_all_tasks_blocked()
        await server.aclose()


async def fill(stream: TlsStream, count: int = 200) -> None:
    for _ in range(count):
        await stream.send_all(BODY)


async def test_closing_does_not_wait_for_a_peer_that_does_not_read(
    context: ssl.SSLContext, autojump_clock: trio.testing.MockClock
) -> None:
    async with connected(context) as (server, _):
        raw = server.transport_stream.socket
        while True:  # Fill the socket, so that no byte of close_notify fits.
            with trio.move_on_after(0.001) as full:
                await raw.send(b"x" * 65536)
            if full.cancelled_caught:
                break
        started = trio.current_time()
        await server.aclose()
        assert trio.current_time() - started <= 2


async def test_a_cancelled_send_breaks_the_stream(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, _):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fill, server)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        with pytest.raises(trio.BrokenResourceError):
            await server.send_all(b"x")
        with pytest.raises(trio.BrokenResourceError):
            await server.receive_some()
        await server.aclose()


async def test_a_cancelled_receive_loses_nothing(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, client):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.receive_some)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await client.send_all(b"still here")
        assert await server.receive_some() == b"still here"


async def test_two_tasks_cannot_send_at_the_same_time(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, _), trio.open_nursery() as nursery:
        nursery.start_soon(fill, server)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await server.send_all(b"x")
        nursery.cancel_scope.cancel()


async def test_two_tasks_cannot_receive_at_the_same_time(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, _), trio.open_nursery() as nursery:
        nursery.start_soon(server.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await server.receive_some()
        nursery.cancel_scope.cancel()


async def test_one_task_may_send_while_another_receives(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, client), trio.open_nursery() as nursery:
        nursery.start_soon(server.receive_some)
        await trio.testing.wait_all_tasks_blocked()
        await server.send_all(b"meanwhile")
        assert await receive_exactly(client, 9) == b"meanwhile"
        await client.send_all(b"done")


async def test_a_damaged_record_breaks_the_stream(context: ssl.SSLContext) -> None:
    async with connected(context) as (server, client):
        await client.transport_stream.send_all(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        with pytest.raises(trio.BrokenResourceError):
            await server.receive_some()
        with pytest.raises(trio.BrokenResourceError):
            await server.receive_some()


async def test_plain_http_instead_of_a_handshake_is_named(context: ssl.SSLContext) -> None:
    ours, theirs = await sockets()
    async with TlsStream(ours, context) as server, theirs:
        await theirs.send_all(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(trio.BrokenResourceError, match="http request"):
            await server.do_handshake()


async def test_a_peer_without_a_shared_cipher_gets_an_alert(context: ssl.SSLContext) -> None:
    old = tls_1_2()
    old.set_ciphers("aRSA")  # The server of this test has no RSA certificate.
    ours, theirs = await sockets()
    server, client = TlsStream(ours, context), client_over(theirs, old)
    async with server, theirs, trio.open_nursery() as nursery:

        async def fail() -> None:
            with pytest.raises(trio.BrokenResourceError, match="no shared cipher"):
                await server.do_handshake()

        nursery.start_soon(fail)
        with pytest.raises(trio.BrokenResourceError) as told:
            await client.do_handshake()
        assert "ALERT_HANDSHAKE_FAILURE" in str(told.value.__cause__)


async def test_a_peer_that_closes_during_the_handshake_breaks_the_stream(
    context: ssl.SSLContext,
) -> None:
    ours, theirs = await sockets()
    async with TlsStream(ours, context) as server:
        await theirs.send_all(b"\x16\x03\x01\x02")
        await theirs.aclose()
        with pytest.raises(trio.BrokenResourceError, match="closed the connection"):
            await server.do_handshake()


@needs_openssl
async def test_a_peer_may_update_its_keys(context: ssl.SSLContext) -> None:
    async with openssl_connected(context, "-tls1_3") as (server, client, nursery):
        nursery.start_soon(client.stdin.send_all, b"K\n")
        await trio.lowlevel.wait_readable(server.transport_stream.socket)
        nursery.start_soon(client.stdin.send_all, b"after\n")
        assert await server.receive_some() == b"after\n"
        await server.send_all(b"as well\n")
        assert await client.stdout.receive_some() == b"as well\n"


@needs_openssl
async def test_renegotiation_is_refused_with_an_alert(context: ssl.SSLContext) -> None:
    async with openssl_connected(context, "-tls1_2") as (server, client, nursery):
        nursery.start_soon(client.stdin.send_all, b"R\n")
        # The peer sends its own alert because it received ours.
        with pytest.raises(trio.BrokenResourceError, match="alert handshake failure"):
            await server.receive_some()


@asynccontextmanager
async def openssl_connected(
    context: ssl.SSLContext, version: str
) -> AsyncIterator[tuple[TlsStream, Any, trio.Nursery]]:
    """Connect the client of the openssl tool; its standard input is data, or commands."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listener.socket.getsockname()[1]
    command = ["openssl", "s_client", "-brief", version, "-connect", f"127.0.0.1:{port}"]
    run = partial(
        trio.run_process,
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=False,
    )
    async with listener, trio.open_nursery() as nursery:
        client = await nursery.start(run)
        async with TlsStream(await listener.accept(), context) as server:
            await server.do_handshake()
            yield server, client, nursery
        nursery.cancel_scope.cancel()
