"""Who and which plates cameras saw, of one part of the log at a time, for reports.

A report over millions of records is read in *parts*: runs of seqs short enough that no other reader
waits for long. A part is read by one query, which groups in SQLite what can be grouped.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from hub.store.records.record_reading import known_detail
from hub.store.records.time_spans import SeqRange, ranges_of
from hub.wire.uploads.records import VehicleDetail

#: Seqs of one part: read in 50 ms or so.
PART_SEQS = 65_536

# Damaged records are left out, and those of the number of nobody (D8).
_IN_PART = """
seq BETWEEN ? AND ? AND occurred_at >= ? AND occurred_at < ? AND erased IS NULL
    AND typeof(occurred_at) = 'integer' AND typeof(did) = 'text'
    AND typeof(uuid) IN ('text', 'null') AND typeof(term) IN ('integer', 'null')
    AND (uuid IS NULL OR term IS NOT NULL OR uuid NOT IN ('', '0', '9223372036854775808'))
""".strip()
_OF_DIDS = " AND did IN (SELECT value FROM json_each(?))"
_PEOPLE = f"""
SELECT uuid, iif(uuid IS NULL, term, NULL), min(occurred_at || ' ' || did),
    max(occurred_at || ' ' || did), count(*),
    coalesce(max(iif(term IS NULL, NULL, seq)), max(seq))
FROM record
WHERE {_IN_PART} AND kind IN ('face', 'event', 'access') AND (uuid IS NOT NULL OR term IS NOT NULL)
    AND (category IS NULL OR category <> 0){{dids}}
GROUP BY 1, 2
"""
_PLATES = f"""
SELECT occurred_at, did, term, seq FROM record
WHERE {_IN_PART} AND kind = 'vehicle' AND term IS NOT NULL{_OF_DIDS}
"""
_DETAILS = """
SELECT seq, kind, detail FROM record
WHERE erased IS NULL AND seq IN (SELECT value FROM json_each(?))
"""


class Sighting(Struct, frozen=True):
    """A camera saw something. `at`: UNIX milliseconds."""

    at: int
    did: str


class PersonSeen(Struct, frozen=True):
    """How often a person was seen in a part, and when first and last.

    `uuid` names the person, or `term` (of a name) if no number does. `seq`: of the last record,
    if one has a name: of the last one that has.
    """

    uuid: str | None
    term: int | None
    first: Sighting
    last: Sighting
    count: int
    seq: int


class PlateSeen(Struct, frozen=True):
    """One record of a plate. `term` is the same for the same plate."""

    at: int
    did: str
    term: int
    seq: int


def parts_of(connection: sqlite3.Connection, since: int, until: int) -> list[SeqRange]:
    """Return the parts of the log that can hold records of a time range, the oldest first."""
    ranges = ranges_of(connection, since, until, (0, 2**63 - 1))
    return [
        (begin, min(begin + PART_SEQS - 1, last))
        for first, last in ranges
        for begin in range(first, last + 1, PART_SEQS)
    ]


def people_in(
    connection: sqlite3.Connection,
    part: SeqRange,
    since: int,
    until: int,
    dids: Sequence[str] | None,
) -> list[PersonSeen]:
    """Return the people whom records of a part name, strangers apart. `dids`: of these cameras."""
    values: tuple[object, ...] = (*part, since, until)
    if dids is not None:
        values = (*values, json.dumps(list(dids)))
    rows = connection.execute(_PEOPLE.format(dids="" if dids is None else _OF_DIDS), values)
    return [
        PersonSeen(uuid, term, _sighting(first), _sighting(last), count, seq)
        for uuid, term, first, last, count, seq in rows
    ]


def plates_in(
    connection: sqlite3.Connection, part: SeqRange, since: int, until: int, dids: Sequence[str]
) -> list[PlateSeen]:
    """Return the records of a part with a plate, of these cameras."""
    values = (*part, since, until, json.dumps(list(dids)))
    return [PlateSeen(*row) for row in connection.execute(_PLATES, values)]


def names_of(seqs: Sequence[int], connection: sqlite3.Connection) -> dict[int, str]:
    """Return the name or plate of records, as it was sent, by seq."""
    found: dict[int, str] = {}
    for seq, kind, data in connection.execute(_DETAILS, (json.dumps(list(seqs)),)):
        detail = known_detail(kind, data)
        plate = detail.plate if isinstance(detail, VehicleDetail) else None
        found[seq] = (plate.id if plate else getattr(detail, "name", None)) or ""
    return found


def _sighting(text: str) -> Sighting:
    at, _, did = text.partition(" ")
    return Sighting(int(at), did)
