"""Who and which plates cameras saw, of one part of the log at a time, for reports.

A report over millions of records is read in *parts*: runs of seqs short enough that no other reader
waits for long. A part is read by one query, which groups in SQLite what can be grouped.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from hub.store.commit.record_rows import STRANGER_UUIDS
from hub.store.damage import plain
from hub.store.records.record_reading import known_detail
from hub.store.records.time_spans import SeqRange, ranges_of

#: Seqs of one part: read in 50 ms or so.
PART_SEQS = 65_536
_MAX_SEQ = 2**63 - 1

# Damaged records are left out.
_IN_PART = """
seq BETWEEN ? AND ? AND occurred_at >= ? AND occurred_at < ? AND erased IS NULL
    AND typeof(occurred_at) = 'integer' AND typeof(did) = 'text'
    AND typeof(uuid) IN ('text', 'null') AND typeof(term) IN ('integer', 'null')
""".strip()
_OF_DIDS = " AND did IN (SELECT value FROM json_each(?))"
# A number of strangers is none: whoever has a name besides is known by that.
_NUMBER = f"iif(uuid IN {STRANGER_UUIDS}, NULL, uuid)"
_PEOPLE = f"""
SELECT {_NUMBER}, iif({_NUMBER} IS NULL, term, NULL), did, min(occurred_at), max(occurred_at),
    count(*), max(iif(term IS NULL, 0, seq))
FROM record NOT INDEXED
WHERE {_IN_PART} AND kind IN ('face', 'event', 'access')
    AND ({_NUMBER} IS NOT NULL OR term IS NOT NULL) AND (category IS NULL OR category <> 0){{dids}}
GROUP BY 1, 2, 3
"""
_VEHICLES = f"""
SELECT occurred_at, did, term FROM record NOT INDEXED
WHERE {_IN_PART} AND kind = 'vehicle' AND term IS NOT NULL{{dids}}
"""
_DETAILS = """
SELECT seq, kind, detail FROM record
WHERE erased IS NULL AND seq IN (SELECT value FROM json_each(?))
"""
_TERMS = "SELECT id, folded FROM term WHERE id IN (SELECT value FROM json_each(?))"

#: Who a record names: by number, or by the term of a name if it has no number.
PersonKey = tuple[str | None, int | None]


class PersonSeen(Struct, array_like=True, gc=False):
    """How often a person was seen, and when and where first and last. UNIX milliseconds.

    `uuid` names the person, or `term` (of a name) if no number does. `seq`: of the last record that
    has a name, 0 if none has one.
    """

    uuid: str | None
    term: int | None
    first_at: int
    first_did: str
    last_at: int
    last_did: str
    count: int
    seq: int

    @property
    def key(self) -> PersonKey:
        return self.uuid, self.term


class PlateSeen(Struct, frozen=True, array_like=True, gc=False):
    """One record of a plate. `term` is the same for the same plate."""

    at: int
    did: str
    term: int


def parts_of(
    connection: sqlite3.Connection,
    since: int,
    until: int,
    seqs: SeqRange = (0, _MAX_SEQ),
    size: int = PART_SEQS,
) -> list[SeqRange]:
    """Return the parts of the log that can hold records of a time range, the oldest first."""
    return [
        (begin, min(begin + size - 1, last))
        for first, last in ranges_of(connection, since, until, seqs)
        for begin in range(first, last + 1, size)
    ]


def people_in(
    connection: sqlite3.Connection,
    part: SeqRange,
    since: int,
    until: int,
    dids: Sequence[str] | None,
) -> Iterator[PersonSeen]:
    """Yield the people whom records of a part name, by camera, without strangers.

    `dids`: of these cameras.
    """
    for uuid, term, did, first, last, count, seq in _select(
        connection, _PEOPLE, part, since, until, dids
    ):
        yield PersonSeen(uuid, term, first, did, last, did, count, seq)


def vehicles_in(
    connection: sqlite3.Connection,
    part: SeqRange,
    since: int,
    until: int,
    dids: Sequence[str] | None,
) -> Iterator[PlateSeen]:
    """Yield the records of a part with a plate. `dids`: of these cameras."""
    for row in _select(connection, _VEHICLES, part, since, until, dids):
        yield PlateSeen(*row)


def add_people(found: dict[PersonKey, PersonSeen], seen: Iterable[PersonSeen]) -> None:
    """Add sightings to those of each person. `found` owns what it gets."""
    for one in seen:
        known = found.setdefault((one.uuid, one.term), one)
        if known is not one:
            join(known, one)


def join(known: PersonSeen, one: PersonSeen) -> None:
    """Add sightings of a person to `known`, which are others of the same."""
    first, last = one.first_at, one.last_at
    if first < known.first_at or (first == known.first_at and one.first_did < known.first_did):
        known.first_at, known.first_did = first, one.first_did
    if last > known.last_at or (last == known.last_at and one.last_did > known.last_did):
        known.last_at, known.last_did = last, one.last_did
    known.count += one.count
    if one.seq > known.seq:
        known.seq = one.seq


def names_of(seqs: Sequence[int], connection: sqlite3.Connection) -> dict[int, str]:
    """Return the name of the person in records, as it was sent, by seq."""
    found = connection.execute(_DETAILS, (json.dumps(list(seqs)),))
    return {seq: getattr(known_detail(kind, data), "name", None) or "" for seq, kind, data in found}


def plates_of(terms: Sequence[int], connection: sqlite3.Connection) -> dict[int, str]:
    """Return plates by term, in capitals however they were sent.

    Not as they were sent, because the details of 100,000 records are all over the database.
    """
    found = connection.execute(_TERMS, (json.dumps(list(terms)),))
    return {id: plain(folded).upper() for id, folded in found if isinstance(folded, str)}


def _select(
    connection: sqlite3.Connection,
    sql: str,
    part: SeqRange,
    since: int,
    until: int,
    dids: Sequence[str] | None,
) -> sqlite3.Cursor:
    values: tuple[object, ...] = (*part, since, until)
    if dids is not None:
        values = (*values, json.dumps(list(dids)))
    return connection.execute(sql.format(dids="" if dids is None else _OF_DIDS), values)
