"""Where connections come in: limits, TLS, plain HTTP on a TLS port, and the fence."""

from __future__ import annotations

import errno
import logging
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from hub import metrics
from hub.errors import StartFault
from hub.net.listener import Limits, Peer, open_listeners, serve_port
from hub.net.socket_stream import SocketStream
from hub.net.tls_stream import TlsStream
from tests.support.certificates import server_context, trusting_anybody

PLENTY = Limits(connections=1000, per_address=1000)


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_context(tmp_path_factory.mktemp("tls"))


async def echo(stream: trio.abc.Stream, peer: Peer) -> None:
    while data := await stream.receive_some(4096):
        await stream.send_all(data)


class Served:
    """A port that is being served, and how to reach it."""

    def __init__(self, port: int, nursery: trio.Nursery) -> None:
        self.port = port
        self.accepting = trio.CancelScope()
        self.nursery = nursery
        self.clients: list[trio.SocketStream] = []

    async def connect(
        self, host: str = "127.0.0.1", *, port: int = 0, local_address: str | None = None
    ) -> trio.SocketStream:
        client = await trio.open_tcp_stream(host, port or self.port, local_address=local_address)
        self.clients.append(client)
        return client

    async def connect_tls(self) -> trio.SSLStream[trio.SocketStream]:
        stream = trio.SSLStream(await self.connect(), trusting_anybody())
        await stream.do_handshake()
        return stream


@asynccontextmanager
async def served(handler: Any = echo, **options: Any) -> AsyncIterator[Served]:
    listeners = options.pop("listeners", None) or await open_listeners("127.0.0.1", 0)
    options = {"limits": PLENTY, "tls": None, "handshake_seconds": 10} | options
    async with trio.open_nursery() as handlers, trio.open_nursery() as nursery:
        port = Served(listeners[0].socket.getsockname()[1], handlers)

        async def serve(task_status: trio.TaskStatus[None]) -> None:
            with port.accepting:
                await serve_port(
                    "test",
                    listeners,
                    handler,
                    handler_nursery=handlers,
                    task_status=task_status,
                    **options,
                )

        await nursery.start(serve)
        yield port
        for client in port.clients:
            client.socket.close()
        nursery.cancel_scope.cancel()
        handlers.cancel_scope.cancel()


async def answers(stream: trio.abc.Stream) -> bool:
    """Whether `stream` is being echoed; False once the hub has closed it."""
    try:
        await stream.send_all(b"x")
        return await stream.receive_some(1) == b"x"
    except trio.BrokenResourceError:
        return False


async def is_closed(stream: trio.abc.Stream) -> bool:
    """Whether the hub closes `stream`; waits for that."""
    try:
        return await stream.receive_some(1) == b""
    except trio.BrokenResourceError:
        return True


def counted(metric: Any, *labels: str) -> float:
    return float(metric.labels(*labels)._value.get())


async def test_a_handler_gets_the_stream_and_who_is_there() -> None:
    seen: list[Peer] = []

    async def note(stream: trio.abc.Stream, peer: Peer) -> None:
        seen.append(peer)
        await echo(stream, peer)

    async with served(note) as port:
        client = await port.connect()
        assert await answers(client)
        address, number = client.socket.getsockname()
        assert (seen[0].address, seen[0].port) == (address, number)
        assert seen[0].accepted_at <= trio.current_time()


async def test_a_tls_port_hands_over_what_is_shaken_hands_with(context: ssl.SSLContext) -> None:
    kinds: list[type] = []

    async def note(stream: trio.abc.Stream, peer: Peer) -> None:
        kinds.append(type(stream))
        await echo(stream, peer)

    async with served(note, tls=lambda: context) as port:
        client = await port.connect_tls()
        assert await answers(client)
        assert client.selected_alpn_protocol() == "http/1.1"
        assert kinds == [TlsStream]


async def test_each_connection_gets_the_certificate_of_its_moment(tmp_path: Path) -> None:
    current = server_context(tmp_path, "before")
    async with served(tls=lambda: current) as port:
        earlier = await port.connect_tls()
        current = server_context(tmp_path, "after")
        later = await port.connect_tls()
        one, other = (stream.getpeercert(binary_form=True) for stream in (earlier, later))
        assert b"before" in one
        assert b"after" in other
        assert await answers(earlier)


