"""Samples of the record log: how times differ, and how the bytes of a day divide into kinds."""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from hub.store.media.packs import day_bounds, known_images
from hub.store.rows import is_moment
from hub.store.sqlite.sql import one
from hub.wire.uploads.records import RECORD_KINDS, RecordKind

#: A day is sampled at so many places, with so many records in a row at each.
_PLACES = 20
_ROWS_PER_PLACE = 25

_TIMES = """
SELECT did, occurred_at, received_at FROM record WHERE seq > ? ORDER BY seq DESC LIMIT ?
"""
_ROWS = """
SELECT kind, images FROM record
WHERE seq BETWEEN ? AND ? AND received_at >= ? AND received_at < ? ORDER BY seq LIMIT ?
"""
# Uses only the index device_picture_size.
_CACHED = "SELECT CAST(total(size) AS INTEGER) FROM device_picture"


class RecordTimes(Struct, frozen=True):
    """A record's device, its time by the device's clock and by the hub's, in UNIX milliseconds."""

    did: str
    occurred_at: int
    received_at: int


class KindSample(Struct, frozen=True):
    """How many sampled records are of a kind, and the bytes of their pictures."""

    records: int = 0
    bytes: int = 0


def newest_times(connection: sqlite3.Connection, after: int, limit: int) -> list[RecordTimes]:
    """Return the times of the newest records beyond the seq `after`, newest first."""
    rows = connection.execute(_TIMES, (after, limit))
    return [
        RecordTimes(did, occurred_at, received_at)
        for did, occurred_at, received_at in rows
        if isinstance(did, str) and is_moment(occurred_at) and is_moment(received_at)
    ]


def sample_day(
    connection: sqlite3.Connection, day: str, first_seq: int, last_seq: int
) -> dict[RecordKind, KindSample]:
    """Return what some records of a day, spread over it, say about each kind. Reads 500 at most."""
    step = max(1, (last_seq - first_seq + 1) // _PLACES)
    found: dict[RecordKind, KindSample] = {}
    for start in range(first_seq, last_seq + 1, step):
        end = min(start + step - 1, last_seq)
        rows = connection.execute(_ROWS, (start, end, *day_bounds(day), _ROWS_PER_PLACE))
        for kind, images in rows.fetchall():
            if kind not in RECORD_KINDS:
                continue
            known = found.get(kind, KindSample())
            size = sum(image.size for image in known_images(images))
            found[kind] = KindSample(known.records + 1, known.bytes + size)
    return found


def cached_bytes(connection: sqlite3.Connection) -> int:
    """Return the bytes of the pictures read from devices, which the database holds as well."""
    size = one(connection, _CACHED)
    return size if isinstance(size, int) else 0
