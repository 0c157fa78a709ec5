"""The clock of this host: whether it can be believed, and what it probably should show.

The wall clock is compared with a monotonic one, and with the times that the devices' own clocks put
on their records. The hub knows three degrees:

- *doubted*: it shows an impossible date, was set by more than an hour, or does not follow the time
  at which the hub ran last. Time is not told to cameras, and nothing that a clock protects is
  forgotten. Ends when the clock fits again, when it was steady for a day, or when a person says
  that it is right.
- *not doubted*: what a hub normally is, from its first minute.
- *trusted*: not doubted, steady for a day, and not contradicted by the records. Only then do days
  go by age. Steady time is added up over restarts, because a PC may be switched off every night.

While the clock is doubted, what time it is may be known all the same: by the steady clock, if the
wall clock was believed since the start, and set later. If it was wrong at the start, nobody knows.

A PC may have no battery, and set its clock only after the hub has started. In the *start phase*,
the first hour or until the clock is believed, it may therefore move forward to any time that fits
the last run, as if it had been right from the start.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import msgspec
import trio
from msgspec import Struct

from hub import metrics
from hub.clock_reading import ALWAYS_AFTER, ALWAYS_BEFORE, LikelyTime, Reading
from hub.decoders import decode_json
from hub.errors import HubError
from hub.log import limited
from hub.services.audit import Actor, Audit
from hub.services.clock.expiry_clock import ExpiryClock, begin_of_expiry_clock
from hub.services.clock.plausibility import EARLIEST_PLAUSIBLE, Agreement, agreement_of
from hub.store.records.record_samples import newest_times
from hub.store.tables.clock_steps import ClockStep

if TYPE_CHECKING:
    from hub.store.db import Store

log = logging.getLogger(__name__)

#: The setting that holds a _SavedClock.
_SETTING = "clock.state"
_LOOK_SECONDS = 10.0
_SAVE_SECONDS = 600.0
_LAST_SAVE_SECONDS = 2.0
#: The records are asked so often; more often until they agreed once since the start.
_ASK_RECORDS_SECONDS = 3600.0
_ASK_RECORDS_EARLY_SECONDS = 120.0
#: A smaller difference is drift, or a busy computer.
_STEP_SECONDS = 5.0
#: A step of more than this is a jump.
JUMP_SECONDS = 3600.0
#: The hub may have been off for so long without its clock being doubted: a long weekend.
OFF_SECONDS = 3 * 86_400.0
#: The clock must be steady for so long.
STEADY_SECONDS = 86_400.0
_RECORD_COUNT = 2000


class _SavedClock(Struct, frozen=True):
    """What is kept for the next start. Seconds; `seen` and `likely` are UNIX times.

    `expiry`: what the expiry clock showed.
    """

    seen: float
    likely: float
    steady: float
    counted: float
    vouched: bool
    expiry: float


class SiteClock:
    """The wall clock, and how far it can be believed. run() watches it.

    `now` is the wall clock in UNIX seconds; `steady_now` counts seconds and cannot be set.
    """

    def __init__(
        self,
        store: Store,
        audit: Audit,
        now: Callable[[], float],
        *,
        steady_now: Callable[[], float],
    ) -> None:
        self._store = store
        self._audit = audit
        self._now = now
        self._steady_now = steady_now
        #: Alarms are judged in the writer's thread.
        self._looking = threading.RLock()
        self._wall, self._at = now(), steady_now()
        self._new_steps: list[ClockStep] = []
        #: What the records of the last day say.
        self.agreement = Agreement()
        #: The hub was off for so long before this start; counted once the records agree.
        self._off_seconds = 0.0
        #: Likewise, if it was too long to be believed.
        self._doubted_off_seconds = 0.0
        self._ran_seconds = 0.0
        self._agreed = False
        self._doubted = True
        saved = _load(store.settings.get(_SETTING))
        self._begin(saved)
        #: The clock by which tokens, sessions and links are counted.
        self.expiry = self._expiry_clock_from(saved)
        self._settle()

    def _begin(self, saved: _SavedClock | None) -> None:
        """Continue from what the last run knew."""
        #: As `_steady` was before the clock was doubted in the start phase.
        self._earlier_steady = 0.0
        if saved is None:
            self._likely = max(self._wall, EARLIEST_PLAUSIBLE)
            # A clock that was never set may be set to any time.
            is_set = self._wall >= EARLIEST_PLAUSIBLE
            self._off_limit = OFF_SECONDS if is_set else math.inf
            self._base: float | None = self._likely
            self._steady = self._counted = 0.0
            self._vouched = False
            return
        self._likely = saved.likely
        # Likewise: it never showed a possible time, so the likely one is counted from 2025.
        was_set = saved.likely - saved.counted >= EARLIEST_PLAUSIBLE + OFF_SECONDS
        self._off_limit = OFF_SECONDS if was_set or saved.seen >= EARLIEST_PLAUSIBLE else math.inf
        #: What the clock would show if the hub had not been off; None after the start phase: an
        #: hour, or until the clock is believed. A PC may set its clock only then.
        self._base = saved.likely
        self._steady, self._counted = saved.steady, saved.counted
        self._vouched = saved.vouched
        off = self._wall - saved.seen
        if -JUMP_SECONDS <= off <= OFF_SECONDS:
            self._off_seconds = max(0.0, off)
        else:
            self._note_step(saved.seen, self._wall, at_start=True, was_off=True)
            self._doubted_off_seconds = max(0.0, off)

    def _expiry_clock_from(self, saved: _SavedClock | None) -> ExpiryClock:
        begin = self._wall
        if saved is not None:
            begin = begin_of_expiry_clock(self._wall, seen=saved.seen, saved=saved.expiry)
        return ExpiryClock(self._now, self._steady_now, begin=begin)

    # What can be asked

    @property
    def is_doubted(self) -> bool:
        """Whether the clock may be wrong; see the module."""
        self.look()
        return self._doubted

    @property
    def doubted_off_seconds(self) -> float:
        """For how long the hub was off before this start, if only that is doubted; else 0."""
        return self._doubted_off_seconds if self.is_doubted else 0.0

    @property
    def is_trusted(self) -> bool:
        """Whether days may go by age."""
        self.look()
        return not self._doubted and self._is_proved

    @property
    def steady_seconds(self) -> float:
        """For how long the clock has been steady; a day at most."""
        return self._steady

    @property
    def counted_seconds(self) -> float:
        """Seconds that certainly passed since the hub was installed, as far as it saw them."""
        return self._counted

    @property
    def has_settled(self) -> bool:
        """Whether the records agreed since this start, or had an hour to contradict."""
        return self._agreed or self._ran_seconds >= JUMP_SECONDS

    @property
    def is_contradicted(self) -> bool:
        """Whether most cameras say that the clock is wrong, and no person said that it is right."""
        return self.agreement.contradicts and not self._vouched

    def shown_time(self) -> float:
        """Return what the clock shows, in UNIX seconds."""
        self.look()
        return self._wall

    def likely_time(self) -> LikelyTime:
        """Return the time that is most probably right, in UNIX seconds."""
        self.look()
        return LikelyTime(self._likely if self._doubted else self._wall)

    def reading(self) -> Reading:
        """Return what time it is, as far as that is known. May be called in any thread."""
        with self._looking:
            likely = int(self.likely_time() * 1000)
            if self._base is None:
                return Reading(likely, likely, likely)
            if self._doubted:
                return Reading(likely, ALWAYS_BEFORE, ALWAYS_AFTER)
            # At a start the clock may continue from somewhat before the end of the last run.
            behind = int(self._base * 1000) - likely
            is_behind = 0 < behind <= JUMP_SECONDS * 1000
            return Reading(likely, likely, likely + behind if is_behind else likely)

    def forget_before(self) -> int:
        """Return the time, in UNIX milliseconds, before which memories may be forgotten.

        0 while the clock is doubted: what expired by a wrong clock is needed by the right one.
        """
        self.look()
        return 0 if self._doubted else int(self._wall * 1000)

    def steps(self) -> tuple[ClockStep, ...]:
        """Return the known steps of the clock, oldest first."""
        return (*self._store.clock_steps.all(), *self._new_steps)

    # What changes it

    def look(self) -> None:
        """Compare the clocks. Reads two clocks only, so it may be called at any time."""
        with self._looking:
            at, wall = self._steady_now(), self._now()
            elapsed = max(0.0, at - self._at)
            expected = self._wall + elapsed
            self._at, self._wall = at, wall
            self._likely += elapsed
            if self._base is not None:
                self._base += elapsed
            self._counted += elapsed
            self._ran_seconds += elapsed
            self._steady = min(STEADY_SECONDS, self._steady + elapsed)
            if self._ran_seconds >= JUMP_SECONDS and not self._doubted:
                self._base = None
            if abs(wall - expected) >= _STEP_SECONDS:
                self._note_step(expected, wall, at_start=self._base is not None)
            self._settle()

    async def confirm(self, *, by: Actor) -> None:
        """Note that a person says that the clock is right now. Days still wait for steadiness.

        Raises CannotStoreNow.
        """
        self.look()
        self._vouched = True
        self._settle()
        await self.save()
        await self._audit.add(by, "clock.confirm", _text(self._wall))

    async def ask_records(self) -> None:
        """Compare with the devices' own times. Raises CannotStoreNow, TooManyRequests."""
        self.look()
        jumps = [step.seq for step in self.steps() if is_jump(step)]
        after = jumps[-1] if jumps else 0
        times = await self._store.read(partial(newest_times, after=after, limit=_RECORD_COUNT))
        self.agreement = agreement_of(times, int(self._wall * 1000))
        if self.agreement.devices and not self.agreement.contradicts and not self._agreed:
            self._agreed = True
            self._counted += self._off_seconds

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Watch the clock until cancelled, and save at the end what the next start has to know."""
        if self._doubted:
            log.warning("the clock shows %s and is doubted", _text(self._wall))
        await self._save_or_log()
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch)
                nursery.start_soon(self._ask_regularly)
        finally:
            with trio.move_on_after(_LAST_SAVE_SECONDS, shield=True):
                await self._save_or_log()

    async def _watch(self) -> None:
        save_at = trio.current_time() + _SAVE_SECONDS
        while True:
            self.look()
            metrics.clock_doubted.set(self._doubted)
            metrics.clock_trusted.set(self.is_trusted)
            await trio.sleep(_LOOK_SECONDS)
            if self._new_steps or trio.current_time() >= save_at:
                await self._save_or_log()
                save_at = trio.current_time() + _SAVE_SECONDS

    async def _ask_regularly(self) -> None:
        while True:
            try:
                await self.ask_records()
            except HubError as error:
                _log_postponed("the clock is compared with the records later", error)
            await trio.sleep(_ASK_RECORDS_SECONDS if self._agreed else _ASK_RECORDS_EARLY_SECONDS)

    async def _save_or_log(self) -> None:
        try:
            await self.save()
        except HubError as error:
            _log_postponed("what is known about the clock is saved later", error)

    async def save(self) -> None:
        """Save what the next start has to know. Raises CannotStoreNow."""
        self.look()
        while self._new_steps:
            await self._store.clock_steps.add(self._new_steps[0])
            del self._new_steps[0]
        steady = max(self._steady, self._earlier_steady)
        saved = _SavedClock(
            self._wall,
            self._likely,
            steady,
            self._counted,
            vouched=self._vouched,
            expiry=self.expiry(),
        )
        await self._store.settings.set(_SETTING, msgspec.json.encode(saved).decode())

    def _note_step(
        self, before: float, after: float, *, at_start: bool, was_off: bool = False
    ) -> None:
        metrics.clock_steps.inc()
        step = ClockStep(
            self._store.records.last_seq, int(before * 1000), int(after * 1000), at_start
        )
        self._new_steps.append(step)
        _log_step(step, was_off=was_off)
        if is_jump(step):
            in_start = self._base is not None
            self._earlier_steady = max(self._earlier_steady, self._steady) if in_start else 0.0
            self._steady = self._doubted_off_seconds = 0.0
            self._vouched = False
            self.agreement = Agreement()

    def _settle(self) -> None:
        """Decide whether the clock is doubted; if not, it is the reference from now on."""
        is_plausible = self._wall >= EARLIEST_PLAUSIBLE
        fits_start = self._base is not None and (
            -JUMP_SECONDS <= self._wall - self._base <= self._off_limit
        )
        fits = fits_start or abs(self._wall - self._likely) <= JUMP_SECONDS
        self._doubted = not (is_plausible and (fits or self._vouched or self._is_proved))
        if self._doubted:
            return
        self._likely = self._wall
        if fits_start:
            self._steady = max(self._steady, self._earlier_steady)
        self._earlier_steady = 0.0

    @property
    def _is_proved(self) -> bool:
        return self._steady >= STEADY_SECONDS and not self.is_contradicted


def is_jump(step: ClockStep) -> bool:
    """Whether the clock was set by more than an hour."""
    return abs(step.after - step.before) > JUMP_SECONDS * 1000


def _load(saved: str | None) -> _SavedClock | None:
    try:
        return decode_json(saved or "", _SavedClock)
    except msgspec.MsgspecError:
        return None


def _text(moment: float) -> str:
    """Return a UNIX time for messages; a clock can show any year."""
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{moment:.0f}"


def _span(seconds: float) -> str:
    size = abs(seconds)
    sign = "-" if seconds < 0 else ""
    if size < 2 * JUMP_SECONDS:
        return f"{seconds:.0f} s"
    if size < STEADY_SECONDS:
        return f"{sign}{size // 3600:.0f} h {size % 3600 // 60:.0f} min"
    return f"{sign}{size // STEADY_SECONDS:.0f} d {size % STEADY_SECONDS // 3600:.0f} h"


def _log_step(step: ClockStep, *, was_off: bool) -> None:
    text = "the clock %s by %s, from %s to %s"
    values = (
        "changed between two runs of the hub" if was_off else "was set",
        _span((step.after - step.before) / 1000),
        _text(step.before / 1000),
        _text(step.after / 1000),
    )
    if is_jump(step):
        log.warning(text, *values)
    else:  # A clock that runs wrong is set again and again.
        limited(log, logging.WARNING, "clock step", text, *values)


def _log_postponed(what: str, error: HubError) -> None:
    limited(log, logging.WARNING, what, "%s: %s", what, error)
