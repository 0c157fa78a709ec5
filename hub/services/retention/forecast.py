"""How much a day of records takes, when the disk is full, and how many days will then be kept."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal, get_args

import trio
from msgspec import Struct

from hub import metrics
from hub.config import StoreConfig
from hub.errors import HubError
from hub.log import limited
from hub.services.disk_space import GB
from hub.services.figures import SiteFigures
from hub.services.retention.retention import RetentionPolicy
from hub.store.records.record_samples import KindSample, cached_bytes, sample_day
from hub.store.records.retention import DayUse
from hub.wire.uploads.records import RecordKind

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

_REFRESH_SECONDS = 1800.0
#: The average of so many days, so that each day of the week counts once.
_MEASURED_DAYS = 7
#: Bytes of the database for a record, until enough records are there to tell.
_RECORD_BYTES = 1500
_ENOUGH_RECORDS = 1000

KINDS: tuple[RecordKind, ...] = get_args(RecordKind)

#: What ends a day's keeping: its age, `store.max_gb`, or the disk.
LimitedBy = Literal["age", "size", "disk"]


class KindPerDay(Struct, frozen=True):
    """Records of a kind, and the bytes of their pictures, in an average day."""

    records: float = 0.0
    bytes: float = 0.0


class Measured(Struct, frozen=True):
    """What is stored, and what an average day adds. `days` were measured; 0: none is over yet.

    `room`: free bytes of the disk beyond those that must stay free. `age`: days since the first.
    """

    days: int
    kinds: Mapping[RecordKind, KindPerDay]
    database_per_day: float
    pictures: int
    database: int
    room: int
    age: int

    @property
    def pictures_per_day(self) -> float:
        return sum(kind.bytes for kind in self.kinds.values())

    @property
    def bytes_per_day(self) -> float:
        return self.pictures_per_day + self.database_per_day


class Forecast(Struct, frozen=True):
    """`kept_days` will be kept once the limit is reached; `full_in_days` until the disk is full.

    None: not known yet, and never.
    """

    measured: Measured
    kept_days: int | None
    limited_by: LimitedBy
    full_in_days: float | None


def forecast(measured: Measured, config: StoreConfig) -> Forecast:
    """Return what follows if each day is like the average one."""
    if not measured.days or measured.bytes_per_day <= 0:
        return Forecast(measured, config.keep_days if measured.days else None, "age", None)
    stored = measured.pictures + measured.database
    limits: dict[LimitedBy, float] = {
        "age": config.keep_days,
        "size": math.inf,
        "disk": (stored + max(0, measured.room)) / measured.bytes_per_day,
    }
    if config.max_gb and measured.pictures_per_day:
        limits["size"] = config.max_gb * GB / measured.pictures_per_day
    limited_by = min(limits, key=lambda name: limits[name])
    full_in_days = None
    if limited_by == "disk":
        full_in_days = max(0, measured.room) / measured.bytes_per_day
    return Forecast(measured, int(limits[limited_by]), limited_by, full_in_days)


def average_day(
    days: Sequence[tuple[date, DayUse]],
    samples: Mapping[str, Mapping[RecordKind, KindSample]],
    today: date,
) -> tuple[int, dict[RecordKind, KindPerDay]]:
    """Return over how many whole days before `today` was measured, and their average.

    `samples` divide a day's bytes into kinds. Days without records count as well, but not those
    before the first record.
    """
    first = min((found for found, _ in days), default=today)
    since = max(first, today - timedelta(days=_MEASURED_DAYS))
    count = (today - since).days
    sums = {kind: [0.0, 0.0] for kind in KINDS}
    for found, use in days:
        if since <= found < today:
            for kind, share in _shares(use, samples.get(use.day, {})).items():
                sums[kind][0] += share.records
                sums[kind][1] += share.bytes
    if not count:
        return 0, {}
    return count, {
        kind: KindPerDay(records / count, size / count) for kind, (records, size) in sums.items()
    }


def _shares(use: DayUse, sample: Mapping[RecordKind, KindSample]) -> dict[RecordKind, KindPerDay]:
    """Divide a day's records and bytes as its sample is divided."""
    records = sum(one.records for one in sample.values()) or 1
    size = sum(one.bytes for one in sample.values()) or 1
    return {
        kind: KindPerDay(use.records * one.records / records, use.bytes * one.bytes / size)
        for kind, one in sample.items()
    }


class Forecasts:
    """Measures the last days, and forecasts from them. run() keeps the metrics up to date."""

    def __init__(self, core: Core, retention: RetentionPolicy, figures: SiteFigures) -> None:
        self._store = core.store
        self._retention = retention
        self._figures = figures
        self._settings = core.settings
        #: Samples of days that are over, by the day and its last seq.
        self._samples: dict[tuple[str, int], dict[RecordKind, KindSample]] = {}
        #: What was found last.
        self.last: Forecast | None = None

    async def read(self) -> Forecast:
        """Measure and forecast. Raises CannotStoreNow, TooManyRequests."""
        today = self._retention.today()
        days = [(day.date, day.use) for day in self._retention.days()]
        samples = await self._sample([use for found, use in days if self._counts(found, today)])
        count, kinds = average_day(days, samples, today)
        disk = self._figures.disk()
        database = max(0, disk.database - await self._store.read(cached_bytes))
        records = sum(use.records for _, use in days)
        per_record = database / records if records >= _ENOUGH_RECORDS else _RECORD_BYTES
        measured = Measured(
            days=count,
            kinds=kinds,
            database_per_day=per_record * sum(kind.records for kind in kinds.values()),
            pictures=sum(use.bytes for _, use in days),
            database=database,
            room=0 if disk.free is None else disk.free - disk.needed,
            age=(today - min((found for found, _ in days), default=today)).days,
        )
        self.last = found = forecast(measured, self._settings.current.store)
        _export(found)
        return found

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Forecast every half hour, until cancelled."""
        task_status.started()
        while True:
            try:
                await self.read()
            except HubError as error:
                limited(log, logging.WARNING, "forecast", "no forecast now: %s", error)
            await trio.sleep(_REFRESH_SECONDS)

    async def _sample(self, uses: Sequence[DayUse]) -> dict[str, Mapping[RecordKind, KindSample]]:
        samples: dict[tuple[str, int], dict[RecordKind, KindSample]] = {}
        for use in uses:
            key = (use.day, use.last_seq)
            sample = self._samples.get(key)
            if sample is None:
                sample = await self._store.read(
                    partial(sample_day, day=use.day, first_seq=use.first_seq, last_seq=use.last_seq)
                )
            samples[key] = sample
        self._samples = samples
        return {day: sample for (day, _), sample in samples.items()}

    def _counts(self, found: date, today: date) -> bool:
        return today - timedelta(days=_MEASURED_DAYS) <= found < today


def _export(found: Forecast) -> None:
    for kind, one in found.measured.kinds.items():
        metrics.day_bytes.labels(kind).set(one.bytes)
    if found.measured.kinds:
        metrics.day_bytes.labels("database").set(found.measured.database_per_day)
    if found.kept_days is not None:
        metrics.kept_days.set(found.kept_days)
    is_never = found.full_in_days is None
    metrics.disk_full_seconds.set(math.inf if is_never else (found.full_in_days or 0.0) * 86_400)
