"""Reports for those who ask: made in steps, one at a time, and kept for a while."""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, NoReturn

import msgspec
import trio
from msgspec import Struct

from hub.decoders import decode_json
from hub.errors import BadParameter, CannotStoreNow, HubError, TooManyRequests
from hub.services.audit import Actor
from hub.services.devices.availability import DeviceAvailability
from hub.services.people.groups import CameraGroups
from hub.services.people.register import PeopleRegister
from hub.services.reports.alarms import report_alarms
from hub.services.reports.attendance import report_attendance
from hub.services.reports.cameras import report_availability
from hub.services.reports.captures import report_captures
from hub.services.reports.periods import PeriodKind, period_of
from hub.services.reports.plates import report_plates
from hub.services.reports.report import Report, ReportKind
from hub.services.reports.schedules import Schedule, check_schedules

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: A report of a period that is over is the same for so long; one that lasts for less.
_KEPT_SECONDS, _LASTING_SECONDS = 600.0, 20.0
#: Reports that are kept, and that wait or are made.
_MAX_KEPT, _MAX_WAITING = 6, 8
#: Cells of all reports that are kept; about 100 bytes each.
_MAX_CELLS = 400_000
_GATES, _SCHEDULES = "reports.gates", "reports.schedules"
#: Groups of one side of the gates.
_MAX_GROUPS = 20


class Gates(Struct, frozen=True):
    """The groups of cameras at the entrances and at the exits."""

    entrances: tuple[int, ...] = ()
    exits: tuple[int, ...] = ()


class ReportQuery(Struct, frozen=True):
    """Which report. `day`: any day of the period.

    `groups`: of an attendance, whose cameras count; none: all. `gates`: of plates.
    """

    kind: ReportKind
    period: PeriodKind
    day: date
    groups: tuple[int, ...] = ()
    gates: Gates = Gates()


class _Making:
    """A report that waits, is made, or was made."""

    def __init__(self) -> None:
        self.done = trio.Event()
        self.progress = 0.0
        self.report: Report | None = None
        self.error: HubError | None = None
        self.ended_at = 0.0


