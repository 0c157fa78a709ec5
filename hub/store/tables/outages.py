"""When cameras were without a connection (outages), and when the hub ran.

The ids are given by the service, in the order in which outages are noticed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any, Literal

import msgspec
import trio
from msgspec import Struct

from hub.store.rows import DamagedRows, TableRows
from hub.store.sqlite.sql import clamp
from hub.store.tables.table import Engine, RowSource, Table
from hub.wire.times import Moment

#: "lost": it does not connect; "refused": it tries, and is not let in; "disabled": somebody
#: disabled it; "new": it was never connected yet. Only the first two are failures.
OutageCause = Literal["lost", "refused", "disabled", "new"]

#: Outages that are kept at most, of all cameras and of one; and runs of the hub.
MAX_OUTAGES = 200_000
MAX_OF_ONE = 5_000
MAX_RUNS = 5_000
#: Rows that are written in one transaction.
STEP = 500

# What is damaged stays as it is: an end is not made up from it.
_LATER = """
SELECT began_at FROM outage AS later
WHERE later.did = outage.did AND later.id > outage.id AND typeof(later.began_at) = 'integer'
ORDER BY later.id LIMIT 1
"""
_END_FOLLOWED = f"""
UPDATE outage SET ended_at = max(began_at, ({_LATER}))
WHERE ended_at IS NULL AND typeof(began_at) = 'integer' AND EXISTS ({_LATER})
"""
# An id that is not possible is damaged.
_LAST_IDS = """
SELECT (SELECT max(id) FROM outage WHERE id < 1 << 60),
    (SELECT max(id) FROM hub_run WHERE id < 1 << 60)
"""
_FORGET = "DELETE FROM outage WHERE ended_at IS NOT NULL AND ended_at < ?"
_FORGET_OF_ONE = """
DELETE FROM outage WHERE did = :did AND id <= (
    SELECT id FROM outage WHERE did = :did ORDER BY id DESC LIMIT 1 OFFSET :kept
)
"""
_MANY = "SELECT did FROM outage GROUP BY did HAVING count(*) > ?"
_FORGET_EXCESS = """
DELETE FROM outage WHERE id <= (SELECT id FROM outage ORDER BY id DESC LIMIT 1 OFFSET ?)
"""
_FORGET_RUNS = """
DELETE FROM hub_run WHERE seen_at < ? OR id <= (
    SELECT id FROM hub_run ORDER BY id DESC LIMIT 1 OFFSET ?
)
"""
_MAX = 2**63 - 1
#: Rows that are read at a time: some ms.
_PART = 2_000


class Outage(Struct, frozen=True, kw_only=True):
    """A camera had no connection from `began_at` to `ended_at` (UNIX milliseconds; None: lasts)."""

    id: int
    did: str
    began_at: Moment
    ended_at: Moment | None
    cause: OutageCause


class HubRun(Struct, frozen=True):
    """The hub ran from `began_at` until at least `seen_at` (UNIX milliseconds)."""

    id: int
    began_at: Moment
    seen_at: Moment


class OutagePage(Struct, frozen=True):
    """Some outages. `next`: the id to continue from, None if there are no more."""

    items: tuple[Outage, ...]
    next: int | None


class KnownOutages(Struct, frozen=True):
    """What a start finds: the outages that last, and the highest ids, 0 if there are none."""

    lasting: tuple[Outage, ...]
    last_id: int
    last_run: int


_rows = TableRows("outage", Outage)
_run_rows = TableRows("hub_run", HubRun)
_RUNS = f"{_run_rows.select} ORDER BY id"
_OPEN = f"{_rows.select} WHERE ended_at IS NULL ORDER BY id"
_PUT = f"""
INSERT INTO outage ({_rows.names}) SELECT {_rows.marks}
WHERE EXISTS (SELECT 1 FROM device WHERE did = :did)
ON CONFLICT (id) DO UPDATE SET
    began_at = excluded.began_at, ended_at = excluded.ended_at, cause = excluded.cause
