"""Brings the people of one online device in step with the register: one task per device (D10)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from math import inf
from typing import Any

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub import metrics
from hub.clock_reading import Reading
from hub.errors import (
    BadParameter,
    DeviceNonsense,
    DeviceNoResult,
    DeviceRefused,
    HubError,
    NoSuchResource,
    NotSent,
    Unanswered,
)
from hub.log import limited
from hub.services.commands.calls import Commands
from hub.services.commands.known_settings import MAX_MSG_LENGTH
from hub.services.people.sync.backoff import pause_after
from hub.services.people.sync.device_check import DeviceCheck
from hub.services.people.sync.frames import Frame, Frames
from hub.services.people.sync.steps import Outcome, Reply, Request, Steps, put, remove
from hub.store.db import Store
from hub.store.people.holdings import ABSENT, OTHER, REMOVAL, ItemResult, Known, SyncItem
from hub.upload_priority import UploadPriority
from hub.wire.commands.answers import Done, Person
from hub.wire.commands.dialect import PERSON_ADD, PERSON_DELETE, PERSON_QUERY, Command
from hub.wire.commands.edition_3_commands import PERSON_UPDATE
from hub.wire.commands.param_structs import PersonDelete, PersonQuery

log = logging.getLogger(__name__)

#: Pids of changed people that a pusher remembers; after more, it looks through all.
MAX_HINTS = 256
#: Items that are noted together: as many as take about this long.
_WINDOW_SECONDS = 0.5
_FIRST_WINDOW = 8
MAX_WINDOW = 256
_NOTE_SECONDS = 5.0


class SyncTools(Struct, frozen=True):
    """What all pushers use. `expiry`: seconds that pass evenly, for pauses. `random` returns a
    number from 0 to 1.
    """

    store: Store
    commands: Commands
    frames: Frames
    check: DeviceCheck
    reading: Callable[[], Reading]
    expiry: Callable[[], float]
    random: Callable[[], float]
    #: A photo is sent in a turn: what all pushers send in one pass of the event loop, uploads would
    #: wait for at each of their steps.
    turns: trio.Semaphore
    upload_priority: UploadPriority


class Pusher:
    """Works off the difference of one device, from the time it is online; then waits for more.

    `lock` is held while it works: whoever else changes or compares the device's people takes it.
    """

    def __init__(self, did: str, sn: str, tools: SyncTools, lock: trio.Lock) -> None:
        self.did = did
        self.sn = sn
        self._tools = tools
        self._lock = lock
        self._wakeup = trio.Event()
        #: Who changed since everybody up to the revision `after` was looked at; None: look at all.
        self._changed: set[str] | None = None
        self._after = 0
        self._window = _FIRST_WINDOW
        #: Tries in vain in a row, and whether the device answered the last one.
        self._troubles = 0
        self._answers = True
        #: Not before this time, on trio's clock.
        self._resume_at = -inf
        self._disturbed: set[str] = set()

    def look_again(self) -> None:
        """Look through everybody: groups, validity or a decision changed."""
        self._changed = None
        self.wake()

    def look_at(self, pid: str) -> None:
        """A person of the register was changed or removed."""
        if self._changed is not None:
            self._changed.add(pid)
            if len(self._changed) > MAX_HINTS:
                self._changed = None
        self.wake()

    def wake(self) -> None:
        self._wakeup.set()

    def disturb(self, pid: str) -> None:
        """Somebody else changes this person on the device: what is not noted yet does not count."""
        self._disturbed.add(pid)

    def retry(self) -> None:
        """Do not wait any longer after tries in vain."""
        self._troubles, self._resume_at = 0, -inf
        self.look_again()

    async def run(self) -> None:
        """Run until cancelled, which is safe at any time."""
        is_resumed = False
        while True:
            self._wakeup = trio.Event()
            is_idle = False
            try:
                if self._is_managed and not is_resumed:
                    await self._tools.store.holdings.resume(self.did)
                    is_resumed = True
                async with self._lock:
                    is_idle = await self._work()
            except HubError as error:
                self._note_trouble(answers=isinstance(error, DeviceRefused))
                limited(
                    log,
                    logging.INFO,
                    f"people {self.did}",
                    "the people of device %s are brought in step later: %s",
                    self.did,
                    error,
                )
            await self._wait(is_idle=is_idle)

    @property
    def _is_managed(self) -> bool:
        return self._tools.store.device_people.get(self.did).state == "managed"

    async def _work(self) -> bool:
        """Do what is next; return whether nothing is left to do now."""
        if await self._tools.check.if_due(self.did, self.sn):
            self._changed = None
        if not self._is_managed:
            return True
        looked_for, self._changed = self._changed, set()
        try:
            batch = await self._tools.store.holdings.next(
                self.did,
                now=self._tools.reading(),
                due=self._due(),
                after=0 if looked_for is None else self._after,
                changed=None if looked_for is None else sorted(looked_for),
                limit=self._window,
            )
            left = await self._work_off(batch.items) if batch.items else ()
        except BaseException:
            self._changed = None
            raise
        if not batch.is_complete:
            self._look_for(looked_for)
        elif self._after < batch.after or looked_for is None:
            self._after = batch.after
        self._look_for({item.pid for item in left})
        return not batch.items

    def _look_for(self, pids: set[str] | None) -> None:
        """Look again at these (None: at all), and at those that changed meanwhile."""
        is_all = pids is None or self._changed is None
        self._changed = None if is_all else (self._changed or set()) | (pids or set())

    async def _work_off(self, items: Sequence[SyncItem]) -> Sequence[SyncItem]:
        """Work off the items in their order; return those that were not reached."""
        began = trio.current_time()
        self._disturbed.clear()
        # Before anything is sent: after a crash these are not known, and are asked for.
        known = [item for item in items if item.known is not None]
        if known:
            await self._tools.store.holdings.mark_sent(self.did, self.sn, known)
        results: list[ItemResult] = []
        begun = 0
        try:
            for item in items:
                begun += 1
                result = await self._one(item)
                results.append(result)
                if result.due_at is not None:
                    break
        finally:
            left = items[begun:]
            with trio.move_on_after(_NOTE_SECONDS, shield=True):
                await self._note([*map(self._counted, results), *map(_as_before, left)])
        self._adapt_window(len(results), trio.current_time() - began)
        return left

    def _counted(self, result: ItemResult) -> ItemResult:
        """The result, unless somebody else changed the person on the device meanwhile."""
        if result.pid not in self._disturbed:
            return result
        return ItemResult(pid=result.pid, revision=None, due_at=self._due())

    async def _note(self, results: Sequence[ItemResult]) -> None:
        if any(result.due_at is None for result in results):
            await self._tools.commands.people_changed(self.did)
        await self._tools.store.holdings.note(self.did, self.sn, results)

    def _adapt_window(self, done: int, seconds: float) -> None:
        if done == self._window and seconds < _WINDOW_SECONDS / 2:
            self._window = min(MAX_WINDOW, self._window * 2)
        elif seconds > _WINDOW_SECONDS * 2:
            self._window = max(1, self._window // 2)

    async def _one(self, item: SyncItem) -> ItemResult:
        """Put one person on the device, or remove it."""
        holds = None if item.known is None else item.known != ABSENT
        if not item.revision:
            return await self._run(item, remove(holds=holds), holds)
        frame = await self._frame(item)
        if frame is not None and frame.person.revision != item.revision:
            # Changed since it was looked for: then it is looked at again.
            self.look_at(item.pid)
            return _as_before(item)
        if frame is None or frame.param is None:
            # Its row is damaged: looked for again, it would be found again, without an end.
            what = "person" if frame is None else "photo"
            unreadable = Outcome("failed", holds, BadParameter.code, f"the {what} cannot be read")
            return await self._result(item, unreadable, item.sent)
        deletes_first = self._tools.store.device_people.get(self.did).deletes_first
        is_ours = item.sent == item.revision
        updates = self._tools.commands.may_update_people(self.did)
        steps = put(holds=holds, is_ours=is_ours, deletes_first=deletes_first, updates=updates)
        return await self._run(item, steps, holds)

    async def _run(self, item: SyncItem, steps: Steps, holds: bool | None) -> ItemResult:
        """Send what the steps ask for, until they have an outcome."""
        sent = item.sent if holds is None else None
        reply: Reply | None = None
        request: Request = "query"
        try:
            while True:
                request = next(steps) if reply is None else steps.send(reply)
                if request != "query":
                    sent = item.revision if holds is False else None
                reply = await self._ask(item, request)
                holds = _holds_after(request, reply, holds)
        except StopIteration as end:
            return await self._result(item, end.value, sent)
        except NotSent as error:
            self._note_trouble(answers=False)
            outcome = Outcome("later", holds, error.code, error.message)
        except (Unanswered, DeviceNonsense) as error:
            self._note_trouble(answers=False)
            is_change = request != "query"
            outcome = Outcome("later", None if is_change else holds, error.code, error.message)
        return self._postponed(item, outcome, sent)

    async def _ask(self, item: SyncItem, request: Request) -> Reply:
        """Send one request. Raises NotSent, Unanswered, DeviceNonsense."""
        commands = self._tools.commands
        try:
            match request:
                case "query":
                    return await self._query(item)
                case "delete":
                    await commands.exchange(self.did, PERSON_DELETE, PersonDelete(pid=item.pid))
                case "add" | "add-again":
                    await self._add(item, again=request == "add-again")
                case "update":
                    await self._add(item, again=False, command=PERSON_UPDATE)
        except DeviceRefused as refusal:
            return Reply(refusal.device_code, refusal.device_msg[:MAX_MSG_LENGTH])
        return Reply()

    async def _frame(self, item: SyncItem) -> Frame | None:
        frames = self._tools.frames
        return await frames.frame(item.pid, item.revision, is_bare=self._is_bare)

    @property
    def _is_bare(self) -> bool:
        """Whether the device is given no personal numbers, because it does not sign (D12)."""
        device = self._tools.store.devices.by_did(self.did)
        return device is None or device.connects == "unsigned"

    async def _query(self, item: SyncItem) -> Reply:
        """1.14. A device that shows nothing does not hold the person.

        Raises DeviceNonsense if it shows something else.
        """
        try:
            row = await self._tools.commands.exchange(
                self.did, PERSON_QUERY, PersonQuery(pid=item.pid)
            )
        except DeviceNoResult:
            return Reply()
        told = row.pid.strip().lstrip("0")
        if not told:
            return Reply()
        if told != item.pid.lstrip("0"):
            raise DeviceNonsense("the device's answer about a person is about another one")
        return Reply(is_there=True, is_same=await self._is_same(item, row))

    async def _is_same(self, item: SyncItem, row: Person) -> bool:
        if not item.revision:
            return False
        frame = await self._frame(item)
        return frame is not None and self._tools.frames.is_same(frame.person, row)

    async def _add(
        self, item: SyncItem, *, again: bool, command: Command[Any, Done] = PERSON_ADD
    ) -> None:
        """Send the person, whose param is the same for 1.12 and the update of later editions."""
        frame = await self._frame(item)
        param = frame.param if frame is not None else None
        if again:
            param = await self._tools.frames.again(item.pid, is_bare=self._is_bare)
        if param is None:
            raise DeviceRefused(BadParameter.code, "the person has no photo any more")
        async with self._tools.turns:
            await self._tools.upload_priority.yield_to_uploads()
        metrics.people_pushes.inc()
        await self._tools.commands.exchange(self.did, command, param)

    async def _result(self, item: SyncItem, outcome: Outcome, sent: int | None) -> ItemResult:
        if outcome.deletes_first is not None:
            await self._learn(outcome.deletes_first)
        if outcome.kind == "later":
            self._note_trouble(answers=True)
            return self._postponed(item, outcome, sent)
        self._troubles, self._resume_at = 0, -inf
        if outcome.kind == "done":
            return ItemResult(pid=item.pid, revision=item.revision if outcome.holds else ABSENT)
        metrics.people_push_failures.inc()
        return ItemResult(
            pid=item.pid,
            revision=_known_after(item, outcome.holds),
            failed_revision=item.revision or REMOVAL,
            code=outcome.code,
            msg=outcome.msg,
        )

    def _postponed(self, item: SyncItem, outcome: Outcome, sent: int | None) -> ItemResult:
        attempts = item.attempts + 1
        pause = pause_after(attempts, self._tools.random())
        return ItemResult(
            pid=item.pid,
            revision=_known_after(item, outcome.holds),
            sent=sent if outcome.holds is None else None,
            code=outcome.code,
            msg=outcome.msg[:MAX_MSG_LENGTH],
            attempts=attempts,
            due_at=self._due() + int(pause * 1000),
        )

    async def _learn(self, deletes_first: bool) -> None:
        table = self._tools.store.device_people
        row = table.get(self.did)
        if row.deletes_first != deletes_first:
            await table.save(replace(row, deletes_first=deletes_first), self.sn)

    def _note_trouble(self, *, answers: bool) -> None:
        self._troubles += 1
        self._answers = answers
        pause = pause_after(self._troubles, self._tools.random())
        self._resume_at = trio.current_time() + pause

    async def _wait(self, *, is_idle: bool) -> None:
        """Wait for the end of a pause, or for something to do."""
        if (pause := self._resume_at - trio.current_time()) > 0:
            with trio.move_on_after(pause):
                # A device that answers may take others than the one that it did not take.
                if self._answers:
                    await self._wakeup.wait()
                else:
                    await trio.sleep_forever()
            return
        if not is_idle:
            await trio.lowlevel.checkpoint()
            return
        due = await self._next_due()
        with trio.move_on_after(inf if due is None else max(0.1, (due - self._due()) / 1000)):
            await self._wakeup.wait()

    async def _next_due(self) -> int | None:
        try:
            return await self._tools.store.holdings.next_due(self.did)
        except HubError:
            return self._due() + 5_000

    def _due(self) -> int:
        """What is due at this time of the expiry clock, or before, is due now."""
        return int(self._tools.expiry() * 1000)


def _holds_after(request: Request, reply: Reply, holds: bool | None) -> bool | None:
    """Whether the device holds the person after it answered."""
    if request == "query":
        return holds if reply.is_not_now else reply.is_there
    if request == "update" and reply.code == NoSuchResource.code:
        return False
    if not reply.is_taken:
        return holds
    return request != "delete"


def _known_after(item: SyncItem, holds: bool | None) -> Known:
    if holds is None:
        return None
    if not holds:
        return ABSENT
    return item.known or OTHER


def _as_before(item: SyncItem) -> ItemResult:
    """What was known before it was noted as not known."""
    return ItemResult(pid=item.pid, revision=item.known, sent=item.sent, attempts=item.attempts)
