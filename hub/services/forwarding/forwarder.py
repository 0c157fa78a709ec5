"""Brings the record log to one target, in order, and knows how far it is.

The cursor moves only after the target has said yes. A crash between the two sends something again,
with the same id; nothing is left out. Alarms go first: whoever is a week behind hears of them now.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Literal, NoReturn

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import CannotStoreNow, TooManyRequests
from hub.folding import visible
from hub.live.feed import Subscription
from hub.reasons import Reason, because
from hub.services.forwarding.backpressure import backoff_for_uploads
from hub.services.forwarding.erasures import MAX_RECORDS, erasure_items, person_items
from hub.services.forwarding.positions import erasures_of, is_ours, on_this_log, without_expired
from hub.services.forwarding.retries import Retries
from hub.services.forwarding.sender import (
    AlarmItem,
    ErasureItem,
    GapItem,
    Item,
    NeedsPerson,
    Position,
    RecordItem,
    Refused,
    Sender,
    TryLater,
)
from hub.store.records.record_filter import RecordFilter
from hub.store.targets.target import Cursor, DeadLetter, DeadLetterKey, Gap, Target
from hub.store.targets.targets import MAX_DEAD_LETTERS
from hub.wire.uploads.records import Record

if TYPE_CHECKING:
    from hub.store.db import Store

log = logging.getLogger(__name__)

TargetState = Literal["current", "behind", "waiting", "held"]

#: What is read from the log at a time.
_PAGE_RECORDS, _PAGE_BYTES = 200, 4 * 1024 * 1024
_ALARMS = 50
#: The cursor is saved so often while it moves, and when the target has everything.
_SAVE_SECONDS = 1.0
#: How long to wait if the store cannot be read or written.
_BUSY_SECONDS = 1.0
#: So many refused in a row are not the records' fault.
_MAX_REFUSED_IN_A_ROW = 20
_LAST_SAVE_SECONDS = 3.0
#: Why a target is held that keeps what was erased here.
REFUSES_ERASURE = Reason("it refuses to erase records: %(why)s")


class Waiting(Struct, frozen=True):
    """Why a target gets nothing now. `since`: by trio's clock; `next_try`: UNIX milliseconds."""

    reason: Reason
    since: float
    next_try: int


class ReadAgain(Exception):
    """Read the log from the cursor: it has moved, or some of what was read is erased now."""


