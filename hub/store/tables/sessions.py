"""Sessions of signed-in users, one per browser."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import NoSuchResource
from hub.store.rows import TableRows
from hub.store.sqlite.sql import execute
from hub.store.tables.table import MemoryTable
from hub.wire.times import Moment

_TOUCH = "UPDATE session SET last_used_at = ? WHERE token_hash = ?"
_REMOVE = "DELETE FROM session WHERE token_hash = ?"


class Session(Struct, frozen=True):
    """`token_hash`: of the cookie's token, which is not stored. Times in UNIX milliseconds.

    `screen`: the name of the wall screen that it is for; "" for a person's session.
    """

    token_hash: bytes
    user: str
    created_at: Moment
    last_used_at: Moment
    address: str
    screen: str = ""


_rows = TableRows("session", Session, key=("user",))


class SessionTable(MemoryTable[bytes, Session]):
    """All sessions, in memory. Changes are durable on return."""

    key = attrgetter("token_hash")
    queries = ((_rows, _rows.select),)

    def of_user(self, name: str) -> tuple[Session, ...]:
        """Return a user's sessions, oldest first."""
        mine = [session for session in self._rows.values() if session.user == name]
        return tuple(sorted(mine, key=lambda session: session.created_at))

    async def add(self, session: Session) -> None:
        """Add a session. Raises NoSuchResource if the user is gone."""

        def job(connection: sqlite3.Connection) -> None:
            try:
                _rows.insert(connection, session)
            except sqlite3.IntegrityError as error:
                raise NoSuchResource(f"no user {session.user}") from error

        await self._writer.write(job, lambda _: self._put(session))

    async def touch(self, token_hash: bytes, at: int) -> None:
        """Save when a session was last used. Call it only at intervals."""

        def touched(_: None) -> None:
            known = self._rows.get(token_hash)
            if known is not None:
                self._rows[token_hash] = replace(known, last_used_at=at)

        await self._writer.write(partial(execute, _TOUCH, (at, token_hash)), touched)

    async def remove(self, token_hash: bytes) -> None:
        """End a session, if it exists."""
        await self._end(lambda session: session.token_hash == token_hash)

    async def remove_user(self, name: str) -> None:
        """End all sessions of a user."""
        await self._end(lambda session: session.user == name)

    def screens(self) -> tuple[Session, ...]:
        """Return the sessions of wall screens, by name."""
        found = [session for session in self._rows.values() if session.screen]
        return tuple(sorted(found, key=lambda one: (one.screen.casefold(), one.created_at)))

    async def prune(self, is_ended: Callable[[Session], bool]) -> None:
        """End the sessions for which `is_ended` is true."""
        await self._end(is_ended)

    def forget_user(self, name: str) -> None:
        self._drop([session.token_hash for session in self.of_user(name)])

    async def _end(self, is_ended: Callable[[Session], bool]) -> None:
        ended = [session.token_hash for session in self._rows.values() if is_ended(session)]
        if not ended:
            return

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(_REMOVE, [(token_hash,) for token_hash in ended])

        def removed(_: None) -> None:
            self._drop(ended)
            self._engine.access_changes.announce()

        await self._writer.write(job, removed)
