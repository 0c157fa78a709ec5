"""One HTTP request to an address: bounded, and no redirect followed."""

from __future__ import annotations

import pytest
import trio

from hub.net.http_client import (
    AnswerFailed,
    ConnectionLost,
    HttpAnswer,
    HttpConnection,
    HttpPlace,
    HttpRequest,
    exchange,
)

PLACE = HttpPlace("192.168.1.20", 8080, tls=False)
GET = HttpRequest("GET", "/cgi?cmd=secret")


async def answered(data: bytes, request: HttpRequest = GET) -> tuple[HttpAnswer, bytes]:
    """Return the answer that the client makes of these bytes, and what it sent."""
    ours, server = trio.testing.memory_stream_pair()
    await server.send_all(data)
    await server.send_eof()
    answer = await exchange(HttpConnection(ours), PLACE, request, max_bytes=100)
    return answer, bytes(await server.receive_some())


async def test_a_request_says_where_it_goes_and_that_it_is_the_last_one() -> None:
    body = HttpRequest("POST", "/cgi", (("Access-Token", "1"),), b"{}")
    answer, sent = await answered(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", body)
    assert answer == HttpAnswer(200, b"{}")
    head, _, content = sent.partition(b"\r\n\r\n")
    assert content == b"{}"
    assert head.split(b"\r\n") == [
        b"POST /cgi HTTP/1.1",
        b"Host: 192.168.1.20:8080",
        b"User-Agent: sitehub",
        b"Connection: close",
        b"Access-Token: 1",
        b"Content-Type: application/json",
        b"Content-Length: 2",
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n{}",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_the_forms_in_which_small_servers_answer_are_read(data: bytes) -> None:
    assert (await answered(data))[0] == HttpAnswer(200, b"{}")


async def test_a_redirect_is_an_answer_and_not_followed() -> None:
    data = b"HTTP/1.1 302 Found\r\nLocation: http://10.0.0.1/\r\nContent-Length: 0\r\n\r\n"
    assert (await answered(data))[0].status == 302


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + b"x" * 101,
        b"HTTP/1.0 200 OK\r\n\r\n" + b"x" * 101,
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 2_000,
        b"SSH-2.0-camera\r\n\r\n",
    ],
)
async def test_an_answer_that_is_too_long_or_none_of_http_fails(data: bytes) -> None:
    with pytest.raises(AnswerFailed) as raised:
        await answered(data)
    assert not isinstance(raised.value, ConnectionLost)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{"])
async def test_a_connection_that_ends_before_its_answer_is_told_apart(data: bytes) -> None:
    with pytest.raises(ConnectionLost):
        await answered(data)


def test_what_may_be_secret_is_in_no_repr() -> None:
    assert "secret" not in repr(GET)


@pytest.mark.parametrize(
    ("place", "authority"),
    [
        (HttpPlace("192.168.1.20", 80, tls=False), "192.168.1.20"),
        (HttpPlace("192.168.1.20", 443, tls=True), "192.168.1.20"),
        (HttpPlace("fd00::1", 443, tls=False), "[fd00::1]:443"),
    ],
)
def test_the_host_has_its_port_unless_it_is_the_usual_one(place: HttpPlace, authority: str) -> None:
    assert place.authority == authority
