"""Maintenance: retention, free disk space, expired rows, and the nightly check of the database.

Whole days go, the oldest first; never the one that is being written. Where that is all there is
and the disk fills up, the store refuses uploads by itself until there is room again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, tzinfo

import trio

from hub.config import Storage
from hub.errors import HubError
from hub.log import limited
from hub.services.access.sessions import MAX_AGE_MS, MAX_IDLE_MS
from hub.services.site.disk_space import GB, DiskSpace, Shortage
from hub.store.db import Store

log = logging.getLogger(__name__)

_GUARD_SECONDS = 10
_PRUNE_SECONDS = 3600
_LOOK_AT_THE_CLOCK_SECONDS = 60
#: When guards look at the wall least.
_NIGHT_HOUR = 3
_CLOCK_JUMP_SECONDS = 3600
_AFTER_A_JUMP_SECONDS = 86_400


class Maintenance:
    """Keeps the store within its limits. `shortage`: there is one, and nothing left may go."""

    def __init__(
        self,
        store: Store,
        config: Storage,
        room: DiskSpace,
        *,
        now: Callable[[], float],
        zone: Callable[[], tzinfo],
    ) -> None:
        self._store = store
        self._config = config
        self._room = room
        self._now = now
        self._zone = zone
        self._dropping = trio.Lock()
        self.shortage: Shortage | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._guard_the_disk)
            nursery.start_soon(self._prune_every_hour)
            nursery.start_soon(self._wait_for_nights)
            task_status.started()

    async def _guard_the_disk(self) -> None:
        while True:
            await self._drop_while(self._is_too_much)
            self.shortage = self._room.shortage()
            await trio.sleep(_GUARD_SECONDS)

    async def _prune_every_hour(self) -> None:
        while True:
            try:
                await self._prune()
            except HubError as error:
                _tell("what has expired is forgotten later", error)
            await trio.sleep(_PRUNE_SECONDS)

    async def _wait_for_nights(self) -> None:
        """Age is looked at soon after the start, and every night; the database every night."""
        clock = _ClockWatch(self._now)
        night = self._night()
        await self._drop_by_age()
        while True:
            await trio.sleep(_LOOK_AT_THE_CLOCK_SECONDS)
            trusted = clock.is_steady()
            if self._night() == night:
                continue
            night = self._night()
            if trusted:
                await self._drop_by_age()
            else:
                log.warning("no records are dropped by age tonight: the clock was set lately")
            await self._store.check()

    async def _prune(self) -> None:
        now = int(self._now() * 1000)
        await self._store.tokens.prune()
        await self._store.sessions.prune(
            created_before=now - MAX_AGE_MS, used_before=now - MAX_IDLE_MS
        )

    async def _drop_by_age(self) -> None:
        await self._drop_while(self._is_too_old)
        kept_since = self._now() - timedelta(days=self._config.keep_days).total_seconds()
        try:
            await self._store.device_pictures.drop_older(int(kept_since * 1000))
        except HubError as error:
            _tell("pictures that were read from devices are dropped later", error)

    async def _drop_while(self, reason: Callable[[str], str]) -> None:
        """Drop the oldest day while `reason` gives one."""
        async with self._dropping:
            while (oldest := self._oldest()) and (why := reason(oldest)):
                log.info("dropping %s: %s", oldest, why)
                try:
                    await self._store.retention.drop_day(oldest)
                except HubError as error:
                    _tell(f"{oldest} is dropped later", error)
                    return

    def _oldest(self) -> str | None:
        """The oldest day that may go: today, in UTC as the packs are, is being written."""
        days = [use.day for use in self._store.retention.days()]
        return days[0] if days and days[0] < self._today().isoformat() else None

    def _today(self) -> date:
        return datetime.fromtimestamp(self._now(), UTC).date()

    def _is_too_old(self, day: str) -> str:
        kept = self._config.keep_days
        if date.fromisoformat(day) < self._today() - timedelta(days=kept):
            return f"it is more than {kept} days old"
        return ""

    def _is_too_much(self, day: str) -> str:
        stored = sum(use.bytes for use in self._store.retention.days())
        if self._config.max_gb and stored > self._config.max_gb * GB:
            return f"the pictures take more than {self._config.max_gb:g} GB"
        if shortage := self._room.shortage():
            return f"only {shortage.free_bytes / GB:.1f} GB are free on the disk"
        return ""

    def _night(self) -> date:
        """Another one from three o'clock of the site's zone on."""
        local = datetime.fromtimestamp(self._now(), self._zone())
        return (local - timedelta(hours=_NIGHT_HOUR)).date()


class _ClockWatch:
    """Whether the wall clock runs as time does.

    Somebody who sets the year wrong for a minute must not lose every record of the site.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._offset = now() - trio.current_time()
        self._steady_from = trio.current_time()

    def is_steady(self) -> bool:
        """Whether it has not jumped for a day, as far as was looked."""
        offset = self._now() - trio.current_time()
        if abs(offset - self._offset) > _CLOCK_JUMP_SECONDS:
            self._steady_from = trio.current_time() + _AFTER_A_JUMP_SECONDS
            log.warning("the clock jumped by %.0f s", offset - self._offset)
        self._offset = offset
        return trio.current_time() >= self._steady_from


def _tell(what: str, error: Exception) -> None:
    limited(log, logging.WARNING, what, "%s: %s", what, error)
