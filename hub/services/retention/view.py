"""What is kept, what waits, what the clock is worth, the forecast: for the page and commands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from hub.services.clock.clock import SiteClock, is_jump
from hub.services.clock.dating import DatedBy, DatedDay
from hub.services.retention.forecast import KINDS, LimitedBy
from hub.services.retention.retention import WaitReason

if TYPE_CHECKING:
    from hub.services import Services

_SHOWN_STEPS = 20

ClockTrust = Literal["doubted", "contradicted", "settling", "trusted"]


class KeptDay(Struct, frozen=True):
    """A day of the log: its name, its date as far as that is known, and where that comes from."""

    day: str
    date: str
    dated_by: DatedBy
    records: int
    bytes: int


class StepView(Struct, frozen=True):
    """A step of the clock. `before`, `after`: RFC 3339; `seconds` by which it was set."""

    seq: int
    before: str
    after: str
    seconds: float
    at_start: bool
    is_jump: bool


class ClockView(Struct, frozen=True):
    """`shows`, `expected`: RFC 3339. `steady_seconds`: a day at most; then the clock is trusted."""

    trust: ClockTrust
    shows: str
    expected: str
    steady_seconds: float
    cameras: int
    cameras_off: int
    steps: list[StepView]


class ForecastView(Struct, frozen=True):
    """Bytes are of an average day of the `measured_days`; `kinds`: of the pictures by kind."""

    measured_days: int
    kinds: dict[str, float]
    pictures: float
    database: float
    kept_days: int | None
    limited_by: LimitedBy
    full_in_days: float | None


class RetentionView(Struct, frozen=True):
    """`days` in the order of the log. `waiting` wait for a person, because of `reason`."""

    keep_days: int
    max_gb: float
    min_free_gb: float
    records: int
    bytes: int
    days: list[KeptDay]
    waiting: list[KeptDay]
    reason: WaitReason | None
    clock: ClockView
    forecast: ForecastView


async def read_retention(services: Services) -> RetentionView:
    """Return all of it. Raises CannotStoreNow, TooManyRequests."""
    plan, store = services.records.retention.waiting, services.config.store
    found = await services.upkeep.forecasts.read()
    days = services.records.retention.days()
    measured = found.measured
    return RetentionView(
        keep_days=store.keep_days,
        max_gb=store.max_gb,
        min_free_gb=store.min_free_gb,
        records=sum(day.use.records for day in days),
        bytes=sum(day.use.bytes for day in days),
        days=_kept(days),
        waiting=_kept(plan.waiting),
        reason=plan.reason,
        clock=_clock(services.core.clock),
        forecast=ForecastView(
            measured_days=measured.days,
            kinds={kind: measured.kinds[kind].bytes for kind in KINDS if kind in measured.kinds},
            pictures=measured.pictures_per_day,
            database=measured.database_per_day,
            kept_days=found.kept_days,
            limited_by=found.limited_by,
            full_in_days=found.full_in_days,
        ),
    )


def _kept(days: Sequence[DatedDay]) -> list[KeptDay]:
    return [
        KeptDay(day.use.day, day.date.isoformat(), day.by, day.use.records, day.use.bytes)
        for day in days
    ]


def _clock(clock: SiteClock) -> ClockView:
    return ClockView(
        trust=_trust(clock),
        shows=_rfc3339(clock.shown_time()),
        expected=_rfc3339(clock.likely_time()),
        steady_seconds=clock.steady_seconds,
        cameras=clock.agreement.devices,
        cameras_off=clock.agreement.off,
        steps=[
            StepView(
                seq=step.seq,
                before=_rfc3339(step.before / 1000),
                after=_rfc3339(step.after / 1000),
                seconds=(step.after - step.before) / 1000,
                at_start=step.at_start,
                is_jump=is_jump(step),
            )
            for step in clock.steps()[-_SHOWN_STEPS:]
        ],
    )


def _trust(clock: SiteClock) -> ClockTrust:
    if clock.is_doubted:
        return "doubted"
    if clock.is_trusted:
        return "trusted"
    return "contradicted" if clock.is_contradicted else "settling"


def _rfc3339(moment: float) -> str:
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (OverflowError, ValueError, OSError):
        return ""
