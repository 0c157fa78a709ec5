"""Which days go by age, which wait for a person, and the person's confirmation.

A day goes by age when the clock is trusted and the day is older than `store.keep_days` by its date
in the log (see `dating`). What the hub's own running time proves to be old goes without further
questions: every day it marks how far the log was. Of the rest, nightly work takes as many days as
nights have passed. More than that at once, if it is more than a tenth of the records, waits for a
person; so does the last day that holds records. A wrong clock that nobody noticed then costs a
notice, and no records.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Container, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

import msgspec
import trio
from msgspec import Struct

from hub.decoders import decode_json
from hub.errors import AlreadyExists, BadParameter
from hub.services.audit import Actor
from hub.services.clock.clock import STEADY_SECONDS
from hub.services.clock.dating import DatedDay, date_days

if TYPE_CHECKING:
    from hub.services.core import Core
    from hub.store.records.retention import DayUse

log = logging.getLogger(__name__)

#: Beside what is usual, so much of the records may go at once.
_UNASKED_SHARE = 10
_LOOKED = "retention.looked"
_CONFIRMED = "retention.confirmed"
_MARKS = "retention.marks"
#: Beyond about so many marks, they are made less often.
_MAX_MARKS = 400

#: Why days wait: together they hold too many records, or they are the last that hold any.
WaitReason = Literal["share", "last"]


class RetentionPlan(Struct, frozen=True):
    """The days that are too old: those that go now, and those that wait for a person.

    `records` and `total` are those of the waiting days, and of all days.
    """

    due: tuple[DatedDay, ...] = ()
    waiting: tuple[DatedDay, ...] = ()
    reason: WaitReason | None = None
    total: int = 0

    @property
    def records(self) -> int:
        return sum(day.use.records for day in self.waiting)

    @property
    def bytes(self) -> int:
        return sum(day.use.bytes for day in self.waiting)


class _Looked(Struct, frozen=True):
    """The last look for old days: its night, and the clock's `counted_seconds` then."""

    night: str
    counted: float
    waits: bool


class _Mark(Struct, frozen=True, array_like=True):
    """The last seq of the log when the clock's `counted_seconds` were `counted`."""

    seq: int
    counted: float


def plan_drops(
    days: Sequence[DatedDay],
    *,
    today: date,
    keep_days: int,
    usual: int,
    proved_seq: int = 0,
    confirmed: frozenset[str] = frozenset(),
) -> RetentionPlan:
    """Return what goes by age. `days` in the order of the log; `usual` days may always go.

    Up to `proved_seq`, the records are old by the time that the hub has run since.
    `confirmed` names days that a person let go, which are not planned any more. The current day
    does not go; the last one that holds records waits.
    """
    limit = today - timedelta(days=keep_days)
    total = sum(day.use.records for day in days)
    old = [
        day
        for day in days
        if day.date < limit and day.use.day != today.isoformat() and day.use.day not in confirmed
    ]
    last = tuple(day for day in old if day is days[-1])
    rest = tuple(day for day in old if day is not days[-1])
    unproved = tuple(day for day in rest if day.use.last_seq > proved_seq)
    records = sum(day.use.records for day in unproved)
    if len(unproved) > usual and records * _UNASKED_SHARE > total:
        proved = tuple(day for day in rest if day not in unproved)
        return RetentionPlan(proved, (*unproved, *last), "share", total)
    return RetentionPlan(rest, last, "last" if last else None, total)


