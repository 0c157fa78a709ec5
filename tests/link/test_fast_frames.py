"""The fast codec agrees with wsproto on whole texts, and leaves everything else to it."""

from __future__ import annotations

import os

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage

from hub.link.fast_frames import text_frame, whole_text

TEXTS = ["", "x", "四", "x" * 125, "x" * 126, "四" * 21_845, "x" * 70_000]


def from_client(event: Event) -> bytes:
    return bytes(Connection(ConnectionType.CLIENT).send(event))


@pytest.mark.parametrize("text", TEXTS[:-1], ids=len)
def test_a_whole_text_is_decoded_as_by_wsproto(text: str) -> None:
    frame = from_client(TextMessage(text))
    server = Connection(ConnectionType.SERVER)
    server.receive_data(frame)
    assert [TextMessage(whole_text(frame) or "")] == list(server.events())


@pytest.mark.parametrize("text", TEXTS, ids=len)
def test_a_text_is_encoded_as_by_wsproto(text: str) -> None:
    assert text_frame(text) == Connection(ConnectionType.SERVER).send(TextMessage(text))


@pytest.mark.parametrize(
    "data",
    [
        from_client(TextMessage("a"))[:-1],
        from_client(TextMessage("a")) * 2,
        from_client(TextMessage("a", message_finished=False)),
        from_client(TextMessage("x" * 70_000)),
        from_client(BytesMessage(b"a")),
        from_client(Ping(b"a")),
        from_client(CloseConnection(1000)),
        Connection(ConnectionType.SERVER).send(TextMessage("not masked")),
        b"\x81\x81\0\0\0\0\xff",
        b"\x81\xfe\0\x01\0\0\0\0a",
        b"\xc1\x81\0\0\0\0a",
        b"\x81\xff" + (70_000).to_bytes(8, "big") + bytes(4) + b"x" * 119,
        b"\x81",
        b"",
    ],
    ids=[
        "cut", "two", "fragment", "long", "bytes", "ping", "farewell", "not-masked", "no-utf-8",
        "long-winded", "reserved-bit", "64-bit length", "one-byte", "nothing",
    ],
)  # fmt: skip
def test_any_other_frame_is_left_to_wsproto(data: bytes) -> None:
    assert whole_text(bytes(data)) is None


def test_random_bytes_give_a_text_or_none() -> None:
    for size in range(0, 200):
        text = whole_text(b"\x81" + os.urandom(size))
        assert text is None or len(text.encode()) in (size - 5, size - 7)
