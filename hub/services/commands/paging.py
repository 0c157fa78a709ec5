"""Lists that devices return in pages (1.8, 1.10, 1.11, 1.13), read page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from hub.errors import DeviceRefused
from hub.wire.commands.answers import DevicePage
from hub.wire.commands.paging import ListPosition, PageCursor

Row = TypeVar("Row")


class DeviceList(Generic[Row]):
    """A list on a device: `async for rows in device_list` yields the rows of each page.

    Each page is a command of its own, which waits in the queue as others do. After a cancellation,
    and after any error except DeviceRefused, `next` may be called again and misses nothing.
    """

    def __init__(
        self, pages: PageCursor[Row], ask: Callable[[int], Awaitable[DevicePage[Row]]]
    ) -> None:
        self._pages = pages
        self._ask = ask

    @property
    def wanted(self) -> int | None:
        """The number of the next page; None at the end."""
        return self._pages.wanted

    @property
    def total(self) -> int | None:
        """How many rows there are, as the device last reported; None if it never did."""
        return self._pages.total

    @property
    def read(self) -> int:
        """How many different rows were returned, including those of an earlier walk."""
        return self._pages.read

    @property
    def left(self) -> ListPosition:
        """What a later walk needs to continue at the page `wanted`."""
        return self._pages.left

    @property
    def unreadable(self) -> int:
        """How many rows could not be understood, and were left out."""
        return self._pages.unreadable

    async def next(self) -> tuple[Row, ...] | None:
        """Return the new rows of the next page that has any; None at the end.

        Raises what Commands.call() raises.
        """
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

    def __aiter__(self) -> DeviceList[Row]:
        return self

    async def __anext__(self) -> tuple[Row, ...]:
        rows = await self.next()
        if rows is None:
            raise StopAsyncIteration
        return rows
