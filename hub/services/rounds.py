"""Rounds: what happens is gathered, and told to all readers of streams, some of them at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar, cast

import trio
from msgspec import Struct

from hub.live.feed import Change, Subscription, Wakeup
from hub.services.feeds import record_weight
from hub.store.alarms.alarm import AlarmChange
from hub.wire.uploads.records import Record

if TYPE_CHECKING:
    from hub.services.core import Core

T = TypeVar("T")

BEAT_SECONDS = 15.0
#: From a round to the next one: what happens meanwhile is told together.
PAUSE_SECONDS = (0.1, 0.5)
#: A round that took long is followed by so many times as long a pause, within these bounds.
_PAUSES = 3
#: Readers that are woken at once: what else the hub does goes on between them.
AT_ONCE = 8
#: How long the round waits for them: who takes longer goes on beside the round.
_TURN_SECONDS = 0.05
#: What is kept for readers that are behind: others read from the store.
_MAX_KEPT, _MAX_KEPT_BYTES, _RECORD_BYTES = 64, 1024 * 1024, 1024
#: What may happen between two rounds: if more does, readers read it from the store.
_MAX_RECORDS = 1024


class News:
    """What happened since the last News. `beat`: BEAT_SECONDS have passed.

    All readers that keep up get the same object.
    """

    def __init__(
        self,
        records: Sequence[Record] = (),
        changes: Sequence[Change] = (),
        alarms: Sequence[AlarmChange] = (),
        *,
        beat: bool = False,
    ) -> None:
        self.records = records
        self.changes = changes
        self.alarms = alarms
        self.beat = beat
        #: The bytes of memory that its records keep.
        self.weight = sum(_RECORD_BYTES + record_weight(record) for record in records)
        self._made: dict[Hashable, object] = {}
        self._making: dict[Hashable, trio.Event] = {}

    def with_records(self, records: Sequence[Record]) -> News:
        """Return other News for one reader."""
        return News(records, self.changes, self.alarms, beat=self.beat)

    async def shared(self, look: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Return what `make` makes of these News, which one reader does for all.

        `look`: all that it depends on besides, such as the language, and what is made.
        """
        while (making := self._making.get(look)) is not None:
            await making.wait()
        if look not in self._made:
            ready = self._making[look] = trio.Event()
            try:
                self._made[look] = await make()
            finally:
                del self._making[look]
                ready.set()
        return cast(T, self._made[look])


class _Followed(Struct):
    """What has happened and is not in News yet."""

    records: Subscription[Record]
    changes: Subscription[Change]
    alarms: Subscription[AlarmChange]

    def take(self) -> tuple[list[Record], list[Change], list[AlarmChange]]:
        changes = list(dict.fromkeys(self.changes.take()))
        return self.records.take(), changes, self.alarms.take()

    def catch_up(self) -> bool:
        """Whether a feed could not hold it all, or took something back; from now on, it does."""
        is_lagged = self.records.lagged or self.alarms.lagged
        self.records.catch_up()
        self.alarms.catch_up()
        return is_lagged


class Rounds:
    """Follows the feeds for all readers. A slow reader misses nothing and delays no other."""

    def __init__(self, core: Core) -> None:
        self._core = core
        #: The number of the newest News.
        self.newest = 0
        self._kept: dict[int, News] = {}
        self._followed: _Followed | None = None
        #: Where each reader waits.
        self._places: dict[Wakeup, None] = {}
        #: The places of those that are not back since they were woken, and for whom a round waits.
        self._out: set[Wakeup] = set()
        self._awaited: set[Wakeup] = set()
        self._are_back = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make News of what happens, and let all readers take them, until cancelled."""
        core, wakeup = self._core, Wakeup()
        with (
            core.records.subscribe(_MAX_RECORDS, wakeup) as records,
            core.changes.subscribe(wakeup=wakeup) as changes,
            core.alarm_changes.subscribe(wakeup=wakeup) as alarms,
        ):
            self._followed = _Followed(records, changes, alarms)
            task_status.started()
            beaten_at = trio.current_time()
            while True:
                with trio.move_on_at(beaten_at + BEAT_SECONDS):
                    await wakeup.wait()
                began_at = trio.current_time()
                if beat := began_at >= beaten_at + BEAT_SECONDS:
                    beaten_at = began_at
                self._gather(beat=beat)
                await self._go_round()
                shortest, longest = PAUSE_SECONDS
                took = trio.current_time() - began_at
                await trio.sleep(min(max(_PAUSES * took, shortest), longest))

    @contextmanager
    def reader(self) -> Iterator[Wakeup]:
        """Take part: what is yielded is set when there are News of what happens from now on."""
        self._gather()
        place = Wakeup()
        self._places[place] = None
        self._out.add(place)
        try:
            yield place
        finally:
            del self._places[place]
            self.note_back(place)

    def note_back(self, place: Wakeup) -> None:
        """Note that the reader of this place has done with the News that it has taken."""
        self._out.discard(place)
        self._awaited.discard(place)
        if not self._awaited:
            self._are_back.set()

    def after(self, number: int) -> News | None:
        """Return the News with the next number; None if they are not kept, or were missed."""
        self._forget_what_was_missed()
        return self._kept.get(number + 1)

    def _gather(self, *, beat: bool = False) -> None:
        """Make News of what has happened, if anything has."""
        self._forget_what_was_missed()
        records, changes, alarms = self._followed.take() if self._followed else ([], [], [])
        if not self._places:
            self._kept.clear()
            return
        if not (records or changes or alarms or beat):
            return
        self.newest += 1
        self._kept[self.newest] = News(records, changes, alarms, beat=beat)
        while len(self._kept) > 1 and not self._may_keep_all():
            del self._kept[next(iter(self._kept))]

    def _forget_what_was_missed(self) -> None:
        """Let all readers read from the store what the feeds could not hold, or took back."""
        if self._followed is not None and self._followed.catch_up():
            self._kept.clear()
            self.newest += 1

    def _may_keep_all(self) -> bool:
        kept = self._kept.values()
        return len(kept) <= _MAX_KEPT and sum(one.weight for one in kept) <= _MAX_KEPT_BYTES

    async def _go_round(self) -> None:
        """Wake those that wait, so many at a time that all else has its turn between them."""
        waiting = list(self._places)
        for start in range(0, len(waiting), AT_ONCE):
            group = self._places.keys() & waiting[start : start + AT_ONCE]
            self._awaited = group - self._out
            self._out |= group
            self._are_back = trio.Event()
            for place in self._awaited:
                place.set()
            with trio.move_on_after(_TURN_SECONDS if self._awaited else 0):
                await self._are_back.wait()
