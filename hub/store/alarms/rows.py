"""Rows of alarms: reading and writing them within a transaction or a query."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from hub.decoders import decode_json
from hub.store.alarms.alarm import (
    Alarm,
    AlarmDetail,
    AlarmKind,
    AlarmStep,
    encode_detail,
    encode_dids,
)
from hub.store.rows import DamagedRows, TableRows, as_text
from hub.store.sqlite.many_rows import insert_rows
from hub.store.sqlite.sql import clamp

#: Steps of one alarm, of which the last ones are kept.
MAX_STEPS = 500
#: Records of one alarm that are kept as evidence: the first ones, and the last.
MAX_EVIDENCE = 20


class _StepRow(AlarmStep, frozen=True, kw_only=True):
    alarm: int
    position: int


_rows = TableRows(
    "alarm",
    Alarm,
    key=("seq",),
    # What cannot be read any more is told: it counts as new and as severe.
    decoders={
        "dids": lambda text: decode_json(as_text(text), tuple[str, ...]),
        "detail": lambda text: decode_json(as_text(text), AlarmDetail),
    },
    encoders={"dids": encode_dids, "detail": encode_detail},
)
_step_rows = TableRows("alarm_step", _StepRow, key=("alarm", "position"))

SELECT_ALARM = _rows.select
_SOME = f"{SELECT_ALARM} WHERE seq IN (SELECT value FROM json_each(?))"
ONE = f"{SELECT_ALARM} WHERE seq = ?"
_ACTIVE = f"{SELECT_ALARM} INDEXED BY alarm_active WHERE state <> 'closed' ORDER BY seq"
_OF_SUBJECTS = f"""
{SELECT_ALARM} WHERE state <> 'closed' AND (kind, subject) IN (VALUES {{rows}})
"""
_PUT = f"""
INSERT INTO alarm ({_rows.names}) VALUES {{rows}} ON CONFLICT (seq) DO UPDATE SET
    severity = excluded.severity, state = excluded.state, count = excluded.count,
    first_at = excluded.first_at, last_at = excluded.last_at, last_seq = excluded.last_seq,
    heard_at = excluded.heard_at, new_since = excluded.new_since,
    escalated_at = excluded.escalated_at, over_at = excluded.over_at, dids = excluded.dids,
    detail = excluded.detail, note = excluded.note
