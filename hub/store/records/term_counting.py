"""Counts the records of each name or plate that has the part which a filter asks for.

The log is walked from its newest part in windows of seqs, as for histograms (`counting.py`). A
filter that asks only for the part, perhaps of one camera, is answered from the index alone. With a
time as well it is too, once very many records have the part: the parts of the log that can hold the
time are counted as a whole, which is nearly right.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from hub.store.commit.record_rows import fold
from hub.store.records.record_conditions import (
    MAX_SCAN,
    Condition,
    IndexUse,
    conditions_of,
    count_listed,
    fewest_listed,
    index_uses,
    rows_of,
    scan_of,
    with_known_lists,
)
from hub.store.records.record_counts import is_there
from hub.store.records.record_filter import RecordFilter, is_by_term, simplified
from hub.store.records.record_reading import known_detail
from hub.store.records.time_spans import SeqRange, ranges_of
from hub.wire.uploads.records import EventDetail, FaceDetail, VehicleDetail

#: The first window, in seqs; also the most rows that are looked at without an index.
_WINDOW = 32_000
_GROWTH = 4
_MAX_WINDOW = 4_000_000
#: The most rows of an index that are looked at in one window.
_MAX_CANDIDATES = 16_000
#: An index is used if it lists fewer than one of so many rows.
_DENSE = 4
#: With so many records, the index alone is asked.
_MANY = 10_000
#: For each of many names or plates, the index is entered anew in each window.
_TERMS_WINDOW = 4_000_000
#: The index of a camera's names and plates is entered for each of so many cameras.
_FEW_CAMERAS = 8
#: With more different names or plates, each row is tested instead.
_MAX_TERMS = 100_000

_ENDS = "SELECT (SELECT min(seq) FROM record), (SELECT max(seq) FROM record)"
_BY_TERM = "SELECT term, count(*), max(seq) FROM"
_FOLDED = "SELECT id, folded FROM term WHERE id IN (SELECT value FROM json_each(?))"
_DETAILS = """
SELECT seq, kind, detail FROM record
WHERE erased IS NULL AND seq IN (SELECT value FROM json_each(?))
"""


class TermCount(Struct, gc=False):
    """How many records have a name or plate, by the id of its term. `last_seq`: of the newest."""

    term: int
    records: int
    last_seq: int


class TermCounting:
    """Counts the records that match, for each name or plate.

    Used once: each call of `step` goes on where the last one stopped. `clock`: in seconds.
    """

    def __init__(self, filter: RecordFilter, clock: Callable[[], float]) -> None:
        self._filter = simplified(filter)
        self._clock = clock
        self._left: list[SeqRange] | None = None
        self._conditions: tuple[Condition, ...] = ()
        self._indexes: tuple[IndexUse, ...] = ()
        self._alone: IndexUse | None = None
        self._window = _WINDOW
        self._found: dict[int, TermCount] = {}
        self.is_done = self._filter is None
        #: Whether the counts are those of the records, once `is_done`.
        self.is_exact = True

    @property
    def terms(self) -> int:
        """How many different names or plates were found so far."""
        return len(self._found)

    def most(self, limit: int) -> list[TermCount]:
        """Return those of the most records so far, the latest one first of as many."""
        return sorted(self._found.values(), key=_rank, reverse=True)[:limit]

    def step(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Count on, for about so many seconds. Sets `is_done` at the end."""
        until = self._clock() + seconds
        if self._left is None:
            self._left = self._begin(connection)
            self.is_done = not self._left
        while not self.is_done and self._clock() < until:
            self._count_next(connection, self._left)
            self.is_done = not self._left

    def _begin(self, connection: sqlite3.Connection) -> list[SeqRange]:
        """Choose how to count; return the parts of the log that are to be counted."""
        assert self._filter is not None
        asked = with_known_lists(connection, self._filter)
        first, last = connection.execute(_ENDS).fetchone()
        if first is None or asked is None or not is_there(connection, asked):
            return []
        parts = ranges_of(connection, asked.since, asked.until, (first, last))
        timeless = replace(asked, since=None, until=None)
        is_of_few = len(timeless.dids or ()) <= _FEW_CAMERAS
        if parts and is_of_few and is_by_term(replace(timeless, dids=None)):
            found = conditions_of(connection, timeless, _MAX_TERMS)
            if found is None:
                return []
            alone = _answering(found)
            has_time = asked != timeless
            if alone is not None and (not has_time or _lists_many(connection, alone, parts)):
                self._alone, self.is_exact = alone, not has_time
                return parts
        conditions = conditions_of(connection, asked)
        if conditions is None:
            return []
        self._conditions, self._indexes = conditions, index_uses(conditions)
        return parts

    def _count_next(self, connection: sqlite3.Connection, left: list[SeqRange]) -> None:
        """Count the newest window of what is left, or find that it should be smaller."""
        first, last = left[-1]
        size = self._window if self._alone is None else _TERMS_WINDOW
        window = max(first, last - size + 1), last
        if self._alone is not None:
            self._add_index(connection, self._alone, window)
        elif not self._add_window(connection, window):
            return
        if window[0] > first:
            left[-1] = first, window[0] - 1
        else:
            left.pop()

    def _add_index(self, connection: sqlite3.Connection, index: IndexUse, window: SeqRange) -> None:
        self._add(
            connection.execute(
                f"{_BY_TERM} record INDEXED BY {index.name} "
                f"WHERE {index.sql} AND seq BETWEEN ? AND ? GROUP BY 1",
                (*index.values, *window),
            )
        )

    def _add_window(self, connection: sqlite3.Connection, window: SeqRange) -> bool:
        """Count the rows of a window. Returns whether it was small enough to be counted."""
        size = window[1] - window[0] + 1
        most = min(max(size // _DENSE, 1), _MAX_CANDIDATES)
        best, most = fewest_listed(connection, self._indexes, window, most)
        if best is None and size > _WINDOW:
            self._window = max(_WINDOW, size // _GROWTH)
            return False
        scan = scan_of(self._indexes)
        if best is None or most > 0:
            found, values = rows_of(best or scan, self._conditions, window)
            self._add(connection.execute(f"{_BY_TERM} {found} GROUP BY 1", values))
        if best is None:
            self._window = _WINDOW
        elif most * _GROWTH <= _MAX_CANDIDATES:
            widest = _MAX_WINDOW if scan is None else MAX_SCAN
            self._window = min(self._window * _GROWTH, widest)
        return True

    def _add(self, counts: Iterable[tuple[int | None, int, int]]) -> None:
        for term, records, last_seq in counts:
            if not isinstance(term, int):
                continue  # damaged
            known = self._found.setdefault(term, TermCount(term, 0, 0))
            known.records += records
            known.last_seq = max(known.last_seq, last_seq)


def texts_of(terms: Iterable[TermCount], connection: sqlite3.Connection) -> dict[int, str]:
    """Return names and plates by term, as the newest record has them; folded if it has not."""
    some = list(terms)
    rows = connection.execute(_FOLDED, (json.dumps([one.term for one in some]),))
    folded = {id: text for id, text in rows if isinstance(text, str)}
    rows = connection.execute(_DETAILS, (json.dumps([one.last_seq for one in some]),))
    sent = {seq: _text_in(kind, detail) for seq, kind, detail in rows}
    return {
        one.term: text if fold(text := sent.get(one.last_seq, "")) == known else known
        for one in some
        if (known := folded.get(one.term))
    }


_rank = attrgetter("records", "last_seq")


def _answering(conditions: tuple[Condition, ...]) -> IndexUse | None:
    """Return the index that answers all conditions by itself."""
    for index in index_uses(conditions):
        if len(index.conditions) == len(conditions) and not index.either:
            return index
    return None


def _lists_many(connection: sqlite3.Connection, index: IndexUse, parts: list[SeqRange]) -> bool:
    return count_listed(connection, index, (parts[0][0], parts[-1][1]), _MANY + 1) > _MANY


def _text_in(kind: object, detail: object) -> str:
    match known_detail(kind, detail):
        case FaceDetail(name=name) | EventDetail(name=name):
            return name or ""
        case VehicleDetail(plate=plate):
            return plate.id or ""
    return ""
