"""The search of one page of records: in windows of the log, in steps, until a deadline.

Made for ten million records. Each index ends in `seq`: a filter's records come in the log's order
without a sort, and an insert adds to the end of a value's rows, which is cheap. The log is walked
in *windows* of seqs, which grow while they are cheap. In each, the candidates of every index are
counted up to a bound: if an index has none, the window is skipped; else the one with the fewest
finds the rows, and if all have many, the window's rows are tested one by one. So a window never
costs much, and between two of them a search can stop and go on later, on another connection.

A search for a time visits only the blocks of the log that can hold it, see `time_spans.py`.

Names and plates are *terms*: each distinct one is kept once, folded, and a search for a part of one
scans only this small table.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from msgspec.structs import replace

from hub.store.records.record_conditions import (
    MAX_SCAN,
    Condition,
    IndexUse,
    conditions_of,
    fewest_listed,
    index_uses,
    rows_of,
    scan_of,
    with_known_lists,
)
from hub.store.records.record_counts import is_there
from hub.store.records.record_filter import RecordFilter, possible_kinds, simplified
from hub.store.records.time_spans import SeqRange, ranges_of
from hub.store.sqlite.sql import clamp
from hub.wire.uploads.records import RECORD_KINDS, Record, RecordKind

COLUMNS = "seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra, images, erased"

#: The first window, in seqs; also the most rows that are tested without an index.
_WINDOW = 32_000
_GROWTH = 4
#: The most rows of an index that are tested in one window.
_MAX_CANDIDATES = 16_000
#: Without an index, a window is walked if more than one in this many of its rows is a candidate.
_DENSE = 4
#: A window that took too long is tried again with a part of it, at last so small, without a limit.
_MIN_WINDOW = 256
#: Instructions of SQLite between two looks at the clock, each of which takes the interpreter lock.
_INSTRUCTIONS = 50_000
_ENDS = "SELECT (SELECT min(seq) FROM record), (SELECT max(seq) FROM record)"
#: The columns named by `COLUMNS`.
RecordRow = tuple[int, RecordKind, str, str, str, int, int, bytes, bytes, bytes, int | None]


def seq_range(after: int | None, before: int | None) -> SeqRange:
    """Return the range of the seqs with `after` < seq < `before`."""
    return (
        0 if after is None else clamp(after + 1),
        2**63 - 1 if before is None else clamp(before - 1),
    )


class RecordSearch:
    """Finds the first `limit` records of a range that match, and whether there are more.

    `clock`: in seconds. Used once: each call of `step` goes on where the last one stopped.
    """

    def __init__(
        self,
        filter: RecordFilter,
        seqs: SeqRange,
        *,
        newest_first: bool,
        limit: int,
        max_bytes: int,
        read: Callable[[RecordRow], Record | None],
        clock: Callable[[], float],
    ) -> None:
        self._filter = simplified(filter)
        self._seqs = seqs
        self._newest_first = newest_first
        self._limit = limit
        self._max_bytes = max_bytes
        self._read = read
        self._clock = clock
        self._conditions: tuple[Condition, ...] = ()
        self._indexes: tuple[IndexUse, ...] = ()
        #: The table of attributes, if one is asked: it leads to fewer rows than the log.
        self._scan: IndexUse | None = None
        #: What is left to search, in the order of the search; None until the first step.
        self._left: list[SeqRange] | None = None
        self._window = _WINDOW
        self._size = 0
        #: The records that were found.
        self.items: list[Record] = []
        #: The seq up to which everything was searched, None if that is nothing yet.
        self.position: int | None = None
        #: Whether the page is complete.
        self.is_done = self._filter is None
        #: Whether nothing follows the page.
        self.is_end = self._filter is None

    @property
    def asks_for_part(self) -> bool:
        """Whether it begins by looking through all names or plates."""
        return self._filter is not None and bool(self._filter.name or self._filter.plate)

    def step(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Search on, for about so many seconds. Sets `is_done` once the page is complete.

        The first step searches at least a few records, however long that takes.
        """
        until = self._clock() + seconds
        if self._left is None:
            self._prepare(connection)
        is_first = True
        while not self.is_done:
            window = self._next_window()
            if window is None:
                self.is_done = self.is_end = True
            elif not is_first and self._clock() >= until and self.position is not None:
                # Whether more follow is not worth another step.
                self.is_done = len(self.items) == self._limit
                return
            elif self._search_in_time(connection, window, until + seconds):
                self._note_searched(window)
            is_first = False

    # -- what to search

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """Look up what the search needs: names and plates, and the parts of the log."""
        assert self._filter is not None
        self._left = []
        first, last = connection.execute(_ENDS).fetchone()
        self._filter = with_known_lists(connection, self._filter)
        if first is None or self._filter is None or not _is_possible(connection, self._filter):
            return
        found = conditions_of(connection, self._filter)
        if found is None:
            return
        self._conditions, self._indexes = found, index_uses(found)
        self._scan = scan_of(self._indexes)
        seqs = max(self._seqs[0], first), min(self._seqs[1], last)
        ranges = ranges_of(connection, self._filter.since, self._filter.until, seqs)
        self._left = ranges[::-1] if self._newest_first else ranges

    def _next_window(self) -> SeqRange | None:
        """Return the part that is searched next, None at the end."""
        while self._left and self._left[0][0] > self._left[0][1]:
            del self._left[0]
        if not self._left:
            return None
        first, last = self._left[0]
        if self._newest_first:
            return max(first, last - self._window + 1), last
        return first, min(last, first + self._window - 1)

    def _note_searched(self, part: SeqRange) -> None:
        """Take a part off the front of what is left."""
        assert self._left
        first, last = self._left[0]
        if self._newest_first:
            self.position, self._left[0] = part[0], (first, part[0] - 1)
        else:
            self.position, self._left[0] = part[1], (part[1] + 1, last)

    # -- one window

    def _search_in_time(
        self, connection: sqlite3.Connection, window: SeqRange, until: float
    ) -> bool:
        """Search a window, interrupted at a time. Returns whether it was searched to its end."""
        is_cut = False

        def is_over() -> bool:
            nonlocal is_cut
            is_cut = is_cut or self._clock() >= until
            return is_cut

        if window[1] - window[0] >= _MIN_WINDOW:
            connection.set_progress_handler(is_over, _INSTRUCTIONS)
        try:
            return self._search(connection, window)
        except sqlite3.OperationalError:
            if not is_cut:
                raise
            self._window = max(_MIN_WINDOW, self._window // _GROWTH**2)
            return False
        finally:
            connection.set_progress_handler(None, 0)

    def _search(self, connection: sqlite3.Connection, window: SeqRange) -> bool:
        """Search a window, or find that it should be smaller. Returns whether it was searched."""
        size = window[1] - window[0] + 1
        most = min(size // _DENSE, _MAX_CANDIDATES)
        best, most = fewest_listed(connection, self._indexes, window, most)
        if best is None and size > _WINDOW:
            self._window = max(_WINDOW, size // _GROWTH)
            return False
        if best is None or most > 0:
            is_whole = self._take(connection, best or self._scan, window)
            if not (is_whole or self.is_done):
                return False
        if best is None:
            self._window = min(_WINDOW, self._window * _GROWTH)
        elif most * _GROWTH <= _MAX_CANDIDATES:
            self._grow()
        return not self.is_done

    def _grow(self) -> None:
        self._window *= _GROWTH
        if self._scan is not None:
            self._window = min(self._window, MAX_SCAN)

    def _take(
        self, connection: sqlite3.Connection, index: IndexUse | None, window: SeqRange
    ) -> bool:
        """Take the window's matching rows, until the page is complete.

        Returns whether these were all: a damaged row leaves room for another one.
        """
        order = "DESC" if self._newest_first else "ASC"
        found, values = rows_of(index, self._conditions, window)
        most = self._limit + 1 - len(self.items)
        taken = 0
        rows = connection.execute(
            f"SELECT {COLUMNS} FROM {found} ORDER BY seq {order} LIMIT ?", (*values, most)
        )
        try:
            for row in rows:
                if len(self.items) == self._limit or self._size > self._max_bytes:
                    self.is_done = True
                    return True
                taken += 1
                if (record := self._read(row)) is not None:
                    self.items.append(record)
                self._size += sum(len(part) for part in row if isinstance(part, bytes))
                self._note_searched((row[0], row[0]))
        finally:
            # At once, because an open cursor keeps checkpoints from finishing.
            rows.close()
        return taken < most


def _is_possible(connection: sqlite3.Connection, filter: RecordFilter) -> bool:
    """Return whether there are records with the conditions that are counted."""
    kinds = possible_kinds(filter)
    if kinds.issuperset(RECORD_KINDS):
        return is_there(connection, filter)
    return any(is_there(connection, replace(filter, kind=kind)) for kind in kinds)
