"""Who and which plates cameras saw, of one part of the log at a time, for reports.

A report over millions of records is read in *parts*: runs of seqs short enough that no other reader
waits for long. A part is read by one query, which groups in SQLite what can be grouped.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from hub.store.commit.record_rows import STRANGER_UUIDS
from hub.store.records.record_reading import known_detail
from hub.store.records.time_spans import SeqRange, ranges_of

#: Seqs of one part: read in 50 ms or so.
_PART_SEQS = 65_536
_MAX_SEQ = 2**63 - 1
#: Added to the milliseconds since a day began: all have ten digits, and sort as texts.
_TEN_DIGITS = 10**9

#: Which records of a part are read: none that is erased or damaged. What rules out most of them
#: stands between the two.
FROM_PART = """
FROM record NOT INDEXED
WHERE seq BETWEEN :first AND :last AND occurred_at >= :since AND occurred_at < :until AND
""".strip()
UNDAMAGED = """
erased IS NULL AND typeof(occurred_at) = 'integer' AND typeof(did) = 'text'
    AND typeof(uuid) IN ('text', 'null') AND typeof(term) IN ('integer', 'null')
""".strip()
_OF_DIDS = " AND did IN (SELECT value FROM json_each(:dids))"
# A number of strangers is none: whoever has a name besides is known by that.
_PERSON = f"ifnull(iif(uuid IN {STRANGER_UUIDS}, NULL, uuid), term)"
_AT = "(occurred_at + :shift) || did"
_PEOPLE = f"""
SELECT {_PERSON}, min({_AT}), max({_AT}), count(*), max(iif(term IS NULL, 0, seq))
{FROM_PART} category IS NOT 0 AND kind IN ('face', 'event', 'access')
    AND {_PERSON} IS NOT NULL{{dids}} AND {UNDAMAGED}
GROUP BY 1
"""
_VEHICLES = f"""
SELECT occurred_at, did, term
{FROM_PART} kind = 'vehicle' AND term IS NOT NULL{_OF_DIDS} AND {UNDAMAGED}
"""
_DETAILS = """
SELECT seq, kind, detail FROM record
WHERE erased IS NULL AND seq IN (SELECT value FROM json_each(?))
"""
_TERMS = "SELECT id, folded FROM term WHERE id IN (SELECT value FROM json_each(?))"

#: Who a record names: the number, or the term of a name if it has no number.
PersonKey = str | int
#: One record of a plate: when, by which camera, and a number that is the same for the same plate.
PlateSeen = tuple[int, str, int]


class PersonSeen(Struct, gc=False):
    """How often a person was seen on a day, and when and where first and last.

    `first`, `last`: texts that sort by time, then camera; see `moment_of`. `seq`: of the last
    record that has a name, 0 if none has one.
    """

    key: PersonKey
    first: str
    last: str
    count: int
    seq: int


def parts_of(since: int, until: int, connection: sqlite3.Connection) -> list[SeqRange]:
    """Return the parts of the log that can hold records of a time range, the oldest first."""
    return [
        (begin, min(begin + _PART_SEQS - 1, last))
        for first, last in ranges_of(connection, since, until, (0, _MAX_SEQ))
        for begin in range(first, last + 1, _PART_SEQS)
    ]


def times_in(part: SeqRange, since: int, until: int) -> dict[str, object]:
    """Return the values of FROM_PART: `since` <= time < `until`, in UNIX milliseconds."""
    return {"first": part[0], "last": part[1], "since": since, "until": until}


def add_people(
    found: dict[PersonKey, PersonSeen],
    part: SeqRange,
    since: int,
    until: int,
    dids: Sequence[str] | None,
    connection: sqlite3.Connection,
) -> None:
    """Add the people whom records of a part name, without strangers.

    `since` and `until` of a day, the same for all of its parts. `dids`: of these cameras.
    """
    values = {**times_in(part, since, until), "shift": _TEN_DIGITS - since}
    if dids is not None:
        values["dids"] = json.dumps(list(dids))
    sql = _PEOPLE.format(dids="" if dids is None else _OF_DIDS)
    for key, first, last, count, seq in connection.execute(sql, values):
        if (known := found.get(key)) is None:
            found[key] = PersonSeen(key, first, last, count, seq)
            continue
        known.first, known.last = min(known.first, first), max(known.last, last)
        known.count += count
        known.seq = max(known.seq, seq)


def moment_of(text: str, since: int) -> tuple[int, str]:
    """Return when and by which camera somebody was seen on the day that began at `since`."""
    return since + int(text[:10]) - _TEN_DIGITS, text[10:]


def vehicles_in(
    part: SeqRange, since: int, until: int, dids: Sequence[str], connection: sqlite3.Connection
) -> list[PlateSeen]:
    """Return the records of a part with a plate, of these cameras."""
    values = {**times_in(part, since, until), "dids": json.dumps(list(dids))}
    return connection.execute(_VEHICLES, values).fetchall()


def names_of(seqs: Sequence[int], connection: sqlite3.Connection) -> dict[int, str]:
    """Return the name of the person in records, as it was sent, by seq."""
    found = connection.execute(_DETAILS, (json.dumps(list(seqs)),))
    return {seq: getattr(known_detail(kind, data), "name", None) or "" for seq, kind, data in found}


def plates_of(terms: Sequence[int], connection: sqlite3.Connection) -> dict[int, str]:
    """Return plates by term, in capitals however they were sent.

    Not as they were sent, because the details of 100,000 records are all over the database.
    """
    found = connection.execute(_TERMS, (json.dumps(list(terms)),))
    return {id: folded.upper() for id, folded in found if isinstance(folded, str)}
