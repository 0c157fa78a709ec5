"""Obeys what hubs have erased, also for what comes after its erasure. People: see `people`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hub.central.messages import ErasureRow, PictureFile, Sender
from hub.central.pictures import PictureFolder

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


def erase(connection: Any, erasures: Iterable[ErasureRow], pictures: PictureFolder | None) -> int:
    """Empty records, delete their pictures, and note that, within a transaction.

    Returns how many pictures.
    """
    deleted = 0
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
            deleted += pictures.erase(sender, erasure.seqs)
    return deleted


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
