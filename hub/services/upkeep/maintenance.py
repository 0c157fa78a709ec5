"""Maintenance: retention, free disk space, expired rows, and the nightly check of the database.

Whole days are dropped, the oldest in the order of the log first, but never the day that is being
written, nor for space the last one of the log. If the disk fills up when only those are left, the
store refuses uploads until space is free again. What goes by age is decided in `retention`.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

import trio

from hub.errors import BadParameter, HubError, NoSuchResource
from hub.log import limited
from hub.services.disk_space import GB, DiskSpace, Shortage
from hub.services.retention.retention import RetentionPolicy
from hub.store.records.retention import DayUse
from hub.store.targets.target import GapReason

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

NoteDropped = Callable[[DayUse, GapReason], Awaitable[None]]

_DISK_CHECK_SECONDS = 10
#: How long the space of a dropped day may take to become free; and at most, after days that freed
#: none, each of which doubles it.
_FREEING_SECONDS, _MAX_FREEING_SECONDS = 60, 6 * 3600
_PRUNE_SECONDS = 3600
_AGE_CHECK_SECONDS = 60
#: The hour, in the site's time zone, at which the nightly work begins.
_NIGHT_HOUR = 3


class Maintenance:
    """Keeps the store within its limits: age, size, and free disk space.

    `shortage` is set while too little disk space is free and no older day is left to drop, or the
    last ones freed none. Every hour each of `prune` removes expired rows of one kind, and each of
    `save` saves something.
    """

    def __init__(
        self,
        core: Core,
        disk_space: DiskSpace,
        retention: RetentionPolicy,
        *,
        prune: Sequence[Callable[[], Awaitable[None]]],
        save: Sequence[Callable[[], Awaitable[None]]] = (),
        is_needed: Callable[[DayUse], bool] = lambda day: False,
        note_dropped: NoteDropped | None = None,
    ) -> None:
        """`is_needed`: whether a day has to wait for targets, unless the disk is full or a person
        lets it go. `note_dropped` is told of each day that went.
        """
        self._is_needed = is_needed
        self._note_dropped = note_dropped
        self._store = core.store
        self._settings = core.settings
        self._disk_space = disk_space
        self._clock = core.clock
        self._retention = retention
        self._prune = prune
        self._save = save
        self._now = core.now
        self._zone = core.site.zone
        self.shortage: Shortage | None = None
        self._freeing_seconds = _FREEING_SECONDS

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run until cancelled. Errors of the store are logged, and the step is tried again."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch_disk_space)
            nursery.start_soon(self._prune_every_hour)
            nursery.start_soon(self._drop_by_age)
            nursery.start_soon(self._check_every_night)
            task_status.started()

    async def _watch_disk_space(self) -> None:
        while True:
            await self._drop_for_space()
            self.shortage = self._disk_space.shortage()
            await trio.sleep(_DISK_CHECK_SECONDS)

    async def _prune_every_hour(self) -> None:
        while True:
            # What expires by a wrong clock would be missed when the clock is right again.
            prune = () if self._clock.is_doubted else self._prune
            try:
                for step in (*prune, *self._save):
                    await step()
            except HubError as error:
                _log_postponed("expired tokens and sessions are removed later", error)
            await trio.sleep(_PRUNE_SECONDS)

    async def _check_every_night(self) -> None:
        night = self._night()
        while True:
            await trio.sleep(_AGE_CHECK_SECONDS)
            if self._night() != night:
                night = self._night()
                await self._store.check()

    async def _drop_by_age(self) -> None:
        """Drop what a person confirmed; and old days once each night, or after a later start."""
        while True:
            try:
                await self._drop_confirmed()
                await self._retention.mark()
                if self._retention.is_due(night := self._night()):
                    await self._drop_old(night)
            except HubError as error:
                _log_postponed("old days are dropped later", error)
            with trio.move_on_after(_AGE_CHECK_SECONDS):
                await self._retention.confirmed.wait()

    async def _drop_confirmed(self) -> None:
        self._retention.confirmed = trio.Event()
        for day in sorted(self._retention.confirmed_days()):
            with suppress(BadParameter):  # it is being written: later
                await self._drop(day, "a person let it go", "confirmed")
        await self._retention.settle()

    async def _drop_old(self, night: date) -> None:
        plan = await self._retention.look(night)
        for day in plan.due:
            if not self._is_needed(day.use):
                why = f"it is more than {self._settings.current.store.keep_days} days old"
                await self._drop(day.use.day, why, "age")
        kept_since = (
            self._now() - timedelta(days=self._settings.current.store.keep_days).total_seconds()
        )
        await self._store.device_pictures.drop_older(int(kept_since * 1000))

    async def _drop(self, day: str, why: str, reason: GapReason) -> None:
        log.info("dropping %s: %s", day, why)
        dropped = next((use for use in self._store.retention.days() if use.day == day), None)
        try:
            await self._store.retention.forget_day(day)
        except NoSuchResource:  # it went for space meanwhile
            return
        if self._note_dropped is not None and dropped is not None:
            await self._note_dropped(dropped, reason)

    async def _drop_for_space(self) -> None:
        stuck: set[str] = set()
        while (oldest := self._retention.oldest_droppable(stuck)) and (
            excess := self._exceeds_space()
        ):
            reason, why = excess
            if reason == "size" and self._is_needed(oldest):
                return
            before = self._disk_space.shortage()
            try:
                await self._drop(oldest.day, why, reason)
            except HubError as error:
                _log_postponed(f"{oldest.day} is dropped later", error)
                if oldest.day not in self._store.evidence.problems:
                    return
                # Its held evidence needs room: the next day may go and make it.
                stuck.add(oldest.day)
                continue
            if before is not None:
                await self._see_freed(oldest, before.free_bytes)

    async def _see_freed(self, dropped: DayUse, before: int) -> None:
        """Wait until the space of a dropped day is free, so that no other day goes for it as well.

        Some file systems free the space of a deleted file only seconds later; and none frees it
        while a snapshot, or a backup on the same disk, still has the file. Then all days would go
        for nothing. `before`: bytes that were free.
        """
        is_again = self._freeing_seconds > _FREEING_SECONDS
        end = trio.current_time() + self._freeing_seconds
        while (short := self._disk_space.shortage()) is not None:
            if short.free_bytes >= before + dropped.bytes // 2:
                break
            if trio.current_time() >= end:
                if short.free_bytes <= before:
                    self._note_nothing_freed(dropped.day)
                return
            if is_again:
                self.shortage = short
            await trio.sleep(_DISK_CHECK_SECONDS if is_again else 1)
        self._freeing_seconds = _FREEING_SECONDS

    def _note_nothing_freed(self, day: str) -> None:
        self._freeing_seconds = min(2 * self._freeing_seconds, _MAX_FREEING_SECONDS)
        log.warning(
            "no disk space became free after %s was dropped: perhaps a backup on the same disk, or "
            "a snapshot of the file system, still has its pictures",
            day,
        )

    def _exceeds_space(self) -> tuple[GapReason, str] | None:
        """Return why a day must go, None if none must."""
        stored = sum(use.bytes for use in self._store.retention.days())
        most = self._settings.current.store.max_gb * GB
        # Held evidence counts for up to a half, so that it cannot displace all days.
        stored += min(self._store.evidence.use().bytes, int(most / 2))
        size = ""
        if most and stored > most:
            size = f"the pictures take more than {self._settings.current.store.max_gb:g} GB"
        # First: a full disk does not wait for anybody.
        if shortage := self._disk_space.shortage():
            return "disk", f"only {shortage.free_bytes / GB:.1f} GB of disk space is free"
        return ("size", size) if size else None

    def _night(self) -> date:
        """Return the date of the current night, which begins at 3:00 in the site's time zone."""
        local = datetime.fromtimestamp(self._now(), self._zone())
        return (local - timedelta(hours=_NIGHT_HOUR)).date()


def _log_postponed(what: str, error: Exception) -> None:
    limited(log, logging.WARNING, what, "%s: %s", what, error)
