"""Which log of a hub follows which: what comes again after a restore is the same as before.

A restored hub has a new log, which begins with records that the centre has under the earlier one.
The hub says up to where. They are kept under the earlier log, whichever of both comes first.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from msgspec import Struct

from hub.central.erasing import erase
from hub.central.messages import ErasureRow, LogRow, Ranges, Sender
from hub.central.pictures import PictureFolder

log = logging.getLogger(__name__)

#: Of one hub. More than one hub is ever restored.
_MAX_LOGS = 200

_SUCCESSIONS = "SELECT hub, log, earlier, last_seq FROM sitehub.succession WHERE hub = ANY(%s)"
_LOGS = "SELECT log, announced_at, ended_at FROM sitehub.log WHERE hub = %s"
_ANNOUNCE = """
INSERT INTO sitehub.log AS there (hub, log, announced_at) VALUES (%(hub)s, %(log)s, %(at)s)
ON CONFLICT (hub, log) DO UPDATE SET announced_at = greatest(there.announced_at, %(at)s)
"""
_NAME = "INSERT INTO sitehub.log (hub, log) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_LAST = """
SELECT log FROM sitehub.log WHERE hub = %s AND announced_at IS NOT NULL
ORDER BY announced_at DESC, log LIMIT 1
"""
_END = """
UPDATE sitehub.log SET ended_at = CASE WHEN log <> %s THEN coalesce(ended_at, clock_timestamp()) END
WHERE hub = %s AND (ended_at IS NULL) = (log <> %s)
"""
# The body stays as it came: an alarm may be told again, and a log that had ended be the hub's.
_CLOSE_ALARMS = """
UPDATE sitehub.alarm SET state = 'closed' WHERE hub = %s AND told_by <> %s AND state <> 'closed'
"""
_OPEN_ALARMS = """
UPDATE sitehub.alarm SET state = body->>'state'
WHERE hub = %s AND told_by = %s AND state <> body->>'state'
"""
_CONTINUE = """
INSERT INTO sitehub.succession (hub, log, earlier, last_seq) VALUES (%s, %s, %s, %s)
ON CONFLICT DO NOTHING
"""
# What has come under the later log before it was known to be the same. A record of another time is
# another one, whatever the hub says.
_SAME = """
came.hub = %(hub)s AND came.log = %(log)s AND came.seq BETWEEN %(first)s AND %(last)s
AND there.hub = %(hub)s AND there.log = %(earlier)s AND there.seq = came.seq
"""
_SAME_RECORD = f"{_SAME} AND there.received_at = came.received_at"
_MOVES = (
    f"""
    UPDATE sitehub.record AS there SET erased = true, body = came.body FROM sitehub.record AS came
    WHERE {_SAME_RECORD} AND came.erased AND NOT there.erased
    """,
    f"DELETE FROM sitehub.record AS came USING sitehub.record AS there WHERE {_SAME_RECORD}",
    f"""
    DELETE FROM sitehub.alarm AS there USING sitehub.alarm AS came
    WHERE {_SAME} AND (there.told_by <> came.told_by OR there.number < came.number)
    """,
    f"DELETE FROM sitehub.alarm AS came USING sitehub.alarm AS there WHERE {_SAME}",
    *(
        f"""
        UPDATE sitehub.{table} SET log = %(earlier)s
        WHERE hub = %(hub)s AND log = %(log)s AND seq BETWEEN %(first)s AND %(last)s
        """
        for table in ("record", "alarm")
    ),
)
_TAKE_ERASURES = """
DELETE FROM sitehub.erasure WHERE hub = %s AND log = %s AND first_seq <= %s
RETURNING first_seq, last_seq
"""


class Span(Struct, frozen=True):
    """Records of a log, from `first` to `last`, that are kept under an earlier one."""

    first: int
    last: int
    earlier: str


class Lineage:
    """Under which log each record of some hubs is kept, and which logs are tied. Pure."""

    def __init__(self, rows: Iterable[tuple[str, str, str, int]] = ()) -> None:
        """`rows`: hub, log, an earlier one that it continues, and up to which seq."""
        self._earlier: dict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)
        self._bounds: dict[str, set[int]] = defaultdict(set)
        self._tied: dict[tuple[str, str], set[str]] = {}
        for hub, log, earlier, last_seq in rows:
            self._tie(hub, log, earlier)
            self._earlier[hub, log].append((last_seq, earlier))
            self._bounds[hub].add(last_seq)
        for some in self._earlier.values():
            some.sort()

    def is_tied(self, hub: str, log: str, other: str) -> bool:
        """Whether logs of a hub are the same, or continue each other, also by way of others."""
        return log == other or other in self._tied.get((hub, log), ())

    def _tie(self, hub: str, log: str, earlier: str) -> None:
        tied = self._tied.setdefault((hub, log), {log})
        if earlier not in tied:
            others = self._tied.get((hub, earlier), {earlier})
            tied |= others
            self._tied |= {(hub, one): tied for one in others}

    def log_of(self, sender: Sender, seq: int) -> str:
        """Return the log under which a record is kept: the first one that has it."""
        log, seen = sender.log, {sender.log}
        while True:
            for last_seq, earlier in self._earlier.get((sender.hub, log), ()):
                if seq <= last_seq and earlier not in seen:
                    log = earlier
                    seen.add(log)
                    break
            else:
                return log

    def spans(self, sender: Sender) -> list[Span]:
        """Return what of a log is kept under earlier ones, ascending."""
        direct = self._earlier.get((sender.hub, sender.log))
        if not direct:
            return []
        found: list[Span] = []
        first = 0
        for bound in sorted(one for one in self._bounds[sender.hub] if one <= direct[-1][0]):
            earlier = self.log_of(sender, bound)
            if found and found[-1].earlier == earlier:
                found[-1] = Span(found[-1].first, bound, earlier)
            else:
                found.append(Span(first, bound, earlier))
            first = bound + 1
        return [span for span in found if span.earlier != sender.log]

    def cut(self, sender: Sender, ranges: Ranges) -> dict[str, list[tuple[int, int]]]:
        """Return ranges of a log by the log under which their records are kept."""
        spans, parts = self.spans(sender), defaultdict(list)
        for first, last in ranges:
            for span in spans:
                if first <= span.last and last >= span.first:
                    parts[span.earlier].append((max(first, span.first), min(last, span.last)))
            if not spans or last > spans[-1].last:
                begin = max(first, spans[-1].last + 1) if spans else first
                parts[sender.log].append((begin, last))
        return dict(parts)


def read_lineage(connection: Any, hubs: Iterable[str]) -> Lineage:
    """Return under which logs the records of hubs are kept."""
    return Lineage(connection.execute(_SUCCESSIONS, (sorted(set(hubs)),)).fetchall())


def is_known(connection: Any, row: LogRow) -> bool:
    """Whether an announcement says nothing new."""
    logs = {log: (at, ended) for log, at, ended in connection.execute(_LOGS, (row.sender.hub,))}
    announced_at, ended_at = logs.get(row.sender.log, (None, None))
    is_old = announced_at is not None and (ended_at is None or row.sent_at <= announced_at)
    return is_old and all(earlier in logs for earlier, _ in row.earlier)


def announce(connection: Any, row: LogRow, pictures: PictureFolder | None) -> bool:
    """Note which log a hub has now, and move what came under it before, within a transaction.

    Nobody else stores anything meanwhile. Returns whether logs continue others that did not before.
    """
    hub, log_id = row.sender.hub, row.sender.log
    known = {one for one, *_ in connection.execute(_LOGS, (hub,)).fetchall()}
    if len({*known, log_id, *(one for one, _ in row.earlier)}) > _MAX_LOGS:
        log.warning("hub %s: it had more than %d logs; another one is ignored", hub, _MAX_LOGS)
        return False
    connection.execute("SET LOCAL statement_timeout = 0")
    connection.execute(_ANNOUNCE, {"hub": hub, "log": log_id, "at": row.sent_at})
    earlier = sorted((last_seq, one) for one, last_seq in row.earlier if one != log_id)
    changed = set()
    for place, (last_seq, one) in enumerate(earlier):
        connection.execute(_NAME, (hub, one))
        # What it has of an older one, the newer ones of them had too.
        older = [(one, other, seq) for seq, other in earlier[:place] if seq < last_seq]
        for newer, *rest in ((log_id, one, last_seq), *older):
            if connection.execute(_CONTINUE, (hub, newer, *rest)).rowcount:
                changed.add(newer)
    ((current,),) = connection.execute(_LAST, (hub,)).fetchall()
    if connection.execute(_END, (current, hub, current)).rowcount:
        log.info("hub %s: its log is %s now; others have ended", hub, current)
    connection.execute(_CLOSE_ALARMS, (hub, current))
    connection.execute(_OPEN_ALARMS, (hub, current))
    lineage = read_lineage(connection, [hub])
    for one in sorted(changed):
        _move(connection, Sender(hub, row.sender.partition, one), lineage, pictures)
    return bool(changed)


def _move(
    connection: Any, sender: Sender, lineage: Lineage, pictures: PictureFolder | None
) -> None:
    """Put what is kept under a log under the earlier ones to which it belongs."""
    if not (spans := lineage.spans(sender)):
        return
    for span in spans:
        values = {
            "hub": sender.hub,
            "log": sender.log,
            "earlier": span.earlier,
            "first": span.first,
            "last": span.last,
        }
        for sql in _MOVES:
            connection.execute(sql, values)
        if pictures is not None:
            pictures.move(sender, (span.first, span.last), span.earlier)
    ranges = connection.execute(_TAKE_ERASURES, (sender.hub, sender.log, spans[-1].last)).fetchall()
    erase(connection, kept_erasures([ErasureRow(sender, tuple(ranges))], lineage), pictures)


def kept_erasures(erasures: Iterable[ErasureRow], lineage: Lineage) -> list[ErasureRow]:
    """Return erasures by the logs under which the records are kept."""
    return [
        ErasureRow(Sender(row.sender.hub, row.sender.partition, log), tuple(ranges))
        for row in erasures
        for log, ranges in lineage.cut(row.sender, row.seqs).items()
    ]
