"""Which page of a device's list to request next, and which of its rows are new (D4).

Paging ends with every device: when the total is reached, at an empty page, at a page that only
repeats rows, or at a limit. Some devices number their pages from 1 where 0 is documented, or the
reverse. A device of the first kind sends the same rows as page 0 and page 1, or answers page 0 with
no rows or an error. With one of the second kind, rows are missing at the end; they are on page 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec
import xxhash
from msgspec import Struct

from hub.wire.commands.answers import DevicePage

Row = TypeVar("Row")

#: Limits of one list. No device holds so many rows; only a list that never ends reaches them.
MAX_PAGES = 10_000
MAX_ROWS = 500_000
#: Rows that a position remembers; devices send 32 rows at a time, or 72 recordings.
MAX_MARKS = 100


class ListPosition(Struct, frozen=True):
    """A position in a list, to continue from later: the rows read so far, and hashes of the last.

    The hashes show whether rows moved to the next page because others were inserted, and whether a
    device repeats its last page. Positions are part of URLs, so they cannot hold all rows' hashes.
    """

    read: int = 0
    marks: tuple[int, ...] = ()


LIST_START = ListPosition()


class PageCursor(Generic[Row]):
    """Request page `wanted` and report the answer with take() or refuse(), until it is None.

    To continue from a position, pass its `page` and `left`. `total`: what the device reported last;
    None if it reports none. `unreadable`: how many rows could not be decoded.
    """

    def __init__(
        self, first_page: int, *, page: int | None = None, left: ListPosition = LIST_START
    ) -> None:
        self._first = first_page
        self._read_before = left.read
        self._marks_before = frozenset(left.marks)
        self._last: tuple[Row, ...] = ()
        self._requests = 0
        self._seen_hashes: set[int] = set()
        self._largest_page = 0
        self.wanted: int | None = first_page if page is None else page
        self.total: int | None = None
        self.unreadable = 0

    @property
    def read(self) -> int:
        """How many different rows were read so far."""
        return self._read_before + len(self._seen_hashes)

    @property
    def left(self) -> ListPosition:
        """The position to continue from."""
        return ListPosition(self.read, tuple(map(_mark, self._last)))

    def take(self, page: DevicePage[Row]) -> tuple[Row, ...]:
        """Report the page that the device sent. Returns the rows that are new."""
        requested = self._count_request()
        new = tuple(self._new_rows(page.rows))
        self._last = page.rows[-MAX_MARKS:] or self._last
        if new or not page.rows:
            self.unreadable += page.unreadable
        self.total = self.total if page.total is None else page.total
        self._largest_page = max(self._largest_page, len(page.rows) + page.unreadable)
        is_empty = not page.rows and not page.unreadable
        self.wanted = self._page_after(requested, has_new=bool(new), is_empty=is_empty)
        return new

    def refuse(self) -> bool:
        """Report that the device refused the page. Returns False if the whole list has failed.

        True: the list continues with page `wanted`, or is complete if that is None.
        """
        requested = self._count_request()
        if requested == self._first and not self.read:
            self.wanted = 1 - self._first
        else:
            self.wanted = 0 if self._may_miss_only_page_0(requested) else None
        return self.wanted is not None or (self._is_last_guess(requested) and self.read > 0)

    def _count_request(self) -> int:
        if self.wanted is None:
            raise ValueError("no page was wanted")
        self._requests += 1
        return self.wanted

    def _new_rows(self, rows: tuple[Row, ...]) -> Iterator[Row]:
        for row in rows:
            if self._marks_before and _mark(row) in self._marks_before:
                continue
            # Only the hash: half a million rows would take much memory.
            if (known := hash(row)) not in self._seen_hashes:
                self._seen_hashes.add(known)
                yield row

    def _page_after(self, requested: int, *, has_new: bool, is_empty: bool) -> int | None:
        if self._is_last_guess(requested) or not self._misses_rows() or self._is_at_limit():
            return None
        if has_new or (self._may_have_moved() and not is_empty):
            return requested + 1
        if self._first == 0 and (requested == 0 or (requested == 1 and not is_empty)):
            return requested + 1
        return 0 if self._first == 1 else None

    def _may_have_moved(self) -> bool:
        """Whether more may follow a page without new rows, because rows may have been inserted.

        Without a total it is more likely that the device repeats its last page.
        """
        return self._requests == 1 and bool(self._marks_before) and self.total is not None

    def _is_last_guess(self, requested: int) -> bool:
        """Whether this is page 0 of a list that begins at page 1, which is requested last."""
        return requested < self._first

    def _misses_rows(self) -> bool:
        """Whether there may be more rows, by the total if the device reports one."""
        return self.total is None or self.read + self.unreadable < self.total

    def _may_miss_only_page_0(self, requested: int) -> bool:
        if requested <= self._first or self._first == 0 or self.total is None:
            return False
        return 0 < self.total - self.read - self.unreadable <= self._largest_page

    def _is_at_limit(self) -> bool:
        return self._requests >= MAX_PAGES or self.read >= MAX_ROWS


def _mark(row: object) -> int:
    """A 32-bit hash, the same in every process."""
    return xxhash.xxh32_intdigest(msgspec.json.encode(row))
