"""The rules that say which events raise an alarm (D11), and the judge that follows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import trio
from msgspec import UNSET, Raw

from hub.clock_reading import Reading
from hub.config import RAISED_BY, RaisedBy
from hub.errors import BadParameter
from hub.live.feed import Change, ChangeKind, of_kinds
from hub.services.alarms.judge import OFFLINE, AlarmJudge, watched_plates
from hub.services.audit import Actor
from hub.services.people.groups import CameraGroups
from hub.services.problems import PROBLEMS
from hub.store.alarms.alarm import Sighting
from hub.store.tables.alarm_rules import MAX_RULES, AlarmRule
from hub.wire.code_tables import EVENT_TYPES
from hub.wire.uploads.records import Detail, EventDetail, HubDetail, Record, RecordKind

if TYPE_CHECKING:
    from hub.services.core import Core

#: Cameras, groups or types of one rule.
_MAX_OF_RULE = 1_000
#: What the judge is made of, beside the rules and watch lists. A changed setting is told as "site".
_FOLLOWED: tuple[ChangeKind, ...] = ("site", "group")


class AlarmRules:
    """The rules. Keeps the judge of the store up to date with everything that it is made of."""

    def __init__(self, core: Core, groups: CameraGroups) -> None:
        self._store = core.store
        self._rules = core.store.alarm_rules
        self._site = core.site
        self._settings = core.settings
        self._audit = core.audit
        self._change_feed = core.changes
        self._groups = groups
        self._reading = core.clock.reading
        self._plates = watched_plates(core.store.plate_lists.all())
        self._building = trio.Lock()
        self._apply()

    def all(self) -> tuple[AlarmRule, ...]:
        """Return the rules, in their order."""
        return self._rules.all()

    async def put(self, rules: Sequence[AlarmRule], by: Actor, raised_by: str = "") -> None:
        """Replace all rules, and choose a ready set if one is given. Raises as choose()."""
        if len(rules) > MAX_RULES:
            raise BadParameter(f"at most {MAX_RULES} rules are expected", field="rules")
        for number, rule in enumerate(rules):
            _check(rule, f"rules[{number}]")
        if raised_by not in ("", self.raised_by):
            await self.choose(raised_by, by)
        await self._rules.replace(rules)
        self._apply()
        await self._audit.add(by, "alarm.rules", str(len(rules)))
        self._change_feed.publish([Change("alarm-rules")])

    @property
    def raised_by(self) -> RaisedBy:
        """The ready set that holds where no rule decides."""
        return self._settings.current.alarms.raised_by

    async def choose(self, raised_by: str, by: Actor) -> None:
        """Let a ready set hold. Raises BadParameter and CannotStoreNow as Settings.change()."""
        await self._settings.change({RAISED_BY: raised_by}, by=by)
        self._apply()

    async def apply_plates(self) -> None:
        """Let records be judged by the watch lists as they are now."""
        async with self._building:
            lists = self._store.plate_lists.all()
            self._plates = await trio.to_thread.run_sync(watched_plates, lists)
            self._apply()

    def _apply(self) -> None:
        self._store.alarms.use(self._judge(self._reading))

    def _judge(self, reading: Callable[[], Reading]) -> AlarmJudge:
        return AlarmJudge(
            reading,
            self._rules.all(),
            self._plates,
            self._site.zone(),
            {group.id: group.dids for group in self._groups.list()},
            self.raised_by,
        )

    def tried(self, at: int, did: str) -> tuple[Sighting, ...]:
        """Return what events of each type, an offline camera and problems of the hub would raise.

        At a time, in UNIX milliseconds, by a camera; "": by one that no rule names.
        """
        judge = self._judge(lambda: Reading(at, at, at))
        details: list[tuple[RecordKind, Detail]] = [
            *(("event", EventDetail(type)) for type in EVENT_TYPES),
            *(("hub", HubDetail(cause)) for cause in (OFFLINE, *PROBLEMS)),
        ]
        return tuple(
            sighting
            for kind, detail in details
            for sighting in judge.judge(_record(kind, detail, at, did), {})
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Follow the site's zone, the settings and the camera groups, until cancelled."""
        with self._change_feed.subscribe(wants=of_kinds(*_FOLLOWED)) as changes:
            self._apply()
            task_status.started()
            while True:
                await changes.next()
                self._apply()


def _record(kind: RecordKind, detail: Detail, at: int, did: str) -> Record:
    return Record(
        seq=0,
        kind=kind,
        did=did,
        sn="",
        device_name="",
        occurred_at=at,
        received_at=at,
        detail=detail,
        extra=Raw(),
        images=(),
    )


def _check(rule: AlarmRule, field: str) -> None:
    if max(len(rule.types), len(rule.dids), len(rule.groups)) > _MAX_OF_RULE:
        raise BadParameter("the rule has too many types, cameras or groups", field=field)
    if rule.types and rule.kind != "event":
        raise BadParameter("only rules of events have types", field=f"{field}.types")
    if rule.renew is not UNSET and rule.kind != "event":
        raise BadParameter("only alarms of events can be new again", field=f"{field}.renew")
    if rule.start and rule.start == rule.end:
        raise BadParameter("must differ from start", field=f"{field}.end")