class Forwarder:
    """Forwards to one target, by one task: run()."""

    def __init__(
        self,
        target: Target,
        sender: Sender,
        store: Store,
        now: Callable[[], float],
        random: Callable[[], float],
        tell: Callable[[], None] = lambda: None,
    ) -> None:
        """`tell` is called when the state changes."""
        self.target = target
        self._sender = sender
        self._store = store
        self._tell = tell
        self._now = now
        self._retries = Retries(random, sender.retry_plan)
        self._is_placed = False
        #: Up to here, the target needs nothing that is not in the log.
        self._handled = 0
        self._retry = trio.Event()
        self._wakeup = trio.Event()
        self._again: dict[DeadLetterKey, None] = {}
        #: What it refused for ever, once that was read.
        self._dead_letters: set[DeadLetterKey] = set()
        self._knows_dead_letters = False
        self._saved = self.cursor = on_this_log(target.cursor, store)
        self._saved_at = trio.current_time()
        self._refused_in_a_row = 0
        self.waiting: Waiting | None = None
        #: When the first record that the target does not have arrived; None if it has all.
        self.behind_since: int | None = None

    # -- what is shown

    @property
    def behind(self) -> int:
        """How many records of the log come after the cursor."""
        return max(0, self._store.records.last_seq - self.cursor.seq)

    @property
    def state(self) -> TargetState:
        if self.target.held:
            return "held"
        if self.waiting is not None:
            return "waiting"
        return "behind" if self.behind else "current"

    def retry_now(self) -> None:
        """Try at once what waits."""
        self._retries.reset()
        self._retry.set()

    def send_again(self, keys: Iterable[DeadLetterKey]) -> None:
        """Send these again, before any others, whether they were delivered or refused."""
        self._again.update(dict.fromkeys(keys))
        self._wakeup.set()

    def look_again(self) -> None:
        """Look for something to tell besides new records and alarms."""
        self._wakeup.set()

    # -- the work

    async def run(self, records: Subscription[Record]) -> NoReturn:
        """Forward until cancelled. Failures of the target and of the store are waited out.

        `records`: wakes it up; what it holds is not looked at.
        """
        try:
            async with self._sender.running():
                while True:
                    try:
                        await self._forward(records)
                    except ReadAgain:
                        continue
                    except (CannotStoreNow, TooManyRequests):
                        self._is_placed = False
                        await trio.sleep(_BUSY_SECONDS)
        finally:
            with trio.move_on_after(_LAST_SAVE_SECONDS, shield=True), suppress(CannotStoreNow):
                await self._save()
            with trio.move_on_after(_LAST_SAVE_SECONDS, shield=True):
                await self._sender.aclose()

    async def _forward(self, records: Subscription[Record]) -> None:
        """Bring the target up to date, and wait for more."""
        self._wakeup = trio.Event()
        # Before looking, so that what is committed meanwhile wakes it up.
        records.catch_up()
        if not self._knows_dead_letters:
            letters = await self._store.targets.dead_letters(self.target.id)
            self._dead_letters.update(one.key for one in letters)
            self._knows_dead_letters = True
        if not self._is_placed:
            await self._find_position()
        while True:
            await self._tell_erasures()
            await self._send_chosen()
            await self._tell_gaps()
            is_done = await self._send_alarms()
            if await self._send_records() and is_done:
                break
        await self._save()
        self.behind_since = None
        broken: list[Reason] = []

        async def watch() -> None:
            broken.append(await self._sender.wait_broken())

        async with trio.open_nursery() as nursery:
            for wait in (partial(self._gather, records), self._wakeup.wait, watch):
                nursery.start_soon(_until, wait, nursery.cancel_scope)
        if broken:
            await self._wait(broken[0], self._retries.next_wait())
            await self._find_position()

    async def _gather(self, records: Subscription[Record]) -> None:
        """Return when there are records to send: as many as go at once, or as came in a while."""
        await records.next()
        with trio.move_on_after(self._sender.gather_seconds):
            while self.behind < self._sender.batch:
                records.catch_up()
                await records.next()

    async def _tell_erasures(self) -> None:
        """Tell of what was erased. Whatever is read from the log after this is without it."""
        while page := await self._store.erased.after(self.cursor.erasure_number, MAX_RECORDS):
            people = [one.number for one in page.items if not one.seq]
            items = erasure_items(page)
            if people and self.target.kind == "nats":
                items += person_items(page, await self._store.erasures.people_told_as(people))
            for item in items:
                await self._deliver([item])
            await self._move(replace(self.cursor, erasure_number=page.last))
            if people:
                await self._save()
                await self._store.erasures.forget_told()

    async def _check_unerased(self, items: Sequence[Item]) -> None:
        """Raise ReadAgain if records were erased since these items were read."""
        if isinstance(items[0], ErasureItem):
            return
        if await self._store.erased.last_number() > self.cursor.erasure_number:
            # Some of a batch may be delivered already.
            self._is_placed = False
            raise ReadAgain

    async def _send_chosen(self) -> None:
        """Send what somebody wants to be sent again. What arrives is no dead letter then."""
        for key in list(self._again):
            if key.kind == "alarm" and await self._store.erased.is_under_way():
                continue  # as in _send_alarms
            item = await self._chosen(key)
            if item is None:
                await self._remove_dead_letter(key)
            elif not self._comes_anyway(item):
                await self._deliver_one(item)
            self._again.pop(key, None)

    def _comes_anyway(self, item: RecordItem | AlarmItem | GapItem) -> bool:
        """Whether a dead letter is delivered already, or by its cursor."""
        if isinstance(item, RecordItem):
            return False
        is_new = isinstance(item, AlarmItem) and item.number > self.cursor.alarm_number
        is_next = is_new and self.target.options.selection.alarms
        return is_next or self._key_of(item) not in self._dead_letters

    async def _chosen(self, key: DeadLetterKey) -> RecordItem | AlarmItem | GapItem | None:
        """Return what is to be sent again, as it is now; None if it is gone.

        After a change of the log, its records and alarms are sent from the beginning anyway.
        """
        if key.kind == "gap":
            gaps = self._store.targets.gaps(self.target.id)
            return next((GapItem(gap) for gap in gaps if self._key_of(GapItem(gap)) == key), None)
        if key.log != self.cursor.log:
            return None
        record = await self._store.records.get(key.seq)
        if key.kind == "record":
            return None if record is None else (await self._items([record]))[0]
        alarm = await self._store.alarms.get(key.seq)
        number = await self._store.targets.alarm_number(key.seq)
        return None if alarm is None else AlarmItem(number, alarm, record)

    async def _deliver_one(self, item: RecordItem | AlarmItem | GapItem) -> None:
        """Return once an item is delivered, and so no dead letter any longer, or is one."""
        if await self._deliver([item]):
            if isinstance(item, GapItem):
                await self._store.targets.tell_gap(item.gap, self._ms())
            await self._remove_dead_letter(self._key_of(item))

    async def _remove_dead_letter(self, key: DeadLetterKey) -> None:
        if key in self._dead_letters:
            await self._store.targets.remove_dead_letter(self.target.id, key)
            self._dead_letters.discard(key)

    def _key_of(self, item: RecordItem | AlarmItem | GapItem) -> DeadLetterKey:
        match item:
            case RecordItem():
                return DeadLetterKey("record", self.cursor.log, item.record.seq)
            case AlarmItem():
                return DeadLetterKey("alarm", self.cursor.log, item.alarm.seq)
            case GapItem():
                return DeadLetterKey("gap", item.gap.log, item.gap.first_seq)

    async def _tell_gaps(self) -> None:
        """Tell of what the target will never get, once the cursor is there."""
        for gap in self._store.targets.gaps(self.target.id):
            is_dead_letter = self._key_of(GapItem(gap)) in self._dead_letters
            is_due = gap.log != self.cursor.log or self._is_next(gap)
            if gap.told_at is None and is_due and not is_dead_letter:
                await self._deliver_one(GapItem(gap))

    def _is_next(self, gap: Gap) -> bool:
        return gap.first_seq <= self.cursor.seq + 1

    async def _note_hole(self, first: int, last: int) -> None:
        """Tell of records that are not in the log, as far as no gap that is known says so."""
        known = sorted(
            (gap.first_seq, gap.last_seq)
            for gap in self._store.targets.gaps(self.target.id)
            if gap.log == self.cursor.log and first <= gap.last_seq and gap.first_seq <= last
        )
        for begin, end in (*known, (last + 1, last)):
            if first < begin:
                lost = {self.target.id: (first, begin - 1)}
                await self._store.targets.add_gaps(lost, self.cursor.log, "lost", self._ms())
            first = max(first, end + 1)
        await self._tell_gaps()

    async def _send_alarms(self) -> bool:
        """Tell of some changes of alarms; return whether these were all."""
        if not self.target.options.selection.alarms:
            return True
        changes = await self._store.targets.alarm_changes(self.cursor.alarm_number, _ALARMS)
        if changes and await self._store.erased.is_under_way():
            return True  # for now: they may name the person until that is over
        for number, seq in changes:
            if (alarm := await self._store.alarms.get(seq)) is not None:
                record = await self._store.records.get(seq)
                await self._deliver_one(AlarmItem(number, alarm, record))
            await self._move(replace(self.cursor, alarm_number=number))
        return len(changes) < _ALARMS

    async def _send_records(self) -> bool:
        """Send some records; return whether these were all."""
        end = self._store.records.last_seq
        page = await self._store.records.page(
            RecordFilter(), after=self.cursor.seq, limit=_PAGE_RECORDS, max_bytes=_PAGE_BYTES
        )
        if page.items:
            self.behind_since = page.items[0].received_at
        for run in _unbroken(page.items):
            await self._close_hole(run[0].seq - 1)
            await self._send_run(run)
        if page.next is None and (not page.items or page.items[-1].seq < end):
            await self._close_hole(end)
        return page.next is None

    async def _close_hole(self, last: int) -> None:
        """Move the cursor to `last`; nothing after it is in the log up to there."""
        if last > self.cursor.seq:
            if last > (known := max(self.cursor.seq, self._handled)):
                await self._note_hole(known + 1, last)
            await self._move(replace(self.cursor, seq=last))

    async def _send_run(self, records: Sequence[Record]) -> None:
        """Send those records that the target gets, of some that follow each other."""
        wanted = [one for one in records if self.target.options.selection.wants(one)]
        items = await self._items(wanted)
        for start in range(0, len(items), self._sender.batch):
            some = items[start : start + self._sender.batch]
            await self._deliver(some)
            await self._move(replace(self.cursor, seq=some[-1].record.seq))
            await trio.sleep(backoff_for_uploads(len(some), self._store.queue_fill[0]))
        if records[-1].seq > self.cursor.seq:
            await self._move(replace(self.cursor, seq=records[-1].seq))

    async def _items(self, records: Sequence[Record]) -> list[RecordItem]:
        choice = self.target.options.selection.pictures
        shown: frozenset[int] = frozenset()
        if choice == "alarms" and records:
            shown = await self._store.targets.with_alarm([record.seq for record in records])
        return [RecordItem(one, choice == "all" or one.seq in shown) for one in records]

    async def _find_position(self) -> None:
        """Ask the other side how far it is. Raises ReadAgain if that is not where we are."""
        position = await self._ask_position()
        self._is_placed = True
        if position is None:
            return
        if not await is_ours(position, self._store):
            name = self.target.options.hub
            await self._hold(because("another hub sends as %(name)s too", name=name))
        self._end_waiting()
        position = await without_expired(position, self.cursor, self._store)
        erased = erasures_of(position, self.cursor)
        if (position.seq, erased) != (self.cursor.seq, self.cursor.erasure_number):
            log.info(
                "target %d has the records up to %d, not %d",
                self.target.id,
                position.seq,
                self.cursor.seq,
            )
            # What is not in the log any more up to here was delivered, or not selected.
            self._handled = 0 if position.has_lost else self.cursor.seq
            self.cursor = replace(
                self.cursor, log=position.log, seq=position.seq, erasure_number=erased
            )
            raise ReadAgain

    async def _ask_position(self) -> Position | None:
        while True:
            try:
                return await self._sender.position(self.cursor)
            except TryLater as failure:
                await self._wait(failure.reason, self._retries.next_wait(failure.after))
            except NeedsPerson as failure:
                await self._hold(failure.reason)

    async def _deliver(self, items: Sequence[Item]) -> bool:
        """Return once all items are delivered, or dead-lettered: whether none had to be."""
        is_whole = True
        while items:
            await self._check_unerased(items)
            try:
                await self._sender.send(items)
            except Refused as refused:
                is_whole = False
                await self._dead_letter(items[refused.position], refused.reason)
                items = items[refused.position + 1 :]
            except TryLater as failure:
                await self._wait(failure.reason, self._retries.next_wait(failure.after))
                await self._find_position()
            except NeedsPerson as failure:
                await self._hold(failure.reason)
            else:
                self._refused_in_a_row = 0
                break
        self._end_waiting()
        return is_whole

    def _end_waiting(self) -> None:
        self._retries.reset()
        if self.waiting is not None:
            self.waiting = None
            self._tell()

    async def _dead_letter(self, item: Item, reason: Reason) -> None:
        """Note that an item is refused for ever. Too many of them are the target's fault.

        What was erased must not stay there: a person has to see to it.
        """
        if isinstance(item, ErasureItem):
            await self._hold(replace(REFUSES_ERASURE, values={"why": reason}))
        self._refused_in_a_row += 1
        if self._refused_in_a_row > _MAX_REFUSED_IN_A_ROW:
            await self._hold(because("it refuses everything: %(why)s", why=reason))
        key = self._key_of(item)
        letter = DeadLetter(self.target.id, key.kind, key.log, key.seq, reason, self._ms())
        count = await self._store.targets.add_dead_letter(letter)
        self._dead_letters.add(key)
        if count >= MAX_DEAD_LETTERS:
            await self._hold(
                because("it refused %(count)s messages: %(why)s", count=count, why=reason)
            )

    async def _wait(self, reason: Reason, seconds: float) -> None:
        """Wait before the next try, or until a person wants it now."""
        since = self.waiting.since if self.waiting is not None else trio.current_time()
        if self.waiting is None:
            log.warning("target %d gets nothing now: %s", self.target.id, visible(str(reason)))
        self._tell()
        self.waiting = Waiting(reason, since, self._ms() + int(seconds * 1000))
        with suppress(CannotStoreNow):  # later: a full disk must not make it ask again at once
            await self._save()
        self._retry = trio.Event()
        with trio.move_on_after(seconds):
            await self._retry.wait()

    async def _hold(self, reason: Reason) -> NoReturn:
        """Send nothing more until this task is cancelled: a person has to look."""
        log.warning("target %d is held: %s", self.target.id, visible(str(reason)))
        self.waiting = None
        while True:
            try:
                await self._store.targets.hold(self.target, reason)
                break
            except CannotStoreNow:
                await trio.sleep(_BUSY_SECONDS)
        self.target = replace(self.target, held=reason)
        self._tell()
        await self._save()
        await trio.sleep_forever()
        raise AssertionError("not reached")

    async def _move(self, cursor: Cursor) -> None:
        self.cursor = cursor
        if trio.current_time() - self._saved_at >= _SAVE_SECONDS:
            await self._save()
        else:
            await trio.lowlevel.checkpoint()

    async def _save(self) -> None:
        """Save the cursor. Raises CannotStoreNow."""
        self._saved_at = trio.current_time()
        if (cursor := self.cursor) != self._saved:
            await self._store.targets.move(self.target, cursor)
            self._saved = cursor

    def _ms(self) -> int:
        return int(self._now() * 1000)


def _unbroken(records: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """Yield the records in parts whose seqs follow each other."""
    start = 0
    for end in range(1, len(records) + 1):
        if end == len(records) or records[end].seq != records[end - 1].seq + 1:
            yield records[start:end]
            start = end


async def _until(wait: Callable[[], object], scope: trio.CancelScope) -> None:
    await wait()  # type: ignore[misc]
    scope.cancel()