async def test_a_connection_beyond_the_limit_is_closed_at_once() -> None:
    refused = counted(metrics.connections_refused, "test", "connections")
    async with served(limits=Limits(connections=2, per_address=9)) as port:
        first, second, third = [await port.connect() for _ in range(3)]
        assert await answers(first)
        assert await answers(second)
        assert not await answers(third)
        assert counted(metrics.connections_refused, "test", "connections") == refused + 1


async def test_one_address_cannot_take_all_connections() -> None:
    async with served(limits=Limits(connections=9, per_address=1)) as port:
        first, second = await port.connect(), await port.connect()
        assert await answers(first)
        assert not await answers(second)
        assert await answers(await port.connect(local_address="127.0.0.2"))


async def test_a_connection_that_ended_makes_room(context: ssl.SSLContext) -> None:
    async with served(limits=Limits(connections=1, per_address=1)) as port:
        for _ in range(3):
            async with await port.connect() as client:
                assert await answers(client)
                await client.send_eof()
                assert await client.receive_some(1) == b""
            await trio.testing.wait_all_tasks_blocked()
        assert counted(metrics.connections, "test") == 0


@pytest.mark.expects_error("a fault of ours")
async def test_a_fault_ends_its_own_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    async def stumble(stream: trio.abc.Stream, peer: Peer) -> None:
        while data := await stream.receive_some(4096):
            if data == b"bad":
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(trio.sleep_forever)
                    raise ValueError("a fault of ours")
            await stream.send_all(data)

    faults = counted(metrics.connection_faults, "test")
    async with served(stumble) as port:
        neighbour, victim = await port.connect(), await port.connect()
        await victim.send_all(b"bad")
        assert await victim.receive_some(1) == b""
        assert await answers(neighbour)
        async with await port.connect() as newcomer:
            assert await answers(newcomer)
    assert counted(metrics.connection_faults, "test") == faults + 1
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert "a fault of the hub ended a connection from 127.0.0.1" in line.getMessage()


async def test_a_peer_that_goes_is_no_fault() -> None:
    async def talk(stream: trio.abc.Stream, peer: Peer) -> None:
        raise trio.BrokenResourceError

    faults = counted(metrics.connection_faults, "test")
    async with served(talk) as port, await port.connect() as client:
        assert await client.receive_some(1) == b""
    assert counted(metrics.connection_faults, "test") == faults


async def test_what_cancels_the_hub_passes_the_fence() -> None:
    async with served() as port, await port.connect() as client:
        assert await answers(client)
        port.nursery.cancel_scope.cancel()
        assert await client.receive_some(1) == b""


async def test_connections_live_on_when_accepting_stops() -> None:
    async with served() as port, await port.connect() as client:
        assert await answers(client)
        port.accepting.cancel()
        await trio.testing.wait_all_tasks_blocked()
        with pytest.raises(OSError, match="all attempts to connect"):
            await port.connect()
        assert await answers(client)


async def test_several_listeners_are_one_port() -> None:
    listeners = [*await open_listeners("127.0.0.1", 0), *await open_listeners("127.0.0.1", 0)]
    async with served(listeners=listeners, limits=Limits(1, 1)) as port:
        first = await port.connect()
        assert await answers(first)
        other = listeners[1].socket.getsockname()[1]
        assert not await answers(await port.connect(port=other))


async def test_a_storm_of_connections_is_taken(context: ssl.SSLContext) -> None:
    async with served(tls=lambda: context) as port:
        answered: list[bool] = []

        async def come() -> None:
            answered.append(await answers(await port.connect_tls()))

        async with trio.open_nursery() as nursery:
            for _ in range(150):
                nursery.start_soon(come)
        assert answered == [True] * 150


class Exhausted(trio.abc.Listener[trio.SocketStream]):
    """A listener on a host that has no file left, the first times it is asked."""

    def __init__(self, listener: trio.SocketListener) -> None:
        self.listener = listener
        self.socket = listener.socket
        self.times = 3

    async def accept(self) -> trio.SocketStream:
        if self.times:
            self.times -= 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return await self.listener.accept()

    async def aclose(self) -> None:
        await self.listener.aclose()


@pytest.mark.expects_error("cannot accept on the test port for now: Too many open files")
async def test_running_out_of_files_passes(autojump_clock: trio.testing.MockClock) -> None:
    (listener,) = await open_listeners("127.0.0.1", 0)
    async with served(listeners=[Exhausted(listener)]) as port:
        assert await answers(await port.connect())