class ReportMaker:
    """Makes reports. run() does the work, so that it goes on when who asked is gone."""

    def __init__(
        self,
        core: Core,
        people: PeopleRegister,
        groups: CameraGroups,
        availability: DeviceAvailability,
    ) -> None:
        self._store = core.store
        self._site = core.site
        self._people = people
        self._groups = groups
        self._availability = availability
        self._audit = core.audit
        self._now = core.clock.likely_time
        self._made: OrderedDict[tuple[ReportQuery, str], _Making] = OrderedDict()
        self._send, self._receive = trio.open_memory_channel[tuple[ReportQuery, _Making]](
            _MAX_WAITING
        )

    async def run(
        self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> NoReturn:
        """Make what is asked for, one after the other, until cancelled."""
        task_status.started()
        while True:
            query, making = await self._receive.receive()
            try:
                making.report = await self._make(query, making)
            except HubError as error:
                making.error = error
            except Exception:  # cameras must not go offline because of a report
                log.exception("a report could not be made")
                making.error = CannotStoreNow("the report could not be made: see the log")
            making.ended_at = trio.current_time()
            making.done.set()

    async def get(self, query: ReportQuery, *, seconds: float) -> Report | float:
        """Return a report; if it is not ready in time, how far it is, from 0 to 1.

        It is made to its end in any case: ask again. Raises NoSuchResource for a group, and what
        making it raises; TooManyRequests if too many wait.
        """
        making = self._find(query)
        with trio.move_on_after(seconds):
            await making.done.wait()
        if making.error is not None:
            self._made.pop(self._key(query), None)
            raise making.error
        return making.progress if making.report is None else making.report

    async def make(self, query: ReportQuery, *, seconds: float) -> Report:
        """Return a report. Raises CannotStoreNow if it is not ready in time; and as get()."""
        found = await self.get(query, seconds=seconds)
        if isinstance(found, Report):
            return found
        raise CannotStoreNow("the report is still being made: ask again", retry_after=10)

    def gates(self) -> Gates:
        """Return the groups at the entrances and the exits that were chosen last."""
        try:
            found = decode_json(self._store.settings.get(_GATES) or "{}", Gates)
        except msgspec.MsgspecError:
            return Gates()
        known = {group.id for group in self._groups.list()}
        return Gates(
            tuple(id for id in found.entrances if id in known),
            tuple(id for id in found.exits if id in known),
        )

    async def choose_gates(self, gates: Gates, *, by: Actor) -> None:
        """Remember groups for the next reports. Raises NoSuchResource, BadParameter."""
        for id in (*gates.entrances, *gates.exits):
            self._groups.get(id)
        if max(len(gates.entrances), len(gates.exits)) > _MAX_GROUPS:
            raise BadParameter(f"at most {_MAX_GROUPS} groups are expected", field="in")
        await self._store.settings.set(_GATES, msgspec.json.encode(gates).decode())
        await self._audit.add(by, "report.gates", _ids(gates.entrances) + " " + _ids(gates.exits))

    def schedules(self) -> tuple[Schedule, ...]:
        """Return the schedules of attendance."""
        text = self._store.settings.get(_SCHEDULES) or "[]"
        try:
            return decode_json(text, tuple[Schedule, ...])
        except msgspec.MsgspecError:
            return ()

    async def put_schedules(self, schedules: Sequence[Schedule], *, by: Actor) -> None:
        """Replace the schedules, from the next report on. Raises BadParameter."""
        check_schedules(schedules)
        await self._store.settings.set(_SCHEDULES, msgspec.json.encode(schedules).decode())
        self.forget()
        await self._audit.add(by, "report.schedules", str(len(schedules)))

    def forget(self) -> None:
        """Drop the reports that are kept: make each again from what is stored now."""
        self._made.clear()

    async def note_export(self, query: ReportQuery, form: str, *, by: Actor) -> None:
        """Note that somebody took a report away as a file."""
        await self._audit.add(
            by, "report.export", f"{query.kind} {query.period} {query.day.isoformat()} {form}"
        )

    def _find(self, query: ReportQuery) -> _Making:
        """Return the report that is kept, or begin to make it."""
        for id in (*query.groups, *query.gates.entrances, *query.gates.exits):
            self._groups.get(id)
        self._drop_old()
        key = self._key(query)
        if (making := self._made.get(key)) is not None:
            return making
        making = _Making()
        try:
            self._send.send_nowait((query, making))
        except trio.WouldBlock:
            raise TooManyRequests("too many reports are being made: try again soon") from None
        self._made[key] = making
        return making

    def _key(self, query: ReportQuery) -> tuple[ReportQuery, str]:
        return query, self._site.zone_name()

    def _drop_old(self) -> None:
        now = trio.current_time()
        for key, making in list(self._made.items()):
            if making.done.is_set():
                is_over = making.report and making.report.period.until <= making.report.made_at
                kept = _KEPT_SECONDS if is_over else _LASTING_SECONDS
                if making.error is not None or now - making.ended_at >= kept:
                    del self._made[key]
        ended = [key for key, making in self._made.items() if making.done.is_set()]
        cells = sum(_cells(self._made[key].report) for key in ended)
        while ended and (len(ended) > _MAX_KEPT or cells > _MAX_CELLS):
            cells -= _cells(self._made.pop(ended.pop(0)).report)

    async def _make(self, query: ReportQuery, making: _Making) -> Report:
        def on_progress(progress: float) -> None:
            making.progress = progress

        store, zone, now = self._store, self._site.zone(), int(self._now() * 1000)
        period = period_of(query.period, query.day, zone)
        match query.kind:
            case "captures":
                return await report_captures(store, period, zone, now, on_progress)
            case "attendance":
                dids = self._groups.dids_of(query.groups) if query.groups else None
                return await report_attendance(
                    store, self._people, period, dids, self.schedules(), zone, now, on_progress
                )
            case "plates":
                entrances = self._groups.dids_of(query.gates.entrances)
                exits = self._groups.dids_of(query.gates.exits)
                return await report_plates(store, period, zone, entrances, exits, now, on_progress)
            case "alarms":
                return await report_alarms(store, period, zone, now, on_progress)
            case "availability":
                return await report_availability(
                    store, self._availability, period, now, on_progress
                )


def _cells(report: Report | None) -> int:
    return sum(len(one.rows) * len(one.columns) for one in report.tables) if report else 0


def _ids(ids: tuple[int, ...]) -> str:
    return ",".join(map(str, ids)) or "-"
