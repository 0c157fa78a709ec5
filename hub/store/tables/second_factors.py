"""Second factors: the secret with which a user's authenticator makes codes, and recovery codes."""

from __future__ import annotations

import sqlite3
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import NoSuchResource
from hub.store.rows import TableRows
from hub.store.tables.table import MemoryTable, RowSource

_USE = "UPDATE second_factor SET last_step = ?, recovery = ? WHERE user = ?"
_REMOVE = "DELETE FROM second_factor WHERE user = ?"


class SecondFactor(Struct, frozen=True):
    """A second factor. `secret`: sealed. `last_step`: of the code that was used last (RFC 6238).

    `recovery`: the SHA-256 of each recovery code that is left, in hex. One that is damaged has
    neither: no code fits until it is taken away.
    """

    user: str
    secret: bytes
    last_step: int
    recovery: tuple[str, ...]

    def __repr__(self) -> str:
        return f"SecondFactor({self.user!r})"


_rows = TableRows(
    "second_factor",
    SecondFactor,
    key=("user",),
    decoders={"recovery": lambda text: tuple(text.split())},
    encoders={"recovery": " ".join},
)


class SecondFactorTable(MemoryTable[str, SecondFactor]):
    """All second factors, in memory with their secrets sealed. Changes are durable on return."""

    key = attrgetter("user")
    queries = ((_rows, _rows.select),)

    @classmethod
    def load(cls, source: RowSource) -> list[SecondFactor]:
        return [
            _rows.read(row, source.damaged) or SecondFactor(str(row[0]), b"", 0, ())
            for row in source.connection.execute(_rows.select)
        ]

    def secret(self, one: SecondFactor) -> str | None:
        """Return the secret in Base32; None if it is damaged."""
        return self._engine.box.open_or_none(one.secret, _context(one.user))

    async def put(self, user: str, secret: str, last_step: int, recovery: tuple[str, ...]) -> None:
        """Give a user this second factor in place of an earlier one. Raises NoSuchResource."""
        sealed = self._engine.box.seal(secret, _context(user))
        one = SecondFactor(user, sealed, last_step, recovery)

        def job(connection: sqlite3.Connection) -> None:
            try:
                _rows.insert(connection, one, replacing=True)
            except sqlite3.IntegrityError as error:
                raise NoSuchResource(f"no user {user}") from error

        await self._writer.write(job, lambda _: self._put(one))

    async def use(self, one: SecondFactor, last_step: int, recovery: tuple[str, ...]) -> None:
        """Note that a code of `one` was used up."""
        values = (last_step, " ".join(recovery), one.user)
        used = replace(one, last_step=last_step, recovery=recovery)
        await self._writer.write(
            lambda connection: connection.execute(_USE, values) and None,
            lambda _: self._put(used) if one.user in self._rows else None,
        )

    async def remove(self, user: str) -> None:
        """Take a user's second factor away. Raises NoSuchResource if there is none."""
        missing = NoSuchResource(f"{user} has no second factor")
        await self._remove_one(user, _REMOVE, missing)

    def forget_user(self, name: str) -> None:
        self._drop([name])


def _context(user: str) -> str:
    return f"second_factor/{user}/secret"
