"""Obeys what hubs have erased, also for what comes after its erasure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hub.central.messages import ErasureRow, PictureFile, Sender
from hub.central.pictures import PictureFolder
from hub.services.forwarding.erasures import ranges_of
from hub.wire.person_numbers import canonical_number

#: Held shared by who stores, and alone by who erases: no record slips in between.
ERASURE_LOCK = 0x736974656875621
# With the ranges that it overlaps, so that no two do: the one that begins last before it, and those
# that begin in it.
_NOTE = """
WITH known AS (
    DELETE FROM sitehub.erasure
    WHERE hub = %(hub)s AND log = %(log)s AND last_seq >= %(first)s
    AND first_seq BETWEEN coalesce((
        SELECT first_seq FROM sitehub.erasure
        WHERE hub = %(hub)s AND log = %(log)s AND first_seq < %(first)s
        ORDER BY first_seq DESC LIMIT 1
    ), %(first)s) AND %(last)s
    RETURNING first_seq, last_seq
)
INSERT INTO sitehub.erasure (hub, log, first_seq, last_seq)
SELECT %(hub)s, %(log)s, least(%(first)s, min(first_seq)), greatest(%(last)s, max(last_seq))
FROM known
"""
_EMPTY = """
UPDATE sitehub.record SET erased = true, body = sitehub.emptied(body)
WHERE hub = %(hub)s AND log = %(log)s AND seq BETWEEN %(first)s AND %(last)s AND NOT erased
"""
# The hub sends it again without the person, with a higher number; that may have come first.
_EMPTY_ALARM = """
UPDATE sitehub.alarm SET body = (body - 'record' - 'detail' - 'note') || '{"record": null}'
WHERE hub = %(hub)s AND log = %(log)s AND seq BETWEEN %(first)s AND %(last)s
AND coalesce(body->'record'->>'erased', '') <> 'true'
"""
# What could not be read may tell of the person too.
_FORGET_UNREADABLE = """
DELETE FROM sitehub.unreadable
USING unnest(%s::bigint[], %s::bigint[]) AS erased (first_seq, last_seq)
WHERE split_part(subject, '.', 3) = %s AND headers->>'Sitehub-Log' = %s
AND CASE WHEN headers->>'Sitehub-Seq' ~ '^[0-9]{1,18}$'
    THEN (headers->>'Sitehub-Seq')::bigint END BETWEEN erased.first_seq AND erased.last_seq
