"""Faces that cameras sent without a category, told apart by whom they name, for reports."""

from __future__ import annotations

import sqlite3

from hub.store.records.time_spans import SeqRange
from hub.store.reports.counts import HourCount

# 2^63 is the number of nobody (D8). Erased and damaged records tell nothing.
_FACES = """
SELECT occurred_at / 3600000 - (occurred_at % 3600000 < 0), did,
    iif(term IS NOT NULL OR uuid NOT IN ('', '0', '9223372036854775808'), 'known', 'stranger'),
    count(*)
FROM record NOT INDEXED
WHERE seq BETWEEN ? AND ? AND occurred_at >= ? AND occurred_at < ? AND kind = 'face'
    AND category IS NULL AND erased IS NULL
    AND typeof(occurred_at) = 'integer' AND typeof(did) = 'text'
    AND typeof(uuid) IN ('text', 'null') AND typeof(term) IN ('integer', 'null')
GROUP BY 1, 2, 3
"""


def unsorted_faces_in(
    part: SeqRange, since: int, until: int, connection: sqlite3.Connection
) -> list[HourCount]:
    """Return the faces of a part of the log that have no category: known if they name somebody.

    `since` <= time < `until`, in UNIX milliseconds.
    """
    rows = connection.execute(_FACES, (*part, since, until))
    return [HourCount(hour, did, "face", person, count) for hour, did, person, count in rows]
