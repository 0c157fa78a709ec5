"""The conditions of a filter as SQL, and the indexes that can find their records.

A condition on a row has a unary plus, which keeps SQLite from choosing an index by itself.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from hub.store.commit.attribute_bits import condition_on_bits
from hub.store.commit.record_rows import STRANGER_UUIDS, fold, indexed_uuid
from hub.store.records.record_filter import RecordFilter, is_quoted, simplified
from hub.store.sqlite.sql import clamp, one

#: Up to this many matching terms are found by their index; with more, each row is tested.
_MAX_INDEXED_TERMS = 5000
#: The same for people, of whom each has more records.
_MAX_INDEXED_PEOPLE = 500
#: Pairs of columns that have an index together.
_PAIRS = (("did", "type"), ("did", "category"), ("did", "term"))

#: The table of attributes lists its records only by reading all of it: up to so many at a time.
MAX_SCAN = 1_000_000
#: To test a row costs as much as to read so many rows of it.
_ROWS_PER_TEST = 16

_IN = "IN (SELECT value FROM json_each(?))"
_TERMS = "SELECT id FROM term WHERE field = ? AND {matches} LIMIT ?"
_HAS_TERM = """
EXISTS (SELECT 1 FROM term WHERE term.id = record.term AND field = ? AND {matches})
"""
_HAS_PART, _HAS_PATTERN, _IS_WHOLE = "instr(folded, ?) > 0", "folded GLOB ?", "folded = ?"
# An empty list of pictures is "[]". SQLite uses the index record_did_bare only if its condition is
# repeated word for word.
_WITH_PICTURES = "(erased IS NULL AND images <> x'5b5d')"
_WITHOUT_PICTURES = "(erased IS NOT NULL OR images = x'5b5d')"
_ON_LISTS = "SELECT pid FROM person WHERE category IN (SELECT value FROM json_each(?)) LIMIT ?"
_IS_ON_LIST = """
EXISTS (SELECT 1 FROM person WHERE person.pid = record.uuid
    AND person.category IN (SELECT value FROM json_each(?)))
"""
_IS_STRANGER = f"""
(+kind = 'face' AND +category IS NULL AND +term IS NULL AND erased IS NULL
    AND (+uuid IS NULL OR +uuid IN {STRANGER_UUIDS}))
OR (+kind = 'access' AND +uuid IN {STRANGER_UUIDS})
"""
_HAS_UNSORTED_STRANGERS = f"""
SELECT EXISTS (SELECT 1 FROM record_total WHERE kind = 'face' AND category = '')
    OR EXISTS (SELECT 1 FROM record WHERE uuid IN {STRANGER_UUIDS})
