"""Captures counted per hour, camera and kind, for reports.

The counts that the store keeps know faces by the category that cameras send. Those that were sent
without one are counted in the log, told apart by whom they name.
"""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from hub.store.commit.record_rows import STRANGER_UUIDS
from hub.store.records.time_spans import SeqRange
from hub.store.reports.sightings import FROM_PART, UNDAMAGED, times_in

# Grouped by the beginning of the key of the table, so nothing is sorted.
_COUNTS = """
SELECT hour, did, kind, sum(records), sum(iif(category = 0, records, 0)),
    sum(iif(category = '', records, 0))
FROM record_count
WHERE hour >= ? AND hour < ? AND did <> '*' AND kind IN ('face', 'event', 'vehicle', 'access')
    AND typeof(records) = 'integer' AND records > 0
GROUP BY hour, did, kind
"""
_UNSORTED_FACES = f"""
SELECT occurred_at / 3600000 - (occurred_at % 3600000 < 0), did, count(*),
    sum(term IS NULL AND (uuid IS NULL OR uuid IN {STRANGER_UUIDS}))
{FROM_PART} category IS NULL AND kind = 'face' AND {UNDAMAGED}
GROUP BY 1, 2
"""


class HourCount(Struct, frozen=True, gc=False):
    """How many captures there were, and of how many a stranger, and of how many that is not told.

    `hour`: hours since 1970 in UTC. `strangers` and `untold` are among `captures`.
    """

    hour: int
    did: str
    kind: str
    captures: int
    strangers: int
    untold: int


class FaceCount(Struct, frozen=True, gc=False):
    """How many faces without a category there were, and how many of them name nobody.

    `hour`: hours since 1970 in UTC. `strangers` are among `faces`.
    """

    hour: int
    did: str
    faces: int
    strangers: int


def counts_of(first: int, end: int, connection: sqlite3.Connection) -> list[HourCount]:
    """Return the counts of the hours `first` <= hour < `end`."""
    return [HourCount(*row) for row in connection.execute(_COUNTS, (first, end))]


def unsorted_faces_in(
    part: SeqRange, since: int, until: int, connection: sqlite3.Connection
) -> list[FaceCount]:
    """Return the faces of a part of the log that have no category: strangers if they name nobody.

    `since` <= time < `until`, in UNIX milliseconds.
    """
    found = connection.execute(_UNSORTED_FACES, times_in(part, since, until))
    return [FaceCount(*row) for row in found]
