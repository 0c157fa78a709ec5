"""HTTP/1.1 without I/O: bytes become events, in pieces of any size; answers become bytes."""

from __future__ import annotations

import h11
import pytest

from tests.support.web import request
from web.http.http_heads import MAX_HEAD_BYTES
from web.http.protocol import BodyPart, Event, Refusal, Request, ServerProtocol, Wait

CHUNKED = {"Transfer-Encoding": "chunked"}
DATE = b"Thu, 26 Nov 2026 12:00:00 GMT"


def events_of(protocol: ServerProtocol, *pieces: bytes) -> list[Event]:
    """The events up to the first PAUSED."""
    events: list[Event] = []
    for piece in pieces:
        protocol.receive_data(piece)
        while (event := protocol.next_event()) is not Wait.NEED_DATA:
            if event is Wait.PAUSED:
                return events
            events.append(event)
    return events


def body_of(events: list[Event]) -> bytes:
    """The body, which must be complete."""
    first, *parts = events
    assert isinstance(first, Request)
    if first.body is not None:
        assert parts == []
        return first.body
    bodies = [part for part in parts if isinstance(part, BodyPart)]
    assert [part.more for part in bodies] == [True] * (len(parts) - 1) + [False]
    return b"".join(part.data for part in bodies)


def answered(protocol: ServerProtocol, body: bytes = b"ok") -> bytes:
    length = [(b"content-length", b"%d" % len(body))]
    return protocol.head(200, length, date=DATE) + protocol.body(body) + protocol.end()


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("line", [b"Content-Length:\r\n 0", b"X: y\n\tContent-Length: 0"])
def test_a_header_that_is_continued_on_another_line_is_refused(line: bytes, size: int) -> None:
    sent = b"POST / HTTP/1.1\r\nHost: hub\r\n" + line + b"\r\n\r\n"
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    (event,) = events_of(ServerProtocol(), *pieces)
    assert event == Refusal(400, "a header must not be continued on another line")


@pytest.mark.parametrize(
    "sent",
    [
        request("POST", "/", b"the body"),
        request("POST", "/", b"the body", {"Connection": "close"}),
        request("POST", "/", b"the body", {"Expect": "100-continue"}),
        request("POST", "/", headers=CHUNKED) + b"4\r\nthe \r\n4\r\nbody\r\n0\r\n\r\n",
        request("POST", "/", b"the body").replace(b"\r\n", b"\n"),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 7, 50, 1000])
def test_a_body_is_the_same_in_pieces_of_any_size(sent: bytes, size: int) -> None:
    protocol = ServerProtocol()
    pieces = [sent[start : start + size] for start in range(0, len(sent), size)]
    assert body_of(events_of(protocol, *pieces)) == b"the body"
    assert protocol.is_request_complete
    assert answered(protocol).endswith(b"\r\n\r\nok")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_a_request_without_a_body_is_complete_at_once(method: str) -> None:
    protocol = ServerProtocol()
    (event,) = events_of(protocol, request(method, "/a?b"))
    assert isinstance(event, Request)
    assert (event.method, event.target, event.body) == (method, b"/a?b", b"")


def test_the_next_request_waits_until_the_first_is_answered() -> None:
    protocol = ServerProtocol()
    first, second = request("POST", "/1", b"body"), request("GET", "/2")
    events_of(protocol, first + second)
    assert protocol.next_event() is Wait.PAUSED
    answered(protocol)
    assert protocol.can_go_on
    protocol.start_next_cycle()
    (event,) = events_of(protocol, b"")
    assert isinstance(event, Request)
    assert event.target == b"/2"


def test_a_large_body_is_passed_on_while_it_arrives() -> None:
    protocol = ServerProtocol()
    body = bytes(100_000)
    sent = request("POST", "/", body)
    first, *parts = events_of(protocol, sent[:-5], sent[-5:])
    assert isinstance(first, Request)
    assert first.body is None
    assert parts == [BodyPart(body[:-5], True), BodyPart(body[-5:], False)]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"rubbish\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + bytes([120]) * MAX_HEAD_BYTES, 431),
        (request("CONNECT", "hub:1"), 400),
        (request("POST", "/", headers={"Transfer-Encoding": "gzip"}), 501),
        (request("GET", "/", headers={"Connection": "Upgrade", "Upgrade": "websocket"}), 400),
    ],
)
def test_a_request_that_is_not_served_is_refused_and_nothing_more_is_read(
    sent: bytes, status: int
) -> None:
    protocol = ServerProtocol()
    (refusal,) = events_of(protocol, sent, request("GET", "/next"))
    assert isinstance(refusal, Refusal)
    assert refusal.status == status
    assert protocol.can_answer
    assert not protocol.has_data


def test_a_malformed_chunk_is_refused_after_the_parts_before_it() -> None:
    protocol = ServerProtocol()
    sent = request("POST", "/", headers=CHUNKED) + b"2\r\nab\r\nzz\r\n"
    assert events_of(protocol, sent)[1:] == [
        BodyPart(b"ab", True),
        Refusal(400, "malformed request"),
    ]


def test_after_drop_rest_nothing_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    protocol = ServerProtocol()
    events_of(protocol, request("POST", "/", headers=CHUNKED))
    protocol.drop_rest()
    monkeypatch.setattr(h11.Connection, "receive_data", None)
    assert events_of(protocol, b"1\r\nx\r\n" * 10_000) == []
    assert not protocol.has_data


def test_a_chunked_body_that_is_answered_early_ends_the_connection() -> None:
    protocol = ServerProtocol()
    events_of(protocol, request("POST", "/", headers=CHUNKED), b"2\r\nab\r\n")
    assert b"connection: close\r\n" in answered(protocol).lower()
    assert not protocol.can_go_on


def test_a_sender_that_waits_gets_100_continue_once_and_only_before_its_body() -> None:
    protocol = ServerProtocol()
    expect = {"Expect": "100-continue", "Content-Length": "2"}
    events_of(protocol, request("POST", "/", headers=expect))
    assert protocol.invite_body().startswith(b"HTTP/1.1 100 ")
    assert protocol.invite_body() == b""
    assert events_of(protocol, b"ab") == [BodyPart(b"ab", False)]
    answered(protocol)
    assert protocol.can_go_on


def test_the_head_of_an_answer_is_sent_with_the_first_bytes_of_its_body() -> None:
    protocol = ServerProtocol()
    events_of(protocol, request("GET", "/"))
    assert protocol.head(200, [(b"content-length", b"2")], date=DATE) == b""
    assert not protocol.can_answer
    first = protocol.body(b"o")
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert first.endswith(b"date: " + DATE + b"\r\n\r\no")
    assert protocol.body(b"k") == b"k"
    assert protocol.end() == b""


@pytest.mark.parametrize("sent", [b"", b"o", b"okay"])
def test_an_answer_that_contradicts_its_length_is_an_error(sent: bytes) -> None:
    protocol = ServerProtocol()
    events_of(protocol, request("GET", "/"))
    protocol.head(200, [(b"content-length", b"2")], date=DATE)
    with pytest.raises(h11.LocalProtocolError):
        protocol.body(sent) + protocol.end()
    assert not protocol.can_go_on
