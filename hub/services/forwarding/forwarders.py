"""The tasks that forward: one for each target, unless a person has to look at it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import trio
from msgspec import Struct

from hub.errors import CannotStoreNow, NoSuchResource
from hub.live.feed import Change, of_kinds
from hub.reasons import Reason
from hub.services.forwarding.forwarder import Forwarder
from hub.services.forwarding.mqtt.options import leaves
from hub.services.forwarding.sender import Sender, StateTeller
from hub.services.forwarding.senders import Senders
from hub.store.targets.target import Cursor, Target

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)


class Running(Struct):
    forwarder: Forwarder
    sender: Sender
    scope: trio.CancelScope
    ended: trio.Event


class Forwarders:
    """Starts and stops forwarders. run() must run for anything to be sent.

    Each target has at most one, of the generation that is stored: whoever stops, changes and starts
    holds the target's lock, and does so as a whole (hub.services.changes).
    """

    def __init__(self, core: Core, senders: Senders) -> None:
        self._store = core.store
        self._senders = senders
        self._record_feed = core.records
        self._change_feed = core.changes
        self._now = core.now
        self._random = core.outside.random
        self._running: dict[int, Running] = {}
        self._locks: dict[int, trio.Lock] = {}
        self._nursery: trio.Nursery | None = None

    def get(self, id: int) -> Running | None:
        """Return the forwarder of a target, None if it has none now."""
        return self._running.get(id)

    def state_tellers(self) -> list[StateTeller]:
        """Return what forwards now to those who are told how the hub is."""
        senders = [running.sender for running in self._running.values()]
        return [one for one in senders if isinstance(one, StateTeller)]

    def cursor(self, target: Target) -> Cursor:
        """Return how far a target is."""
        running = self._running.get(target.id)
        return target.cursor if running is None else running.forwarder.cursor

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Forward to all targets until cancelled."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                for target in self._store.targets.all():
                    self._start(target)
                task_status.started()
                await self._watch_changes()
            finally:
                self._nursery = None

    async def _watch_changes(self) -> None:
        """Wake up the forwarders when an alarm has changed, or something was erased."""
        with self._change_feed.subscribe(wants=of_kinds("alarm", "erasure")) as changes:
            while True:
                await changes.next()
                for running in self._running.values():
                    running.forwarder.look_again()

    @asynccontextmanager
    async def lock(self, id: int) -> AsyncIterator[Target]:
        """Let nobody else change a target meanwhile; yield it. Raises NoSuchResource."""
        self._store.targets.get(id)
        try:
            async with self._locks.setdefault(id, trio.Lock()):
                yield self._store.targets.get(id)
        finally:
            if self._store.targets.find(id) is None:
                self._locks.pop(id, None)

    async def begin(self, id: int) -> None:
        """Forward to a target that was added, unless it was changed or removed already."""
        with suppress(NoSuchResource):
            async with self.lock(id) as target:
                if id not in self._running:
                    self._start(target)

    @asynccontextmanager
    async def stopped(self, old: Target) -> AsyncIterator[None]:
        """Let nothing be sent to a target that the caller has locked.

        Afterwards it is forwarded to as it is stored then, whatever happened meanwhile, unless it
        is gone; what it should not know any longer is taken back.
        """
        sender = self._senders.of(old)
        try:
            await self._stop(old.id)
            yield
        finally:
            with trio.CancelScope(shield=True):
                await self._stop(old.id)
                await self._go_on(old, sender)

    async def _go_on(self, old: Target, sender: Sender) -> None:
        new = self._store.targets.find(old.id)
        if new is None or leaves(old.options, new.options):
            await sender.forget()
        self._start(new)

    def _start(self, target: Target | None) -> None:
        """Start forwarding to a target, unless it is gone or held, or nothing is forwarded yet."""
        if self._nursery is None or target is None or target.held:
            return
        assert target.id not in self._running
        sender = self._senders.of(target)
        forwarder = _forwarder_of(target)(
            target,
            sender,
            self._store,
            self._now,
            self._random,
            lambda: self.tell(target.id),
        )
        running = Running(forwarder, sender, trio.CancelScope(), trio.Event())
        self._running[target.id] = running
        self._nursery.start_soon(self._forward, running)

    async def _stop(self, id: int) -> None:
        """Stop the forwarder of a target, if it has one; return once it has ended."""
        if (running := self._running.get(id)) is not None:
            running.scope.cancel()
            await running.ended.wait()

    def tell(self, id: int) -> None:
        """Tell pages that a target has changed."""
        self._change_feed.publish([Change("target", str(id))])

    async def _forward(self, running: Running) -> None:
        """Forward to one target. A fault of ours holds this target, and nothing else."""
        target = running.forwarder.target
        # Mail tells of alarms alone, whose changes wake it up too.
        wants = (lambda _: False) if target.kind == "mail" else None
        try:
            with running.scope, self._record_feed.subscribe(size=0, wants=wants) as records:
                await running.forwarder.run(records)
        except Exception:
            log.exception("forwarding to target %d has failed", target.id)
            await self._hold(target, Reason("an internal error: see the log of the hub"))
        finally:
            del self._running[target.id]
            running.ended.set()

    async def _hold(self, target: Target, reason: Reason) -> None:
        try:
            await self._store.targets.hold(target, reason)
        except CannotStoreNow as error:
            log.warning("that target %d is held cannot be noted: %s", target.id, error)
        self.tell(target.id)


def _forwarder_of(target: Target) -> type[Forwarder]:
    if target.kind == "mail":
        from hub.services.forwarding.mail.forwarder import MailForwarder

        return MailForwarder
    return Forwarder
