"""The rules that decide which events raise an alarm (D11), in their order."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.decoders import decode_json
from hub.store.alarms.alarm import Severity
from hub.store.tables.table import Engine, RowSource, Table

MAX_RULES = 200

_ALL = "SELECT id, rule FROM alarm_rule ORDER BY id"
_CLEAR = "DELETE FROM alarm_rule"
_ADD = "INSERT INTO alarm_rule (rule) VALUES (?)"

#: "HH:MM", or "" for a whole day.
Hour = Annotated[str, Meta(pattern="^([01][0-9]|2[0-3]):[0-5][0-9]$|^$")]
Weekday = Annotated[int, Meta(ge=1, le=7)]
Did = Annotated[str, Meta(pattern="^[0-9]{1,20}$")]
EventType = Annotated[int, Meta(ge=1, le=2**31)]
GroupId = Annotated[int, Meta(ge=1, le=2**53)]


class AlarmRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What raises an alarm, how severe, and when. Empty lists match all.

    `types`: of events (2.4). `severity` "none": no alarm is raised. `days`: 1 is Monday. From
    `start` to `end`, "HH:MM" in the site's zone; across midnight if `end` is earlier, and the night
    belongs to the day on which it begins. `otherwise`: at other times there is no alarm, also if it
    is not given, or what there is by default; of several rules, the first decides. `dids` and
    `groups`: a camera of either matches. `renew`: whether an event after a quiet time makes an
    acknowledged alarm new again; if it is not given, a critical or major one does.
    """

    kind: Literal["event", "offline", "hub"] = "event"
    types: tuple[EventType, ...] = ()
    severity: Severity | Literal["none"]
    days: tuple[Weekday, ...] = ()
    start: Hour = ""
    end: Hour = ""
    otherwise: Literal["none", "default"] | UnsetType = UNSET
    dids: tuple[Did, ...] = ()
    groups: tuple[GroupId, ...] = ()
    renew: bool | UnsetType = UNSET


class AlarmRuleTable(Table[tuple[AlarmRule, ...]]):
    """All rules, in memory. Changes are durable on return."""

    def __init__(self, engine: Engine, loaded: tuple[AlarmRule, ...]) -> None:
        super().__init__(engine, loaded)
        self._rules = loaded

    @classmethod
    def load(cls, source: RowSource) -> tuple[AlarmRule, ...]:
        """A rule that cannot be read is left out: what it is about raises alarms as by default."""
        rules = []
        for id, text in source.connection.execute(_ALL):
            try:
                rules.append(decode_json(text, AlarmRule))
            except (msgspec.MsgspecError, TypeError, ValueError):
                source.damaged.note("alarm_rule", id)
        return tuple(rules)

    def all(self) -> tuple[AlarmRule, ...]:
        return self._rules

    async def replace(self, rules: Sequence[AlarmRule]) -> None:
        """Replace all rules."""
        rows = [(msgspec.json.encode(rule).decode(),) for rule in rules]

        def job(connection: sqlite3.Connection) -> None:
            connection.execute(_CLEAR)
            connection.executemany(_ADD, rows)

        def replaced(_: None) -> None:
            self._rules = tuple(rules)

        await self._writer.write(job, replaced)
