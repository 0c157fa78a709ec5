"""Counts of records, as the database keeps them: how they are read, made, and made again.

Triggers of the schema keep them (see `schema/0001_first.sql`), in the transaction that changes the
log: what an append, a dropped day, an erasure, the end of a hold or a rebuild does is counted with
it. The hour is that of `occurred_at`, because questions about a time mean when something happened.
A record whose device's clock is off is counted where a filter by time finds it: in a wrong hour.

All functions run in a reader's or the writer's thread. They look at the conditions of a filter that
are counted, `kind`, `did`, `dids`, `type`, `category` and `categories`, and at no others.
"""

from __future__ import annotations

import json
import sqlite3

from hub.store.records.record_filter import RecordFilter
from hub.store.sqlite.sql import clamp, one

HOUR_MS = 3_600_000
#: The camera under which all records of the site are counted per hour, those of the hub itself
#: (whose camera is "") among them.
WHOLE_SITE = "*"

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
SELECT hour, '*', kind, type, category, sum(records) FROM record_count GROUP BY 1, 3, 4, 5
""",
)

# `records` may be damaged: then there are such records all the same.
_EXISTS = "SELECT EXISTS (SELECT 1 FROM record_total WHERE true{conditions})"
_SOUND = "typeof(records) = 'integer' AND records > 0"
# The key begins with the hour: from hour to hour, the rows of the cameras are found by it.
_BY_HOUR = f"""
WITH RECURSIVE counted (hour) AS (
    SELECT min(hour) FROM record_count WHERE hour >= :first
    UNION ALL
    SELECT (SELECT min(hour) FROM record_count WHERE hour > counted.hour)
    FROM counted WHERE counted.hour < :last
)
SELECT hour, sum(records) FROM counted CROSS JOIN record_count USING (hour)
WHERE hour <= :last AND did IN (SELECT value FROM json_each(:dids)) AND {_SOUND}{{conditions}}
GROUP BY hour
"""


def is_there(connection: sqlite3.Connection, filter: RecordFilter) -> bool:
    """Return whether any record meets all the counted conditions at once, at any time.

    Reads a few rows: some microseconds for one camera, some hundred for 64. With no such condition:
    whether there is any record.
    """
    conditions, values = _conditions(filter)
    return one(connection, _EXISTS.format(conditions=conditions), values) == 1


def count_by_hour(
    connection: sqlite3.Connection, filter: RecordFilter, first: int, last: int
) -> dict[int, int]:
    """Return how many records meet the counted conditions in each hour from `first` to `last`.

    Hours are numbered since 1970 (UNIX milliseconds // HOUR_MS); those without records are left
    out. `since` and `until` of the filter are not looked at. 25 ms for 30 days of a site, 5 ms for
    those of a camera.
    """
    conditions, values = _conditions(filter, with_dids=False)
    dids = _dids(filter)
    bounds = {"first": clamp(first), "last": clamp(last)}
    sql = _BY_HOUR.format(conditions=conditions)
    chosen = json.dumps([WHOLE_SITE] if dids is None else dids)
    return dict(connection.execute(sql, {**values, **bounds, "dids": chosen}).fetchall())


def count_again(connection: sqlite3.Connection) -> None:
    """Make all counts again from the log, within the caller's transaction.

    Reads every record: 30 s for ten million.
    """
    for sql in (*_FORGET, *_COUNT):
        connection.execute(sql)


def _dids(filter: RecordFilter) -> list[str] | None:
    """Return the cameras that are asked for, None for the whole site."""
    if filter.did is None:
        return None if filter.dids is None else list(filter.dids)
    return [filter.did] if filter.dids is None or filter.did in filter.dids else []


def _conditions(
    filter: RecordFilter, *, with_dids: bool = True
) -> tuple[str, dict[str, str | int]]:
    """Return the counted conditions as SQL, and the values of its names."""
    conditions = ""
    values: dict[str, str | int] = {}
    if with_dids and (dids := _dids(filter)) is not None:
        conditions += " AND did IN (SELECT value FROM json_each(:dids))"
        values["dids"] = json.dumps(dids)
    if filter.kind is not None:
        conditions += " AND kind = :kind"
        values["kind"] = filter.kind
    if filter.type is not None:
        conditions += " AND type = :type"
        values["type"] = clamp(filter.type)
    if filter.category is not None:
        conditions += " AND category = :category"
        values["category"] = clamp(filter.category)
    if filter.categories is not None:
        conditions += " AND category IN (SELECT value FROM json_each(:categories))"
        values["categories"] = json.dumps([clamp(one) for one in filter.categories])
    return conditions, values
