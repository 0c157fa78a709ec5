"""Faces that cameras sent without a category, told apart by whom they name, for reports.

They are counted per hour and camera, in a part of the log and in the summary of a day.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

import msgspec
from msgspec import Struct

from hub.store.commit.record_rows import STRANGER_UUIDS
from hub.store.records.time_spans import SeqRange

# Erased and damaged records tell nothing.
_FACES = f"""
SELECT occurred_at / 3600000 - (occurred_at % 3600000 < 0), did, count(*),
    sum(term IS NULL AND (uuid IS NULL OR uuid IN {STRANGER_UUIDS}))
FROM record NOT INDEXED
WHERE seq BETWEEN ? AND ? AND occurred_at >= ? AND occurred_at < ? AND kind = 'face'
    AND category IS NULL AND erased IS NULL
    AND typeof(occurred_at) = 'integer' AND typeof(did) = 'text'
    AND typeof(uuid) IN ('text', 'null') AND typeof(term) IN ('integer', 'null')
GROUP BY 1, 2
"""
#: Counts of one part of a summary: what is done with one takes a millisecond or two.
_COUNTS = 4_096


class FaceCount(Struct, frozen=True, array_like=True, gc=False):
    """How many faces without a category there were, and how many of them name nobody.

    `hour`: hours since 1970 in UTC. `strangers` are among `faces`.
    """

    hour: int
    did: str
    faces: int
    strangers: int


decode_faces = msgspec.msgpack.Decoder(list[FaceCount]).decode


def unsorted_faces_in(
    part: SeqRange, since: int, until: int, connection: sqlite3.Connection
) -> list[FaceCount]:
    """Return the faces of a part of the log that have no category: strangers if they name nobody.

    `since` <= time < `until`, in UNIX milliseconds.
    """
    return [FaceCount(*row) for row in connection.execute(_FACES, (*part, since, until))]


def encode_faces(counts: Iterable[FaceCount]) -> Iterator[bytes]:
    """Yield the content of the parts of a summary."""
    ordered = sorted(counts, key=lambda one: (one.hour, one.did))
    for start in range(0, len(ordered), _COUNTS):
        yield msgspec.msgpack.encode(ordered[start : start + _COUNTS])
