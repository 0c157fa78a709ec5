"""The record log: appended to in groups, read by `seq` in either order.

Made for ten million records. Each index ends in `seq` by itself, so that a filter's rows come in
the log's order without a sort, and grows at the tails of few values, so that an insert stays cheap.
Times are not indexed row by row: a *span* holds the earliest and latest `occurred_at` of a block of
1,024 neighbours, and a query walks only the blocks that can hold what it asks for. *Stray* rows,
whose device's clock is off by more than a day, do not widen the spans; they have a small index of
their own. Names and plates are *terms*: each distinct one is kept once, folded, and a search for a
part of it looks through these few.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing

from msgspec import Raw, Struct

from hub.store.group_commit import Writer
from hub.store.media.day_index import DayIndex
from hub.store.media.packs import decode_images, public_images
from hub.store.readers import Readers
from hub.store.record_writer import Append, Appender, fold, short_uuid
from hub.store.record_writer import Appended as Appended
from hub.store.record_writer import NewUpload as NewUpload
from hub.store.sql import clamp, one
from hub.wire.uploads.records import Record, RecordKind, decode_detail

_FIRST, _LAST = 0, 2**63 - 1
#: So many matching terms are looked up by their index; with more, matches are dense enough to walk.
_FEW_TERMS = 500
#: Values of a filter with fewer rows than this are told apart when the index is chosen.
_FEW_ROWS = 2000
#: A page ends early where its records are as large as this together.
_PAGE_BYTES = 8 * 1024 * 1024
#: How far back a device's latest picture is looked for.
_PICTURE_SEARCH = 100

_COLUMNS = "seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra, images"
_ONE = f"SELECT {_COLUMNS} FROM record WHERE seq = ?"
_LATEST_PICTURES = f"""
SELECT seq, did, received_at, images FROM record WHERE seq IN (
    SELECT (
        SELECT seq FROM (
            SELECT seq, images FROM record WHERE did = device.did
            ORDER BY seq DESC LIMIT {_PICTURE_SEARCH}
        ) WHERE images <> x'5b5d' LIMIT 1
    ) FROM device
)
"""
# The stray rows' blocks come from the index record_stray: its condition, word by word.
_BLOCKS = """
SELECT block FROM span WHERE latest >= :since AND earliest < :until
UNION
SELECT seq >> 10 FROM record
WHERE abs(occurred_at - received_at) > 86400000 AND occurred_at >= :since AND occurred_at < :until
ORDER BY 1
"""
_TERMS = "SELECT id FROM term WHERE field = ? AND instr(folded, ?) > 0 LIMIT ?"


#: As `_COLUMNS` names them.
Row = tuple[int, RecordKind, str, str, str, int, int, bytes, bytes, bytes]
#: First and last seq.
Window = tuple[int, int]


class RecordFilter(Struct, frozen=True, kw_only=True):
    """Which records; None: any. `since` <= occurred_at < `until`, in milliseconds.

    `plate` and `name` match any part, case ignored.
    """

    kind: RecordKind | None = None
    did: str | None = None
    since: int | None = None
    until: int | None = None
    type: int | None = None
    plate: str | None = None
    name: str | None = None
    uuid: str | None = None
    category: int | None = None


class Page(Struct, frozen=True):
    """Some records; where there are more in this direction, `next` is the `seq` to go on from.

    A page of very large records ends before its limit.
    """

    items: tuple[Record, ...]
    next: int | None


class LatestPicture(Struct, frozen=True):
    """A device's latest picture, and which record it belongs to."""

    seq: int
    received_at: int
    path: str


