"""The audit log: who changed what, when, and from where.

Every service or edge that makes a change names its `Actor` and adds an entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct

from hub.services.changes import store_now_or_later
from hub.store.tables.audit import AuditEntry, AuditFilter

if TYPE_CHECKING:
    from hub.store.db import Store


class Actor(Struct, frozen=True):
    """Who makes a change, as logged: "user NAME", "key APPID", "target NAME" and others."""

    who: str
    address: str = ""

    @property
    def user(self) -> str:
        """The name of the user; "" if it is none."""
        kind, _, name = self.who.partition(" ")
        return name if kind == "user" else ""


COMMAND_LINE = Actor("command line")


class Audit:
    """Writes and reads the audit log.

    In a change, an entry that the disk refuses is stored later, because what it tells of has
    happened. Otherwise entries are durable on return, or CannotStoreNow is raised.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._entries = store.audit
        self._now = now

    async def add(self, by: Actor, action: str, target: str) -> None:
        """Log one change, for example "user.role" with the target "ann guard"."""
        await self.add_each(by, action, [target])

    async def add_each(self, by: Actor, action: str, targets: Sequence[str]) -> None:
        """Log the same change to several targets, in one write."""
        at = int(self._now() * 1000)
        await store_now_or_later(
            partial(self._entries.add_each, at, by.who, action, targets, by.address)
        )

    async def require(self, by: Actor, action: str, target: str) -> None:
        """Log what is about to be shown: only if this returns. Raises CannotStoreNow."""
        await self._entries.add_each(int(self._now() * 1000), by.who, action, [target], by.address)

    async def newest(
        self,
        *,
        before: int | None = None,
        limit: int = 100,
        matching: AuditFilter | None = None,
    ) -> tuple[AuditEntry, ...]:
        """Return at most `limit` entries with ids below `before`, newest first."""
        return await self._entries.newest(before, limit, matching)

    async def oldest(self, *, after: int = 0, limit: int = 100) -> tuple[AuditEntry, ...]:
        """Return at most `limit` entries with ids above `after`, oldest first."""
        return await self._entries.oldest(after, limit)