"""
_CLOSE = "UPDATE alarm SET state = 'closed' WHERE seq = ?"
_FIRST_STEPS = "INSERT INTO alarm_step (alarm, position, at, step, who, note) VALUES {rows}"
_ADD_STEP = """
INSERT INTO alarm_step (alarm, position, at, step, who, note)
SELECT ?, coalesce(max(position), -1) + 1, ?, ?, ?, ? FROM alarm_step WHERE alarm = ?
"""
_TRIM_STEPS = """
DELETE FROM alarm_step WHERE alarm = ? AND position <= (
    SELECT max(position) FROM alarm_step WHERE alarm = ?
) - ?
"""
_STEPS = f"{_step_rows.select} WHERE alarm = ? ORDER BY position"
_STEPS_OF_SOME = f"""
{_step_rows.select}
WHERE alarm IN (SELECT value FROM json_each(?)) ORDER BY alarm, position
"""
_ADD_RECORDS = "INSERT OR IGNORE INTO alarm_record (alarm, seq) VALUES {rows}"
_DROP_RECORD = "DELETE FROM alarm_record WHERE alarm = ? AND seq = ?"


def load_active(connection: sqlite3.Connection, damaged: DamagedRows) -> list[Alarm]:
    """Return the alarms that are not closed, by seq."""
    return _rows.read_all(connection.execute(_ACTIVE), damaged)


#: The queries of all alarms and their steps.
ALARM_QUERIES: tuple[tuple[TableRows[Any], str], ...] = (
    (_rows, SELECT_ALARM),
    (_step_rows, _step_rows.select),
)


def read_alarms(rows: Iterable[Sequence[Any]], damaged: DamagedRows) -> list[Alarm]:
    """Return the alarms of rows of `SELECT_ALARM`."""
    return _rows.read_all(rows, damaged)


def take_alarms(rows: sqlite3.Cursor, limit: int, damaged: DamagedRows) -> list[Alarm]:
    """Return the first alarms of rows of `SELECT_ALARM`, at most `limit`."""
    return _rows.take(rows, limit, damaged)


def alarm_of(connection: sqlite3.Connection, seq: int, damaged: DamagedRows) -> Alarm | None:
    """Return an alarm, None if there is none."""
    found = _rows.read_all(connection.execute(ONE, (clamp(seq),)), damaged)
    return found[0] if found else None


def alarms_of(
    connection: sqlite3.Connection, seqs: Sequence[int], damaged: DamagedRows
) -> list[Alarm]:
    """Return those of these alarms that are there."""
    values = (msgspec.json.encode(seqs).decode(),)
    return _rows.read_all(connection.execute(_SOME, values), damaged)


def active_of(
    connection: sqlite3.Connection, keys: Iterable[tuple[AlarmKind, str]], damaged: DamagedRows
) -> dict[tuple[AlarmKind, str], Alarm]:
    """Return the active alarms of these subjects.

    Closes one that does not decode: otherwise it would refuse the records that raise another one.
    """
    wanted = list(keys)
    sql = _OF_SUBJECTS.replace("{rows}", ", ".join(["(?, ?)"] * len(wanted)))
    values = [value for key in wanted for value in key]
    found = {}
    for row in connection.execute(sql, values).fetchall():
        if (alarm := _rows.read(row, damaged)) is None:
            connection.execute(_CLOSE, (row[0],))
        else:
            found[alarm.kind, alarm.subject] = alarm
    return found


def save_alarms(connection: sqlite3.Connection, alarms: Sequence[Alarm]) -> None:
    """Insert alarms, or replace what is stored of them."""
    insert_rows(connection, _PUT, [tuple(_rows.values(alarm).values()) for alarm in alarms])


def add_steps(connection: sqlite3.Connection, steps: Mapping[int, Sequence[AlarmStep]]) -> None:
    """Add steps to the histories of alarms, by their seqs. That of a new alarm begins so."""
    first = [
        (seq, 0, one.at, one.step, one.who, one.note)
        for seq, (one, *_) in steps.items()
        if one.step == "raised"
    ]
    insert_rows(connection, _FIRST_STEPS, first)
    for seq, all_of_one in steps.items():
        later = [one for one in all_of_one if one.step != "raised"]
        for one in later:
            connection.execute(_ADD_STEP, (seq, one.at, one.step, one.who, one.note, seq))
        if later:
            connection.execute(_TRIM_STEPS, (seq, seq, MAX_STEPS))


def histories_of(
    connection: sqlite3.Connection, seqs: Sequence[int], damaged: DamagedRows
) -> dict[int, list[AlarmStep]]:
    """Return the steps of alarms, the oldest first, by the seqs of the alarms."""
    found: dict[int, list[AlarmStep]] = {}
    rows = connection.execute(_STEPS_OF_SOME, (msgspec.json.encode(seqs).decode(),))
    for step in _step_rows.read_all(rows, damaged):
        found.setdefault(step.alarm, []).append(step)
    return found


def steps_of(
    connection: sqlite3.Connection, seq: int, damaged: DamagedRows
) -> tuple[AlarmStep, ...]:
    """Return the history of an alarm."""
    rows = _step_rows.read_all(connection.execute(_STEPS, (clamp(seq),)), damaged)
    return tuple(AlarmStep(row.at, row.step, row.who, row.note) for row in rows)


def add_evidence(connection: sqlite3.Connection, rows: Sequence[tuple[int, int]]) -> None:
    """Keep records as evidence, as (seq of the alarm, seq of the record)."""
    insert_rows(connection, _ADD_RECORDS, rows)


def drop_evidence(connection: sqlite3.Connection, rows: Sequence[tuple[int, int]]) -> None:
    """Keep records not any more as evidence, as (seq of the alarm, seq of the record)."""
    connection.executemany(_DROP_RECORD, rows)
