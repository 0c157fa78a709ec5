"""Updates of the hub itself: what is offered, what is tried at the next start, and what happened.

`hub.update` says how a new version is tried. Here an administrator gives its file, sees what it is,
and has it installed; the hub then stops, and its launcher starts the new version on trial.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import trio
from msgspec.structs import replace

from hub.errors import HubError, UpdateRefused
from hub.live.feed import Change
from hub.services.audit import Actor
from hub.services.updates.check import Offer, UpdateCheck, cannot_write
from hub.update.programs import Candidate, Outcome, Programs, UpdateState, way_back
from hub.update.running import Obstacle

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: The browser that asked for the update gets its answer before the ports close.
_RESTART_DELAY_SECONDS = 1.0


def refuse_obstacle(obstacle: Obstacle) -> None:
    """Raise UpdateRefused if there is one."""
    if obstacle == "source":
        raise UpdateRefused(
            "source", "this sitehub runs from source: update the source, and start it again"
        )
    if obstacle == "package":
        raise UpdateRefused(
            "package",
            "the package sitehub is installed: install the newer package "
            "(sudo apt install ./sitehub_VERSION.deb)",
        )


class Updates:
    """The updates of this hub."""

    def __init__(self, core: Core, *, version: str) -> None:
        """`version` is that of this process; `key` checks the signatures of updates."""
        self.version = version
        self.has_key = core.outside.update_key is not None
        self.obstacle = core.outside.update_obstacle
        #: The update that was checked, and waits for an administrator to install it.
        self.offer: Offer | None = None
        #: The hub stops in order to be started again.
        self.restart_is_due = False
        self._programs = Programs(core.data_dir)
        self._check = UpdateCheck(core.data_dir, version, core.outside.update_key)
        self._audit = core.audit
        self._change_feed = core.changes
        self._closing = core.closing
        self._now = core.now
        self._lock = trio.Lock()
        self._state = UpdateState()
        self._restart = trio.Event()

    @property
    def history(self) -> tuple[Outcome, ...]:
        """How earlier updates ended, the newest first."""
        return self._state.history[::-1]

    @property
    def candidate(self) -> Candidate | None:
        """The version that is tried at the next start."""
        return self._state.candidate

    @property
    def failure(self) -> Outcome | None:
        """The last update, if it was undone and nobody has noted that."""
        last = self._state.history[-1:]
        return next((one for one in last if one.result == "undone" and not one.is_noted), None)

    @property
    def known_faults(self) -> tuple[str, ...]:
        """The faults that the hub had before the version on trial."""
        return () if self.candidate is None else self.candidate.faults

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Audit how the last update ended; then wait until an update is due, and stop the hub."""
        try:
            await self.load()
            await trio.to_thread.run_sync(self._programs.clean, self._state)
            await self._audit_outcomes()
        except (HubError, OSError) as error:
            log.warning("the last update is not in the audit log: %s", error)
        task_status.started()
        await self._restart.wait()
        await trio.sleep(_RESTART_DELAY_SECONDS)
        self.restart_is_due = True
        self._closing.set()
        await trio.sleep_forever()

    async def load(self) -> None:
        """Read the state of this data directory."""
        self._state = await trio.to_thread.run_sync(self._programs.load)

    async def receive(self, size: int) -> Path:
        """Return where to write an update file of `size` bytes, which `check` then reads.

        Raises UpdateRefused.
        """
        self._refuse_now()
        if not self.has_key:
            raise UpdateRefused("no-key", "this sitehub has no key to check signatures with")
        await trio.to_thread.run_sync(self._check.check_room, size)
        return await trio.to_thread.run_sync(self._programs.incoming)

    async def check(self, path: Path) -> Offer:
        """Check a received file, and keep the update as the offer. Raises UpdateRefused."""
        self._refuse_now()
        async with self._lock:
            offer = await trio.to_thread.run_sync(self._check_file, path)
            await self._drop_offer()
            self.offer = offer
        self._change_feed.publish([Change("update")])
        return offer

    async def withdraw(self) -> None:
        """Remove the offer."""
        async with self._lock:
            await self._drop_offer()
        self._change_feed.publish([Change("update")])

    async def install(self, offer: Offer, by: Actor, faults: Sequence[str] = ()) -> None:
        """Have this version tried at the next start, and stop this hub for it.

        `faults` are the codes of faults that this hub has: a new one that has them as well is not
        taken for a failure. Raises UpdateRefused.
        """
        async with self._lock:
            self._refuse_now()
            candidate = Candidate(
                version=offer.version,
                before=self.version,
                phase="staged",
                by=by.who,
                address=by.address,
                at=int(self._now() * 1000),
                faults=tuple(faults),
            )
            incoming = self._programs.find_incoming(offer.incoming)
            await self._audit.add(by, "update.install", offer.version)
            try:
                await trio.to_thread.run_sync(self._programs.stage, incoming, candidate)
            except OSError as error:
                raise cannot_write(error) from None
            self.offer = None
            await self.load()
        self._change_feed.publish([Change("update")])
        self._restart.set()

    async def go_back(self, by: Actor, faults: Sequence[str] = ()) -> str:
        """Have the version before tried at the next start, and stop this hub for it; return it.

        The database stays as it is. If that version cannot use it, this one comes back. Raises
        UpdateRefused.
        """
        async with self._lock:
            self._refuse_now()
            version = way_back(self._state)
            if not version:
                raise UpdateRefused("no-way-back", "there is no version before to go back to")
            candidate = Candidate(
                version=version,
                before=self._state.current,
                phase="staged",
                by=by.who,
                address=by.address,
                at=int(self._now() * 1000),
                goes_back=True,
                faults=tuple(faults),
            )
            await self._audit.add(by, "update.back", version)
            await self._save(replace(self._state, candidate=candidate))
        self._change_feed.publish([Change("update")])
        self._restart.set()
        return version

    async def note_failure(self) -> None:
        """Note that somebody has read how the last update ended."""
        async with self._lock:
            await self._change_history(lambda one: replace(one, is_noted=True))
        self._change_feed.publish([Change("health"), Change("update")])

    def _refuse_now(self) -> None:
        refuse_obstacle(self.obstacle)
        if self._state.candidate is not None:
            raise UpdateRefused("in-progress", "another update is in progress")

    def _check_file(self, path: Path) -> Offer:
        with path.open("rb") as file:
            return self._check.check(file, allow_unsigned=False)

    async def _drop_offer(self) -> None:
        offer, self.offer = self.offer, None
        if offer is not None:
            path = self._programs.folder / offer.incoming
            await trio.to_thread.run_sync(path.unlink, True)

    async def _audit_outcomes(self) -> None:
        new = [one for one in self._state.history if not one.is_audited]
        for outcome in new:
            by = Actor(outcome.by, outcome.address)
            await self._audit.add(by, f"update.{outcome.result}", outcome.version)
        if new:
            await self._change_history(lambda one: replace(one, is_audited=True))

    async def _change_history(self, change: Callable[[Outcome], Outcome]) -> None:
        state = await trio.to_thread.run_sync(self._programs.load)
        await self._save(replace(state, history=tuple(map(change, state.history))))

    async def _save(self, state: UpdateState) -> None:
        try:
            await trio.to_thread.run_sync(self._programs.save, state)
        except OSError as error:
            raise cannot_write(error) from None
        self._state = state
