"""Counts the records of each bucket of time: whole hours from the counts, the rest from the log.

A filter that asks only for what is counted per hour (`record_counts`) is answered from these
counts; what is finer than an hour, and a filter by name, plate, number or pictures, reads the log.
It is walked from its newest part in windows of seqs, which are small where many rows have to be
looked at, so that a count can stop between two of them. A name, a plate or a number that is in very
many records is counted on its index alone, per block of 1,024 seqs, and a block's records are
spread over the span of its times: buckets of an hour and more are then nearly right. Where millions
of rows would have to be looked at, a sample of them is, evenly over the log.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

from msgspec.structs import replace

from hub.store.records.record_conditions import (
    MAX_SCAN,
    Condition,
    IndexUse,
    besides,
    conditions_of,
    fewest_listed,
    index_uses,
    lists_few,
    scan_of,
    with_known_lists,
)
from hub.store.records.record_counts import HOUR_MS, count_by_hour, is_there
from hub.store.records.record_filter import RecordFilter, is_by_term, simplified
from hub.store.records.time_spans import SeqRange, ranges_of

#: (since, until) in UNIX milliseconds.
_TimeRange = tuple[int, int]

#: Rows of the log are grouped by so much before they are put into buckets, whose edges are whole
#: minutes or, if they are longer, whole quarters of an hour: all time zones have such offsets.
_FINE_MS, _COARSE_MS = 60_000, 900_000
#: The first window, in seqs; also the most rows that are looked at without an index.
_WINDOW = 32_000
_GROWTH = 4
_MAX_WINDOW = 4_000_000
#: The most rows of an index that are looked at in one window.
_MAX_CANDIDATES = 16_000
#: An index is used if it lists fewer than one of so many rows.
_DENSE = 4
#: From so many records on, they are counted per block.
_MANY = 10_000
_BLOCK_WINDOW = 1_000_000
#: For each of many names or plates, the index is entered anew in each window.
_TERMS_WINDOW = 4_000_000
#: With more different names or plates, each row is tested instead.
_MAX_SPREAD_TERMS = 300_000
#: Of more than so many rows, unless an index lists at most so many of them, about so many are
#: looked at, in runs of so many.
_MOST_ROWS, _FEW, _SAMPLE, _RUN = 500_000, 150_000, 250_000, 64

_ENDS = "SELECT (SELECT min(seq) FROM record), (SELECT max(seq) FROM record)"
_SPANS = "SELECT block, earliest, latest FROM span WHERE block BETWEEN ? AND ?"
_BY_UNIT = """
SELECT occurred_at / :unit - (occurred_at % :unit < 0), count(*) FROM record {how}
WHERE {where} GROUP BY 1
"""
_SAMPLED = """
WITH RECURSIVE run (begin) AS (
    SELECT ? UNION ALL SELECT begin + :stride FROM run WHERE begin + :stride <= ?
)
SELECT occurred_at / :unit - (occurred_at % :unit < 0), count(*)
FROM run CROSS JOIN record NOT INDEXED ON seq BETWEEN run.begin AND run.begin + :rest
WHERE {where} GROUP BY 1
"""


class Counting:
    """Counts the records that match a filter and lie between the edges of the buckets.

    `edges`: the beginnings of the buckets and the end of the last one, ascending, in UNIX
    milliseconds. All but the first and the last are whole minutes, or whole quarters of an hour if
    a bucket is that long (`bucket_ms`). The filter's own times are not looked at. Used once: each
    call of `step` goes on where the last one stopped. `clock`: in seconds.
    """

    def __init__(
        self,
        filter: RecordFilter,
        edges: Sequence[int],
        bucket_ms: int,
        clock: Callable[[], float],
        *,
        besides: tuple[int, ...] = (),
    ) -> None:
        """`besides`: records of these categories are not counted; the filter has none then."""
        self._filter = simplified(replace(filter, since=None, until=None))
        self._besides = besides
        self._edges = edges
        self._clock = clock
        self._unit = _COARSE_MS if bucket_ms >= _COARSE_MS else _FINE_MS
        self._may_spread = bucket_ms >= HOUR_MS
        self._left: list[tuple[_TimeRange, SeqRange]] | None = None
        self._conditions: tuple[Condition, ...] = ()
        self._indexes: tuple[IndexUse, ...] = ()
        self._spread_by: IndexUse | None = None
        #: One of so many rows is looked at.
        self._sampling = 1
        self._window = _WINDOW
        #: The number of records in each bucket, as far as they are counted.
        self.counts = [0] * (len(edges) - 1)
        self.is_done = self._filter is None
        #: Whether the counts are those of the records, once `is_done`.
        self.is_exact = True

    def step(self, connection: sqlite3.Connection, seconds: float) -> None:
        """Count on, for about so many seconds. Sets `is_done` at the end."""
        until = self._clock() + seconds
        if self._left is None:
            self._begin(connection)
        while not self.is_done and self._clock() < until:
            self._count_next(connection)

    # -- what is counted where

    def _begin(self, connection: sqlite3.Connection) -> None:
        """Count whole hours, and find out which parts of the log are left."""
        assert self._filter is not None
        self._left = []
        self.is_done = True
        self._filter = with_known_lists(connection, self._filter)
        if self._filter is None or not is_there(connection, self._filter):
            return
        if self._besides and self._filter.lists is None:
            return  # lists are nothing but categories here
        whole = (self._edges[0], self._edges[-1])
        if _is_counted(self._filter):
            self._add_hours(connection, self._filter)
            ranges = list(_joined(_parts_of_hours(self._edges)))
        else:
            ranges = [whole]
        found = self._found(connection, self._filter) if ranges else None
        if found is None:
            return
        if self._besides:
            found = besides(found, self._besides)
        self._conditions, self._indexes = found, index_uses(found)
        lowest, highest = connection.execute(_ENDS).fetchone()
        if lowest is None:
            return
        self._left = [
            (times, seqs)
            for times in ranges
            for seqs in ranges_of(connection, *times, (lowest, highest))
        ]
        self._spread_by = self._frequent(connection)
        if self._spread_by is None:
            self._sampling = self._choose_sampling(connection)
            self.is_exact = self._sampling == 1
        self.is_done = not self._left

    def _found(
        self, connection: sqlite3.Connection, filter: RecordFilter
    ) -> tuple[Condition, ...] | None:
        """Return the conditions; None if no record can meet them."""
        if self._may_spread and is_by_term(filter):
            return conditions_of(connection, filter, _MAX_SPREAD_TERMS)
        return conditions_of(connection, filter)

    def _add_hours(self, connection: sqlite3.Connection, filter: RecordFilter) -> None:
        first, last = self._edges[0] // HOUR_MS, self._edges[-1] // HOUR_MS
        by_hour = count_by_hour(connection, filter, first, last)
        for hour, records in by_hour.items():
            bucket = self._bucket(hour * HOUR_MS)
            if bucket is not None and (hour + 1) * HOUR_MS <= self._edges[bucket + 1]:
                self.counts[bucket] += records

    def _bucket(self, at: int) -> int | None:
        """Return the bucket of a time, None if it is in none."""
        place = bisect_right(self._edges, at) - 1
        return place if 0 <= place < len(self.counts) else None

    def _frequent(self, connection: sqlite3.Connection) -> IndexUse | None:
        """Return the index that answers the whole filter, if it lists very many records."""
        if not self._may_spread or not self._left:
            return None
        for index in self._indexes:
            if len(index.conditions) == len(self._conditions) and not index.either:
                return None if lists_few(connection, index, self._whole, _MANY) else index
        return None

    @property
    def _whole(self) -> SeqRange:
        """The range of all seqs that are left."""
        assert self._left
        return (
            min(first for _, (first, _) in self._left),
            max(last for _, (_, last) in self._left),
        )

    def _choose_sampling(self, connection: sqlite3.Connection) -> int:
        """Return of how many rows one is looked at."""
        rows = sum(last - first + 1 for _, (first, last) in self._left or ())
        if rows <= _MOST_ROWS:
            return 1
        for index in self._indexes:
            if lists_few(connection, index, self._whole, _FEW):
                return 1
        return -(-rows // _SAMPLE)

    # -- the log

    def _count_next(self, connection: sqlite3.Connection) -> None:
        """Count the newest window of what is left, or find that it should be smaller."""
        assert self._left
        times, (first, last) = self._left[-1]
        if self._spread_by is not None:
            is_block = self._spread_by.is_in_order or self._spread_by.is_scan
            size = _BLOCK_WINDOW if is_block else _TERMS_WINDOW
            begin = max(first, last - size + 1)
            self._spread(connection, self._spread_by, (begin, last))
        elif self._sampling > 1:
            begin = max(first, last - _WINDOW * self._sampling + 1)
            self._add_sample(connection, times, (begin, last))
        else:
            begin = max(first, last - self._window + 1)
            if not self._count_rows(connection, times, (begin, last)):
                return
        if begin > first:
            self._left[-1] = (times, (first, begin - 1))
        else:
            self._left.pop()
        self.is_done = not self._left

    def _count_rows(
        self, connection: sqlite3.Connection, times: _TimeRange, window: SeqRange
    ) -> bool:
        """Count the rows of a window. Returns whether it was small enough to be counted."""
        size = window[1] - window[0] + 1
        most = min(max(size // _DENSE, 1), _MAX_CANDIDATES)
        best, most = fewest_listed(connection, self._indexes, window, most)
        if best is None and size > _WINDOW:
            self._window = max(_WINDOW, size // _GROWTH)
            return False
        scan = scan_of(self._indexes)
        if best is None or most > 0:
            self._add_rows(connection, best or scan, times, window)
        if best is None:
            self._window = _WINDOW
        elif most * _GROWTH <= _MAX_CANDIDATES:
            widest = _MAX_WINDOW if scan is None else MAX_SCAN
            self._window = min(self._window * _GROWTH, widest)
        return True

    def _add_rows(
        self,
        connection: sqlite3.Connection,
        index: IndexUse | None,
        times: _TimeRange,
        window: SeqRange,
    ) -> None:
        answered = () if index is None else index.conditions
        rest = [one for one in self._conditions if one not in answered]
        how, found = "NOT INDEXED", "seq BETWEEN ? AND ?"
        values: list[object] = [*window]
        if index is not None and (index.either or index.is_scan):
            listed, chosen = index.listed(window)
            how, found, values = "", f"seq IN ({listed})", [*chosen]
        elif index is not None:
            how, found = f"INDEXED BY {index.name}", f"{index.sql} AND {found}"
            values = [*index.values, *window]
        where = [found, "occurred_at >= ? AND occurred_at < ?", *(one.on_row for one in rest)]
        values += [*times, *(value for one in rest for value in one.values)]
        sql = _BY_UNIT.format(how=how, where=" AND ".join(where))
        self._add_units(connection, sql, values, times)

    def _add_sample(
        self, connection: sqlite3.Connection, times: _TimeRange, window: SeqRange
    ) -> None:
        """Look at some rows of a window, and count each as many."""
        where = ["occurred_at >= ? AND occurred_at < ?", *(one.on_row for one in self._conditions)]
        values = [*window, *times, *(value for one in self._conditions for value in one.values)]
        sql = _SAMPLED.format(where=" AND ".join(where)).replace(":rest", str(_RUN - 1))
        sql = sql.replace(":stride", str(_RUN * self._sampling))
        self._add_units(connection, sql, values, times)

    def _add_units(
        self,
        connection: sqlite3.Connection,
        sql: str,
        values: Sequence[object],
        times: _TimeRange,
    ) -> None:
        for unit, records in connection.execute(sql.replace(":unit", str(self._unit)), values):
            # A range may begin within a unit.
            bucket = self._bucket(max(unit * self._unit, times[0]))
            if bucket is not None:
                self.counts[bucket] += records * self._sampling

    def _spread(self, connection: sqlite3.Connection, index: IndexUse, window: SeqRange) -> None:
        """Count the records of each block, and put them where the times of the block are."""
        self.is_exact = False
        spans = {
            block: (earliest, latest)
            for block, earliest, latest in connection.execute(
                _SPANS, (window[0] >> 10, window[1] >> 10)
            )
            if isinstance(earliest, int) and isinstance(latest, int)
        }
        sql = (
            f"SELECT seq >> 10, count(*) FROM {index.source} "
            f"WHERE {index.sql} AND seq BETWEEN ? AND ? GROUP BY 1"
        )
        for block, records in connection.execute(sql, (*index.values, *window)):
            if block in spans:
                self._spread_block(*spans[block], records)

    def _spread_block(self, earliest: int, latest: int, records: int) -> None:
        """Add records as if they had come evenly between two times."""
        length = latest - earliest + 1
        place = max(bisect_right(self._edges, earliest) - 1, 0)
        while place < len(self.counts) and self._edges[place] <= latest:
            begin = max(self._edges[place], earliest) - earliest
            end = min(self._edges[place + 1], latest + 1) - earliest
            # Rounded at the edges, so that the parts add up.
            share = records * max(end, 0) // length - records * max(begin, 0) // length
            self.counts[place] += max(share, 0)
            place += 1


def _is_counted(filter: RecordFilter) -> bool:
    """Whether the counts per hour know all that a filter asks for."""
    rest = (filter.plate, filter.name, filter.uuid, filter.lists, filter.has_pictures)
    return not filter.attributes and all(one is None for one in rest)


def _pairs(edges: Sequence[int]) -> Iterator[_TimeRange]:
    return pairwise(edges)


def _parts_of_hours(edges: Sequence[int]) -> Iterator[_TimeRange]:
    """Yield the parts of the buckets that are no whole hours, ascending."""
    for since, until in _pairs(edges):
        first, last = -(-since // HOUR_MS) * HOUR_MS, until // HOUR_MS * HOUR_MS
        if first >= last:
            yield since, until
            continue
        if since < first:
            yield since, first
        if last < until:
            yield last, until


def _joined(ranges: Iterator[_TimeRange]) -> Iterator[_TimeRange]:
    """Join ranges that follow each other without a gap."""
    begin = end = None
    for since, until in ranges:
        if begin is not None and end == since:
            end = until
            continue
        if begin is not None and end is not None:
            yield begin, end
        begin, end = since, until
    if begin is not None and end is not None:
        yield begin, end