class Records:
    """The log of all that devices reported."""

    def __init__(
        self, writer: Writer, readers: Readers, appender: Appender, days: DayIndex
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._appender = appender
        self._days = days

    @property
    def last_seq(self) -> int:
        """The highest committed `seq`, 0 before the first; never lower than once it was."""
        return self._appender.last_seq

    async def append(self, upload: NewUpload) -> Appended:
        """Store an upload; returns once records and pictures are durable.

        The same device, path and body within a day is one upload: it returns the same seqs, with
        `repeated` set. CannotStoreNow: it is not known to be stored; send it again.
        """
        if not upload.records:
            return Appended(seqs=(), repeated=False)
        return await self._writer.submit(Append(upload))

    async def page(
        self,
        filter: RecordFilter,
        *,
        after: int | None = None,
        before: int | None = None,
        newest_first: bool = False,
        limit: int = 100,
    ) -> Page:
        """Records of the filter with `after` < seq < `before`, in the log's order or the other."""
        window = (
            _FIRST if after is None else clamp(after + 1),
            _LAST if before is None else clamp(before - 1),
        )
        query = _Query(filter, newest_first)
        return await self._readers.read(lambda c: self._page(c, query, window, limit))

    async def get(self, seq: int) -> Record | None:
        row = await self._readers.read(lambda c: c.execute(_ONE, (clamp(seq),)).fetchone())
        return None if row is None else self._record(row)

    def _page(
        self, connection: sqlite3.Connection, query: _Query, window: Window, limit: int
    ) -> Page:
        """In a reader's thread, the decoding too: it takes milliseconds."""
        items: list[Record] = []
        size = 0
        # Closed at once: an open cursor would hold the database's log back.
        with closing(query.rows(connection, window, limit + 1)) as rows:
            for row in rows:
                if len(items) == limit or size > _PAGE_BYTES:
                    return Page(tuple(items), items[-1].seq)
                items.append(self._record(row))
                size += sum(len(part) for part in row if isinstance(part, bytes))
        return Page(tuple(items), None)

    async def latest_pictures(self) -> dict[str, LatestPicture]:
        """For each device the first picture of its latest record that has one."""
        rows = await self._readers.read(lambda c: c.execute(_LATEST_PICTURES).fetchall())
        return {
            did: LatestPicture(seq, received_at, public_images(seq, decode_images(images))[0].path)
            for seq, did, received_at, images in rows
            if self._days.has_pictures(seq, received_at)
        }

    def is_kept(self, picture: LatestPicture) -> bool:
        """Whether it can still be read: it goes with its day."""
        return self._days.has_pictures(picture.seq, picture.received_at)

    def _record(self, row: Row) -> Record:
        seq, kind, did, sn, device_name, occurred_at, received_at, detail, extra, images = row
        there = self._days.has_pictures(seq, received_at)
        return Record(
            seq=seq,
            kind=kind,
            did=did,
            sn=sn,
            device_name=device_name,
            occurred_at=occurred_at,
            received_at=received_at,
            detail=decode_detail(kind, detail),
            extra=Raw(extra),
            images=public_images(seq, decode_images(images)) if there else (),
        )


class _Query:
    """One page's query: which windows of the log, which index, which conditions."""

    def __init__(self, filter: RecordFilter, newest_first: bool) -> None:
        self._filter = filter
        self._order = "DESC" if newest_first else "ASC"
        self._conditions: list[str] = []
        self._values: list[object] = []
        self._index = ""

    def rows(
        self, connection: sqlite3.Connection, window: Window, limit: int
    ) -> Generator[Row, None, None]:
        """At most `limit` rows, each read as it is asked for."""
        if not self._add_terms(connection):
            return
        self._add_equalities(connection)
        self._add_times()
        conditions = "".join(f" AND {condition}" for condition in self._conditions)
        sql = (
            f"SELECT {_COLUMNS} FROM record {self._index} "
            f"WHERE seq BETWEEN ? AND ?{conditions} ORDER BY seq {self._order} LIMIT ?"
        )
        for first, last in self._windows(connection, window):
            for row in connection.execute(sql, (first, last, *self._values, limit)):
                yield row
                limit -= 1
            if limit == 0:
                return

    def _add_terms(self, connection: sqlite3.Connection) -> bool:
        """Names and plates. False where no such term exists, and so no record."""
        for field, part in (("name", self._filter.name), ("plate", self._filter.plate)):
            if not part:
                continue
            values = (field, fold(part))
            ids = [id for (id,) in connection.execute(_TERMS, (*values, _FEW_TERMS + 1))]
            if not ids:
                return False
            if len(ids) <= _FEW_TERMS:
                self._index = "INDEXED BY record_term"
                self._conditions.append("term IN (SELECT value FROM json_each(?))")
                self._values.append(json.dumps(ids))
            else:
                self._conditions.append(f"+term IN ({_TERMS.removesuffix(' LIMIT ?')})")
                self._values.extend(values)
        return True

    def _add_equalities(self, connection: sqlite3.Connection) -> None:
        wanted = self._equalities()
        best = None if self._index else _most_selective(connection, wanted)
        for column, value in wanted.items():
            # The unary plus keeps SQLite from using this column's index.
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

    def _add_times(self) -> None:
        if self._filter.since is not None:
            self._conditions.append("occurred_at >= ?")
            self._values.append(clamp(self._filter.since))
        if self._filter.until is not None:
            self._conditions.append("occurred_at < ?")
            self._values.append(clamp(self._filter.until))

    def _windows(self, connection: sqlite3.Connection, window: Window) -> list[Window]:
        """The parts of the window that can hold the times asked for, in the query's order."""
        since, until = self._filter.since, self._filter.until
        if since is None and until is None:
            return [window]
        times = {
            "since": clamp(-(2**63) if since is None else since),
            "until": clamp(2**63 - 1 if until is None else until),
        }
        blocks = [block for (block,) in connection.execute(_BLOCKS, times)]
        windows = [
            (max(first << 10, window[0]), min((last << 10) + 1023, window[1]))
            for first, last in _runs(blocks)
        ]
        windows = [(first, last) for first, last in windows if first <= last]
        return windows[::-1] if self._order == "DESC" else windows


def _runs(blocks: list[int]) -> Iterator[Window]:
    """Runs of neighbours in ascending numbers."""
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
    """The column whose value has the fewest rows, as far as a short count tells."""
    if len(wanted) < 2:
        return next(iter(wanted), None)

    def count(column: str) -> object:
        counted = f"SELECT 1 FROM record WHERE {column} = ? LIMIT {_FEW_ROWS}"
        return one(connection, f"SELECT count(*) FROM ({counted})", (wanted[column],))

    return min(wanted, key=lambda column: int(str(count(column))))
