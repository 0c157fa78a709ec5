"""Holds: records that are kept, with a reason, whatever the age of their day."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Literal

from msgspec import Struct

from hub.errors import BadParameter, NoSuchResource, TooManyRequests
from hub.store.rows import Size, TableRows, is_moment
from hub.store.sqlite.sql import clamp, execute, one
from hub.store.tables.table import Engine, Table
from hub.wire.times import Moment

#: Records of one hold, and of all holds together.
MAX_RECORDS_PER_HOLD = 10_000
MAX_HELD_RECORDS = 200_000
#: Holds in force. Of those that ended, the last ones are kept as a history.
MAX_HOLDS = 1_000
_MAX_ENDED = 1_000
#: Records held or released in one write.
_STEP_RECORDS = 500

#: What made a hold.
HoldSource = Literal["person"]

_IN_FORCE = "SELECT count(*) FROM hold WHERE ended_at IS NULL"
_CHANGE = "UPDATE hold SET reason = ?, until = ? WHERE id = ?"
_END = "UPDATE hold SET ended_by = ?, ended_at = ? WHERE id = ? AND ended_at IS NULL"
_TRIM = """
DELETE FROM hold WHERE ended_at >= 0 AND id NOT IN (
    SELECT id FROM hold WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, id DESC LIMIT ?
)
"""
_RECEIVED = "SELECT received_at FROM record WHERE seq = ?"
_HOLD_RECORD = "INSERT OR IGNORE INTO hold_record (hold, seq) VALUES (?, ?)"
_HAS_RECORD = "SELECT count(*) FROM hold_record WHERE hold = ? AND seq = ?"
_COUNT = "UPDATE hold SET records = records + ? WHERE id = ?"
_ALL_RECORDS = "SELECT count(*) FROM hold_record"
_RELEASE_RECORDS = """
DELETE FROM hold_record WHERE hold = ? AND seq IN (
    SELECT seq FROM hold_record WHERE hold = ? LIMIT ?
)
"""
_REMOVE = "DELETE FROM hold WHERE id = ?"
_SEQS = "SELECT seq FROM hold_record WHERE hold = ? AND seq > ? ORDER BY seq LIMIT ?"
_ONLY_HERE = """
SELECT count(*) FROM held_record WHERE seq IN (SELECT seq FROM hold_record WHERE hold = ?)
    AND NOT EXISTS (SELECT 1 FROM hold_record WHERE seq = held_record.seq AND hold <> ?)
    AND NOT EXISTS (SELECT 1 FROM alarm_record WHERE seq = held_record.seq)
