"""The audit log: who changed what, from where."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from msgspec import Struct

from hub.store.commit.group_commit import GroupCommit
from hub.store.readers import Readers

#: The oldest entries beyond this number are removed.
_MAX_ENTRIES = 100_000

_ADD = "INSERT INTO audit (at, who, action, target, address) VALUES (?, ?, ?, ?, ?)"
_TRIM = "DELETE FROM audit WHERE id <= ?"
_NEWEST = """
SELECT id, at, who, action, target, address FROM audit WHERE id < ? ORDER BY id DESC LIMIT ?
"""
_OLDEST = """
SELECT id, at, who, action, target, address FROM audit WHERE id > ? ORDER BY id LIMIT ?
"""


class AuditEntry(Struct, frozen=True):
    """An audited action. `at` in UNIX milliseconds; `address` of the client."""

    id: int
    at: int
    who: str
    action: str
    target: str
    address: str


class AuditTable:
    """The audit log on disk. Entries are never changed."""

    def __init__(self, writer: GroupCommit, readers: Readers) -> None:
        self._writer = writer
        self._readers = readers

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

    async def newest(self, before: int | None, limit: int) -> tuple[AuditEntry, ...]:
        """At most `limit` entries with ids below `before` (None: all), the newest first."""
        return await self._page(_NEWEST, 2**63 - 1 if before is None else before, limit)

    async def oldest(self, after: int, limit: int) -> tuple[AuditEntry, ...]:
        """At most `limit` entries with ids above `after`, the oldest first."""
        return await self._page(_OLDEST, after, limit)

    async def _page(self, query: str, bound: int, limit: int) -> tuple[AuditEntry, ...]:
        rows = await self._readers.read(lambda c: c.execute(query, (bound, limit)).fetchall())
        return tuple(AuditEntry(*row) for row in rows)
