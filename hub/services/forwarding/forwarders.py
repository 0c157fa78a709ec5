"""The tasks that forward: one for each target, unless a person has to look at it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import trio
from msgspec import Struct

from hub.errors import CannotStoreNow
from hub.live.feed import Change, Feed
from hub.services.forwarding.forwarder import Forwarder
from hub.services.forwarding.sender import Sender
from hub.services.forwarding.senders import Senders
from hub.store.targets.target import Cursor, Target
from hub.wire.uploads.records import Record

if TYPE_CHECKING:
    from hub.store.db import Store

log = logging.getLogger(__name__)


class Running(Struct):
    forwarder: Forwarder
    sender: Sender
    scope: trio.CancelScope
    ended: trio.Event


class Forwarders:
    """Starts and stops forwarders. run() must run for anything to be sent."""

    def __init__(
        self,
        store: Store,
        senders: Senders,
        record_feed: Feed[Record],
        change_feed: Feed[Change],
        now: Callable[[], float],
        random: Callable[[], float],
    ) -> None:
        self._store = store
        self._senders = senders
        self._record_feed = record_feed
        self._change_feed = change_feed
        self._now = now
        self._random = random
        self._running: dict[int, Running] = {}
        self._nursery: trio.Nursery | None = None

    def get(self, id: int) -> Running | None:
        """Return the forwarder of a target, None if it has none now."""
        return self._running.get(id)

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
                    self.start(target)
                task_status.started()
                await self._watch_changes()
            finally:
                self._nursery = None

    async def _watch_changes(self) -> None:
        """Wake up the forwarders when an alarm has changed, or something was erased."""
        with self._change_feed.subscribe() as changes:
            while True:
                items = await changes.next()
                if changes.lagged:
                    changes.catch_up()
                elif not any(change.kind in ("alarm", "erasure") for change in items):
                    continue
                for running in self._running.values():
                    running.forwarder.look_again()

    def start(self, target: Target) -> None:
        """Start forwarding to a target, unless it is held, or nothing is forwarded yet."""
        if self._nursery is None or target.held:
            return
        sender = self._senders.of(target)
        forwarder = Forwarder(
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

    def start_again(self, id: int) -> None:
        """Start the forwarder of a target, unless the target is gone."""
        for target in self._store.targets.all():
            if target.id == id:
                self.start(target)

    async def stop(self, id: int) -> None:
        """Stop the forwarder of a target, if it has one; return once it has ended."""
        if (running := self._running.get(id)) is not None:
            running.scope.cancel()
            await running.ended.wait()

    def tell(self, id: int) -> None:
        """Tell pages that a target has changed."""
        self._change_feed.publish([Change("target", str(id))])

    async def _forward(self, running: Running) -> None:
        """Forward to one target. A fault of ours holds this target, and nothing else."""
        id = running.forwarder.target.id
        try:
            with running.scope, self._record_feed.subscribe(size=0) as records:
                await running.forwarder.run(records)
        except Exception:
            log.exception("forwarding to target %d has failed", id)
            await self._hold(id, "an internal error: see the log of the hub")
        finally:
            if self._running.get(id) is running:
                del self._running[id]
            running.ended.set()

    async def _hold(self, id: int, reason: str) -> None:
        try:
            await self._store.targets.hold(id, reason)
        except CannotStoreNow as error:
            log.warning("that target %d is held cannot be noted: %s", id, error)
        self.tell(id)
