"""Links by which users set themselves up: one for each name, used once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from operator import attrgetter

from msgspec import Struct

from hub.store.rows import TableRows
from hub.store.tables.table import MemoryTable
from hub.store.tables.users import Role
from hub.wire.times import Moment

_REMOVE = "DELETE FROM user_link WHERE name = ?"


class UserLink(Struct, frozen=True):
    """`token_hash`: of the token in the link, which is not stored. UNIX milliseconds.

    `made_by`: the user who made it, with whom it ends; "" if it was made on the command line.
    """

    name: str
    role: Role
    token_hash: bytes
    expires_at: Moment
    made_by: str = ""


_rows = TableRows("user_link", UserLink, key=("name",))


class UserLinkTable(MemoryTable[str, UserLink]):
    """All links, in memory. Changes are durable on return."""

    key = attrgetter("name")
    queries = ((_rows, _rows.select),)

    def all(self) -> tuple[UserLink, ...]:
        """Return all links, ordered by name."""
        return tuple(self._rows[name] for name in sorted(self._rows))

    async def put(self, link: UserLink) -> None:
        """Add a link; it replaces an earlier one for the same name."""

        def job(connection: sqlite3.Connection) -> None:
            _rows.insert(connection, link, replacing=True)

        await self._writer.write(job, lambda _: self._put(link))

    async def remove(self, name: str) -> None:
        """Remove the link for this name, if there is one."""
        await self._remove_those(lambda link: link.name == name)

    async def remove_of(self, maker: str) -> list[str]:
        """Remove the links that this user made. Returns their names."""
        return await self._remove_those(lambda link: link.made_by == maker)

    async def prune(self, expired_at: int) -> None:
        """Remove the links that have expired by this time (UNIX milliseconds)."""
        await self._remove_those(lambda link: link.expires_at <= expired_at)

    async def _remove_those(self, is_removed: Callable[[UserLink], bool]) -> list[str]:
        names = [link.name for link in self._rows.values() if is_removed(link)]
        await self._remove(names, _REMOVE)
        return names
