"""The doctor inside the hub: quick checks when asked, all checks in the background."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import trio
from msgspec import Struct

from hub.live.feed import Change
from hub.services.doctor.check_context import CheckContext
from hub.services.doctor.checks import run_quick, run_slow
from hub.services.doctor.findings import CheckName, Finding
from hub.store.offline.inspection import Stopped

if TYPE_CHECKING:
    from hub.services.backups.backups import Backups
    from hub.services.core import Core

#: Findings younger than this are shown again, so that a page that is reloaded costs nothing.
_FRESH_SECONDS = 15.0
#: A page waits at most so long for the quick checks: a disk may not answer.
_QUICK_SECONDS = 10.0
#: How often readers of the page are told how far the checks are.
_TELL_SECONDS = 2.0


class FullCheck(Struct, frozen=True):
    """The last check of everything. `ended_at`: UNIX milliseconds."""

    ended_at: int
    findings: tuple[Finding, ...]


class RunningCheck(Struct, frozen=True):
    """The check that works now. `part`: from 0 to 1, None if it is unknown."""

    check: CheckName
    part: float | None


class HealthChecks:
    """Runs the checks in threads, each kind once at a time."""

    def __init__(self, core: Core, backups: Backups) -> None:
        self._core = core
        self._backups = backups
        self._change_feed = core.changes
        self._now = core.now
        self._quick_lock = trio.Lock()
        self._quick: list[Finding] = []
        self._quick_until = -1.0
        self._wanted = trio.Event()
        self._ending = threading.Event()
        self._limiter = trio.CapacityLimiter(2)
        #: What works now; None while nothing does.
        self.running: RunningCheck | None = None
        #: None until everything was checked once since the hub started.
        self.last_full: FullCheck | None = None

    async def quick(self, *, fresh: bool = False) -> list[Finding]:
        """Return what the quick checks find; findings of the last seconds unless `fresh`.

        If they take too long, the earlier findings are returned, none if there are none.
        """
        async with self._quick_lock:
            if fresh or trio.current_time() >= self._quick_until:
                with trio.move_on_after(_QUICK_SECONDS):
                    self._quick = await trio.to_thread.run_sync(
                        run_quick,
                        self._check_context(),
                        abandon_on_cancel=True,
                        limiter=self._limiter,
                    )
                self._quick_until = trio.current_time() + _FRESH_SECONDS
            return self._quick

    def _check_context(self) -> CheckContext:
        core = self._core
        return CheckContext(
            core.data_dir,
            core.settings.current,
            core.now,
            os.getpid(),
            core.site.zone_name(),
            core.clock.is_doubted,
            self._backups.last_failure,
            core.clock.likely_time,
        )

    def start(self) -> bool:
        """Start to check everything; False if that is in progress already."""
        if self.running is not None:
            return False
        self.running = RunningCheck("integrity", None)
        self._wanted.set()
        self._tell()
        return True

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Check everything whenever start() was called, until cancelled."""
        task_status.started()
        try:
            while True:
                await self._wanted.wait()
                self._wanted = trio.Event()
                await self._check_everything()
        finally:
            self._ending.set()

    async def _check_everything(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_regularly)
            # Abandoned at the end of the hub: the next progress ends the thread.
            findings = await trio.to_thread.run_sync(
                self._run_slow, abandon_on_cancel=True, limiter=self._limiter
            )
            nursery.cancel_scope.cancel()
        self.last_full = FullCheck(round(self._now() * 1000), tuple(findings))
        self.running = None
        self._tell()

    def _run_slow(self) -> list[Finding]:
        def note(check: CheckName, part: float | None) -> None:
            if self._ending.is_set():
                raise Stopped
            self.running = RunningCheck(check, part)

        try:
            return list(run_slow(self._check_context(), note))
        except Stopped:
            return []

    async def _tell_regularly(self) -> None:
        while True:
            await trio.sleep(_TELL_SECONDS)
            self._tell()

    def _tell(self) -> None:
        self._change_feed.publish([Change("health")])