"""
_OF_DEVICE = f"""
{_rows.select} WHERE did = ? AND id > ? AND id < ? AND began_at < ? AND coalesce(ended_at, ?) > ?
ORDER BY id {{order}} LIMIT ?
"""
_OF_ALL = f"""
{_rows.select} WHERE (did, id) > (?, ?) AND began_at < ? AND coalesce(ended_at, ?) > ?
ORDER BY did, id LIMIT ?
"""


def end_followed(connection: sqlite3.Connection) -> None:
    """End each outage that seems to last, although another one of its camera followed.

    Its end was never stored (see `hub.services.devices.availability`): it was no later than the
    beginning of the next one.
    """
    connection.execute(_END_FOLLOWED)


class OutageTable(Table[KnownOutages]):
    """The outages and the runs of the hub. Changes are durable on return."""

    queries = ((_rows, _rows.select), (_run_rows, _RUNS))

    def __init__(self, engine: Engine, loaded: KnownOutages) -> None:
        super().__init__(engine, loaded)
        self._searchers = engine.searchers
        #: What the start found.
        self.known = loaded

    @classmethod
    def load(cls, source: RowSource) -> KnownOutages:
        lasting = _rows.read_all(source.connection.execute(_OPEN), source.damaged)
        last_id, last_run = source.connection.execute(_LAST_IDS).fetchone()
        return KnownOutages(tuple(lasting), last_id or 0, last_run or 0)

    async def save(self, outages: Iterable[Outage], run: HubRun) -> None:
        """Insert outages and a run, or replace what is stored of them, in short writes.

        An outage of a device that is gone is left out.
        """
        rows = [msgspec.structs.asdict(one) for one in outages]
        for start in range(0, max(len(rows), 1), STEP):
            some = rows[start : start + STEP]

            def job(connection: sqlite3.Connection, some: Sequence[dict[str, Any]] = some) -> None:
                connection.executemany(_PUT, some)
                _run_rows.insert(connection, run, replacing=True)

            await self._writer.write(job)

    async def of_device(
        self,
        did: str,
        *,
        since: int,
        until: int,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
    ) -> OutagePage:
        """Return the outages of a device that touch a range, with `after` < id < `before`."""
        values = (
            did,
            clamp(0 if after is None else after),
            clamp(_MAX if before is None else before),
            clamp(until),
            _MAX,
            clamp(since),
            limit + 1,
        )
        sql = _OF_DEVICE.format(order="DESC" if newest_first else "ASC")
        rows = await self._readers.read(lambda c: c.execute(sql, values).fetchall())
        items = _rows.read_all(rows[:limit], self._damaged)
        return OutagePage(tuple(items), rows[limit - 1][0] if len(rows) > limit else None)

    async def of_all(self, since: int, until: int) -> dict[str, list[Outage]]:
        """Return the outages of all devices that touch a range, by device, in order of beginning.

        Reads in parts, where only searches and reports wait.
        """
        found: dict[str, list[Outage]] = {}
        after: tuple[str, int] | None = ("", -(2**63))
        while after is not None:
            values = (*after, clamp(until), _MAX, clamp(since), _PART)
            part = partial(_read_part, values, self._damaged)
            outages, after = await self._searchers.read(part)
            for outage in outages:
                found.setdefault(outage.did, []).append(outage)
        for of_device in found.values():
            of_device.sort(key=lambda one: (one.began_at, one.id))
            await trio.lowlevel.checkpoint()
        return found

    async def runs(self) -> list[HubRun]:
        """Return the known runs of the hub, by id."""
        return await self._readers.read(
            lambda c: _run_rows.read_all(c.execute(_RUNS), self._damaged)
        )

    async def prune(self, before: int) -> None:
        """Remove what ended before a moment, and the oldest beyond the limits."""
        many = await self._readers.read(lambda c: c.execute(_MANY, (MAX_OF_ONE,)).fetchall())

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_FORGET, (before,))
            for (did,) in many:
                connection.execute(_FORGET_OF_ONE, {"did": did, "kept": MAX_OF_ONE})
            connection.execute(_FORGET_EXCESS, (MAX_OUTAGES,))
            connection.execute(_FORGET_RUNS, (before, MAX_RUNS))

        await self._writer.write(job)


def _read_part(
    values: tuple[object, ...], damaged: DamagedRows, connection: sqlite3.Connection
) -> tuple[list[Outage], tuple[str, int] | None]:
    """Return some outages, and the key from which to continue, None at the end."""
    rows = connection.execute(_OF_ALL, values).fetchall()
    after = (rows[-1][1], rows[-1][0]) if len(rows) == _PART else None
    return _rows.read_all(rows, damaged), after
