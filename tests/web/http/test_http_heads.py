"""h11 reads the heads that are read without it alike; all others are left to it."""

from __future__ import annotations

from urllib.parse import quote

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.http.http_heads import read_head, write_head

USUAL = (
    b"POST /api/hub/v1/devices/12/commands?a=1 HTTP/1.1\r\n"
    b"Host: hub:8443\r\n"
    b"Authorization:Bearer a:b\r\n"
    b"Content-Length:  75 \r\n"
    b"Connection: Keep-Alive\r\n\r\n"
)


def by_h11(head: bytes) -> h11.Request | None:
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    return event if isinstance(event, h11.Request) else None


def test_a_usual_head_is_read_as_h11_reads_it() -> None:
    head, expected = read_head(USUAL), by_h11(USUAL)
    assert head is not None
    assert expected is not None
    assert head.headers == list(expected.headers)
    assert (head.method, head.target, head.length) == ("POST", expected.target, 75)


@pytest.mark.parametrize(
    "sent",
    [
        b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
        b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
        b"GET http://hub/ HTTP/1.1\r\nHost: a\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\n\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n\tc\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX(: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \xff\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1234567890123456\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-encoding: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ],
)
def test_an_unusual_or_wrong_head_is_left_to_h11(sent: bytes) -> None:
    assert read_head(sent) is None


_BYTES = [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b",", b"\x00", b"\xa0", b"1", b"0", b"x", b"a"]
_FIELDS = [b"Host: h", b"Content-Length: ", b"Transfer-Encoding: chunked", b"Connection: "]
_PIECES = st.sampled_from([*_BYTES, *_FIELDS, b"HTTP/1.1"])


@given(
    cuts=st.lists(
        st.tuples(st.integers(0, len(USUAL)), st.integers(0, 3), _PIECES), min_size=1, max_size=3
    )
)
def test_a_damaged_head_that_is_still_read_means_the_same_to_h11(
    cuts: list[tuple[int, int, bytes]],
) -> None:
    sent = USUAL
    for at, lost, put in cuts:
        sent = sent[:at] + put + sent[at + lost :]
    sent = sent[: sent.find(b"\r\n\r\n") + 4]
    head = read_head(sent)
    if head is None:
        return
    expected = by_h11(sent)
    assert expected is not None, sent
    assert head.headers == list(expected.headers)
    assert head.target == expected.target
    assert head.method == expected.method.decode()
    lengths = [int(value) for name, value in expected.headers if name == b"content-length"]
    assert [head.length] == (lengths or [0])


def test_an_answer_of_known_length_is_written_except_for_its_date() -> None:
    head = write_head(200, ((b"content-type", b"text/plain"), (b"content-length", b"5")))
    assert head is not None
    assert head.length == 5
    assert head.start.startswith(b"HTTP/1.1 200 OK\r\n")
    fields = dict(line.split(b": ") for line in head.start.lower().split(b"\r\n")[1:-1])
    nosniff = {b"x-content-type-options": b"nosniff"}
    assert fields == {b"content-type": b"text/plain", b"content-length": b"5", **nosniff}


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (200, ()),
        (200, ((b"content-length", b"5"), (b"content-length", b"5"))),
        (200, ((b"content-length", b"5"), (b"connection", b"close"))),
        (200, ((b"content-length", b"5"), (b"transfer-encoding", b"chunked"))),
        (204, ((b"content-length", b"0"),)),
        (304, ((b"content-length", b"5"),)),
        (100, ((b"content-length", b"0"),)),
    ],
)
def test_any_other_answer_is_left_to_h11(
    status: int, headers: tuple[tuple[bytes, bytes], ...]
) -> None:
    assert write_head(status, headers) is None


@pytest.mark.parametrize("text", ["a\r\nX-Evil: 1", "a\nb", "a\x00b"])
def test_no_header_is_smuggled_into_an_answer(text: str) -> None:
    with pytest.raises(h11.LocalProtocolError):
        write_head(200, ((b"content-length", b"5"), (b"location", text.encode())))
    assert write_head(200, ((b"content-length", b"5"), (b"location", quote(text).encode())))
