"""Bounded fan-out of committed records and of changes. Publishing never waits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Literal, TypeVar

import trio
from msgspec import Struct

T = TypeVar("T")

#: Changes of one kind at once: more are published as one, of all of the kind.
MAX_AT_ONCE = 100
#: A subscription that holds more bytes than this is marked lagged.
MAX_HELD_BYTES = 8 * 1024 * 1024


def _zero_weight(item: object) -> int:
    return 0


class Change(Struct, frozen=True):
    """Something changed: read it again. `key`: a did, an SN, an id, or empty for all."""

    kind: Literal[
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
    key: str = ""


def keys_of(kind: str, changes: Iterable[Change]) -> set[str] | None:
    """Return the keys of the changes of a kind; None if all have changed."""
    keys = {change.key for change in changes if change.kind == kind}
    return None if "" in keys else keys


class Subscription(Generic[T]):
    """One subscriber's queue, read by one task.

    When more than `size` items or `MAX_HELD_BYTES` wait, the queue is emptied and marked `lagged`;
    nothing is queued until catch_up(). The subscriber then reads what it missed from the source.
    """

    def __init__(self, size: int, weight: Callable[[T], int]) -> None:
        self.lagged = False
        self._size = size
        self._weight = weight
        self._items: list[T] = []
        self._queued_bytes = 0
        self._wakeup = trio.Event()

    async def next(self) -> list[T]:
        """Wait for items and return all that are queued; an empty list means `lagged`.

        If cancelled, no item is lost.
        """
        if self._items or self.lagged:
            await trio.lowlevel.checkpoint()
        else:
            await self._wakeup.wait()
        self._wakeup = trio.Event()
        items, self._items, self._queued_bytes = self._items, [], 0
        return items

    def catch_up(self) -> None:
        """Queue items again. Call it before reading what was missed, so that there is no gap."""
        self.lagged = False

    def _restart(self) -> None:
        self._items, self._queued_bytes = [], 0
        self.lagged = True
        self._wakeup.set()

    def _enqueue(self, items: Sequence[T]) -> None:
        if self.lagged:
            return
        self._items.extend(items)
        self._queued_bytes += sum(map(self._weight, items))
        if len(self._items) > self._size or self._queued_bytes > MAX_HELD_BYTES:
            self._restart()
        self._wakeup.set()


class Feed(Generic[T]):
    """Delivers published items, in order, to every subscription that is open at that moment.

    `weight`: returns the bytes of memory that an item keeps; by default they are not limited.
    """

    def __init__(self, weight: Callable[[T], int] = _zero_weight) -> None:
        self._weight = weight
        #: How many items were published so far. Compare it to see whether there are new ones.
        self.published = 0
        self._subscriptions: dict[Subscription[T], None] = {}

    def publish(self, items: Sequence[T]) -> None:
        """Queue the items for every subscription. Never waits."""
        if not items:
            return
        self.published += len(items)
        for subscription in self._subscriptions:
            subscription._enqueue(items)

    def restart(self) -> None:
        """Drop what is queued for the subscriptions, and let them read it from the source.

        For items that were changed after they were published.
        """
        for subscription in self._subscriptions:
            subscription._restart()

    @contextmanager
    def subscribe(self, size: int = 256) -> Iterator[Subscription[T]]:
        """Open a subscription for up to `size` waiting items, and close it at the end."""
        subscription: Subscription[T] = Subscription(size, self._weight)
        self._subscriptions[subscription] = None
        try:
            yield subscription
        finally:
            del self._subscriptions[subscription]


class ChangeFeed(Feed[Change]):
    """The changes that services tell each other and pages.

    Whoever follows it and publishes into it what it has found, however much that is, adds at most
    MAX_AT_ONCE of a kind. So with thousands of cameras nobody's queue is filled by itself.
    """

    def publish(self, items: Sequence[Change]) -> None:
        """Queue the changes for every subscription. Never waits."""
        changes = dict.fromkeys(items)
        counts = Counter(change.kind for change in changes)
        few = (Change(one.kind) if counts[one.kind] > MAX_AT_ONCE else one for one in changes)
        super().publish(list(dict.fromkeys(few)))
