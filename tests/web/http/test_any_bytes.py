"""The server's protocol takes any bytes, in any pieces, and never raises."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import heads, mutation
from web.http.protocol import BodyPart, Refusal, Request, ServerProtocol, Wait

DATE = b"Thu, 26 Nov 2026 12:00:00 GMT"


def conversation(pieces: list[bytes]) -> list[object]:
    """What a server sees that answers each request at its end: requests, bodies and a refusal."""
    protocol = ServerProtocol()
    seen: list[object] = []
    body = b""
    for piece in pieces:
        protocol.receive_data(piece)
        while True:
            event = protocol.next_event()
            if isinstance(event, Request):
                seen.append((event.method, event.target, event.headers, event.version))
                body = event.body or b""
            elif isinstance(event, BodyPart):
                body += event.data
            elif isinstance(event, Refusal):
                return [*seen, event.status]
            if protocol.is_request_complete:
                seen.append(body)
                protocol.head(204, [], date=DATE)
                protocol.end()
                if not protocol.can_go_on:
                    return seen
                protocol.start_next_cycle()
            elif event is Wait.NEED_DATA:
                break
    return seen


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


@given(data=st.binary(max_size=200), size=st.integers(1, 50))
def test_any_bytes_are_seen_alike_in_pieces_of_any_size(data: bytes, size: int) -> None:
    assert conversation(pieces_of(data, size)) == conversation([data])


def test_changed_heads_are_seen_alike_in_pieces_of_any_size() -> None:
    rng = Random(1)
    for number in range(300):
        data = b"".join(b"".join(heads.make(rng).pieces({})) for _ in range(2))[:4000]
        if number % 2:
            data = mutation.flip(rng, data)
        whole = conversation([data])
        for size in (1, 7, 100):
            assert conversation(pieces_of(data, size)) == whole
