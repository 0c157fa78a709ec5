"""What was made of news for one reader, for the others that get the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

import trio

S = TypeVar("S")
T = TypeVar("T")

#: What all readers of a feed get within a moment; the rest is made again.
_MAX_KEPT = 64
_MAX_BYTES = 16 * 1024


class SharedNews(Generic[S, T]):
    """What was made of the last news, by what it depends on.

    A feed gives all its readers the same object. One that was read from the store is another: it
    may have been erased in part since. `weight`: the bytes of memory that one keeps.
    """

    def __init__(self, weight: Callable[[S], int] | None = None) -> None:
        self._weight = weight
        self._kept: dict[Hashable, tuple[S, T]] = {}
        self._making: dict[Hashable, trio.Event] = {}

    async def made(
        self,
        news: Sequence[S],
        look: Hashable,
        make: Callable[[Sequence[S]], Awaitable[Sequence[T]]],
    ) -> list[T]:
        """What `make` makes of each; it is given what no other reader has made, or is making.

        `look`: all that it depends on besides, such as the language.
        """
        made: dict[int, T] = {}
        while missing := self._missing(news, look, made):
            keys = [(id(one), look) for one in missing]
            if others := [self._making[key] for key in keys if key in self._making]:
                await others[0].wait()
                continue
            ready = trio.Event()
            self._making.update(dict.fromkeys(keys, ready))
            try:
                results = await make(missing)
            finally:
                for key in keys:
                    del self._making[key]
                ready.set()
            for one, result in zip(missing, results, strict=True):
                made[id(one)] = result
                self._keep(one, look, result)
        return [made[id(one)] for one in news]

    def _missing(self, news: Sequence[S], look: Hashable, made: dict[int, T]) -> list[S]:
        """Those that are not made yet; what is kept is added to `made`."""
        missing = []
        for one in news:
            if (kept := self._kept.get((id(one), look))) is not None:
                made[id(one)] = kept[1]
            elif id(one) not in made:
                missing.append(one)
        return missing

    def _keep(self, one: S, look: Hashable, made: T) -> None:
        if self._weight is not None and self._weight(one) > _MAX_BYTES:
            return
        self._kept[id(one), look] = (one, made)
        if len(self._kept) > _MAX_KEPT:
            del self._kept[next(iter(self._kept))]
