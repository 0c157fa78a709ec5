"""Signatures of the integrator's API that have changed something, so that none is accepted twice.

The newest of each key are remembered. Those that are forgotten leave the time of the newest of
them behind: whatever was signed at that time or before counts as used.
"""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from hub.errors import NoSuchResource, WrongSignature
from hub.store.rows import TableRows
from hub.store.tables.table import Engine, RowSource, Table
from hub.wire.times import Moment

#: Signatures remembered for each key; beyond it, the oldest quarter is forgotten.
MAX_USED = 4096

_DROP = "DELETE FROM used_signature WHERE appid = ? AND ts <= ?"
_FORGOTTEN = """
INSERT INTO used_signature (appid, sign, ts) VALUES (?, '', ?)
ON CONFLICT DO UPDATE SET
    ts = CASE typeof(ts) WHEN 'integer' THEN max(ts, excluded.ts) ELSE excluded.ts END
"""


class UsedSignature(Struct, frozen=True):
    """`ts`: the signed time in UNIX milliseconds. An empty `sign`: all up to `ts` are forgotten.

    One that does not decode still counts as used, by the key of its table.
    """

    appid: str
    sign: str
    ts: Moment


_rows = TableRows("used_signature", UsedSignature, key=("appid",))
_ALL = f"{_rows.select} ORDER BY ts"


class UsedSignatureTable(Table[list[UsedSignature]]):
    """All used signatures, in memory as well. Changes are durable on return."""

    queries = ((_rows, _ALL),)

    def __init__(self, engine: Engine, loaded: list[UsedSignature]) -> None:
        super().__init__(engine, loaded)
        #: appid -> sign -> ts.
        self._used: dict[str, dict[str, int]] = {}
        self._forgotten: dict[str, int] = {}
        for one in loaded:
            if one.sign:
                self._used.setdefault(one.appid, {})[one.sign] = one.ts
            else:
                self._forgotten[one.appid] = one.ts

    @classmethod
    def load(cls, source: RowSource) -> list[UsedSignature]:
        return _rows.read_all(source.connection.execute(_ALL), source.damaged)

    def was_used(self, one: UsedSignature) -> bool:
        forgotten = self._forgotten.get(one.appid)
        if forgotten is not None and one.ts <= forgotten:
            return True
        return one.sign in self._used.get(one.appid, ())

    def newest(self, appid: str, until: float) -> float | None:
        """Return the newest signed time of a key up to `until` (UNIX seconds); None if none is."""
        times = (*self._used.get(appid, {}).values(), self._forgotten.get(appid, 0))
        return max((ts / 1000 for ts in times if 0 < ts <= until * 1000), default=None)

    async def use(self, one: UsedSignature) -> None:
        """Note that a signature is used.

        Raises WrongSignature if it was used before, even if that is still being written, and
        NoSuchResource if the key is gone.
        """
        if self.was_used(one):
            raise _used_before()
        used = self._used.get(one.appid, {})
        limit = None
        if len(used) >= MAX_USED:
            limit = sorted(used.values())[MAX_USED // 4]

        def job(connection: sqlite3.Connection) -> None:
            _put(connection, one)
            if limit is not None:
                _forget(connection, one.appid, limit)

        def noted(_: None) -> None:
            self._used.setdefault(one.appid, {})[one.sign] = one.ts
            if limit is not None:
                self._drop(one.appid, limit)

        await self._writer.write(job, noted)

    async def prune(self, signed_before: int) -> None:
        """Forget what was signed before this time (UNIX milliseconds)."""
        limits = {
            appid: max(old)
            for appid, used in self._used.items()
            if (old := [ts for ts in used.values() if ts < signed_before])
        }
        if not limits:
            return

        def job(connection: sqlite3.Connection) -> None:
            for appid, limit in limits.items():
                _forget(connection, appid, limit)

        def pruned(_: None) -> None:
            for appid, limit in limits.items():
                self._drop(appid, limit)

        await self._writer.write(job, pruned)

    def forget_key(self, appid: str) -> None:
        self._used.pop(appid, None)
        self._forgotten.pop(appid, None)

    def _drop(self, appid: str, limit: int) -> None:
        used = self._used.get(appid)
        if used is not None:
            self._used[appid] = {sign: ts for sign, ts in used.items() if ts > limit}
            self._forgotten[appid] = max(limit, self._forgotten.get(appid, 0))


def _put(connection: sqlite3.Connection, one: UsedSignature) -> None:
    try:
        _rows.insert(connection, one)
    except sqlite3.IntegrityError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
            raise _used_before() from error
        raise NoSuchResource(f"no API key {one.appid}") from error


def _forget(connection: sqlite3.Connection, appid: str, limit: int) -> None:
    connection.execute(_DROP, (appid, limit))
    connection.execute(_FORGOTTEN, (appid, limit))


def _used_before() -> WrongSignature:
    return WrongSignature("sign: was used before; sign each change anew, with a ts of its own")