"""


class Hold(Struct, frozen=True, kw_only=True):
    """A hold. Times are UNIX milliseconds. `until`: None until somebody releases it.

    `ended_at`: None while it is in force; `ended_by` is "" if it ended by itself. `records`: how
    many it holds, or held when it ended.
    """

    id: int
    source: HoldSource
    reason: str
    until: Moment | None
    created_by: str
    created_at: Moment
    ended_by: str | None
    ended_at: Moment | None
    records: Size

    @property
    def is_in_force(self) -> bool:
        return self.ended_at is None


class NewHold(Struct, frozen=True, kw_only=True):
    """What somebody wants to hold: see `Hold`."""

    source: HoldSource = "person"
    reason: str
    until: int | None = None
    created_by: str
    created_at: int
    records: int = 0


class Added(Struct, frozen=True):
    """The hold after records were added. `missing`: records that are gone."""

    hold: Hold
    added: int
    missing: tuple[int, ...]


#: One that does not decode goes on: what it holds is not deleted. See `end_due`, `finish_ends`.
_rows = TableRows("hold", Hold)
_ONE = f"{_rows.select} WHERE id = ?"
_LIST = f"{_rows.select} WHERE id < ? ORDER BY id DESC"
_DUE = f"{_rows.select} WHERE ended_at IS NULL AND until <= ?"
_INTERRUPTED = f"""
{_rows.select}
WHERE ended_at IS NOT NULL AND EXISTS (SELECT 1 FROM hold_record WHERE hold = hold.id)
"""
_OF_RECORD = f"""
{_rows.select}
WHERE ended_at IS NULL AND id IN (SELECT hold FROM hold_record WHERE seq = ?) ORDER BY id
"""


class HoldTable(Table[None]):
    """The holds and which records each has."""

    queries = ((_rows, _rows.select),)

    def __init__(self, engine: Engine, loaded: None) -> None:
        super().__init__(engine, loaded)
        self._days = engine.days
        self._held = engine.held
        self._changing = engine.changing

    async def create(self, new: NewHold, seqs: Sequence[int]) -> Added:
        """Hold records. Raises BadParameter if none of them is there, or beyond the limits."""

        def job(connection: sqlite3.Connection) -> int:
            if _int(one(connection, _IN_FORCE)) >= MAX_HOLDS:
                raise TooManyRequests(f"there are {MAX_HOLDS} holds: release one first")
            _check_room(connection, 0, new_records)
            return _rows.insert(connection, new)

        wanted = sorted(set(seqs))
        async with self._changing:
            new_records = await self._count_new(0, wanted)
            id = await self._writer.write(job)
            added = await self._add(id, wanted)
            if not added.added:
                await self._writer.write(partial(execute, _REMOVE, (id,)))
                raise BadParameter("none of these records is there any more", field="seqs")
            return added

    async def add(self, id: int, seqs: Sequence[int]) -> Added:
        """Hold more records. Raises NoSuchResource, BadParameter if the hold has ended."""
        wanted = sorted(set(seqs))
        async with self._changing:
            new_records = await self._count_new(id, wanted)
            await self._writer.write(
                lambda c: _check_room(c, self._get_in_force(c, id).records, new_records)
            )
            return await self._add(id, wanted)

    async def _count_new(self, id: int, seqs: Sequence[int]) -> int:
        """Count the records that are there, and that the hold does not have yet."""
        steps = [seqs[at : at + _STEP_RECORDS] for at in range(0, len(seqs), _STEP_RECORDS)]
        return sum([await self._readers.read(partial(self._count_some, id, one)) for one in steps])

    def _count_some(self, id: int, seqs: Iterable[int], connection: sqlite3.Connection) -> int:
        return sum(
            self._is_there(connection, seq) and not one(connection, _HAS_RECORD, (id, clamp(seq)))
            for seq in seqs
        )

    async def _add(self, id: int, seqs: Sequence[int]) -> Added:
        """Add records in short writes, between which others write."""
        added, missing = 0, []
        for start in range(0, len(seqs), _STEP_RECORDS):
            some = seqs[start : start + _STEP_RECORDS]
            count, gone = await self._writer.write(partial(self._add_some, id, some))
            added += count
            missing += gone
        return Added(await self.get(id), added, tuple(missing))

    def _add_some(
        self, id: int, seqs: Iterable[int], connection: sqlite3.Connection
    ) -> tuple[int, list[int]]:
        """Runs in the writer's thread, where the index of the days is up to date."""
        there = [seq for seq in seqs if self._is_there(connection, seq)]
        added = sum(connection.execute(_HOLD_RECORD, (id, seq)).rowcount for seq in there)
        connection.execute(_COUNT, (added, id))
        return added, sorted(set(seqs) - set(there))

    def _is_there(self, connection: sqlite3.Connection, seq: int) -> bool:
        received_at = one(connection, _RECEIVED, (clamp(seq),))
        if seq in self._held:
            return True
        if not isinstance(received_at, int) or not is_moment(received_at):
            return False
        return self._days.has_pictures(seq, received_at)

    async def change(self, id: int, reason: str, until: int | None) -> Hold:
        """Change a hold in force. Raises NoSuchResource, BadParameter if it has ended."""

        def job(connection: sqlite3.Connection) -> Hold:
            self._get_in_force(connection, id)
            connection.execute(_CHANGE, (reason, until, id))
            return self._get(connection, id)

        return await self._writer.write(job)

    async def end(self, id: int, by: str, at: int) -> Hold:
        """End a hold: nothing is held by it any more. What else nobody holds is removed later.

        Ending it again changes nothing. Raises NoSuchResource.
        """

        def job(connection: sqlite3.Connection) -> Hold:
            self._get(connection, id)
            connection.execute(_END, (by, at, id))
            connection.execute(_TRIM, (_MAX_ENDED,))
            return self._get(connection, id)

        hold = await self._writer.write(job)
        await self._release_records(id)
        return hold

    async def finish_ends(self) -> None:
        """Release the records of holds whose end was interrupted."""
        for hold in await self._read(_INTERRUPTED):
            await self._release_records(hold.id)

    async def _release_records(self, id: int) -> None:
        while await self._writer.write(partial(_release_some, id)):
            pass

    async def end_due(self, at: int) -> list[int]:
        """End the holds whose time has come; return their ids."""
        due = [hold.id for hold in await self._read(_DUE, (at,))]
        for id in due:
            await self.end(id, "", at)
        return due

    async def get(self, id: int) -> Hold:
        """Return a hold. Raises NoSuchResource."""
        return await self._readers.read(lambda c: self._get(c, id))

    async def newest(self, before: int | None = None, limit: int = 100) -> tuple[Hold, ...]:
        """Return at most `limit` holds with ids below `before`, the newest first."""
        bound = 2**63 - 1 if before is None else clamp(before)
        return await self._read(_LIST, (bound,), limit)

    async def of_record(self, seq: int) -> tuple[Hold, ...]:
        """Return the holds in force that a record is in."""
        return await self._read(_OF_RECORD, (clamp(seq),))

    async def count_only_here(self, id: int) -> int:
        """Return how many records would go with this hold, because their day is gone."""
        return _int(await self._readers.read(lambda c: one(c, _ONLY_HERE, (id, id))))

    async def seqs(self, id: int, after: int = 0, limit: int = 100) -> tuple[int, ...]:
        """Return at most `limit` seqs above `after` of a hold's records, in their order."""
        found = await self._readers.read(
            lambda c: c.execute(_SEQS, (id, clamp(after), limit)).fetchall()
        )
        return tuple(seq for (seq,) in found)

    async def _read(
        self, sql: str, values: tuple[object, ...] = (), limit: int = MAX_HOLDS + _MAX_ENDED
    ) -> tuple[Hold, ...]:
        return await self._readers.read(
            lambda c: tuple(_rows.take(c.execute(sql, values), limit, self._damaged))
        )

    def _get(self, connection: sqlite3.Connection, id: int) -> Hold:
        row = connection.execute(_ONE, (clamp(id),)).fetchone()
        hold = None if row is None else _rows.read(row, self._damaged)
        if hold is None:
            raise NoSuchResource(f"there is no hold {id}")
        return hold

    def _get_in_force(self, connection: sqlite3.Connection, id: int) -> Hold:
        hold = self._get(connection, id)
        if not hold.is_in_force:
            raise BadParameter("this hold has ended", field="id")
        return hold


def _check_room(connection: sqlite3.Connection, held: int, added: int) -> None:
    """Check the limits before records are added to a hold that has `held` records."""
    if held + added > MAX_RECORDS_PER_HOLD:
        raise BadParameter(f"a hold has at most {MAX_RECORDS_PER_HOLD} records", field="records")
    if _int(one(connection, _ALL_RECORDS)) + added > MAX_HELD_RECORDS:
        raise BadParameter(
            f"all holds together have at most {MAX_HELD_RECORDS} records", field="records"
        )


def _release_some(id: int, connection: sqlite3.Connection) -> bool:
    return connection.execute(_RELEASE_RECORDS, (id, id, _STEP_RECORDS)).rowcount > 0


def _int(value: object) -> int:
    return value if isinstance(value, int) else 0