class RetentionPolicy:
    """Decides by age; maintenance asks it, and drops."""

    def __init__(self, core: Core) -> None:
        self._store = core.store
        self._clock = core.clock
        self._audit = core.audit
        self._settings = core.settings
        self._now = core.now
        self._plan = RetentionPlan()
        self._has_looked = False
        #: Set when a person confirmed days, until maintenance looks.
        self.confirmed = trio.Event()

    def days(self) -> tuple[DatedDay, ...]:
        """Return all days in the order of the log, dated by the likeliest time."""
        return date_days(self._store.retention.days(), self._clock.steps(), self.today())

    def age(self, use: DayUse) -> timedelta:
        """Return how long ago a day of the log was, by the likeliest dates."""
        dated = next((day.date for day in self.days() if day.use.day == use.day), None)
        return self.today() - (dated or date.fromisoformat(use.day))

    def today(self) -> date:
        """Return the current UTC day, by the likeliest time."""
        return utc_day(self._clock.likely_time())

    def oldest_droppable(self, besides: Container[str] = ()) -> DayUse | None:
        """Return the first day of the log, unless it is the last, or is being written.

        `besides`: days to leave out.
        """
        written = utc_day(self._now()).isoformat()
        days = sorted(self._store.retention.days(), key=lambda use: use.last_seq)[:-1]
        return next((use for use in days if use.day != written and use.day not in besides), None)

    def is_due(self, night: date) -> bool:
        """Whether old days have not been looked for in this night, and the clock allows it."""
        if not (self._clock.is_trusted and self._clock.has_settled):
            return False
        looked = self._looked()
        # After a restart, what waits has to be found again.
        is_unknown = not self._has_looked and looked is not None and looked.waits
        return looked is None or looked.night != night.isoformat() or is_unknown

    async def look(self, night: date) -> RetentionPlan:
        """Look for old days. The clock must be trusted. Raises CannotStoreNow."""
        plan = plan_drops(
            self.days(),
            today=self.today(),
            keep_days=self._settings.current.store.keep_days,
            usual=self._usual(),
            proved_seq=self._proved_seq(),
            confirmed=self.confirmed_days(),
        )
        seen = _Looked(night.isoformat(), self._clock.counted_seconds, waits=plan.reason == "share")
        await self._store.settings.set(_LOOKED, msgspec.json.encode(seen).decode())
        if plan.waiting and plan != self._plan:
            log.warning(
                "%d days are too old, and wait for a person: see the page Storage, or "
                "`sitehub retention`",
                len(plan.waiting),
            )
        self._plan, self._has_looked = plan, True
        return plan

    @property
    def waiting(self) -> RetentionPlan:
        """What waits for a person; nothing unless the clock is trusted."""
        plan = self._plan if self._clock.is_trusted else RetentionPlan()
        present = {use.day for use in self._store.retention.days()} - self.confirmed_days()
        waiting = tuple(day for day in plan.waiting if day.use.day in present)
        return RetentionPlan((), waiting, plan.reason if waiting else None, plan.total)

    def confirmed_days(self) -> frozenset[str]:
        """Return the days that a person let go and that are not gone yet."""
        return frozenset((self._store.settings.get(_CONFIRMED) or "").split())

    async def confirm(self, days: Sequence[str], *, by: Actor) -> int:
        """Let exactly these waiting days go. Returns how many records they hold.

        Raises BadParameter for "days" if none is given, AlreadyExists if other days wait now,
        CannotStoreNow.
        """
        if not days:
            raise BadParameter("name exactly the days that are listed as waiting", field="days")
        waiting = self.waiting.waiting
        if sorted(days) != sorted(day.use.day for day in waiting):
            raise AlreadyExists("days: other days wait now; look again, and confirm those")
        confirmed = " ".join(sorted({*days, *self.confirmed_days()}))
        await self._store.settings.set(_CONFIRMED, confirmed)
        await self._audit.add(by, "retention.confirm", " ".join(sorted(days)))
        self.confirmed.set()
        return sum(day.use.records for day in waiting)

    async def mark(self) -> None:
        """Note how far the log is, once a day of running time. Raises CannotStoreNow."""
        marks, counted = self._marks(), self._clock.counted_seconds
        every = math.ceil(self._settings.current.store.keep_days / _MAX_MARKS) * STEADY_SECONDS
        if marks and counted < marks[-1].counted + every:
            return
        proved = self._proved_seq()
        marks = [mark for mark in marks if mark.seq >= proved]
        marks.append(_Mark(self._store.records.last_seq, counted))
        text = msgspec.json.encode(marks[-2 * _MAX_MARKS :]).decode()
        await self._store.settings.set(_MARKS, text)

    async def settle(self) -> None:
        """Forget the confirmations of days that are gone. Raises CannotStoreNow."""
        confirmed = self.confirmed_days()
        left = confirmed & {use.day for use in self._store.retention.days()}
        if left != confirmed:
            await self._store.settings.set(_CONFIRMED, " ".join(sorted(left)) or None)

    def _usual(self) -> int:
        """Return how many days may have become too old since the last look."""
        looked = self._looked()
        if looked is not None and looked.waits:
            return 0
        since = self._clock.counted_seconds - (looked.counted if looked else 0.0)
        return 1 + int(max(0.0, since) / STEADY_SECONDS)

    def _proved_seq(self) -> int:
        """Return the seq up to which the hub itself has seen enough days pass; 0: none."""
        # A mark is made up to a day after the last record of a day.
        proving = max(1, self._settings.current.store.keep_days - 1) * STEADY_SECONDS
        before = self._clock.counted_seconds - proving
        return max((mark.seq for mark in self._marks() if mark.counted <= before), default=0)

    def _marks(self) -> list[_Mark]:
        try:
            return decode_json(self._store.settings.get(_MARKS) or "", list[_Mark])
        except msgspec.MsgspecError:
            return []

    def _looked(self) -> _Looked | None:
        try:
            return decode_json(self._store.settings.get(_LOOKED) or "", _Looked)
        except msgspec.MsgspecError:
            return None


def utc_day(moment: float) -> date:
    """Return the UTC day of a UNIX time."""
    return datetime.fromtimestamp(moment, UTC).date()
