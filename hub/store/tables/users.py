"""Users who can sign in."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import AlreadyExists, NoSuchResource
from hub.store.rows import TableRows, as_flag
from hub.store.tables.table import MemoryTable
from hub.wire.times import Moment

Role = Literal["admin", "guard", "people", "viewer"]

_CHANGE = "UPDATE user SET role = ?, password_hash = ?, enabled = ? WHERE name = ?"
_END_SESSIONS = "DELETE FROM session WHERE user = ? AND token_hash <> ?"
_REMOVE = "DELETE FROM user WHERE name = ?"


class User(Struct, frozen=True):
    """A user. `password_hash` is opaque text here; `created_at` in UNIX milliseconds.

    Only a user who is `enabled` can sign in.
    """

    name: str
    role: Role
    password_hash: str
    created_at: Moment
    enabled: bool = True

    def __repr__(self) -> str:
        return f"User({self.name!r}, {self.role!r})"


_rows = TableRows("user", User, key=("name",), decoders={"enabled": as_flag})
_ONE = f"{_rows.select} WHERE name = ?"


class UserTable(MemoryTable[str, User]):
    """All users, in memory. Changes are durable on return."""

    key = attrgetter("name")
    queries = ((_rows, _rows.select),)

    def all(self) -> tuple[User, ...]:
        """Return all users, ordered by name."""
        return tuple(self._rows[name] for name in sorted(self._rows))

    async def add(self, user: User) -> None:
        """Add a user, also in place of a row that does not decode.

        Raises AlreadyExists if the name is taken.
        """

        def job(connection: sqlite3.Connection) -> None:
            row = connection.execute(_ONE, (user.name,)).fetchone()
            if row is not None and _rows.read(row, self._damaged) is None:
                connection.execute(_REMOVE, (user.name,))
            try:
                _rows.insert(connection, user)
            except sqlite3.IntegrityError as error:
                raise AlreadyExists(f"there is already a user {user.name}", field="name") from error

        await self._writer.write(job, lambda _: self._put(user))

    async def set_password(self, name: str, password_hash: str, *, keep: bytes = b"") -> None:
        """Replace a user's password hash, and remove all sessions but that with the hash `keep`.

        The sessions stay in memory: end them as well. Raises NoSuchResource.
        """
        await self._change(name, lambda user: replace(user, password_hash=password_hash), keep)

    async def set_role(self, name: str, role: Role) -> None:
        """Change a user's role. Raises NoSuchResource."""
        await self._change(name, lambda user: replace(user, role=role))

    async def set_enabled(self, name: str, enabled: bool) -> None:
        """Let a user sign in; or not, and remove all sessions as `set_password` does.

        Raises NoSuchResource.
        """
        keep = None if enabled else b""
        await self._change(name, lambda user: replace(user, enabled=enabled), keep)

    async def remove(self, name: str) -> None:
        """Remove a user and the user's sessions. Raises NoSuchResource."""
        await self._remove_one(name, _REMOVE, NoSuchResource(f"no user {name}"))

    def _drop(self, keys: Iterable[str]) -> None:
        for name in keys:
            super()._drop([name])
            for table in self._engine.tables:
                table.forget_user(name)
        self._engine.access_changes.announce()

    async def _change(
        self, name: str, change: Callable[[User], User], keep: bytes | None = None
    ) -> None:
        def job(connection: sqlite3.Connection) -> User:
            row = connection.execute(_ONE, (name,)).fetchone()
            known = None if row is None else _rows.read(row, self._damaged)
            if known is None:
                raise NoSuchResource(f"no user {name}")
            user = change(known)
            connection.execute(_CHANGE, (user.role, user.password_hash, user.enabled, name))
            if keep is not None:
                connection.execute(_END_SESSIONS, (name, keep))
            return user

        await self._writer.write(job, self._put)

    def _put(self, row: User) -> None:
        super()._put(row)
        self._engine.access_changes.announce()
