"""One connection of a port: its handler, TLS, plain HTTP, and the fence."""

from __future__ import annotations

import logging
import socket
import ssl
from pathlib import Path

import pytest
import trio
import trio.testing

from hub import metrics
from hub.net.connection import Peer
from hub.net.socket_stream import SocketStream
from hub.net.tls_stream import TlsStream
from tests.support.certificates import server_context
from tests.support.served_port import answers, counted, echo, is_closed, served


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    return server_context(tmp_path_factory.mktemp("tls"))


async def test_a_handler_gets_the_stream_and_its_peer() -> None:
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


async def test_a_tls_port_does_the_handshake_first(context: ssl.SSLContext) -> None:
    kinds: list[type] = []

    async def note(stream: trio.abc.Stream, peer: Peer) -> None:
        kinds.append(type(stream))
        await echo(stream, peer)

    async with served(note, tls=lambda: context) as port:
        client = await port.connect_tls()
        assert await answers(client)
        assert client.selected_alpn_protocol() == "http/1.1"
        assert kinds == [TlsStream]


async def test_each_connection_gets_the_current_certificate(tmp_path: Path) -> None:
    current = server_context(tmp_path, "before")
    async with served(tls=lambda: current) as port:
        earlier = await port.connect_tls()
        current = server_context(tmp_path, "after")
        later = await port.connect_tls()
        one, other = (stream.getpeercert(binary_form=True) for stream in (earlier, later))
        assert b"before" in one
        assert b"after" in other
        assert await answers(earlier)


@pytest.mark.expects_error("a fault of ours")
async def test_an_error_of_a_handler_ends_its_own_connection_only(
    caplog: pytest.LogCaptureFixture,
) -> None:
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
    assert "an internal error ended a connection from 127.0.0.1" in line.getMessage()


async def test_a_broken_connection_is_not_counted_as_a_fault() -> None:
    async def talk(stream: trio.abc.Stream, peer: Peer) -> None:
        raise trio.BrokenResourceError

    faults = counted(metrics.connection_faults, "test")
    async with served(talk) as port, await port.connect() as client:
        assert await client.receive_some(1) == b""
    assert counted(metrics.connection_faults, "test") == faults


async def test_cancellation_passes_the_fence() -> None:
    async with served() as port, await port.connect() as client:
        assert await answers(client)
        port.nursery.cancel_scope.cancel()
        assert await client.receive_some(1) == b""


async def test_plain_http_on_a_tls_port_goes_to_its_own_handler(context: ssl.SSLContext) -> None:
    async def redirect(stream: SocketStream) -> None:
        await stream.send_all(b"heard " + await stream.receive_some(4096))

    async with served(tls=lambda: context, on_plain=redirect) as port:
        async with await port.connect() as client:
            await client.send_all(b"GET / HTTP/1.1\r\n\r\n")
            assert await client.receive_some(4096) == b"heard GET / HTTP/1.1\r\n\r\n"
            assert await client.receive_some(1) == b""
        assert await answers(await port.connect_tls())


async def test_plain_connections_are_closed_without_a_handler_for_them(
    context: ssl.SSLContext,
) -> None:
    async with served(tls=lambda: context) as port, await port.connect() as client:
        await client.send_all(b"GET / HTTP/1.1\r\n\r\n")
        assert not await answers(client)


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01", b"G"], ids=["nothing", "tls", "plain"])
async def test_a_connection_without_a_complete_first_message_is_closed_in_time(
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


async def test_keepalive_is_enabled_for_peers_that_vanish() -> None:
    options: list[int] = []

    async def note(stream: trio.abc.Stream, peer: Peer) -> None:
        assert isinstance(stream, SocketStream)
        options.append(stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        options.append(stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async with served(note) as port, await port.connect() as client:
        assert await is_closed(client)
    assert all(options)


@pytest.mark.parametrize("versions", ["suites", "version"])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_a_client_whose_tls_is_too_old_is_reported_by_its_address(
    context: ssl.SSLContext, versions: str
) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    if versions == "suites":
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        client.set_ciphers("aRSA")  # The server of this test has no RSA certificate.
    else:
        client.set_ciphers("DEFAULT@SECLEVEL=0")
        client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    reported: list[tuple[str, str]] = []

    def note(address: str, port_name: str) -> None:
        reported.append((address, port_name))

    async with served(tls=lambda: context, on_old_tls=note) as port:
        stream = trio.SSLStream(await port.connect(), client)
        with pytest.raises(trio.BrokenResourceError):
            await stream.do_handshake()
    assert reported == [("127.0.0.1", "test")]


async def test_another_failed_handshake_is_not_taken_for_old_tls(context: ssl.SSLContext) -> None:
    reported: list[tuple[str, str]] = []

    def note(address: str, port_name: str) -> None:
        reported.append((address, port_name))

    async with served(tls=lambda: context, on_old_tls=note) as port:
        client = await port.connect()
        await client.send_all(b"\x16\x03\x01\x00\x05hello")
        while await client.receive_some():
            pass  # An alert comes before the end.
    assert reported == []
