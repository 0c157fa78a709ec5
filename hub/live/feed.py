"""Bounded fan-out of committed records and of changes. Publishing never waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Literal, TypeVar, get_args

import trio
from msgspec import Struct

T = TypeVar("T")

#: Changes of one kind at once: more are one, of all of the kind.
MAX_AT_ONCE = 100
#: A subscription that holds more bytes than this is marked lagged.
MAX_HELD_BYTES = 8 * 1024 * 1024


#: What changes: the feed knows no other kind.
ChangeKind = Literal[
    "device",
    "waiting",
    "health",
    "site",
    "firmware",
    "update",
    "hold",
    "erasure",
    "settings",
    "backups",
    "person",
    "group",
    "sync",
    "job",
    "alarm",
    "alarm-rules",
    "target",
]
KINDS: tuple[ChangeKind, ...] = get_args(ChangeKind)


def _zero_weight(item: object) -> int:
    return 0


class Change(Struct, frozen=True):
    """Something changed: read it again. `key`: a did, an SN, an id, or empty for all."""

    kind: ChangeKind
    key: str = ""


def joined(items: Iterable[Change]) -> list[Change]:
    """Return the changes, each once, and at most MAX_AT_ONCE of a kind: more as one, of all."""
    changes = dict.fromkeys(items)
    counts = Counter(change.kind for change in changes)
    all_of = {kind for kind in counts if counts[kind] > MAX_AT_ONCE or Change(kind) in changes}
    few = (Change(one.kind) if one.kind in all_of else one for one in changes)
    return list(dict.fromkeys(few))


def keys_of(kind: str, changes: Iterable[Change]) -> set[str] | None:
    """Return the keys of the changes of a kind; None if all have changed."""
    keys = {change.key for change in changes if change.kind == kind}
    return None if "" in keys else keys


def of_kinds(*kinds: ChangeKind) -> Callable[[Change], bool]:
    """Return what says whether a change is of one of these kinds."""
    return lambda change: change.kind in kinds


class Wakeup:
    """Wakes one task, which may follow several things by it and looks at all of them then."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        """Wait until it has been set since the last wait. Loses nothing when cancelled."""
        await self._event.wait()
        self._event = trio.Event()


class Subscription(Generic[T]):
    """One subscriber's queue, read by one task.

    When more than `size` items or `MAX_HELD_BYTES` wait, and joining them does not help, `instead`
    is queued in place of them. If there is nothing to say instead, the queue is emptied and marked
    `lagged`; nothing is queued until catch_up(). The subscriber then reads what it missed from the
    source.
    """

    def __init__(
        self,
        size: int,
        weight: Callable[[T], int],
        join: Callable[[list[T]], list[T]] | None,
        instead: Sequence[T],
        wakeup: Wakeup | None,
        wants: Callable[[T], bool] | None,
    ) -> None:
        self.lagged = False
        self._wants = wants
        self._instead = [one for one in instead if wants is None or wants(one)]
        self._size = size
        self._weight = weight
        self._join = join
        self._is_joined = False
        self._items: list[T] = []
        self._queued_bytes = 0
        self._wakeup = wakeup or Wakeup()

    async def next(self) -> list[T]:
        """Wait for items and return all that are queued; an empty list means `lagged`.

        If cancelled, no item is lost.
        """
        await self.wait()
        return self.take()

    async def wait(self) -> None:
        """Wait until take() returns items, or it is `lagged`."""
        if self._items or self.lagged:
            await trio.lowlevel.checkpoint()
        while not (self._items or self.lagged):
            await self._wakeup.wait()

    def take(self) -> list[T]:
        """Return all items that are queued, if any."""
        items, self._items, self._queued_bytes = self._items, [], 0
        if self._is_joined and self._join is not None:
            items, self._is_joined = self._join(items), False
        return items

    def catch_up(self) -> None:
        """Queue items again. Call it before reading what was missed, so that there is no gap."""
        self.lagged = False

    def _restart(self) -> None:
        self._items, self._queued_bytes = list(self._instead), 0
        self.lagged = not self._instead
        self._wakeup.set()

    def _enqueue(self, items: Sequence[T], weight: int) -> None:
        if self._wants is not None:
            items = list(filter(self._wants, items))
            weight = sum(map(self._weight, items))
        if self.lagged or not items:
            return
        self._items.extend(items)
        self._queued_bytes += weight
        is_full = len(self._items) > self._size
        if is_full and self._join is not None:
            self._items, self._is_joined = self._join(self._items), True
            self._queued_bytes = sum(map(self._weight, self._items))
            # With more, joining would soon be the work of every item.
            is_full = len(self._items) > self._size // 2
        if is_full or self._queued_bytes > MAX_HELD_BYTES:
            self._restart()
        self._wakeup.set()


class Feed(Generic[T]):
    """Delivers published items, in order, to every subscription that is open at that moment.

    `weight`: returns the bytes of memory that an item keeps; by default they are not limited.
    `join`: makes fewer items of those of a full queue, which say the same. `instead`: what says
    the same as any number of items.
    """

    def __init__(
        self,
        weight: Callable[[T], int] = _zero_weight,
        join: Callable[[list[T]], list[T]] | None = None,
        instead: Sequence[T] = (),
    ) -> None:
        self._weight = weight
        self._join = join
        self._instead = instead
        #: How many items were published so far. Compare it to see whether there are new ones.
        self.published = 0
        self._subscriptions: dict[Subscription[T], None] = {}

    def publish(self, items: Sequence[T]) -> None:
        """Queue the items for every subscription. Never waits."""
        if not items:
            return
        self.published += len(items)
        weight = sum(map(self._weight, items))
        for subscription in self._subscriptions:
            subscription._enqueue(items, weight)

    def restart(self) -> None:
        """Drop what is queued for the subscriptions, and let them read it from the source.

        For items that were changed after they were published.
        """
        for subscription in self._subscriptions:
            subscription._restart()

    @contextmanager
    def subscribe(
        self,
        size: int = 256,
        wakeup: Wakeup | None = None,
        wants: Callable[[T], bool] | None = None,
    ) -> Iterator[Subscription[T]]:
        """Open a subscription for up to `size` waiting items, and close it at the end.

        `wakeup` is set whenever there is something to take. `wants`: which items are queued; by
        default all.
        """
        subscription: Subscription[T] = Subscription(
            size, self._weight, self._join, self._instead, wakeup, wants
        )
        self._subscriptions[subscription] = None
        try:
            yield subscription
        finally:
            del self._subscriptions[subscription]


class ChangeFeed(Feed[Change]):
    """The changes that services tell each other and pages.

    Many of a kind, published together or one by one, are joined. So whoever follows it and
    publishes into it what it has found, of however many cameras, does not fill its own queue. Who
    falls behind is told that everything has changed.
    """

    def __init__(self) -> None:
        super().__init__(join=joined, instead=[Change(kind) for kind in KINDS])

    def publish(self, items: Sequence[Change]) -> None:
        """Queue the changes for every subscription. Never waits."""
        super().publish(joined(items))