"""


def erased_sql(table: str) -> str:
    """Return the condition that a hub has erased the record of a row with `hub`, `log`, `seq`.

    Ranges are apart: only the last one that begins before a record can have it.
    """
    return f"""{table}.seq <= (
    SELECT last_seq FROM sitehub.erasure AS erasure
    WHERE erasure.hub = {table}.hub AND erasure.log = {table}.log
    AND erasure.first_seq <= {table}.seq ORDER BY first_seq DESC LIMIT 1
)"""


_ERASED = f"""
SELECT DISTINCT asked.hub, asked.log, asked.seq
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS asked (hub, log, seq)
WHERE {erased_sql("asked")}
"""


# Of a hub's log, and of what it continues, the hub still has what came later, and what is kept.
# Logs that began after the erasure have what came later too.
_OF_PERSON = """
{table}.hub = person.hub
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
# A later erasure of a person reaches all that an earlier one has reached.
_NOTE_PERSON = """
INSERT INTO sitehub.erased_person AS there (hub, digest, log, last_seq, kept, told_at)
VALUES (%(hub)s, sitehub.digest(%(hub)s, %(number)s), %(log)s, %(last_seq)s,
    %(kept)s::int8multirange, %(told_at)s)
ON CONFLICT (hub, digest) DO UPDATE SET log = excluded.log, last_seq = excluded.last_seq,
    kept = excluded.kept, told_at = excluded.told_at, stored_at = excluded.stored_at
WHERE excluded.told_at > there.told_at
"""
#: What follows one of these is a number too.
_MAX_NEAR = 2**62
#: No stream gives anything again after so long.
_FORGET_PEOPLE = """
DELETE FROM sitehub.erased_person WHERE stored_at < clock_timestamp() - interval '90 days'
"""
_OF_NUMBERS = f"""
SELECT record.log, record.seq
FROM sitehub.record AS record, sitehub.erased_person AS person
WHERE record.hub = %s AND sitehub.number_of(record.body) = ANY(%s) AND NOT record.erased
AND person.digest = sitehub.digest(record.hub, sitehub.number_of(record.body))
AND {_OF_PERSON.format(table="record")}
"""
# A picture that a camera has sent apart follows its access record.
_LONE_PICTURES = """
SELECT record.log, record.seq FROM sitehub.record AS record
JOIN unnest(%s::text[], %s::bigint[]) AS found (log, seq) ON record.log = found.log
AND record.seq BETWEEN found.seq + 1 AND found.seq + 1000 AND record.body->>'of' = found.seq::text
WHERE record.hub = %s AND record.kind = 'access' AND NOT record.erased
"""
_HAS_ERASED = "SELECT DISTINCT hub FROM sitehub.erased_person WHERE hub = ANY(%s)"
_STAGED_OF_PEOPLE = f"""
SELECT staged.hub, staged.log, staged.seq
FROM staged JOIN sitehub.erased_person AS person
ON person.digest = sitehub.digest(staged.hub, sitehub.number_of(staged.body))
AND {_OF_PERSON.format(table="staged")}
WHERE staged.hub = ANY(%s) AND NOT staged.erased
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
    """Return what records there are of people, by the logs under which they are kept.

    Without an index on their number, all records of the hub are read.
    """
    found = []
    numbers: dict[str, set[str]] = {}
    for row in erasures:
        numbers.setdefault(row.sender.hub, set()).update(map(canonical_number, row.uuids))
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        for hub, some in numbers.items():
            records = connection.execute(_OF_NUMBERS, (hub, sorted(some))).fetchall()
            near = [one for one in records if one[1] < _MAX_NEAR]
            logs, seqs = [log for log, _ in near], [seq for _, seq in near]
            records += connection.execute(_LONE_PICTURES, (logs, seqs, hub)).fetchall()
            found += rows_of((hub, log, seq) for log, seq in records)
    return found


def staged_of_people(connection: Any, hubs: set[str]) -> list[ErasureRow]:
    """Return which of the records that are being stored are of people whom hubs have erased."""
    if not (some := connection.execute(_HAS_ERASED, (sorted(hubs),)).fetchall()):
        return []
    return rows_of(connection.execute(_STAGED_OF_PEOPLE, ([hub for (hub,) in some],)).fetchall())


def rows_of(records: Iterable[tuple[str, str, int]]) -> list[ErasureRow]:
    """Return erasures of records, given as hub, log, seq."""
    seqs: dict[tuple[str, str], set[int]] = {}
    for hub, log, seq in records:
        seqs.setdefault((hub, log), set()).add(seq)
    return [ErasureRow(Sender(hub, 0, log), ranges_of(some)) for (hub, log), some in seqs.items()]


def erase(connection: Any, erasures: Iterable[ErasureRow], pictures: PictureFolder | None) -> None:
    """Empty records, delete their pictures, and note that, within a transaction."""
    for erasure in erasures:
        sender = erasure.sender
        ranges = [
            {"hub": sender.hub, "log": sender.log, "first": first, "last": last}
            for first, last in erasure.seqs
        ]
        with connection.cursor() as cursor:
            for sql in (_NOTE, _EMPTY, _EMPTY_ALARM):
                cursor.executemany(sql, ranges)
        firsts, lasts = [first for first, _ in erasure.seqs], [last for _, last in erasure.seqs]
        connection.execute(_FORGET_UNREADABLE, (firsts, lasts, sender.hub, sender.log))
        if pictures is not None:
            pictures.erase(sender, erasure.seqs)


def is_erased(connection: Any, pictures: Sequence[PictureFile]) -> set[tuple[Sender, int]]:
    """Return of which records, whose pictures have come, the hub has erased all."""
    hubs = [one.sender.hub for one in pictures]
    logs = [one.sender.log for one in pictures]
    seqs = [one.seq for one in pictures]
    found = set(connection.execute(_ERASED, (hubs, logs, seqs)).fetchall())
    return {
        (one.sender, one.seq)
        for one in pictures
        if (one.sender.hub, one.sender.log, one.seq) in found
    }
