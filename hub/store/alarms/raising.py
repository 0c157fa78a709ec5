"""Raises alarms in the writer's thread, in the transaction of their records (D11).

What raises an alarm is decided by a judge, which services replace when rules change. Active alarms
are read within the transaction, so that nothing in memory has to be undone if it is rolled back.
Each statement costs a turn of the interpreter lock, so a group's alarms are written together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from hub import metrics
from hub.store.alarms.alarm import (
    Alarm,
    AlarmChange,
    AlarmKind,
    AlarmStep,
    Move,
    Sighting,
    combined,
    moved,
    raised,
    repeated,
)
from hub.store.alarms.rows import (
    MAX_EVIDENCE,
    active_of,
    add_evidence,
    add_steps,
    alarms_of,
    drop_evidence,
    save_alarms,
)
from hub.store.alarms.shares import least_active
from hub.store.rows import DamagedRows
from hub.store.sqlite.sql import one
from hub.wire.person_numbers import canonical_pid
from hub.wire.uploads.records import AccessDetail, EventDetail, FaceDetail, Record

#: Alarms that are not closed. Beyond that, some are closed by themselves, see `shares`.
MAX_ACTIVE = 2_000

_BLACKLISTED = """
SELECT json_group_array(json_array(pid, name)) FROM person
WHERE category = 2 AND pid IN (SELECT value FROM json_each(?))
"""
_FOLLOW = """
INSERT OR IGNORE INTO alarm_record (alarm, seq)
SELECT alarm, ? FROM alarm_record AS followed
WHERE seq = ? AND (SELECT count(*) FROM alarm_record WHERE alarm = followed.alarm) < ?
"""
# With few active alarms among many closed ones, SQLite would choose another index.
_COUNT_ACTIVE = "SELECT count(*) FROM alarm INDEXED BY alarm_active WHERE state <> 'closed'"

#: The name of each blacklisted person, by pid.
Blacklisted = Mapping[str, str]


class Judge(Protocol):
    """Decides which records raise an alarm. Called in the writer's thread."""

    def judge(self, record: Record, blacklisted: Blacklisted) -> Sequence[Sighting]:
        """Return what a record should raise alarms for: in doubt of what time it is, one.

        `blacklisted`: who of the register is on the blacklist, of those that the records of the
        group name.
        """


class AlarmRaiser:
    """Raises and repeats alarms, and holds those that are not closed, as they are committed.

    `on_changes` is called in trio after each commit that changes alarms, in their order.
    """

    def __init__(
        self, damaged: DamagedRows, on_changes: Callable[[Sequence[AlarmChange]], None]
    ) -> None:
        #: Replaced as a whole by trio, read by the writer's thread.
        self._judge: Judge | None = None
        self._on_changes = on_changes
        self._damaged = damaged
        #: Those that are not closed, by seq. Of trio.
        self.active: dict[int, Alarm] = {}

    def use(self, judge: Judge) -> None:
        """Let another judge decide from now on which records raise an alarm."""
        self._judge = judge

    def judge(self, record: Record) -> Sequence[Sighting]:
        """Return what a record of the hub would raise alarms for if it were stored."""
        return () if self._judge is None else self._judge.judge(record, {})

    def committed(self, changes: Sequence[AlarmChange]) -> None:
        """Take over what a commit has changed, in trio right after it, and tell of it."""
        for change in changes:
            metrics.alarm_changes.labels(change.alarm.kind, change.change).inc()
            if change.alarm.is_active:
                self.active[change.alarm.seq] = change.alarm
            else:
                self.active.pop(change.alarm.seq, None)
        self._on_changes(changes)

    def raise_for(
        self, connection: sqlite3.Connection, records: Sequence[Record]
    ) -> list[AlarmChange]:
        """Raise the alarms of inserted records, or repeat those that are active."""
        judge = self._judge
        if judge is None:
            return []
        _keep_lone_pictures(connection, records)
        blacklisted = _blacklisted(connection, records)
        seen = [
            (sightings, record.received_at)
            for record in records
            if (sightings := judge.judge(record, blacklisted))
        ]
        return self._save(connection, seen) if seen else []

    def _save(
        self, connection: sqlite3.Connection, seen: Sequence[tuple[Sequence[Sighting], int]]
    ) -> list[AlarmChange]:
        keys = {sighting.key for sightings, _ in seen for sighting in sightings}
        group = _Group(active_of(connection, keys, self._damaged))
        for sightings, received_at in seen:
            group.add(sightings, received_at)
        save_alarms(connection, [change.alarm for change in group.changes.values()])
        add_steps(connection, group.steps)
        drop_evidence(connection, group.dropped)
        add_evidence(connection, group.evidence)
        closed = self._make_room(connection, seen[-1][1]) if group.new else []
        return [*group.changes.values(), *closed]

    def _make_room(self, connection: sqlite3.Connection, at: int) -> list[AlarmChange]:
        """Close the alarms that matter least, if there are too many."""
        active = one(connection, _COUNT_ACTIVE)
        excess = (active if isinstance(active, int) else 0) - MAX_ACTIVE
        if excess <= 0:
            return []
        # Some more at a time, because finding them takes a while.
        spare = MAX_ACTIVE // 20
        seqs = least_active(connection, MAX_ACTIVE - spare, excess + spare)
        metrics.limits_reached.labels("alarms").inc(len(seqs))
        least = alarms_of(connection, seqs, self._damaged)
        found = [moved(alarm, Move("closed", at)) for alarm in least]
        ended = [one for one in found if one is not None]
        save_alarms(connection, [alarm for alarm, _ in ended])
        add_steps(connection, {alarm.seq: steps for alarm, steps in ended})
        return [AlarmChange(alarm, "closed") for alarm, _ in ended]


