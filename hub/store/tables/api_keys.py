"""API keys of integrators."""

from __future__ import annotations

import hashlib
import hmac
import os
import sqlite3
from collections.abc import Iterable, Mapping
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import AlreadyExists, NoSuchResource
from hub.store.rows import TableRows, as_flag
from hub.store.tables.table import Engine, KeyedTable, RowSource
from hub.wire.times import Moment

#: `read_only` is 0 for all rights, 1 for reading, and 2 for changing all but targets; versions that
#: do not know the 2 let such a key only read.
_ALL = """
SELECT appid, name, CASE read_only WHEN 2 THEN 0 ELSE read_only END, created_at, last_used_at,
    ifnull(read_only = 0, 0), secret
FROM api_key
"""
_ADD = "INSERT INTO api_key (appid, name, read_only, created_at, secret) VALUES (?, ?, ?, ?, ?)"
_USED = "UPDATE api_key SET last_used_at = ? WHERE appid = ?"
_REMOVE = "DELETE FROM api_key WHERE appid = ?"

_DIGEST_KEY_BYTES = 32


class ApiKey(Struct, frozen=True):
    """An API key without its secret. Times in UNIX milliseconds.

    `last_used_at`: as last saved, None if it was never used. It lags behind, see `save_used`.
    """

    appid: str
    name: str
    read_only: bool
    created_at: Moment
    last_used_at: Moment | None = None
    #: Whether it may add and change targets, and so say where records are sent.
    targets: bool = False


class SealedApiKey(Struct, frozen=True):
    """A key with its encrypted secret."""

    key: ApiKey
    secret: bytes


_rows = TableRows(
    "api_key",
    ApiKey,
    key=("appid",),
    decoders={"read_only": as_flag, "targets": as_flag},
)


class ApiKeyTable(KeyedTable[str, SealedApiKey]):
    """All API keys, in memory with their secrets encrypted. Changes are durable on return."""

    key = attrgetter("key.appid")

    def __init__(self, engine: Engine, loaded: list[SealedApiKey]) -> None:
        super().__init__(engine, loaded)
        #: Digests of the secrets in use: comparing them is faster than decrypting a secret at each
        #: call. They reveal nothing without the key, which only this process has.
        self._digests: dict[str, bytes] = {}
        self._digest_key = os.urandom(_DIGEST_KEY_BYTES)

    @classmethod
    def load(cls, source: RowSource) -> list[SealedApiKey]:
        found, box = [], source.box
        for *values, secret in source.connection.execute(_ALL):

            def has_secret(key: ApiKey, secret: bytes = secret) -> bool:
                return box is None or box.fits(secret, _context(key.appid))

            if (key := _rows.read(values, source.damaged, has_secret)) is not None:
                found.append(SealedApiKey(key, secret))
        return found

    def get(self, appid: str) -> ApiKey | None:
        sealed = self._rows.get(appid)
        return None if sealed is None else sealed.key

    def secret(self, appid: str) -> str:
        """Return a key's secret, decrypted. Raises NoSuchResource."""
        sealed = self._rows.get(appid)
        if sealed is None:
            raise NoSuchResource(f"no API key {appid}")
        return self._engine.box.open(sealed.secret, _context(appid))

    def fits(self, appid: str, secret: str) -> bool:
        """Whether this is the key's secret. False if there is no such key."""
        if appid not in self._rows:
            return False
        expected = self._digests.get(appid)
        if expected is None:
            expected = self._digests[appid] = self._digest(self.secret(appid))
        return hmac.compare_digest(expected, self._digest(secret))

    def _digest(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode(), key=self._digest_key).digest()

    def all(self) -> tuple[ApiKey, ...]:
        """Return all keys, oldest first."""
        keys = [sealed.key for sealed in self._rows.values()]
        return tuple(sorted(keys, key=lambda key: (key.created_at, key.appid)))

    async def add(self, key: ApiKey, secret: str) -> None:
        """Add a key. Raises AlreadyExists if the appid is taken."""
        sealed = SealedApiKey(key, self._engine.box.seal(secret, _context(key.appid)))

        def job(connection: sqlite3.Connection) -> None:
            rights = 1 if key.read_only else 0 if key.targets else 2
            values = (key.appid, key.name, rights, key.created_at, sealed.secret)
            try:
                connection.execute(_ADD, values)
            except sqlite3.IntegrityError as error:
                raise AlreadyExists(f"there is already a key {key.appid}", field="appid") from error

        await self._writer.write(job, lambda _: self._put(sealed))

    async def save_used(self, used_at: Mapping[str, int]) -> None:
        """Save when keys were last used, by appid. Call it only at intervals."""

        def job(connection: sqlite3.Connection) -> None:
            connection.executemany(_USED, [(at, appid) for appid, at in used_at.items()])

        def saved(_: None) -> None:
            for appid, at in used_at.items():
                if sealed := self._rows.get(appid):
                    key = replace(sealed.key, last_used_at=at)
                    self._rows[appid] = replace(sealed, key=key)

        await self._writer.write(job, saved)

    async def remove(self, appid: str) -> None:
        """Remove a key. Raises NoSuchResource."""
        await self._remove_one(appid, _REMOVE, NoSuchResource(f"no API key {appid}"))

    def _drop(self, keys: Iterable[str]) -> None:
        for appid in keys:
            super()._drop([appid])
            self._digests.pop(appid, None)
            for table in self._engine.tables:
                table.forget_key(appid)
        self._engine.access_changes.announce()


def _context(appid: str) -> str:
    return f"api_key/{appid}/secret"
