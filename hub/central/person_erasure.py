"""Erases a person at the centre, of all sites and logs, when somebody asks for it here.

Hubs erase at the centre what they erase; this is for what no hub can, as of a closed site.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from msgspec import Struct

from hub.central.erasing import ERASURE_LOCK, erase
from hub.central.people import with_lone_pictures
from hub.central.pictures import PictureFolder
from hub.services.forwarding.erasures import MAX_RECORDS
from hub.wire.person_numbers import canonical_number

_BY_NUMBER = "sitehub.number_of({0}) = %(number)s"
_BY_NAME = "lower(btrim({0}->>'name')) = lower(btrim(%(name)s))"
_FOUND = """
WITH found (hub, log, seq, name, at) AS (
    SELECT hub, log, seq, body->>'name', received_at FROM sitehub.record
    WHERE {of_record} AND NOT erased
    UNION ALL
    SELECT hub, log, seq, body->'record'->>'name', last_at FROM sitehub.alarm WHERE {of_alarm}
)
SELECT hub, log, array_agg(DISTINCT seq), array_agg(DISTINCT name) FILTER (WHERE name <> ''),
    min(at), max(at)
FROM found
WHERE (hub = ANY(%(sites)s) OR %(sites)s::text[] = '{{}}') AND (log = %(log)s OR %(log)s = '')
GROUP BY hub, log ORDER BY hub, min(at)
"""


class Match(Struct, frozen=True):
    """What a log of a site has of a person: seqs of records and alarms, and under which names."""

    site: str
    log: str
    seqs: list[int]
    names: list[str] | None
    first_at: datetime
    last_at: datetime


def find_person(
    connection: Any, *, number: str = "", name: str = "", sites: Sequence[str] = (), log: str = ""
) -> list[Match]:
    """Return what sites, or all, have of a number or else of a name. Raises psycopg.Error.

    One number may be of another person at each site, and in logs that do not continue each other.
    By name, all records are read.
    """
    person = _BY_NUMBER if number else _BY_NAME
    sql = _FOUND.format(of_record=person.format("body"), of_alarm=person.format("(body->'record')"))
    values = {"number": canonical_number(number), "name": name, "sites": list(sites), "log": log}
    with connection.transaction():
        connection.execute("SET LOCAL statement_timeout = 0")
        return [Match(*row) for row in connection.execute(sql, values).fetchall()]


def erase_person(connection: Any, match: Match, pictures: PictureFolder | None) -> int:
    """Erase what was found; return how many pictures were deleted.

    What of it comes again, as when streams are read again, is stored empty. Raises psycopg.Error,
    OSError.
    """
    deleted = 0
    for first in range(0, len(match.seqs), MAX_RECORDS):
        some = match.seqs[first : first + MAX_RECORDS]
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (ERASURE_LOCK,))
            rows = with_lone_pictures(connection, [(match.site, match.log, seq) for seq in some])
            deleted += erase(connection, rows, pictures)
    return deleted
