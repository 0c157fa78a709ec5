"""Which page of a device's list to ask for next, and which of its rows are new (D4).

Pure, and it ends with every device: by the total, by an empty page, by a page that repeats what
was read, or at a bound. A device that counts its pages from the other number than documented
shows it: from 1 instead of 0, by a page 1 that repeats (or a page 0 that is empty or refused);
from 0 instead of 1, by rows that are missing in the end, which are its page 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec
import xxhash
from msgspec import Struct

from hub.wire.commands.messages import DevicePage

Row = TypeVar("Row")

#: Of one list. No device holds so much; one that never ends does.
MAX_PAGES = 10_000
MAX_ROWS = 500_000
#: Of a list that was left; devices give 32 rows at a time, or 72 recordings.
MAX_MARKS = 100


class ListPosition(Struct, frozen=True):
    """What is known of a list that was left: rows that came, and marks of the last of them.

    A row that was put in meanwhile moves others on to the next page, and some devices repeat their
    last page for ever: both show in what came last. To know all rows would be too much to carry.
    """

    read: int = 0
    marks: tuple[int, ...] = ()


LIST_START = ListPosition()


class PageCursor(Generic[Row]):
    """The pages of one list: ask for the page `wanted` and tell of the answer, until it is None.

    A list that was `left` is gone on with from its `page`. `total` is what the device told last,
    `unreadable` counts the rows that could not be read.
    """

    def __init__(
        self, first_page: int, *, page: int | None = None, left: ListPosition = LIST_START
    ) -> None:
        self._first = first_page
        self._before = left.read
        self._marks_before = frozenset(left.marks)
        self._last: tuple[Row, ...] = ()
        self._asked = 0
        self._seen: set[int] = set()
        self._largest = 0
        self.wanted: int | None = first_page if page is None else page
        self.total: int | None = None
        self.unreadable = 0

    @property
    def read(self) -> int:
        """How many different rows there were up to now."""
        return self._before + len(self._seen)

    @property
    def left(self) -> ListPosition:
        """What to go on with from here on."""
        return ListPosition(self.read, tuple(map(_mark, self._last)))

    def take(self, page: DevicePage[Row]) -> tuple[Row, ...]:
        """The device answered with this page: its rows that did not come before."""
        asked = self._ask()
        new = tuple(self._new(page.rows))
        self._last = page.rows[-MAX_MARKS:] or self._last
        if new or not page.rows:
            self.unreadable += page.unreadable
        self.total = self.total if page.total is None else page.total
        self._largest = max(self._largest, len(page.rows) + page.unreadable)
        is_empty = not page.rows and not page.unreadable
        self.wanted = self._after(asked, has_new=bool(new), is_empty=is_empty)
        return new

    def refuse(self) -> bool:
        """The device refused the page: whether that is to be overlooked, and the list goes on."""
        asked = self._ask()
        if asked == self._first and not self.read:
            self.wanted = 1 - self._first
        else:
            self.wanted = 0 if self._may_miss_page_0_alone(asked) else None
        return self.wanted is not None or (self._is_last_guess(asked) and self.read > 0)

    def _ask(self) -> int:
        if self.wanted is None:
            raise ValueError("no page was wanted")
        self._asked += 1
        return self.wanted

    def _new(self, rows: tuple[Row, ...]) -> Iterator[Row]:
        for row in rows:
            if self._marks_before and _mark(row) in self._marks_before:
                continue
            # The hash alone: half a million rows would be much to remember.
            if (known := hash(row)) not in self._seen:
                self._seen.add(known)
                yield row

    def _after(self, asked: int, *, has_new: bool, is_empty: bool) -> int | None:
        if self._is_last_guess(asked) or not self._misses_rows() or self._is_at_bound():
            return None
        if has_new or (self._may_have_moved() and not is_empty):
            return asked + 1
        if self._first == 0 and (asked == 0 or (asked == 1 and not is_empty)):
            return asked + 1
        return 0 if self._first == 1 else None

    def _may_have_moved(self) -> bool:
        """Whether a page of what came last may be no end: as much was put in since it was left.

        Where the device tells no total it is rather one that repeats its last page.
        """
        return self._asked == 1 and bool(self._marks_before) and self.total is not None

    def _is_last_guess(self, asked: int) -> bool:
        """Whether it was page 0 of a list that begins at 1, which is asked for in the end."""
        return asked < self._first

    def _misses_rows(self) -> bool:
        """Whether there may be more; what the device tells decides, where it tells."""
        return self.total is None or self.read + self.unreadable < self.total

    def _may_miss_page_0_alone(self, asked: int) -> bool:
        if asked <= self._first or self._first == 0 or self.total is None:
            return False
        return 0 < self.total - self.read - self.unreadable <= self._largest

    def _is_at_bound(self) -> bool:
        return self._asked >= MAX_PAGES or self.read >= MAX_ROWS


def _mark(row: object) -> int:
    """The same in every process, in 32 bits."""
    return xxhash.xxh32_intdigest(msgspec.json.encode(row))
