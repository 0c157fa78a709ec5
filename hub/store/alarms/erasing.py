"""Erases what alarms say of people, together with their records."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from hub.store.alarms.alarm import AlarmDetail
from hub.store.alarms.rows import SELECT_ALARM, read_alarms, save_alarms
from hub.store.rows import DamagedRows

_OF_RECORDS = f"""
{SELECT_ALARM} WHERE seq IN (SELECT value FROM json_each(:keys)) OR seq IN (
    SELECT alarm FROM alarm_record WHERE seq IN (SELECT value FROM json_each(:keys))
)
"""
_OF_PEOPLE = f"""
{SELECT_ALARM} WHERE kind = 'blacklist'
    AND subject IN (SELECT value FROM json_each(:keys))
"""
_CLOSED = " AND state = 'closed'"
_REMOVE = "DELETE FROM alarm WHERE seq = ?"
_ERASE_SUBJECT = "UPDATE alarm SET subject = 'erased ' || seq WHERE seq = ?"
_ERASE_NOTES = "UPDATE alarm_step SET note = '' WHERE alarm = ?"


def erase_alarms_of_records(connection: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """Erase what the alarms of these records say of a person. The alarms stay."""
    _erase(connection, _OF_RECORDS, seqs)


def erase_alarms_of_people(
    connection: sqlite3.Connection, subjects: Sequence[str], *, with_open: bool
) -> None:
    """Erase what the alarms of these people say: their subjects are uuids or pids."""
    _erase(connection, _OF_PEOPLE + ("" if with_open else _CLOSED), subjects)


def _erase(connection: sqlite3.Connection, sql: str, keys: Sequence[int] | Sequence[str]) -> None:
    values = {"keys": msgspec.json.encode(list(keys)).decode()}
    rows = connection.execute(sql, values).fetchall()
    alarms = read_alarms(rows, DamagedRows(is_told=False))
    # What it says of a person cannot be taken out of one that does not decode.
    for seq in {row[0] for row in rows} - {alarm.seq for alarm in alarms}:
        connection.execute(_REMOVE, (seq,))
    save_alarms(
        connection,
        [replace(one, detail=_without_person(one.detail), note="") for one in alarms],
    )
    for alarm in alarms:
        if alarm.kind in ("blacklist", "plate"):
            connection.execute(_ERASE_SUBJECT, (alarm.seq,))
        connection.execute(_ERASE_NOTES, (alarm.seq,))


def _without_person(detail: AlarmDetail) -> AlarmDetail:
    return AlarmDetail(
        category=detail.category,
        list=detail.list,
        type=detail.type,
        cause=detail.cause,
        text=detail.text,
        args=detail.args,
        device_name=detail.device_name,
    )
