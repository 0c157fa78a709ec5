"""Changes outlast their callers: what was begun is done as a whole, with all that follows from it.

Whoever carries out what a person or a program asks for does it here: requests to Quart, device
commands of the API, the control channel, and the approval of a camera that connects. Services do
not: they are straight code, in which the effects of a write stand behind it.

    the caller    waits until the change has ended, or until the disk has kept it waiting for 30 s.
                  Then it is told StillStoring. If it hangs up, its connection waits as long.
    the change    goes on until its writes are committed. The first one may be refused: then nothing
                  has happened. Later ones insist: they are tried again until they are stored.
    a repeat      of a change that still goes on, or was slow, and whose caller was not told the
                  outcome, gets that outcome, and changes nothing, if it names itself by the same
                  key. Once another change has stored something, it is a new wish.

A change ends early only with the hub, which waits a few seconds for it, or while it still waits for
its input and its caller leaves.
"""

from __future__ import annotations

import logging
import math
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Protocol, TypeVar, cast

import trio

from hub import metrics
from hub.errors import CannotStoreNow, HubError, StillStoring
from hub.log import limited, place_of
from hub.store.commit.patience import Patience, patience, waits_with

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Changes that go on without their callers. Those whose callers wait are as many as connections.
MAX_ALONE = 256
#: The caller waits this long at most, whatever the change waits for. Longer than a device takes to
#: answer behind a full queue.
_CALLER_SECONDS = 100.0
#: What tells of changes, and waits for a full disk.
MAX_LATER = 1024
#: The outcome of a slow change whose caller was not told it is kept this long, and so many are.
KEEP_SECONDS = 600.0
MAX_KEPT = 64
#: When the hub stops.
_END_SECONDS = 3.0
#: How long the caller of a repeat waits for a disk that was slow before.
_SLOW_SECONDS = 30.0
_INSIST_SECONDS = 3.0

_GOES_ON = "%s: the change goes on; send the same request again to learn its outcome"
_STOPPING = "the hub is stopping"


class CarryOut(Protocol):
    """`Changes.carry_out`, or what a test has in its place."""

    async def __call__(self, work: Callable[[], Awaitable[T]]) -> T: ...


class _Repeat(Exception):
    """The running change is a repeat of another one, and has done nothing."""


class _Change(Patience):
    """One change, and its caller's wait for it."""

    def __init__(self, changes: Changes) -> None:
        super().__init__(self._let_caller_go)
        self.changes = changes
        self.scope = trio.CancelScope(shield=True)
        self.ended = trio.Event()
        #: When its input was there, and when it ended.
        self.begun_at = trio.current_time()
        self.ended_at = math.inf
        self.result: object = None
        self.error: Exception | None = None
        self.key: Hashable = None
        #: The change that it is a repeat of.
        self.first: _Change | None = None
        #: Whether a write was queued.
        self.has_begun = False
        #: Whether it may undo what another change has done.
        self.undoes = True
        #: How many blocks of `waiting_for_input` it is in.
        self.inputs = 0
        #: In which callers wait: its own, and that of a repeat.
        self.callers: set[trio.CancelScope] = set()
        #: Whether its own caller has hung up, or was told that it goes on.
        self.is_left = False
        #: Why it has kept a caller waiting for long; "" if it has not.
        self.slow = ""

    @property
    def is_over(self) -> bool:
        return self.ended.is_set()

    @property
    def has_outcome(self) -> bool:
        """Whether a repeat can have its outcome: it has changed something, or may still."""
        if not self.is_over:
            return True
        is_refused = isinstance(self.error, CannotStoreNow)
        is_recent = trio.current_time() - self.ended_at < KEEP_SECONDS
        is_whole = self.has_begun and not is_refused and not self.scope.cancelled_caught
        return bool(self.slow) and is_whole and is_recent

    def queued(self) -> None:
        if not self.has_begun:
            self.has_begun = True
            if self.undoes:
                self.changes.forget_before(self)

    def committed(self) -> None:
        # Tasks that it has started, such as those of jobs, go on after it.
        self.insists = not self.is_over

    def _let_caller_go(self, reason: str) -> None:
        self.slow = reason
        self.set_deadline(-math.inf)

    def set_deadline(self, deadline: float) -> None:
        for caller in self.callers:
            caller.deadline = deadline


