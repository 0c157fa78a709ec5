"""Bounded fan-out: what was committed or changed, to whoever listens; publishing never waits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, Literal, TypeVar

import trio
from msgspec import Struct

T = TypeVar("T")

#: Bytes that one subscription may hold.
MAX_HELD_BYTES = 8 * 1024 * 1024


def _nothing(item: object) -> int:
    return 0


class Change(Struct, frozen=True):
    """Something is no longer what it was: look again. `key` is a did, an SN, an id, or empty."""

    kind: Literal["device", "waiting", "health", "site", "firmware"]
    key: str = ""


class Subscription(Generic[T]):
    """One listener's share of a feed, read by one task.

    A listener that is too slow for `size` items, or for their weight, is marked `lagged`: what was
    held for it is let go, and nothing more is held until it calls `catch_up`. It then reads
    elsewhere what it missed.
    """

    def __init__(self, size: int, weight: Callable[[T], int]) -> None:
        self.lagged = False
        self._size = size
        self._weight = weight
        self._items: list[T] = []
        self._held = 0
        self._news = trio.Event()

    async def next(self) -> list[T]:
        """Wait for items and take all that are there; an empty list says `lagged`."""
        if self._items or self.lagged:
            await trio.lowlevel.checkpoint()
        else:
            await self._news.wait()
        self._news = trio.Event()
        items, self._items, self._held = self._items, [], 0
        return items

    def catch_up(self) -> None:
        """Hold items again. Call it before reading what was missed, so that no gap is left."""
        self.lagged = False

    def _hold(self, items: Sequence[T]) -> None:
        if self.lagged:
            return
        self._items.extend(items)
        self._held += sum(map(self._weight, items))
        if len(self._items) > self._size or self._held > MAX_HELD_BYTES:
            self._items, self._held = [], 0
            self.lagged = True
        self._news.set()


class Feed(Generic[T]):
    """What is published reaches every subscription there is at that moment, in order.

    `weight`: the bytes that an item keeps in memory, where that is worth a bound.
    """

    def __init__(self, weight: Callable[[T], int] = _nothing) -> None:
        self._weight = weight
        #: How many items so far: who knows the number knows whether something came since.
        self.published = 0
        self._subscriptions: dict[Subscription[T], None] = {}

    def publish(self, items: Sequence[T]) -> None:
        if not items:
            return
        self.published += len(items)
        for subscription in self._subscriptions:
            subscription._hold(items)

    @contextmanager
    def subscribe(self, size: int = 256) -> Iterator[Subscription[T]]:
        subscription: Subscription[T] = Subscription(size, self._weight)
        self._subscriptions[subscription] = None
        try:
            yield subscription
        finally:
            del self._subscriptions[subscription]