class _Group:
    """The alarms that a group's records raise or repeat, before they are written."""

    def __init__(self, active: Mapping[tuple[AlarmKind, str], Alarm]) -> None:
        self._active = dict(active)
        self.changes: dict[int, AlarmChange] = {}
        self.steps: dict[int, list[AlarmStep]] = {}
        self.new: set[int] = set()
        #: (seq of the alarm, seq of the record).
        self.evidence: list[tuple[int, int]] = []
        self.dropped: list[tuple[int, int]] = []

    def add(self, sightings: Sequence[Sighting], received_at: int) -> None:
        """Raise or repeat what one record tells.

        Only one alarm can have the seq of the record: it tells all that none is active of.
        """
        fresh = [sighting for sighting in sightings if sighting.key not in self._active]
        for sighting in sightings:
            if sighting.key in self._active:
                self._add(sighting, received_at)
        if fresh:
            self._add(combined(fresh), received_at)

    def _add(self, sighting: Sighting, received_at: int) -> None:
        before = self._active.get(sighting.key)
        if before is None:
            alarm = raised(sighting, received_at)
            self.new.add(alarm.seq)
            self._note(alarm, "raised", received_at)
        else:
            alarm = repeated(before, sighting, received_at)
            if before.state != alarm.state:
                self._note(alarm, "again", received_at)
            if alarm.count > MAX_EVIDENCE:
                self._replace_last(alarm.seq, before.last_seq)
        self._active[sighting.key] = alarm
        self.evidence.append((alarm.seq, sighting.seq))
        is_new = alarm.seq in self.new
        self.changes[alarm.seq] = AlarmChange(alarm, "raised" if is_new else "repeated")

    def _note(self, alarm: Alarm, step: Literal["raised", "again"], at: int) -> None:
        self.steps.setdefault(alarm.seq, []).append(AlarmStep(at, step))

    def _replace_last(self, alarm: int, last_seq: int) -> None:
        """Let the next record take the place of the last one as evidence."""
        if (alarm, last_seq) in self.evidence:
            self.evidence.remove((alarm, last_seq))
        elif last_seq != alarm:
            self.dropped.append((alarm, last_seq))


def _keep_lone_pictures(connection: sqlite3.Connection, records: Sequence[Record]) -> None:
    """Keep pictures that follow an access record (D8) with the alarm that this one raised."""
    for record in records:
        if isinstance(record.detail, AccessDetail) and record.detail.of is not None:
            connection.execute(_FOLLOW, (record.seq, record.detail.of, 2 * MAX_EVIDENCE))


def _blacklisted(connection: sqlite3.Connection, records: Sequence[Record]) -> Blacklisted:
    """Return who of the register is blacklisted, of those that the records name."""
    pids = {pid for record in records if (pid := pid_of(record))}
    if not pids:
        return {}
    found = one(connection, _BLACKLISTED, (msgspec.json.encode(list(pids)).decode(),))
    rows: list[tuple[str, str]] = msgspec.json.decode(str(found))
    return dict(rows)


def pid_of(record: Record) -> str:
    """Return the uuid of a record in the form of a pid of the register; "" if it is none."""
    if not isinstance(record.detail, FaceDetail | EventDetail | AccessDetail):
        return ""
    return canonical_pid(record.detail.uuid or "") or ""
