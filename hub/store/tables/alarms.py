"""The alarms: those that are not closed in memory, all of them in the database."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial
from itertools import islice

import msgspec
from msgspec import Struct

from hub.store.alarms.alarm import (
    Alarm,
    AlarmChange,
    AlarmKind,
    AlarmState,
    AlarmStep,
    ChangeKind,
    Move,
    Severity,
    Sighting,
    StepKind,
    moved,
)
from hub.store.alarms.listing import CLOSED, ListPlace, in_order, place_of
from hub.store.alarms.raising import Judge
from hub.store.alarms.rows import (
    ALARM_QUERIES,
    SELECT_ALARM,
    add_steps,
    alarm_of,
    alarms_of,
    histories_of,
    load_active,
    read_alarms,
    save_alarms,
    steps_of,
    take_alarms,
)
from hub.store.alarms.shares import least_closed
from hub.store.sqlite.sql import clamp, execute, one
from hub.store.tables.table import Engine, RowSource, Table
from hub.wire.uploads.records import Record

#: Closed alarms that are kept at most, beside those that are not closed.
MAX_CLOSED = 50_000
#: Alarms changed or removed in one write.
STEP = 200

_LATEST = f"{SELECT_ALARM} WHERE kind = ? AND subject = ? ORDER BY seq DESC LIMIT 1"
_EVIDENCE = "SELECT seq FROM alarm_record WHERE alarm = ? ORDER BY seq"
_COUNT_CLOSED = "SELECT count(*) FROM alarm WHERE state = 'closed'"
_TOUCHED = "SELECT DISTINCT alarm FROM alarm_step WHERE at >= ? AND at < ? ORDER BY alarm"
_FORGET = """
DELETE FROM alarm WHERE seq IN (
    SELECT seq FROM alarm INDEXED BY alarm_heard
    WHERE state = 'closed' AND heard_at < ? ORDER BY heard_at LIMIT ?
)
"""
_FORGET_SOME = "DELETE FROM alarm WHERE seq IN (SELECT value FROM json_each(?))"

_CHANGES: dict[StepKind, ChangeKind] = {
    "acknowledged": "acknowledged",
    "escalated": "escalated",
    "over": "over",
    "closed": "closed",
}


class AlarmFilter(Struct, frozen=True, kw_only=True):
    """Which alarms to return. None matches all; `since` <= first_at < `until`.

    `last_since` <= last_at. `did`: one of the cameras that saw it.
    """

    state: AlarmState | None = None
    severity: Severity | None = None
    kind: AlarmKind | None = None
    did: str | None = None
    since: int | None = None
    until: int | None = None
    last_since: int | None = None

    def matches(self, alarm: Alarm) -> bool:
        """Whether an alarm is to be returned."""
        pairs = (
            (self.state, alarm.state),
            (self.severity, alarm.severity),
            (self.kind, alarm.kind),
        )
        return (
            all(wanted is None or wanted == given for wanted, given in pairs)
            and (self.did is None or self.did in alarm.dids)
            and (self.since is None or alarm.first_at >= self.since)
            and (self.until is None or alarm.first_at < self.until)
            and (self.last_since is None or alarm.last_at >= self.last_since)
        )


class AlarmPage(Struct, frozen=True):
    """Some alarms. `next`: the seq to continue from, None if there are no more."""

    items: tuple[Alarm, ...]
    next: int | None


class ListedAlarms(Struct, frozen=True):
    """Some alarms in the order of the list. `next`: continue after it, None at the end."""

    items: tuple[Alarm, ...]
    next: ListPlace | None


class AlarmTable(Table[list[Alarm]]):
    """Reads and changes alarms. Those that are not closed are held in memory."""

    queries = ALARM_QUERIES

    def __init__(self, engine: Engine, loaded: list[Alarm]) -> None:
        super().__init__(engine, loaded)
        self._raiser = engine.raiser
        self._raiser.active = {alarm.seq: alarm for alarm in loaded}

    @classmethod
    def load(cls, source: RowSource) -> list[Alarm]:
        return load_active(source.connection, source.damaged)

    def use(self, judge: Judge) -> None:
        """Let another judge decide from now on which records raise an alarm."""
        self._raiser.use(judge)

    def judge(self, record: Record) -> Sequence[Sighting]:
        """Return what a record of the hub would raise alarms for if it were stored."""
        return self._raiser.judge(record)

    def active(self) -> tuple[Alarm, ...]:
        """Return the alarms that are not closed, the oldest first."""
        return tuple(self._raiser.active.values())

    async def get(self, seq: int) -> Alarm | None:
        """Return an alarm, None if there is none."""
        if (active := self._raiser.active.get(seq)) is not None:
            return active
        return await self._readers.read(lambda c: alarm_of(c, seq, self._damaged))

    async def latest(self, kind: AlarmKind, subject: str) -> Alarm | None:
        """Return the newest alarm of a subject, None if there was none."""
        rows = await self._readers.read(lambda c: c.execute(_LATEST, (kind, subject)).fetchall())
        found = read_alarms(rows, self._damaged)
        return found[0] if found else None

    async def history(self, seq: int) -> tuple[AlarmStep, ...]:
        """Return the steps of an alarm, the oldest first."""
        return await self._readers.read(lambda c: steps_of(c, seq, self._damaged))

    async def histories(self, seqs: Sequence[int]) -> dict[int, list[AlarmStep]]:
        """Return the steps of alarms, the oldest first, by the seqs of the alarms."""
        return await self._readers.read(lambda c: histories_of(c, seqs, self._damaged))

    async def evidence(self, seq: int) -> tuple[int, ...]:
        """Return the seqs of the records that are kept with an alarm, the oldest first."""
        rows = await self._readers.read(lambda c: c.execute(_EVIDENCE, (clamp(seq),)).fetchall())
        return tuple(seq for (seq,) in rows)

    async def page(
        self,
        filter: AlarmFilter,
        *,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
    ) -> AlarmPage:
        """Return matching alarms with `after` < seq < `before`, ordered by seq."""
        sql, values = _query(filter, after, before, newest_first)
        rows = await self._readers.read(lambda c: c.execute(sql, (*values, limit + 1)).fetchall())
        items = read_alarms(rows[:limit], self._damaged)
        return AlarmPage(tuple(items), rows[limit - 1][0] if len(rows) > limit else None)

    async def touched(self, since: int, until: int) -> tuple[int, ...]:
        """Return the seqs of the alarms to which something happened in `since` <= at < `until`."""
        span = clamp(since), clamp(until)
        rows = await self._readers.read(lambda c: c.execute(_TOUCHED, span).fetchall())
        return tuple(seq for (seq,) in rows)

    async def some(self, seqs: Sequence[int]) -> list[Alarm]:
        """Return those of these alarms that are there, by seq."""
        found = await self._readers.read(lambda c: alarms_of(c, seqs, self._damaged))
        return sorted(found, key=lambda alarm: alarm.seq)

    async def listed(
        self, filter: AlarmFilter, *, after: ListPlace | None = None, limit: int = 100
    ) -> ListedAlarms:
        """Return matching alarms behind a place of the list, see `listing`."""
        matching = (alarm for alarm in self.active() if filter.matches(alarm))
        found = list(islice(in_order(matching, after), limit + 1))
        if len(found) <= limit and filter.state in (None, "closed"):
            sql, values = _closed_query(filter, after)
            wanted = limit + 1 - len(found)
            found += await self._readers.read(
                lambda c: take_alarms(c.execute(sql, values), wanted, self._damaged)
            )
        items = tuple(found[:limit])
        return ListedAlarms(items, place_of(items[-1]) if len(found) > limit else None)

    async def move(self, seqs: Sequence[int], move: Move) -> tuple[AlarmChange, ...]:
        """Apply a move to alarms, in short writes; return those that it changed."""
        changes: list[AlarmChange] = []
        for start in range(0, len(seqs), STEP):
            some = seqs[start : start + STEP]
            job = partial(self._move, some, move)
            done = await self._writer.write(job, self._raiser.committed)
            changes += done
        return tuple(changes)

    def _move(
        self, seqs: Sequence[int], move: Move, connection: sqlite3.Connection
    ) -> list[AlarmChange]:
        found = {seq: alarm_of(connection, seq, self._damaged) for seq in seqs}
        changed = {
            seq: after
            for seq, alarm in found.items()
            if alarm is not None and (after := moved(alarm, move)) is not None
        }
        save_alarms(connection, [alarm for alarm, _ in changed.values()])
        add_steps(connection, {seq: steps for seq, (_, steps) in changed.items()})
        return [
            AlarmChange(alarm, "closed" if not alarm.is_active else _CHANGES[move.step])
            for alarm, _ in changed.values()
        ]

    async def forget_before(self, moment: int) -> bool:
        """Remove some closed alarms whose last record arrived before a moment.

        Returns whether there may be more.
        """

        def job(connection: sqlite3.Connection) -> bool:
            return connection.execute(_FORGET, (moment, STEP)).rowcount >= STEP

        return await self._writer.write(job)

    async def forget_excess(self) -> None:
        """Remove closed alarms if there are too many: see `shares`."""
        least = await self._readers.read(_excess)
        for start in range(0, len(least), STEP):
            some = msgspec.json.encode(least[start : start + STEP]).decode()
            await self._writer.write(partial(execute, _FORGET_SOME, (some,)))

    async def reload(self) -> None:
        """Read the alarms that are not closed again, after they were changed elsewhere."""

        def loaded(alarms: list[Alarm]) -> None:
            self._raiser.active = {alarm.seq: alarm for alarm in alarms}

        await self._writer.write(self._load, loaded)


def _excess(connection: sqlite3.Connection) -> list[int]:
    closed = one(connection, _COUNT_CLOSED)
    excess = (closed if isinstance(closed, int) else 0) - MAX_CLOSED
    return least_closed(connection, MAX_CLOSED, excess) if excess > 0 else []


def _query(
    filter: AlarmFilter, after: int | None, before: int | None, newest_first: bool
) -> tuple[str, tuple[object, ...]]:
    conditions: dict[str, object] = {
        "seq > ?": None if after is None else clamp(after),
        "seq < ?": None if before is None else clamp(before),
        "state = ?": filter.state,
        **_conditions(filter),
    }
    given = {sql: value for sql, value in conditions.items() if value is not None}
    where = f" WHERE {' AND '.join(given)}" if given else ""
    order = "DESC" if newest_first else "ASC"
    sql = f"{SELECT_ALARM}{where} ORDER BY seq {order} LIMIT ?"
    return sql, tuple(given.values())


def _closed_query(filter: AlarmFilter, after: ListPlace | None) -> tuple[str, tuple[object, ...]]:
    """Closed alarms behind a place, those heard of last first."""
    given = {sql: value for sql, value in _conditions(filter).items() if value is not None}
    where, values = ["state = 'closed'", *given], list(given.values())
    if after is not None and after.group == CLOSED:
        where.append("(heard_at, seq) < (?, ?)")
        values += [clamp(-after.moment), clamp(-after.seq)]
    sql = (
        f"{SELECT_ALARM} INDEXED BY alarm_heard WHERE {' AND '.join(where)} "
        "ORDER BY heard_at DESC, seq DESC"
    )
    return sql, tuple(values)


def _conditions(filter: AlarmFilter) -> dict[str, object]:
    return {
        "severity = ?": filter.severity,
        "kind = ?": filter.kind,
        "first_at >= ?": None if filter.since is None else clamp(filter.since),
        "first_at < ?": None if filter.until is None else clamp(filter.until),
        "last_at >= ?": None if filter.last_since is None else clamp(filter.last_since),
        "dids LIKE ?": None if filter.did is None else f'%"{filter.did}"%',
    }
