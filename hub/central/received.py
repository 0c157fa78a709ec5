"""A message as a stream has given it, and what it says."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from hub.central.messages import Row, Unreadable, row_of


class Received(Struct, frozen=True):
    """A message. `reply`: where it is acknowledged. `row`: None if it could not be read."""

    stream: str
    stream_seq: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes
    reply: str
    row: Row | None
    reason: str = ""

    @property
    def size(self) -> int:
        """About how many bytes it is."""
        return len(self.payload) + sum(map(len, (*self.headers, *self.headers.values())))


def read_message(
    stream: str, subject: str, headers: Mapping[str, str], payload: bytes, reply: str
) -> Received:
    """Return a message with what it says, or why that is not known."""
    row, reason = None, ""
    try:
        row = row_of(subject, headers, payload)
    except Unreadable as error:
        reason = str(error)
    return Received(stream, _stream_seq(reply), subject, headers, payload, reply, row, reason)


def _stream_seq(reply: str) -> int:
    """Return the number in the stream; 0 if it is not there.

    `$JS.ACK.<stream>.<consumer>.<deliveries>.<number>...`; with more after it, there are domain
    and account before the stream.
    """
    parts = reply.split(".")
    place = 5 if len(parts) == 9 else 7
    number = parts[place] if len(parts) > place else ""
    return int(number) if number.isdecimal() else 0
