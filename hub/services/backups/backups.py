"""Backups: every night by itself, at once when somebody asks, and into one file for download."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec
import trio

from hub import metrics
from hub.config import BackupConfig
from hub.decoders import decode_json
from hub.errors import BackupFault, HubError, TooManyRequests, UnreadableDatabase
from hub.live.feed import Change
from hub.log import limited
from hub.reasons import Reason, because
from hub.services.audit import Actor
from hub.services.backups import schedule
from hub.services.backups.copying import run_copying
from hub.services.backups.nightly import (
    BackupPlan,
    GivenWay,
    as_bytes,
    back_up,
    find_obstacle,
    look,
    make_room,
)
from hub.services.backups.permits import Permit, Permits
from hub.services.backups.place import try_out
from hub.services.backups.streaming import stream_backup
from hub.services.backups.views import (
    RESTORED,
    BackupFailure,
    KnownBackup,
    Progress,
    RestoredFrom,
    backup_of,
)
from hub.store.backup.generations import Folder
from hub.store.backup.gone_days import KeptLog
from hub.store.backup.making import SiteDescription, remove_abandoned
from hub.store.backup.pace import CopyingStopped, Pace
from hub.store.backup.sealed_file import check_passphrase
from hub.store.health import NOT_RESPONDING

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

_T = TypeVar("_T")
#: The first second of the year 10000.
_LATEST_SECONDS = 253_402_300_800

#: After a start, cameras come first.
_FIRST_SECONDS = 300.0
_CHECK_SECONDS = 60.0
#: After a failure, the next attempt waits so long.
_RETRY_SECONDS = 3600.0
#: A backup that copied nothing for so long waits for its disk.
_STALLED_SECONDS = 300.0
#: A folder that does not answer for so long cannot be used.
_TRY_SECONDS = 10.0
_SINCE = "backup.since"
_FAILURE = "backup.failure"
#: The folder, if it was on another disk when the last backup succeeded.
_ELSEWHERE = "backup.elsewhere"


class Backups:
    """The backup folder and what is done with it. One backup is made at a time.

    A clock that is set wrong makes no backup overdue, and dates none.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store
        self._settings = core.store.settings
        self._damaged_rows = core.store.damaged_rows
        self._site = core.site
        self._audit = core.audit
        self._data_dir = core.data_dir
        self._change_feed = core.changes
        self.now = core.clock.likely_time
        self._speed = core.outside.copy_speed
        self._found = Folder()
        #: Why no backup can be made in the folder; "" if nothing is known to prevent it.
        self.folder_problem: Reason | None = None
        #: The folder that was looked at.
        self._seen: Path | None = None
        self._lock = trio.Lock()
        self._wanted = trio.Event()
        self._pace: Pace | None = None
        self._progressed = (0, 0.0)
        self._next_attempt = 0.0
        self._permits = Permits()

    @property
    def _config(self) -> BackupConfig:
        return self._core.settings.current.backup

    @property
    def folder(self) -> Path:
        """The folder of the backups."""
        return self._data_dir / self._config.folder

    @property
    def min_free(self) -> int:
        """How many bytes stay free on the disk of the hub."""
        return as_bytes(self._core.settings.current.store.min_free_gb)

    # -- what is known

    def list(self) -> list[KnownBackup]:
        """Return the backups in the folder as last seen, the newest first."""
        return [backup_of(one) for one in reversed(self._found.generations)]

    @property
    def last_complete(self) -> KnownBackup | None:
        """The newest complete backup."""
        newest = schedule.last_complete(self._found.generations, self.now())
        return None if newest is None else backup_of(newest)

    @property
    def last_incomplete(self) -> KnownBackup | None:
        """The newest backup that can be restored, if it lacks something."""
        newest = schedule.last_incomplete(self._found.generations, self.now())
        return None if newest is None else backup_of(newest)

    @property
    def hour(self) -> int:
        """The hour of the nightly backup in the site's zone."""
        return self._config.hour

    @property
    def has_pictures(self) -> bool:
        """Whether nightly backups contain the pictures."""
        return self._config.pictures

    @property
    def folder_bytes(self) -> int:
        return self._found.bytes

    @property
    def running(self) -> Progress | None:
        """The backup in progress or about to begin, None if there is none."""
        pace = self._pace
        if pace is None:
            return Progress(0, 0, False) if self._wanted.is_set() else None
        now, done = trio.current_time(), pace.done_bytes
        if done != self._progressed[0]:
            self._progressed = (done, now)
        is_stalled = now - self._progressed[1] > _STALLED_SECONDS
        return Progress(done, pace.total_bytes, is_stalled)

    @property
    def last_failure(self) -> BackupFailure | None:
        text = self._settings.get(_FAILURE)
        return None if text is None else _decoded(text, BackupFailure)

    @property
    def is_on_same_disk(self) -> bool:
        """Whether the folder is on the disk of the data, and would be lost with it."""
        return self._found.is_on_same_disk

    @property
    def is_soon_made(self) -> bool:
        """Whether a backup begins by itself within minutes, as far as is known."""
        return not (self.last_failure or self.folder_problem) and schedule.is_due(
            self._found.generations, self._config.hour, self._site.zone(), self.now()
        )

    def overdue_days(self) -> int | None:
        """Return for how many days there has been no complete backup; None for less than two."""
        since = _as_moment(self._settings.get(_SINCE))
        newest = self.last_complete
        last = max(
            newest.made_at if newest is not None else 0.0,
            since if since is not None else self.now(),
        )
        waited = self.now() - last
        return int(waited // schedule.DAY_SECONDS) if waited >= schedule.ALARM_SECONDS else None

    def restored_from(self) -> RestoredFrom | None:
        """The backup that this hub was restored from, if it had none of today's addresses."""
        text = self._settings.get(RESTORED)
        if text is None:
            return None
        found = _decoded(text, RestoredFrom)
        if found is None:
            return None
        now = self._addresses()
        if not found.addresses or set(found.addresses) & set(now):
            return None
        return msgspec.structs.replace(found, addresses_now=now)

    # -- what is done

    async def run_now(self, by: Actor) -> None:
        """Begin a backup into the folder. Raises TooManyRequests if one is in progress."""
        if self._pace is not None:
            raise TooManyRequests("a backup is in progress: wait for its end")
        await self._audit.add(by, "backup.run", "")
        self._wanted.set()

    async def try_folder(self, name: str) -> None:
        """Make the folder of this name if its parent exists, and write to it.

        Raises BackupFault with the reason if that fails.
        """
        try:
            with trio.fail_after(_TRY_SECONDS):
                await run_copying(lambda: try_out(self._data_dir, name), Pace())
        except OSError as error:
            # By its number: Windows has other words, in the language of the computer.
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise BackupFault(reason) from error
        except trio.TooSlowError as error:
            raise BackupFault(NOT_RESPONDING) from error

    async def acknowledge_restore(self, by: Actor) -> None:
        """Note that somebody has read that the hub has other addresses than before."""
        await self._settings.set(RESTORED, None)
        await self._audit.add(by, "backup.acknowledge", "")
        self._change_feed.publish([Change("health")])

    async def permit_file(self, by: Actor, *, pictures: bool, passphrase: str | None) -> str:
        """Permit one download of a backup in one file, within a minute; return its token.

        Raises BackupFault for a passphrase that is too short, TooManyRequests if a backup is in
        progress.
        """
        if passphrase is not None:
            check_passphrase(passphrase)
        if self._pace is not None:
            raise TooManyRequests("a backup is in progress: wait for its end")
        await self._audit.require(by, "backup.download", "" if pictures else "without pictures")
        return self._permits.give(by, pictures=pictures, passphrase=passphrase)

    @asynccontextmanager
    async def open_file(self, by: Actor, token: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the bytes of the backup that was permitted, for a person to keep.

        The backup goes on as fast as they are taken, and ends with the block. Raises
        NoSuchResource without a permission, TooManyRequests if a backup is in progress.
        """
        permit = self.check_permit(by, token)
        self._permits.use()
        async with self._lock:
            with self._copying(Pace(self._speed)) as pace:
                async with stream_backup(
                    self._data_dir,
                    self._describe(),
                    min_free=self.min_free,
                    pictures=permit.pictures,
                    passphrase=permit.passphrase,
                    pace=pace,
                ) as data:
                    yield data

    def check_permit(self, by: Actor, token: str) -> Permit:
        """Return a permission. Raises NoSuchResource, or TooManyRequests during a backup."""
        permit = self._permits.check(by, token)
        if self._pace is not None:
            raise TooManyRequests("a backup is in progress: wait for its end")
        return permit

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Back up every night, until cancelled. What fails is logged and tried again."""
        since = _as_moment(self._settings.get(_SINCE))
        # If it is in the future, the clock was wrong then.
        if since is None or since > self.now() + schedule.DAY_SECONDS:
            await self._try_to_set(_SINCE, str(self.now()))
        self._next_attempt = trio.current_time() + _FIRST_SECONDS
        task_status.started()
        async with self._lock:
            await self._in_thread(lambda: remove_abandoned(self._data_dir))
        await self.look()
        while True:
            with trio.move_on_after(_CHECK_SECONDS):
                await self._wanted.wait()
            await self.look()
            if self._wanted.is_set() or self._is_due():
                await self._back_up()
            await self._make_room()

    def _is_due(self) -> bool:
        return trio.current_time() >= self._next_attempt and schedule.is_due(
            self._found.generations, self._config.hour, self._site.zone(), self.now()
        )

    async def _back_up(self) -> None:
        """Make one backup. Failures are stored for the page, and logged."""
        async with self._lock:
            self._wanted = trio.Event()
            began, is_of_database = time.monotonic(), False
            failure: Reason | None = None
            with self._copying(Pace(self._speed)) as pace:
                plan, site = self._plan(), self._describe()
                try:
                    self._found = await run_copying(lambda: back_up(plan, site, pace), pace)
                except CopyingStopped:
                    return
                except HubError as error:
                    failure = error.said
                    is_of_database = isinstance(error, UnreadableDatabase)
                except Exception as error:
                    log.exception("a backup failed")
                    failure = because("an unexpected error: %(why)s", why=str(error))
        seconds = time.monotonic() - began
        metrics.backup_seconds.set(seconds)
        if failure:
            await self._failed(BackupFailure(self.now(), failure, is_of_database))
        else:
            log.info("backed up into %s in %.0f s", self.folder, seconds)
            self._tell_of_unread()
            await self._try_to_set(_FAILURE, None)
            elsewhere = None if self.is_on_same_disk else str(self.folder)
            await self._try_to_set(_ELSEWHERE, elsewhere)
        self._publish()

    def _tell_of_unread(self) -> None:
        made = self.last_incomplete
        for pack in made.unread if made is not None else ():
            log.warning(
                "the backup is incomplete: %d bytes of %s cannot be read (pictures of %d records)",
                pack.bytes,
                pack.name,
                pack.records,
            )

    async def _failed(self, failure: BackupFailure) -> None:
        log.warning("the backup failed: %s", failure.reason)
        metrics.backup_failures.inc()
        self._next_attempt = trio.current_time() + _RETRY_SECONDS
        await self._try_to_set(_FAILURE, msgspec.json.encode(failure).decode())

    async def _make_room(self) -> None:
        """Remove old backups from the hub's own disk before records have to make room."""
        plan = self._plan()
        days = [use.day for use in self._store.retention.days()]
        kept = KeptLog(self._store.log_id, min(days, default=""))

        def work() -> GivenWay | None:
            return make_room(plan, shutil.disk_usage(self._data_dir).free, kept)

        async with self._lock:
            if (given := await self._in_thread(work)) is not None:
                log.warning("removed %s: the disk is low", given.removed)
                self._found = given.folder
                self._publish()

    async def look(self) -> None:
        """Note whether the folder can be used; what it holds, if it is another or can be again."""
        plan = self._plan()
        problem = await run_copying(lambda: find_obstacle(plan), Pace())
        if problem != self.folder_problem:
            if not problem:
                self._seen, self._next_attempt = None, trio.current_time()
            self.folder_problem = problem
            self._publish()
        if self._seen != self.folder:
            await self._read_folder()

    async def _read_folder(self) -> None:
        folder = self._seen = self.folder
        before = self._found
        found = await self._in_thread(lambda: look(folder, self._data_dir)) or Folder()
        # A backup that was made meanwhile has looked after it.
        if self._found is before and found != before:
            self._found = found
            self._publish()

    async def _in_thread(self, work: Callable[[], _T | None]) -> _T | None:
        """Run short work on the folder; None if its disk fails."""
        try:
            return await run_copying(work, Pace())
        except OSError as error:
            limited(log, logging.WARNING, "backups", "the backup folder: %s", error)
            return None

    def _publish(self) -> None:
        newest = self.last_complete
        metrics.last_complete_backup.set(newest.made_at if newest is not None else 0)
        metrics.backup_bytes.set(self._found.bytes)
        self._change_feed.publish([Change("backups")])

    @contextmanager
    def _copying(self, pace: Pace) -> Iterator[Pace]:
        self._pace = pace
        self._progressed = (0, trio.current_time())
        self._change_feed.publish([Change("backups")])
        try:
            yield pace
        finally:
            self._pace = None

    def _plan(self) -> BackupPlan:
        return BackupPlan(
            data_dir=self._data_dir,
            folder=self.folder,
            pictures=self._config.pictures,
            max_bytes=as_bytes(self._config.max_gb),
            min_free=self.min_free,
            zone=self._site.zone(),
            is_elsewhere=self._settings.get(_ELSEWHERE) == str(self.folder),
            may_remove_old=lambda: self._core.clock.is_trusted,
        )

    def _describe(self) -> SiteDescription:
        return SiteDescription(
            self._site.name(), self._addresses(), self.now(), self._damaged_rows.count()
        )

    def _addresses(self) -> tuple[str, ...]:
        try:
            return tuple(self._site.addresses())
        except OSError:
            return ()

    async def _try_to_set(self, key: str, value: str | None) -> None:
        try:
            await self._settings.set(key, value)
        except HubError as error:
            limited(log, logging.WARNING, key, "%s is not stored: %s", key, error)


def _decoded(text: str, shape: type[_T]) -> _T | None:
    """Decode a setting; None if its row is damaged."""
    try:
        return decode_json(text, shape)
    except (msgspec.MsgspecError, ValueError):
        return None


def _as_moment(text: str | None) -> float | None:
    """Decode a time in UNIX seconds; None if there is none, or its row is damaged."""
    try:
        moment = float(text or "")
    except ValueError:
        return None
    return moment if 0 <= moment < _LATEST_SECONDS else None
