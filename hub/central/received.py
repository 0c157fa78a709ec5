"""A message as a stream has given it, and what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from msgspec import Struct

from hub.central.messages import EPOCH, Passing, Row, Unreadable, row_of


class Received(Struct, frozen=True):
    """A message. `reply`: where it is acknowledged. `row`: None if it could not be read."""

    stream: str
    stream_seq: int
    subject: str
    headers: Mapping[str, str]
    payload: bytes
    reply: str
    row: Row | Passing | None
    reason: str = ""

    @property
    def size(self) -> int:
        """About how many bytes it is."""
        return len(self.payload) + sum(map(len, (*self.headers, *self.headers.values())))


def read_message(
    stream: str, subject: str, headers: Mapping[str, str], payload: bytes, reply: str
) -> Received:
    """Return a message with what it says, or why that is not known."""
    row: Row | Passing | None = None
    reason = ""
    stream_seq, sent_at = _place(reply)
    try:
        row = row_of(subject, headers, payload, sent_at)
    except Unreadable as error:
        reason = str(error)
    return Received(stream, stream_seq, subject, headers, payload, reply, row, reason)


def _place(reply: str) -> tuple[int, datetime]:
    """Return the number in the stream, and when the servers got it; 0 if that is not there.

    `$JS.ACK.<stream>.<consumer>.<deliveries>.<number>.<delivery>.<ns>...`; with more after it,
    there are domain and account before the stream.
    """
    parts = reply.split(".")
    place = 5 if len(parts) == 9 else 7
    number, _, ns = (*parts[place : place + 3], "", "", "")[:3]
    at = int(ns) // 1000 if ns.isdecimal() and len(ns) < 20 else 0
    seq = int(number) if number.isdecimal() and len(number) < 20 else 0
    return seq, EPOCH + timedelta(microseconds=at)
