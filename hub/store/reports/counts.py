"""Captures counted per hour, camera and kind, for reports."""

from __future__ import annotations

import sqlite3

from msgspec import Struct

_COUNTS = """
SELECT hour, did, kind, CASE category WHEN '' THEN '' WHEN 0 THEN 'stranger' ELSE 'known' END,
    sum(records)
FROM record_count
WHERE hour >= ? AND hour < ? AND did <> '*' AND kind IN ('face', 'event', 'vehicle', 'access')
    AND typeof(records) = 'integer' AND records > 0
GROUP BY 1, 2, 3, 4
"""


class HourCount(Struct, frozen=True):
    """`hour`: hours since 1970 in UTC. `person`: known, stranger, or "" if it is not told."""

    hour: int
    did: str
    kind: str
    person: str
    count: int


def counts_of(first: int, end: int, connection: sqlite3.Connection) -> list[HourCount]:
    """Return the counts of the hours `first` <= hour < `end`."""
    return [HourCount(*row) for row in connection.execute(_COUNTS, (first, end))]
