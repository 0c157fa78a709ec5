"""Captures counted per hour, camera and kind, for reports."""

from __future__ import annotations

import sqlite3

from msgspec import Struct

# Grouped by the beginning of the key of the table, so nothing is sorted.
_COUNTS = """
SELECT hour, did, kind, sum(records), sum(iif(category = 0, records, 0)),
    sum(iif(category = '', records, 0))
FROM record_count
WHERE hour >= ? AND hour < ? AND did <> '*' AND kind IN ('face', 'event', 'vehicle', 'access')
    AND typeof(records) = 'integer' AND records > 0
GROUP BY hour, did, kind
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


def counts_of(first: int, end: int, connection: sqlite3.Connection) -> list[HourCount]:
    """Return the counts of the hours `first` <= hour < `end`."""
    return [HourCount(*row) for row in connection.execute(_COUNTS, (first, end))]