async def test_plain_http_on_a_tls_port_goes_to_its_own_handler(context: ssl.SSLContext) -> None:
    async def redirect(stream: SocketStream) -> None:
        await stream.send_all(b"heard " + await stream.receive_some(4096))

    async with served(tls=lambda: context, on_plain=redirect) as port:
        async with await port.connect() as client:
            await client.send_all(b"GET / HTTP/1.1\r\n\r\n")
            assert await client.receive_some(4096) == b"heard GET / HTTP/1.1\r\n\r\n"
            assert await client.receive_some(1) == b""
        assert await answers(await port.connect_tls())


async def test_what_is_not_tls_is_closed_where_nobody_wants_it(context: ssl.SSLContext) -> None:
    async with served(tls=lambda: context) as port, await port.connect() as client:
        await client.send_all(b"GET / HTTP/1.1\r\n\r\n")
        assert not await answers(client)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"G"], ids=["nothing", "tls", "plain"])
async def test_who_says_too_little_is_closed_in_time(
    context: ssl.SSLContext, autojump_clock: trio.testing.MockClock, said: bytes
) -> None:
    async def read_a_request(stream: SocketStream) -> None:
        await stream.receive_some(1)
        await stream.receive_some(4096)

    options = {"tls": lambda: context, "on_plain": read_a_request, "handshake_seconds": 5}
    async with served(**options) as port, await port.connect() as client:
        started = trio.current_time()
        if said:
            await client.send_all(said)
        assert await is_closed(client)
        assert trio.current_time() - started == pytest.approx(5)


async def test_a_vanished_peer_is_noticed() -> None:
    options: list[int] = []

    async def note(stream: trio.abc.Stream, peer: Peer) -> None:
        assert isinstance(stream, SocketStream)
        options.append(stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        options.append(stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async with served(note) as port, await port.connect() as client:
        assert await is_closed(client)
    assert all(options)


async def test_a_port_in_use_is_named_with_its_user() -> None:
    (listener,) = await open_listeners("127.0.0.1", 0)
    async with listener:
        port = listener.socket.getsockname()[1]
        with pytest.raises(StartFault) as fault:
            await open_listeners("0.0.0.0", port, setting="web.port")
    assert f"port {port} is already in use" in fault.value.message
    assert "set another web.port" in fault.value.message
    if sys.platform == "linux":
        assert f"(process {os.getpid()})" in fault.value.message


async def test_a_port_is_free_again_at_once() -> None:
    async def greet(stream: trio.abc.Stream, peer: Peer) -> None:
        await stream.send_all(b"x")

    async with served(greet) as port:
        client = await port.connect()
        assert await client.receive_some(1) == b"x"
        # Whoever ends a connection first, as the hub does here, goes on holding its port.
        assert await is_closed(client)
    async with served(listeners=await open_listeners("127.0.0.1", port.port)) as again:
        assert await answers(await again.connect())


@pytest.mark.parametrize("bind", ["", "192.0.2.1", "no such name.invalid", "2001:db8::1"])
async def test_an_address_of_another_host_is_named_with_its_setting(bind: str) -> None:
    with pytest.raises(StartFault) as fault:
        await open_listeners(bind, 0, setting="devices.plain_ws_port")
    assert fault.value.message.startswith(f"bad setting devices.bind = {bind}: allowed is")


_WHY_NOT_PERMITTED = (
    [(443, "Windows keeps it back"), (8443, "Windows keeps it back")]
    if sys.platform == "win32"
    else [(443, "below 1024"), (8443, "policy")]
)


@pytest.mark.parametrize(("port", "advice"), _WHY_NOT_PERMITTED)
async def test_a_port_that_is_not_permitted_is_named(port: int, advice: str) -> None:
    class Forbidden(trio.abc.SocketFactory):
        def socket(self, *args: Any) -> Any:
            raise PermissionError(errno.EACCES, "Permission denied")

    trio.socket.set_custom_socket_factory(Forbidden())  # For this run of trio alone.
    with pytest.raises(StartFault, match=f"not permitted to listen on port {port}: .*{advice}"):
        await open_listeners("0.0.0.0", port)


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
async def test_the_ipv6_wildcard_takes_ipv4_as_well() -> None:
    seen: list[str] = []

    async def note(stream: trio.abc.Stream, peer: Peer) -> None:
        seen.append(peer.address)

    async with served(note, listeners=await open_listeners("::", 0)) as port:
        for host in ("127.0.0.1", "::1"):
            assert await is_closed(await port.connect(host))
    assert seen == ["127.0.0.1", "::1"]
