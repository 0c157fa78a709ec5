"""Maintenance: retention, free disk space, expired rows, and the nightly check of the database.

Retention drops whole days, the oldest first, but never the day that is being written. If the disk
fills up when only that day is left, the store refuses uploads until space is free again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, date, datetime, timedelta, tzinfo

import trio

from hub.config import StoreConfig
from hub.errors import HubError
from hub.log import limited
from hub.services.site.disk_space import GB, DiskSpace, Shortage
from hub.store.db import Store

log = logging.getLogger(__name__)

_DISK_CHECK_SECONDS = 10
_PRUNE_SECONDS = 3600
_CLOCK_CHECK_SECONDS = 60
#: The hour, in the site's time zone, at which the nightly work begins.
_NIGHT_HOUR = 3
#: A clock that was set by more than this is not trusted for a day.
_CLOCK_JUMP_SECONDS = 3600
_DISTRUST_SECONDS = 86_400


class Maintenance:
    """Keeps the store within its limits: age, size, and free disk space.

    `shortage` is set while too little disk space is free and no older day is left to drop. Each of
    `prune` removes expired rows of one kind.
    """

    def __init__(
        self,
        store: Store,
        config: StoreConfig,
        disk_space: DiskSpace,
        *,
        prune: Sequence[Callable[[], Awaitable[None]]],
        now: Callable[[], float],
        zone: Callable[[], tzinfo],
    ) -> None:
        self._store = store
        self._config = config
        self._disk_space = disk_space
        self._prune = prune
        self._now = now
        self._zone = zone
        self._drop_lock = trio.Lock()
        self.shortage: Shortage | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled. Errors of the store are logged, and the step is tried again."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_disk_space)
            nursery.start_soon(self._prune_every_hour)
            nursery.start_soon(self._work_every_night)
            task_status.started()

    async def _watch_disk_space(self) -> None:
        while True:
            await self._drop_while(self._exceeds_space)
            self.shortage = self._disk_space.shortage()
            await trio.sleep(_DISK_CHECK_SECONDS)

    async def _prune_every_hour(self) -> None:
        while True:
            try:
                for prune in self._prune:
                    await prune()
            except HubError as error:
                _log_postponed("expired tokens and sessions are removed later", error)
            await trio.sleep(_PRUNE_SECONDS)

    async def _work_every_night(self) -> None:
        """Drop old days at start-up and every night; check the database every night."""
        clock = _ClockMonitor(self._now)
        night = self._night()
        await self._drop_by_age()
        while True:
            await trio.sleep(_CLOCK_CHECK_SECONDS)
            trusted = clock.is_steady()
            if self._night() == night:
                continue
            night = self._night()
            if trusted:
                await self._drop_by_age()
            else:
                log.warning("no records are dropped by age tonight: the clock was set recently")
            await self._store.check()

    async def _drop_by_age(self) -> None:
        await self._drop_while(self._exceeds_age)
        kept_since = self._now() - timedelta(days=self._config.keep_days).total_seconds()
        try:
            await self._store.device_pictures.drop_older(int(kept_since * 1000))
        except HubError as error:
            _log_postponed("pictures read from devices are dropped later", error)

    async def _drop_while(self, reason: Callable[[str], str]) -> None:
        """Drop the oldest day as long as `reason` returns a reason to do so."""
        async with self._drop_lock:
            while (oldest := self._oldest_droppable()) and (why := reason(oldest)):
                log.info("dropping %s: %s", oldest, why)
                try:
                    await self._store.retention.drop_day(oldest)
                except HubError as error:
                    _log_postponed(f"{oldest} is dropped later", error)
                    return

    def _oldest_droppable(self) -> str | None:
        """Return the oldest day before today (UTC); today's pack is still being written."""
        days = [use.day for use in self._store.retention.days()]
        return days[0] if days and days[0] < self._today().isoformat() else None

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()

    def _exceeds_age(self, day: str) -> str:
        kept = self._config.keep_days
        if date.fromisoformat(day) < self._today() - timedelta(days=kept):
            return f"it is more than {kept} days old"
        return ""

    def _exceeds_space(self, day: str) -> str:
        stored = sum(use.bytes for use in self._store.retention.days())
        if self._config.max_gb and stored > self._config.max_gb * GB:
            return f"the pictures take more than {self._config.max_gb:g} GB"
        if shortage := self._disk_space.shortage():
            return f"only {shortage.free_bytes / GB:.1f} GB of disk space is free"
        return ""

    def _night(self) -> date:
        """Return the date of the current night, which begins at 3:00 in the site's time zone."""
        local = datetime.fromtimestamp(self._now(), self._zone())
        return (local - timedelta(hours=_NIGHT_HOUR)).date()


class _ClockMonitor:
    """Notices when the wall clock is set, by comparing it with trio's clock.

    Setting the year wrong for a minute must not drop every record of the site.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._offset = now() - trio.current_time()
        self._steady_from = trio.current_time()

    def is_steady(self) -> bool:
        """Compare the clocks. Returns whether the wall clock has not jumped for a day."""
        offset = self._now() - trio.current_time()
        if abs(offset - self._offset) > _CLOCK_JUMP_SECONDS:
            self._steady_from = trio.current_time() + _DISTRUST_SECONDS
            log.warning("the clock jumped by %.0f s", offset - self._offset)
        self._offset = offset
        return trio.current_time() >= self._steady_from


def _log_postponed(what: str, error: Exception) -> None:
    limited(log, logging.WARNING, what, "%s: %s", what, error)
