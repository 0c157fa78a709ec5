"""Finds what there is of people whom hubs have erased by number, also what comes after that.

A number means the same person only in logs that continue each other. A hub that was installed anew
has the name of the earlier one, and numbers people from the beginning again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from hub.central.erasing import ERASURE_LOCK
from hub.central.messages import ErasureRow, Sender
from hub.central.succession import Lineage, read_lineage
from hub.services.forwarding.erasures import ranges_of
from hub.wire.person_numbers import canonical_number

# Of a hub's log, and of what it continues, the hub still has what came later, and what is kept.
# Logs that began after the erasure have what came later too. Whether the logs are tied is seen to
# by `_tied`.
_OF_PERSON = """
{table}.hub = person.hub
AND person.digest = sitehub.digest({table}.hub, sitehub.number_of({table}.body))
AND NOT {table}.erased
AND NOT (({table}.seq > person.last_seq OR {table}.seq <@ person.kept) AND (
    {table}.log = person.log OR EXISTS (
        SELECT 1 FROM sitehub.succession AS part WHERE part.hub = person.hub
        AND part.log = person.log AND part.earlier = {table}.log AND {table}.seq <= part.last_seq
    )
))
AND NOT EXISTS (
    SELECT 1 FROM sitehub.log AS later WHERE later.hub = person.hub AND later.log = {table}.log
    AND later.log <> person.log AND later.announced_at > person.told_at
)
"""
# A later erasure of a person reaches all that an earlier one of the same log has reached.
_NOTE_PERSON = """
INSERT INTO sitehub.erased_person AS there (hub, digest, log, last_seq, kept, told_at)
VALUES (%(hub)s, sitehub.digest(%(hub)s, %(number)s), %(log)s, %(last_seq)s,
    %(kept)s::int8multirange, %(told_at)s)
ON CONFLICT (hub, digest, log) DO UPDATE SET last_seq = excluded.last_seq,
    kept = excluded.kept, told_at = excluded.told_at, stored_at = excluded.stored_at
WHERE excluded.told_at > there.told_at
"""
#: What follows one of these is a number too.
_MAX_NEAR = 2**62
#: No stream gives anything again after so long.
_FORGET_PEOPLE = """
DELETE FROM sitehub.erased_person WHERE stored_at < clock_timestamp() - interval '90 days'
"""
_STORED = f"""
SELECT record.hub, record.log, record.seq, person.log
FROM sitehub.record AS record, sitehub.erased_person AS person
WHERE record.hub = %s AND {_OF_PERSON.format(table="record")}
"""
_OF_NUMBERS = f"{_STORED} AND sitehub.number_of(record.body) = ANY(%s)"
_TOLD_SINCE = f"{_STORED} AND person.told_at >= %s"
_IS_TOLD_SINCE = "SELECT 1 FROM sitehub.erased_person WHERE hub = %s AND told_at >= %s LIMIT 1"
# A picture that a camera has sent apart follows its access record.
_LONE_PICTURES = """
SELECT record.hub, record.log, record.seq FROM sitehub.record AS record
JOIN unnest(%s::text[], %s::bigint[]) AS found (log, seq) ON record.log = found.log
AND record.seq BETWEEN found.seq + 1 AND found.seq + 1000 AND record.body->>'of' = found.seq::text
WHERE record.hub = %s AND record.kind = 'access' AND NOT record.erased
"""
_HAS_ERASED = "SELECT DISTINCT hub FROM sitehub.erased_person WHERE hub = ANY(%s)"
_STAGED = f"""
SELECT staged.hub, staged.log, staged.seq, person.log
FROM staged JOIN sitehub.erased_person AS person ON {_OF_PERSON.format(table="staged")}
WHERE staged.hub = ANY(%s)
"""


def note_people(connection: Any, erasures: Iterable[ErasureRow]) -> None:
    """Note people who are erased, so that what comes of them from now on is stored empty."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (ERASURE_LOCK,))
        connection.execute(_FORGET_PEOPLE)
        for row in erasures:
            kept = "{" + ",".join(f"[{first},{last}]" for first, last in row.kept) + "}"
            for uuid in row.uuids:
                person = {
                    "hub": row.sender.hub,
                    "number": canonical_number(uuid),
                    "log": row.sender.log,
                    "last_seq": row.last_seq,
                    "kept": kept,
                    "told_at": row.sent_at,
                }
                connection.execute(_NOTE_PERSON, person)


def find_people(connection: Any, erasures: Iterable[ErasureRow]) -> list[ErasureRow]:
    """Return what records there are of people, by the logs under which they are kept."""
    found = []
    numbers: dict[str, set[str]] = {}
    for row in erasures:
        numbers.setdefault(row.sender.hub, set()).update(map(canonical_number, row.uuids))
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        lineage = read_lineage(connection, numbers)
        for hub, some in numbers.items():
            found += _find(connection, _OF_NUMBERS, (hub, sorted(some)), lineage)
    return found


def find_told_since(
    connection: Any, hub: str, since: datetime, lineage: Lineage
) -> list[ErasureRow]:
    """Return what there is of people whose erasure was told since then, within a transaction.

    For ties of logs that come after an erasure that was told later: nearly always there is none.
    """
    if not connection.execute(_IS_TOLD_SINCE, (hub, since)).fetchall():
        return []
    return _find(connection, _TOLD_SINCE, (hub, since), lineage)


def staged_of_people(connection: Any, hubs: set[str], lineage: Lineage) -> list[ErasureRow]:
    """Return which of the records that are being stored are of people whom hubs have erased."""
    if not (some := connection.execute(_HAS_ERASED, (sorted(hubs),)).fetchall()):
        return []
    rows = connection.execute(_STAGED, ([hub for (hub,) in some],)).fetchall()
    return _rows_of(_tied(rows, lineage))


def _find(connection: Any, sql: str, values: tuple[Any, ...], lineage: Lineage) -> list[ErasureRow]:
    """Return what a query for records of a hub, the first of `values`, finds, with pictures."""
    return with_lone_pictures(
        connection, _tied(connection.execute(sql, values).fetchall(), lineage)
    )


def with_lone_pictures(
    connection: Any, records: Sequence[tuple[str, str, int]]
) -> list[ErasureRow]:
    """Return erasures of records of one hub, given as hub, log, seq, with their pictures apart."""
    if not records:
        return []
    near = [(log, seq) for _, log, seq in records if seq < _MAX_NEAR]
    logs, seqs = [log for log, _ in near], [seq for _, seq in near]
    lone = connection.execute(_LONE_PICTURES, (logs, seqs, records[0][0])).fetchall()
    return _rows_of([*records, *lone])


def _tied(
    rows: Iterable[tuple[str, str, int, str]], lineage: Lineage
) -> list[tuple[str, str, int]]:
    """Return records, given with the log whose erasure they are of, where the logs are tied."""
    return [(hub, log, seq) for hub, log, seq, told in rows if lineage.is_tied(hub, log, told)]


def _rows_of(records: Iterable[tuple[str, str, int]]) -> list[ErasureRow]:
    """Return erasures of records, given as hub, log, seq."""
    seqs: dict[tuple[str, str], set[int]] = {}
    for hub, log, seq in records:
        seqs.setdefault((hub, log), set()).add(seq)
    return [ErasureRow(Sender(hub, 0, log), ranges_of(some)) for (hub, log), some in seqs.items()]
