"""Compares the counts per hour with the log, and makes those again that are wrong.

Only a fault of the disk makes them wrong. The log is read once, in one read transaction, and no
memory is needed for its counts: for each hour they are added up to a checksum, to which each record
contributes a number made of its camera, kind, type and category. The counts of an hour that are
right add up to the same.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable

import xxhash

from hub.store.commit.record_rows import STRAY_MS
from hub.store.records.record_counts import HOUR_MS, WHOLE_SITE
from hub.store.sqlite.connection import one_state
from hub.store.sqlite.sql import clamp, one

log = logging.getLogger(__name__)

#: The log is grouped by so many seqs at a time, which needs no file for sorting.
_WINDOW = 65_536
_MASK = 2**64 - 1

_NEXT = "SELECT min(seq) FROM record WHERE seq >= ?"
_SOUND = "typeof(occurred_at) = 'integer' AND typeof(did) = 'text' AND typeof(kind) = 'text'"
_OF_WINDOW = f"""
SELECT occurred_at / 3600000 - (occurred_at % 3600000 < 0), did, kind, ifnull(type, ''),
    ifnull(category, ''), count(*)
FROM record NOT INDEXED WHERE seq BETWEEN ? AND ? AND {_SOUND} GROUP BY 1, 2, 3, 4, 5
"""
_COUNTS = "SELECT hour, did, kind, type, category, records FROM record_count"
_TOTALS = "SELECT did, kind, type, category, records FROM record_total ORDER BY 1, 2, 3, 4"
_RIGHT_TOTALS = """
SELECT did, kind, type, category, sum(records) FROM record_count WHERE did <> '*'
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
# SQLite uses the index record_stray only if its condition is repeated word for word.
_BLOCKS = f"""
SELECT block FROM span WHERE latest >= :since AND earliest < :until
UNION
SELECT seq >> 10 FROM record
WHERE abs(occurred_at - received_at) > {STRAY_MS}
    AND occurred_at >= :since AND occurred_at < :until
"""
_FORGET_HOUR = "DELETE FROM record_count WHERE hour = ?"
_COUNT_HOUR = f"""
INSERT INTO record_count
SELECT :hour, did, kind, ifnull(type, ''), ifnull(category, ''), count(*)
FROM ({_BLOCKS}) CROSS JOIN record ON seq BETWEEN block << 10 AND (block << 10) + 1023
WHERE occurred_at >= :since AND occurred_at < :until AND {_SOUND} GROUP BY 2, 3, 4, 5
"""
_ADD_SITE = """
INSERT INTO record_count
SELECT hour, '*', kind, type, category, sum(records) FROM record_count WHERE hour = ?
GROUP BY kind, type, category
"""
_FORGET_TOTALS = "DELETE FROM record_total"
_ADD_TOTALS = f"INSERT INTO record_total {_RIGHT_TOTALS}"


def wrong_hours(connection: sqlite3.Connection) -> list[object]:
    """Return the hours whose counts are wrong, in a reader's thread.

    Reads every record: 20 s for ten million. What is damaged may be any number, or none.
    """
    with one_state(connection):
        sums = _sums_of_log(connection)
        wrong = _subtract_counts(connection, sums)
    return list(wrong | {hour for hour, left in sums.items() if left})


def mend_hour(hour: object, connection: sqlite3.Connection) -> None:
    """Make the counts of an hour again, in the writer's thread: spans tell where it is."""
    connection.execute(_FORGET_HOUR, (hour,))
    if not isinstance(hour, int):
        return
    since, until = clamp(hour * HOUR_MS), clamp((hour + 1) * HOUR_MS)
    values = {"hour": hour, "since": since, "until": until}
    connection.execute(_COUNT_HOUR, values)
    connection.execute(_ADD_SITE, (hour,))


def are_totals_wrong(connection: sqlite3.Connection) -> bool:
    """Return whether the counts of all time are not the sums of those per hour."""
    with one_state(connection):
        totals = connection.execute(_TOTALS).fetchall()
        return totals != connection.execute(_RIGHT_TOTALS).fetchall()


def mend_totals(connection: sqlite3.Connection) -> None:
    """Make the counts of all time again from those per hour, in the writer's thread."""
    connection.execute(_FORGET_TOTALS)
    connection.execute(_ADD_TOTALS)


def _sums_of_log(connection: sqlite3.Connection) -> dict[object, int]:
    """Return the checksum of each hour as its counts should be."""
    sums: dict[object, int] = {}
    begin = one(connection, _NEXT, (-(2**63),))
    while isinstance(begin, int):
        end = clamp(begin + _WINDOW - 1)
        for hour, did, *what, records in connection.execute(_OF_WINDOW, (begin, end)):
            share = records * (_weight(did, what) + _weight(WHOLE_SITE, what))
            sums[hour] = (sums.get(hour, 0) + share) & _MASK
        # Not simply the next window: behind a damaged seq, nearly all are empty.
        begin = one(connection, _NEXT, (end + 1,)) if end < 2**63 - 1 else None
    return sums


def _subtract_counts(connection: sqlite3.Connection, sums: dict[object, int]) -> set[object]:
    """Take what is counted off the checksums; return the hours with counts that are no numbers."""
    damaged: set[object] = set()
    for hour, did, *what, records in connection.execute(_COUNTS):
        if not isinstance(records, int) or records <= 0:
            damaged.add(hour)
            continue
        sums[hour] = (sums.get(hour, 0) - records * _weight(did, what)) & _MASK
    return damaged


def _weight(did: object, what: Iterable[object]) -> int:
    return xxhash.xxh3_64_intdigest(repr((did, *what)).encode())