class Changes:
    """Carries out changes. See `open_changes`."""

    def __init__(
        self, nursery: trio.Nursery, closing: trio.Event, on_closing: Callable[[], None]
    ) -> None:
        self._nursery = nursery
        self._on_closing = on_closing
        #: The hub stops: nobody waits for a change whose client has hung up.
        self._closing = closing
        self._is_closing = False
        self._running: set[_Change] = set()
        #: Those whose callers were not told the outcome, the oldest first.
        self._untold: dict[Hashable, _Change] = {}
        self._later: deque[Callable[[], Awaitable[object]]] = deque()
        self._is_storing_later = False

    async def carry_out(self, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work` as a change, and return its result or raise its error.

        Raises CannotStoreNow before it begins if too many are going on, and StillStoring if it goes
        on without the caller.
        """
        if self._is_closing:
            raise CannotStoreNow(_STOPPING)
        if sum(not change.callers for change in self._running) >= MAX_ALONE:
            metrics.limits_reached.labels("changes").inc()
            raise CannotStoreNow("too many changes are waiting for the disk")
        change = _Change(self)
        self._start(change, work)
        return cast(T, await self._wait_as_caller(change))

    def _start(self, change: _Change, work: Callable[[], Awaitable[object]]) -> None:
        self._running.add(change)
        self._nursery.start_soon(self._run, change, work)

    async def _run(self, change: _Change, work: Callable[[], Awaitable[object]]) -> None:
        try:
            with change.scope, waits_with(change):
                try:
                    change.result = await work()
                except _Repeat:
                    assert change.first is not None
                    change.result = await self._wait_as_caller(change.first)
        except Exception as error:
            change.error = error
            if change.is_left:
                _report(error)
        finally:
            self._running.discard(change)
            change.insists = False
            change.ended_at = trio.current_time()
            change.ended.set()
            self._forget_told()

    async def _wait_as_caller(self, change: _Change) -> object:
        """Return the result of a change or raise its error; StillStoring if it takes long."""
        is_told = False
        try:
            await self._wait(change)
            is_told = change.is_over
        except trio.Cancelled:
            change.is_left = True
            if change.inputs:
                change.scope.cancel()
            self._remember(change)
            if not (self._closing.is_set() or self._is_closing):
                # As long as its client could wait: it holds its place at the port meanwhile.
                with trio.CancelScope(shield=True):
                    await self._wait(change)
            raise
        if not is_told:
            change.is_left = True
            change.slow = change.slow or "this takes long"
            self._remember(change)
            raise StillStoring(_GOES_ON % change.slow)
        if change.first is not None and change.error is change.first.error:
            self._forget(change.first)
        if change.scope.cancelled_caught:
            raise StillStoring(_STOPPING)
        if change.error is not None:
            raise change.error
        return change.result

    async def _wait(self, change: _Change) -> None:
        """Wait until a change has ended, it is slow, or the hub stops."""
        seconds = _SLOW_SECONDS if change.slow else _CALLER_SECONDS
        with trio.move_on_after(math.inf if change.inputs else seconds) as caller:
            change.callers.add(caller)
            try:
                await change.ended.wait()
            finally:
                change.callers.discard(caller)

    def _remember(self, change: _Change) -> None:
        """Keep the outcome for a repeat; a repeat leaves that of the first one where it is."""
        if change.key is not None and change.first is None:
            self._untold[change.key] = change
            self._forget_told()

    def name(self, change: _Change, key: Hashable) -> None:
        """See `named`."""
        change.key = key
        first = self._untold.get(key)
        if first is not None and first is not change and first.has_outcome:
            change.first = first
            raise _Repeat
        if change.is_left:
            self._remember(change)

    def unname(self, change: _Change) -> None:
        """See `acts_outside`."""
        self._forget(change)
        change.key = None

    def _forget(self, change: _Change) -> None:
        if self._untold.get(change.key) is change:
            del self._untold[change.key]

    def forget_before(self, change: _Change) -> None:
        """Drop the outcomes of changes that had ended when this one began: it may undo them."""
        for one in list(self._untold.values()):
            if one.ended_at <= change.begun_at:
                self._forget(one)

    def _forget_told(self) -> None:
        """Drop outcomes that are too old or too many, or that a repeat can do without."""
        kept = {key: one for key, one in self._untold.items() if one.has_outcome}
        ended = [key for key, one in kept.items() if one.is_over]
        for key in ended[: max(0, len(ended) - MAX_KEPT)]:
            del kept[key]
        self._untold = kept

    def store_later(self, work: Callable[[], Awaitable[object]]) -> None:
        """Run `work`, which stores something, when the disk does not refuse it any more."""
        if len(self._later) >= MAX_LATER:
            metrics.limits_reached.labels("stored later").inc()
            limited(log, logging.WARNING, "not stored", "an entry is lost: too many wait already")
            return
        self._later.append(work)
        if not self._is_storing_later:
            self._is_storing_later = True
            self._start(_Change(self), self._store_later)

    async def _store_later(self) -> None:
        try:
            with waits_with(Patience()):
                while self._later and await self._has_stored_one():
                    pass
        finally:
            self._is_storing_later = False

    async def _has_stored_one(self) -> bool:
        """Store the first of what waits, or wait a moment; whether to go on."""
        try:
            await self._later[0]()
        except CannotStoreNow:
            with trio.move_on_after(_INSIST_SECONDS):
                await self._closing.wait()
            return not (self._closing.is_set() or self._is_closing)
        except Exception as error:
            _report(error)
        self._later.popleft()
        return True

    async def all_ended(self) -> None:
        """Wait until no change is going on."""
        while self._running:
            await next(iter(self._running)).ended.wait()

    async def let_callers_go(self) -> None:
        """When the hub stops, wait no longer for changes whose clients have hung up."""
        await self._closing.wait()
        self._on_closing()
        for change in self._running:
            if change.is_left:
                change.set_deadline(-math.inf)

    async def close(self) -> None:
        """Refuse new changes; wait for those that are going on, a few seconds at most."""
        self._is_closing = True
        with trio.move_on_after(_END_SECONDS, shield=True):
            await self.all_ended()
        for change in self._running:
            change.scope.cancel()
        if self._later:
            log.warning("%d entries are lost: they waited for the disk", len(self._later))


@asynccontextmanager
async def open_changes(
    closing: trio.Event, on_closing: Callable[[], None] = lambda: None
) -> AsyncIterator[Changes]:
    """Changes that are carried out as long as the block runs.

    `closing`: the hub stops soon; `on_closing` is called then.
    """
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        changes = Changes(nursery, closing, on_closing)
        nursery.start_soon(changes.let_callers_go)
        try:
            yield changes
        except Exception as error:
            failure = error  # The nursery would wrap it in a group.
        finally:
            await changes.close()
            nursery.cancel_scope.cancel()
    if failure is not None:
        raise failure


@contextmanager
def waiting_for_input() -> Iterator[None]:
    """Wait for the input of the running change: if its caller leaves meanwhile, the change ends.

    The time does not count as the caller's wait. May be nested.
    """
    change = _running()
    if change is None:
        yield
        return
    if change.is_left:
        change.scope.cancel()
    change.set_deadline(math.inf)
    change.inputs += 1
    try:
        yield
    finally:
        change.inputs -= 1
        if not change.inputs:
            change.begun_at = trio.current_time()
            change.set_deadline(trio.current_time() + _CALLER_SECONDS)


def named(key: Hashable) -> None:
    """Say which request of whom the running change is, before it changes anything.

    If it is a repeat of one whose outcome is kept, it ends here, and its caller gets the outcome of
    the first one: the code behind this call does not run.
    """
    if (change := _running()) is not None:
        change.changes.name(change, key)


def acts_outside() -> None:
    """Say that the running change does something outside the hub, such as opening a door.

    Unless something was stored before, a repeat of it does so again.
    """
    change = _running()
    if change is not None and not change.has_begun:
        change.changes.unname(change)


def undoes_nothing() -> None:
    """Say, before it stores anything, that the running change undoes nothing that others do."""
    if (change := _running()) is not None:
        change.undoes = False


async def store_now_or_later(work: Callable[[], Awaitable[object]]) -> None:
    """Run `work`, which stores something that follows from the running change, and belongs to no
    other write: if the disk refuses it, it is stored later, and the change goes on.

    Raises CannotStoreNow if no change is running.
    """
    change = _running()
    if change is None:
        await work()
        return
    try:
        with waits_with(Patience(change.on_slow)):
            await work()
    except CannotStoreNow as error:
        limited(log, logging.WARNING, "stored later", "something is stored later: %s", error)
        change.changes.store_later(work)


def be_patient() -> None:
    """Let all writes of this task wait as long as the disk does not respond."""
    patience.set(Patience())


def _running() -> _Change | None:
    mine = patience.get()
    return mine if isinstance(mine, _Change) and not mine.is_over else None


def _report(error: Exception) -> None:
    """Log why a change failed whose caller does not learn it."""
    if isinstance(error, HubError) or getattr(error, "code", 500) < 500:  # werkzeug's have it too
        limited(log, logging.WARNING, "change", "a change without a caller failed: %s", error)
    else:
        key = f"fault {place_of(error)}"
        limited(log, logging.ERROR, key, "a change without a caller failed", exc_info=error)
