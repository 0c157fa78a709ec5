"""Lists that devices give in pages (1.8, 1.10, 1.11, 1.13), read as they come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hub.errors import DeviceRefused
from hub.wire.commands.messages import DevicePage
from hub.wire.commands.paging import ListPosition, PageCursor

Row = TypeVar("Row")


class PagesOfDevice(Generic[Row]):
    """A list that a device gives in pages, as they come: `async for rows in pages`.

    Each page is a command of its own, which waits for its turn as others do. After a cancellation,
    and after any error but the device's refusal, `next` may be called again and misses nothing.
    """

    def __init__(
        self, pages: PageCursor[Row], ask: Callable[[int], Awaitable[DevicePage[Row]]]
    ) -> None:
        self._pages = pages
        self._ask = ask

    @property
    def wanted(self) -> int | None:
        """The number of the page that comes next; None at the end."""
        return self._pages.wanted

    @property
    def total(self) -> int | None:
        """How many rows there are by what the device told last; None where it tells none."""
        return self._pages.total

    @property
    def read(self) -> int:
        """How many different rows were handed out, with those of an earlier walk."""
        return self._pages.read

    @property
    def left(self) -> ListPosition:
        """What a walk that goes on from the page `wanted` is to know of this one."""
        return self._pages.left

    @property
    def unreadable(self) -> int:
        """How many rows could not be understood, and were left out."""
        return self._pages.unreadable

    async def next(self) -> tuple[Row, ...] | None:
        """The rows of the next page that has new ones; None at the end. Raises as `call` does."""
        while (number := self._pages.wanted) is not None:
            try:
                page = await self._ask(number)
            except DeviceRefused:
                if not self._pages.refuse():
                    raise
            else:
                if rows := self._pages.take(page):
                    return rows
        return None

    def __aiter__(self) -> PagesOfDevice[Row]:
        return self

    async def __anext__(self) -> tuple[Row, ...]:
        rows = await self.next()
        if rows is None:
            raise StopAsyncIteration
        return rows
