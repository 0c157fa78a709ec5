"""Queries of the record log, made for ten million records.

Each index ends in `seq`: a filter's rows come in the log's order without a sort, and an insert adds
to the end of a value's rows, which is cheap. Times are not indexed row by row: a *span* holds the
earliest and latest `occurred_at` of a block of 1,024 consecutive seqs, and a query visits only the
blocks that can hold matching times. *Stray* rows, whose device's clock is off by more than ten
minutes, do not widen the spans and have a small index of their own. Names and plates are *terms*:
each distinct one is kept once, folded, and a search for a part of one scans only this small
table.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterator

from hub.store.commit.record_rows import fold, short_uuid
from hub.store.records.record_filter import RecordFilter, glob_of, has_wildcards
from hub.store.sqlite.sql import clamp, one
from hub.wire.uploads.records import RecordKind

#: Up to this many matching terms are found by the index; with more, matches are so dense that
#: walking the log is faster.
_MAX_INDEXED_TERMS = 500
#: To choose an index, the rows of each filter value are counted up to this number.
_MAX_COUNTED_ROWS = 2000

COLUMNS = "seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra, images, erased"
# SQLite uses the index record_stray only if its condition is repeated word for word.
_BLOCKS = """
SELECT block FROM span WHERE latest >= :since AND earliest < :until
UNION
SELECT seq >> 10 FROM record
WHERE abs(occurred_at - received_at) > 600000 AND occurred_at >= :since AND occurred_at < :until
ORDER BY 1
"""
_TERMS = "SELECT id FROM term WHERE field = ? AND {matches} LIMIT ?"
_HAS_PART, _HAS_PATTERN = "instr(folded, ?) > 0", "folded GLOB ?"

# An empty list of pictures is "[]".
_WITH = "(erased IS NULL AND images <> x'5b5d')"
_WITHOUT = "(erased IS NOT NULL OR images = x'5b5d')"

#: The columns named by `COLUMNS`.
RecordRow = tuple[int, RecordKind, str, str, str, int, int, bytes, bytes, bytes, int | None]
#: First and last seq, both included.
SeqRange = tuple[int, int]


def seq_range(after: int | None, before: int | None) -> SeqRange:
    """Return the range of the seqs with `after` < seq < `before`."""
    return (
        0 if after is None else clamp(after + 1),
        2**63 - 1 if before is None else clamp(before - 1),
    )


class RecordQuery:
    """The SQL of one page: ranges of the log, an index, and conditions. Used once."""

    def __init__(self, filter: RecordFilter, newest_first: bool) -> None:
        self._filter = filter
        self._order = "DESC" if newest_first else "ASC"
        self._conditions: list[str] = []
        self._values: list[object] = []
        self._index = ""

    def rows(
        self, connection: sqlite3.Connection, seqs: SeqRange, limit: int
    ) -> Generator[RecordRow, None, None]:
        """Yield at most `limit` rows, reading each from the database only when it is needed."""
        if not self._add_terms(connection):
            return
        self._add_equalities(connection)
        self._add_lists()
        self._add_times()
        conditions = "".join(f" AND {condition}" for condition in self._conditions)
        sql = (
            f"SELECT {COLUMNS} FROM record {self._index} "
            f"WHERE seq BETWEEN ? AND ?{conditions} ORDER BY seq {self._order} LIMIT ?"
        )
        for first, last in self._ranges(connection, seqs):
            for row in connection.execute(sql, (first, last, *self._values, limit)):
                yield row
                limit -= 1
            if limit == 0:
                return

    def _add_terms(self, connection: sqlite3.Connection) -> bool:
        """Add names and plates. Returns False if no such term, and so no record, exists."""
        for field, part in (("name", self._filter.name), ("plate", self._filter.plate)):
            if not part:
                continue
            is_pattern, part = has_wildcards(part), fold(part)
            sql = _TERMS.format(matches=_HAS_PATTERN if is_pattern else _HAS_PART)
            values = (field, glob_of(part) if is_pattern else part)
            ids = [id for (id,) in connection.execute(sql, (*values, _MAX_INDEXED_TERMS + 1))]
            if not ids:
                return False
            if len(ids) <= _MAX_INDEXED_TERMS:
                self._index = "INDEXED BY record_term"
                self._conditions.append("term IN (SELECT value FROM json_each(?))")
                self._values.append(json.dumps(ids))
            else:
                self._conditions.append(f"+term IN ({sql.removesuffix(' LIMIT ?')})")
                self._values.extend(values)
        return True

    def _add_equalities(self, connection: sqlite3.Connection) -> None:
        wanted = self._equalities()
        best = None if self._index else _most_selective(connection, wanted)
        for column, value in wanted.items():
            # A unary plus keeps SQLite from using this column's index.
            self._conditions.append(f"{column} = ?" if column == best else f"+{column} = ?")
            self._values.append(value)

    def _equalities(self) -> dict[str, object]:
        filter = self._filter
        wanted: dict[str, object] = {
            "uuid": None if filter.uuid is None else short_uuid(filter.uuid),
            "did": filter.did,
            "type": None if filter.type is None else clamp(filter.type),
            "category": None if filter.category is None else clamp(filter.category),
            "kind": filter.kind,
        }
        return {column: value for column, value in wanted.items() if value is not None}

    def _add_lists(self) -> None:
        for column, values in (("did", self._filter.dids), ("category", self._filter.categories)):
            if values is not None:
                self._conditions.append(f"+{column} IN (SELECT value FROM json_each(?))")
                self._values.append(json.dumps([_bounded(value) for value in values]))
        if self._filter.has_pictures is not None:
            self._conditions.append(_WITH if self._filter.has_pictures else _WITHOUT)

    def _add_times(self) -> None:
        if self._filter.since is not None:
            self._conditions.append("occurred_at >= ?")
            self._values.append(clamp(self._filter.since))
        if self._filter.until is not None:
            self._conditions.append("occurred_at < ?")
            self._values.append(clamp(self._filter.until))

    def _ranges(self, connection: sqlite3.Connection, seqs: SeqRange) -> list[SeqRange]:
        """Return the parts of the range that can hold matching times, in the query's order."""
        since, until = self._filter.since, self._filter.until
        if since is None and until is None:
            return [seqs]
        times = {
            "since": clamp(-(2**63) if since is None else since),
            "until": clamp(2**63 - 1 if until is None else until),
        }
        blocks = [block for (block,) in connection.execute(_BLOCKS, times)]
        ranges = [
            (max(first << 10, seqs[0]), min((last << 10) + 1023, seqs[1]))
            for first, last in _runs(blocks)
        ]
        ranges = [(first, last) for first, last in ranges if first <= last]
        return ranges[::-1] if self._order == "DESC" else ranges


def _bounded(value: str | int) -> str | int:
    return clamp(value) if isinstance(value, int) else value


def _runs(blocks: list[int]) -> Iterator[SeqRange]:
    """Yield runs of consecutive numbers, as (first, last), from ascending numbers."""
    first = last = None
    for block in blocks:
        if first is None or last is None:
            first = last = block
        elif block == last + 1:
            last = block
        else:
            yield first, last
            first = last = block
    if first is not None and last is not None:
        yield first, last


def _most_selective(connection: sqlite3.Connection, wanted: dict[str, object]) -> str | None:
    """Return the column whose value has the fewest rows, counting up to a limit."""
    if len(wanted) < 2:
        return next(iter(wanted), None)

    def count(column: str) -> object:
        counted = f"SELECT 1 FROM record WHERE {column} = ? LIMIT {_MAX_COUNTED_ROWS}"
        return one(connection, f"SELECT count(*) FROM ({counted})", (wanted[column],))

    return min(wanted, key=lambda column: int(str(count(column))))
