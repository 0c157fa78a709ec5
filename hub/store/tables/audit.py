"""The audit log: who changed what, from where."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from hub.store.rows import TableRows
from hub.store.tables.table import Table
from hub.wire.times import Moment

#: The oldest entries beyond this number are removed.
_MAX_ENTRIES = 100_000

_ADD = "INSERT INTO audit (at, who, action, target, address) VALUES (?, ?, ?, ?, ?)"
_TRIM = "DELETE FROM audit WHERE id <= ?"
#: Of the actions whose targets are pids, or end with one.
_FORGET_PERSON = """
UPDATE audit SET target = '' WHERE action IN (
    'person.add', 'person.change', 'person.put', 'person.remove', 'person.numbers', 'person.retry'
) AND (target = :pid OR substr(target, -length(:pid) - 1) = ' ' || :pid)
"""
_CONTAINS = "{} LIKE ? ESCAPE '\\'"


class AuditEntry(Struct, frozen=True):
    """An audited action. `at` in UNIX milliseconds; `address` of the client."""

    id: int
    at: Moment
    who: str
    action: str
    target: str
    address: str


class AuditFilter(Struct, frozen=True):
    """Which entries to find; what is empty or None matches all.

    `who`: a part of the actor, without regard to case in ASCII. `group`: the action's first word.
    `target`: a part of the target; or one of `targets`, its first word. `since` is included and
    `until` is not, in UNIX milliseconds.
    """

    who: str = ""
    group: str = ""
    target: str = ""
    targets: tuple[str, ...] = ()
    since: int | None = None
    until: int | None = None


_rows = TableRows("audit", AuditEntry)
_OLDEST = f"{_rows.select} WHERE id > ? ORDER BY id"


def forget_person(connection: sqlite3.Connection, pid: str) -> None:
    """Remove the number of a person who is erased from the entries about people."""
    connection.execute(_FORGET_PERSON, {"pid": pid})


class AuditTable(Table[None]):
    """The audit log on disk. Entries are never changed, but for `forget_person`."""

    queries = ((_rows, _rows.select),)

    async def add(self, at: int, who: str, action: str, target: str, address: str) -> None:
        """Add one entry; see `AuditEntry`."""
        await self.add_each(at, who, action, [target], address)

    async def add_each(
        self, at: int, who: str, action: str, targets: Sequence[str], address: str
    ) -> None:
        """Add an entry for each target, in one write."""

        def job(connection: sqlite3.Connection) -> None:
            entry = None
            for target in targets:
                entry = connection.execute(_ADD, (at, who, action, target, address)).lastrowid
            connection.execute(_TRIM, ((entry or 0) - _MAX_ENTRIES,))

        await self._writer.write(job)

    async def newest(
        self, before: int | None, limit: int, matching: AuditFilter | None = None
    ) -> tuple[AuditEntry, ...]:
        """At most `limit` entries with ids below `before` (None: all), the newest first.

        A filter that few entries match is a scan of the table, which is bounded.
        """
        return await self._page(*_newest(2**63 - 1 if before is None else before, matching), limit)

    async def oldest(self, after: int, limit: int) -> tuple[AuditEntry, ...]:
        """At most `limit` entries with ids above `after`, the oldest first."""
        return await self._page(_OLDEST, (after,), limit)

    async def _page(
        self, sql: str, values: tuple[object, ...], limit: int
    ) -> tuple[AuditEntry, ...]:
        return await self._readers.read(
            lambda c: tuple(_rows.take(c.execute(sql, values), limit, self._damaged))
        )


def _newest(before: int, matching: AuditFilter | None) -> tuple[str, tuple[object, ...]]:
    """The query for one page, and its values."""
    wanted = matching or AuditFilter()
    terms: list[tuple[str, tuple[object, ...]]] = [("id < ?", (before,))]
    if wanted.who:
        terms.append((_CONTAINS.format("who"), (_pattern(wanted.who),)))
    if wanted.group:
        terms.append(("substr(action, 1, ?) = ?", (len(wanted.group) + 1, f"{wanted.group}.")))
    if wanted.target:
        places = " OR target = ? OR target LIKE ? || ' %'" * len(wanted.targets)
        twice = [text for target in wanted.targets for text in (target, target)]
        terms.append((f"({_CONTAINS.format('target')}{places})", (_pattern(wanted.target), *twice)))
    if wanted.since is not None:
        terms.append(("at >= ?", (wanted.since,)))
    if wanted.until is not None:
        terms.append(("at < ?", (wanted.until,)))
    where = " AND ".join(term for term, _ in terms)
    values = [value for _, found in terms for value in found]
    return f"{_rows.select} WHERE {where} ORDER BY id DESC", tuple(values)


def _pattern(text: str) -> str:
    """The pattern of LIKE for texts that contain this one."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