"""
_HAS_ATTRIBUTES = """
EXISTS (SELECT 1 FROM record_attributes WHERE record_attributes.seq = record.seq AND {test})
"""


class Condition(Struct, frozen=True):
    """What rows must meet. `column` is the indexed column that must be one of some values.

    `test` follows the column's name; without a column it is the whole condition. `either`: the
    conditions of which one is enough, if each of them has a column. `of_attributes`: `test` is one
    of the table of attributes.
    """

    test: str
    values: tuple[object, ...] = ()
    column: str = ""
    is_one_value: bool = True
    either: tuple[Condition, ...] = ()
    of_attributes: bool = False

    @property
    def on_row(self) -> str:
        if self.of_attributes:
            return _HAS_ATTRIBUTES.format(test=self.test).strip()
        return f"+{self.column} {self.test}" if self.column else self.test

    @property
    def on_index(self) -> str:
        return f"{self.column} {self.test}".strip()


class IndexUse(Struct, frozen=True):
    """An index, and the conditions that it answers.

    `either`: the indexes that answer the one condition together; then there is no other.
    `is_scan`: it is the table of attributes, all of which is read to answer its one condition.
    """

    name: str
    conditions: tuple[Condition, ...]
    either: tuple[IndexUse, ...] = ()
    is_scan: bool = False

    @property
    def source(self) -> str:
        """Where the seqs are listed."""
        return self.name if self.is_scan else f"record INDEXED BY {self.name}"

    @property
    def sql(self) -> str:
        return " AND ".join(one.on_index for one in self.conditions)

    @property
    def values(self) -> tuple[object, ...]:
        return tuple(value for one in self.conditions for value in one.values)

    @property
    def is_in_order(self) -> bool:
        """Whether it lists its records in the order of `seq`."""
        return not (self.either or self.is_scan) and all(
            one.is_one_value for one in self.conditions
        )

    def listed(self, seqs: tuple[int, int]) -> tuple[str, tuple[object, ...]]:
        """Return the statement that lists the seqs in a range, and its values.

        Several indexes may list a seq more than once.
        """
        if self.either:
            each = [one.listed(seqs) for one in self.either]
            return " UNION ALL ".join(sql for sql, _ in each), tuple(
                value for _, values in each for value in values
            )
        return (
            f"SELECT seq FROM {self.source} WHERE {self.sql} AND seq BETWEEN ? AND ?",
            (*self.values, *seqs),
        )


def conditions_of(
    connection: sqlite3.Connection, filter: RecordFilter, max_terms: int = _MAX_INDEXED_TERMS
) -> tuple[Condition, ...] | None:
    """Return the conditions of a simplified filter, None if no record can meet them.

    Up to `max_terms` different names or plates are found by their index; with more, each row is
    tested. Looks up names and plates, which takes about 0.1 s for a million different ones.
    """
    terms: list[Condition] = []
    for field, part in (("name", filter.name), ("plate", filter.plate)):
        if part is not None:
            found = _term_condition(connection, field, part, max_terms)
            if found is None:
                return None
            terms.append(found)
    lists = () if filter.lists is None else _on_lists(connection, filter.lists)
    return (*_on_columns(filter), *terms, *lists, *_on_attributes(filter), *_on_rows(filter))


def besides(conditions: Sequence[Condition], categories: Sequence[int]) -> tuple[Condition, ...]:
    """Return conditions that records of these categories do not meet, and others as before.

    `conditions`: with no category but that of lists.
    """
    asked = json.dumps([clamp(one) for one in categories])
    others = [
        part for one in conditions for part in one.either or (one,) if part.column != "category"
    ]
    return (*others, Condition(f"(+category IS NULL OR +category NOT {_IN})", (asked,)))


def index_uses(conditions: Sequence[Condition]) -> tuple[IndexUse, ...]:
    """Return the indexes that can find the records, those that answer more conditions first.

    The table of attributes is the last one.
    """
    by_column = {one.column: one for one in conditions if one.column}
    pairs = [
        IndexUse(f"record_{first}_{second}", (by_column[first], by_column[second]))
        for first, second in _PAIRS
        if first in by_column and second in by_column
    ]
    pairs += [
        IndexUse("record_did_bare", (by_column["did"], one))
        for one in conditions
        if one.test == _WITHOUT_PICTURES and "did" in by_column
    ]
    in_pairs = {one.column for pair in pairs for one in pair.conditions}
    alone = [
        IndexUse(f"record_{column}", (one,))
        for column, one in by_column.items()
        if column not in in_pairs
    ]
    together = [
        IndexUse("", (one,), tuple(IndexUse(f"record_{part.column}", (part,)) for part in parts))
        for one in conditions
        if (parts := one.either)
    ]
    scan = [
        IndexUse("record_attributes", (one,), is_scan=True)
        for one in conditions
        if one.of_attributes
    ]
    return (*pairs, *alone, *together, *scan)


def count_listed(
    connection: sqlite3.Connection, index: IndexUse, seqs: tuple[int, int], most: int
) -> int:
    """Return how many rows an index lists from the first to the last seq, counted up to `most`."""
    listed, values = index.listed(seqs)
    count = one(connection, f"SELECT count(*) FROM ({listed} LIMIT ?)", (*values, most))
    return int(str(count))


def fewest_listed(
    connection: sqlite3.Connection, indexes: Sequence[IndexUse], seqs: tuple[int, int], most: int
) -> tuple[IndexUse | None, int]:
    """Return the index that lists the fewest rows in a range, and how many.

    None and `most` if each lists more than `most`.
    """
    best: IndexUse | None = None
    for index in indexes:
        if index.is_scan and best is not None and most * _ROWS_PER_TEST <= seqs[1] - seqs[0]:
            break
        count = count_listed(connection, index, seqs, most + 1)
        if count <= most:
            best, most = index, count
        if count == 0:
            break
    return best, most


def lists_few(
    connection: sqlite3.Connection, index: IndexUse, seqs: tuple[int, int], most: int
) -> bool:
    """Return whether an index lists at most so many rows in a range.

    Of the table of attributes only the newest part is read, and tells how many the whole has.
    """
    if index.is_scan and (size := seqs[1] - seqs[0] + 1) > MAX_SCAN:
        seqs, most = (seqs[1] - MAX_SCAN + 1, seqs[1]), most * MAX_SCAN // size
    return count_listed(connection, index, seqs, most + 1) <= most


def scan_of(indexes: Sequence[IndexUse]) -> IndexUse | None:
    """Return the table of attributes, if it can find the records."""
    return next((index for index in indexes if index.is_scan), None)


def rows_of(
    index: IndexUse | None, conditions: Sequence[Condition], seqs: tuple[int, int]
) -> tuple[str, tuple[object, ...]]:
    """Return what follows SELECT ... FROM for the rows of a range that match, and its values."""
    between = "seq BETWEEN ? AND ?"
    values: tuple[object, ...] = seqs if index is None else (*index.values, *seqs)
    if index is None:
        source, found = "record NOT INDEXED", between
    elif index.is_in_order:
        source, found = f"record INDEXED BY {index.name}", f"{index.sql} AND {between}"
    else:
        # Only seqs are sorted, which an index holds without their rows.
        listed, values = index.listed(seqs)
        source, found = "record", f"seq IN ({listed})"
    answered = () if index is None else index.conditions
    rest = [one for one in conditions if one not in answered]
    where = " AND ".join((found, *(one.on_row for one in rest)))
    return (
        f"{source} WHERE {where}",
        (*values, *(value for one in rest for value in one.values)),
    )


def with_known_lists(connection: sqlite3.Connection, filter: RecordFilter) -> RecordFilter | None:
    """Return a simplified filter that asks for categories instead of lists, if that is the same.

    Categories are counted and have an index. None if no record can match.
    """
    if filter.lists is None or filter.category is not None or filter.categories is not None:
        return filter
    if 0 in filter.lists and one(connection, _HAS_UNSORTED_STRANGERS):
        return filter
    if connection.execute(_ON_LISTS, (json.dumps(filter.lists), 1)).fetchone() is not None:
        return filter
    return simplified(replace(filter, lists=None, categories=filter.lists))


def _on_columns(filter: RecordFilter) -> Iterator[Condition]:
    values: dict[str, object] = {
        "uuid": None if filter.uuid is None else indexed_uuid(filter.uuid),
        "did": filter.did,
        "type": None if filter.type is None else clamp(filter.type),
        "category": None if filter.category is None else clamp(filter.category),
        "kind": filter.kind,
    }
    for column, value in values.items():
        if value is not None:
            yield Condition("= ?", (value,), column)
    if filter.dids is not None:
        yield Condition(_IN, (json.dumps(filter.dids),), "did", is_one_value=False)
    if filter.categories is not None:
        clamped = json.dumps([clamp(one) for one in filter.categories])
        yield Condition(_IN, (clamped,), "category", is_one_value=False)


def _on_rows(filter: RecordFilter) -> Iterator[Condition]:
    if filter.since is not None:
        yield Condition("occurred_at >= ?", (clamp(filter.since),))
    if filter.until is not None:
        yield Condition("occurred_at < ?", (clamp(filter.until),))
    if filter.has_pictures is not None:
        yield Condition(_WITH_PICTURES if filter.has_pictures else _WITHOUT_PICTURES)


def _on_attributes(filter: RecordFilter) -> Iterator[Condition]:
    if filter.attributes:
        yield Condition(condition_on_bits(filter.attributes), of_attributes=True)


def _on_lists(connection: sqlite3.Connection, lists: tuple[int, ...]) -> Iterator[Condition]:
    """Yield the condition that somebody is on a list, as the camera or the register has it."""
    asked = json.dumps([clamp(one) for one in lists])
    parts = [Condition(_IN, (asked,), "category", is_one_value=False)]
    found = connection.execute(_ON_LISTS, (asked, _MAX_INDEXED_PEOPLE + 1))
    pids = [pid for (pid,) in found]
    if len(pids) > _MAX_INDEXED_PEOPLE:
        parts.append(Condition(_IS_ON_LIST.strip(), (asked,)))
    elif pids:
        parts.append(Condition(_IN, (json.dumps(pids),), "uuid", is_one_value=False))
    if 0 in lists:
        parts.append(Condition(_IS_STRANGER.strip()))
    yield Condition(
        f"({' OR '.join(part.on_row for part in parts)})",
        tuple(value for part in parts for value in part.values),
        either=tuple(parts) if all(part.column for part in parts) else (),
    )


def _term_condition(
    connection: sqlite3.Connection, field: str, part: str, max_terms: int
) -> Condition | None:
    matches, text = _comparison(part)
    values = (field, text)
    found = connection.execute(_TERMS.format(matches=matches), (*values, max_terms + 1))
    ids = [id for (id,) in found]
    if not ids:
        return None
    if len(ids) > max_terms:
        return Condition(_HAS_TERM.format(matches=matches).strip(), values)
    if len(ids) == 1:
        return Condition("= ?", (ids[0],), "term")
    return Condition(_IN, (json.dumps(ids),), "term", is_one_value=False)


def _comparison(part: str) -> tuple[str, str]:
    """Return the condition on a name or plate, and its value."""
    is_whole = is_quoted(part)
    folded = fold(part[1:-1] if is_whole else part)
    if "?" in folded or "*" in folded:
        pattern = folded.replace("[", "[[]")
        return _HAS_PATTERN, pattern if is_whole else f"*{pattern}*"
    return (_IS_WHOLE if is_whole else _HAS_PART), folded
