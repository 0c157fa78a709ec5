"""Plain HTTP on a TLS port: the redirect goes to this host and nowhere else."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.net.https_redirect import redirect_to_https
from hub.net.socket_stream import from_trio_stream
from tests.support.web import Client


@pytest.fixture
async def listener(nursery: trio.Nursery) -> trio.SocketListener:
    """A port that redirects each request, and then closes the connection."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def handle(stream: trio.SocketStream) -> None:
        async with from_trio_stream(stream) as taken:
            with trio.move_on_after(10):
                await redirect_to_https(taken)

    nursery.start_soon(trio.serve_listeners, handle, [listener])
    return listener


@pytest.fixture
def here(listener: trio.SocketListener) -> str:
    return f"127.0.0.1:{listener.socket.getsockname()[1]}"


@pytest.fixture
async def client(listener: trio.SocketListener) -> AsyncIterator[Client]:
    stream = await trio.testing.open_stream_to_socket_listener(listener)
    async with stream:
        yield Client(stream)


async def test_the_redirect_keeps_host_and_target(client: Client) -> None:
    answer = await client.ask(b"GET /live?kind=face HTTP/1.1\r\nHost: hub.local:8443\r\n\r\n")
    assert answer.status == 308
    assert answer.headers["location"] == "https://hub.local:8443/live?kind=face"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert await client.ended() == b""


async def test_the_host_may_be_an_ipv6_address(client: Client) -> None:
    answer = await client.ask(b"GET / HTTP/1.1\r\nHost: [fe80::1]:8443\r\n\r\n")
    assert answer.headers["location"] == "https://[fe80::1]:8443/"


async def test_without_a_host_header_the_redirect_names_the_address_connected_to(
    client: Client, here: str
) -> None:
    answer = await client.ask(b"GET /live HTTP/1.0\r\n\r\n")
    assert answer.headers["location"] == f"https://{here}/live"


@pytest.mark.parametrize(
    "host", [b"evil.example/x", b"a b", b"user@evil.example", b"a\\b", b"hub:port", b""]
)
async def test_an_invalid_host_is_not_repeated(client: Client, here: str, host: bytes) -> None:
    answer = await client.ask(b"GET //evil HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert answer.headers["location"] == f"https://{here}//evil"


async def test_a_proxy_target_is_redirected_to_the_host_of_the_header(client: Client) -> None:
    answer = await client.ask(b"GET http://evil.example/x HTTP/1.1\r\nHost: hub\r\n\r\n")
    assert answer.headers["location"] == "https://hub/x"


@pytest.mark.parametrize("request_line", [b"GET @evil.example/", b"OPTIONS *", b"CONNECT a:443"])
async def test_a_target_that_is_not_a_path_does_not_extend_the_host(
    client: Client, request_line: bytes
) -> None:
    answer = await client.ask(request_line + b" HTTP/1.1\r\nHost: hub\r\n\r\n")
    assert answer.headers["location"] == "https://hub/"


async def test_a_large_upload_still_receives_the_redirect(client: Client) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: hub\r\nContent-Length: 1000000\r\n\r\n"
    answer = await client.ask(head, bytes(1_000_000))
    assert answer.status == 308


@pytest.mark.parametrize("sent", [b"SSH-2.0-x\r\n\r\n", b"\x00" * 10, b"x" * 100_000, b"GET / HT"])
async def test_anything_but_http_gets_no_response(
    client: Client, sent: bytes, mock_clock: MockClock
) -> None:
    await client.send(sent)
    await wait_all_tasks_blocked(0.02)
    mock_clock.jump(11)
    assert await client.ended() == b""


async def test_a_peer_that_resets_the_connection_is_no_fault_of_the_hub() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener:
        peer = socket.create_connection(listener.socket.getsockname())
        accepted = await listener.accept()
        peer.sendall(b"GET / HTTP/1.1\r\nHost: hub\r\n\r\n")
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        async with from_trio_stream(accepted) as stream:
            with pytest.raises(trio.BrokenResourceError):
                await redirect_to_https(stream)
