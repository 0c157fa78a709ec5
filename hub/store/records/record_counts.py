"""Counts of records per hour, as the database keeps them: how they are made, and made again.

Triggers of the schema keep them (see `schema/datamodel.sql`), in the transaction that changes the
log: what an append, a dropped day, an erasure, the end of a hold or a rebuild does is counted with
it. The hour is that of `occurred_at`, because questions about a time mean when something happened.
A record whose device's clock is off is counted where a filter by time finds it: in a wrong hour.
"""

from __future__ import annotations

import sqlite3

HOUR_MS = 3_600_000

_FORGET = ("DELETE FROM record_count", "DELETE FROM record_total")
# Integer division rounds towards zero.
_COUNT = (
    """
INSERT INTO record_count
SELECT occurred_at / 3600000 - (occurred_at % 3600000 < 0), did, kind, ifnull(type, ''),
    ifnull(category, ''), count(*)
FROM record
WHERE typeof(occurred_at) = 'integer' AND typeof(did) = 'text' AND typeof(kind) = 'text'
GROUP BY 1, 2, 3, 4, 5
""",
    """
INSERT INTO record_total
SELECT did, kind, type, category, sum(records) FROM record_count GROUP BY 1, 2, 3, 4
""",
    """
INSERT INTO record_count
SELECT hour, '', kind, type, category, sum(records) FROM record_count GROUP BY 1, 3, 4, 5
""",
)


def count_again(connection: sqlite3.Connection) -> None:
    """Make all counts again from the log, within the caller's transaction.

    Reads every record: 30 s for ten million.
    """
    for sql in (*_FORGET, *_COUNT):
        connection.execute(sql)
