"""Obeys what hubs have erased, also for what comes after its erasure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hub.central.messages import ErasureRow, PictureFile, Sender
from hub.central.pictures import PictureFolder

#: Held shared by who stores, and alone by who erases: no record slips in between.
ERASURE_LOCK = 0x736974656875621
_NOTE = """
INSERT INTO sitehub.erasure (hub, log, first_seq, last_seq) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
_EMPTY = """
UPDATE sitehub.record SET erased = true, body = sitehub.emptied(body)
WHERE hub = %s AND log = %s AND seq BETWEEN %s AND %s AND NOT erased
"""
# The hub sends it again without the person, with a higher number; that may have come first.
_EMPTY_ALARM = """
UPDATE sitehub.alarm SET body = (body - 'record' - 'detail' - 'note') || '{"record": null}'
WHERE hub = %s AND log = %s AND seq BETWEEN %s AND %s
AND coalesce(body->'record'->>'erased', '') <> 'true'
"""
_ERASED = """
SELECT DISTINCT asked.hub, asked.log, asked.seq
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS asked (hub, log, seq)
JOIN sitehub.erasure AS erasure
ON erasure.hub = asked.hub AND erasure.log = asked.log
AND asked.seq BETWEEN erasure.first_seq AND erasure.last_seq
"""


def erase(connection: Any, erasures: Iterable[ErasureRow], pictures: PictureFolder | None) -> None:
    """Empty records, delete their pictures, and note that, within a transaction."""
    for erasure in erasures:
        sender = erasure.sender
        ranges = [(sender.hub, sender.log, first, last) for first, last in erasure.seqs]
        with connection.cursor() as cursor:
            cursor.executemany(_NOTE, ranges)
            cursor.executemany(_EMPTY, ranges)
            cursor.executemany(_EMPTY_ALARM, ranges)
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
