"""How far the streams are stored, and what the database has lost of them.

A message is acknowledged after it is stored. So a server that counts more as acknowledged than the
database has speaks of a database that was put back to an earlier state, or made anew. It counts too
what became too old before it was stored: that is gone, and the stream begins after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from msgspec import Struct

from hub.central.reader import Consumed

_STORED = """
INSERT INTO sitehub.stream AS there (name, seq) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET seq = greatest(there.seq, excluded.seq)
"""
_SELECT = """
SELECT name, seq, consumer_at, lost_first, lost_last FROM sitehub.stream ORDER BY name FOR UPDATE
"""
_NOTE = """
INSERT INTO sitehub.stream (name, seq, consumer_at, lost_first, lost_last)
VALUES (%(name)s, %(seq)s, %(consumer_at)s, %(first)s, %(last)s)
ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, consumer_at = excluded.consumer_at,
    lost_first = excluded.lost_first, lost_last = excluded.lost_last
"""
_LOST = """
SELECT name, lost_first, lost_last FROM sitehub.stream WHERE lost_last IS NOT NULL ORDER BY name
"""


class Lost(Struct, frozen=True):
    """Messages of a stream that the database does not have, at most.

    `oldest`: the first one that the stream still has. What is before it is gone.
    """

    stream: str
    first: int
    last: int
    oldest: int = 0

    @property
    def readable(self) -> int:
        """How many can be read again."""
        return max(0, self.last + 1 - max(self.first, self.oldest))

    def __str__(self) -> str:
        told = []
        if self.readable:
            told.append(
                f"the database has lost up to {self.readable} messages that were stored: "
                f'run "sitehub central read-again {self.stream}"'
            )
        if gone := self.last + 1 - self.first - self.readable:
            told.append(
                f"up to {gone} messages are gone: the database does not have them, "
                "and in the stream they are too old, or were purged"
            )
        return f"{self.stream}: {'; '.join(told)}"


def note_stored(connection: Any, seqs: Mapping[str, int]) -> None:
    """Note the highest numbers that were stored of streams, within a transaction."""
    with connection.cursor() as cursor:
        cursor.executemany(_STORED, sorted(seqs.items()))


def note_consumed(connection: Any, streams: Mapping[str, Consumed]) -> None:
    """Compare what the servers count as stored with what the database has.

    `streams`: asked for before this.
    """
    with connection.transaction():
        known = {name: rest for name, *rest in connection.execute(_SELECT).fetchall()}
        for name, consumed in sorted(streams.items()):
            # What has expired before anybody took it is not counted as acknowledged at once.
            floor = max(consumed.ack_floor.stream_seq, consumed.oldest - 1)
            seq, consumer_at, first, last = known.get(name, (0, consumed.created, None, None))
            if seq is None:
                seq = floor
            if consumed.created != consumer_at:
                # Everything is read again, or the stream was made anew.
                seq, first, last = min(seq, floor), None, None
            if floor > seq:
                first, last, seq = first or seq + 1, floor, floor
            values = {"seq": seq, "consumer_at": consumed.created, "first": first, "last": last}
            connection.execute(_NOTE, {"name": name, **values})


def lost(connection: Any, streams: Mapping[str, Consumed]) -> list[Lost]:
    """Return what the database does not have of streams; what of it can be read, they say."""
    return [
        Lost(name, first, last, streams[name].oldest)
        for name, first, last in connection.execute(_LOST).fetchall()
        if name in streams
    ]


def highest(places: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the highest number of each stream."""
    found: dict[str, int] = {}
    for stream, seq in places:
        found[stream] = max(seq, found.get(stream, 0))
    return found
