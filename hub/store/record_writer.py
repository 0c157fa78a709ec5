"""How a group of uploads becomes rows and pictures: the writer's side of the record log.

`Appender` is the writer's `GroupLog`: `publish` runs in trio, all else in the writer's thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub import metrics
from hub.errors import CannotStoreNow
from hub.store.group_commit import Write
from hub.store.media.day_index import Day, DayIndex, save_day
from hub.store.media.packs import Packs, StoredImage, Tail, day_of, encode_images, public_images
from hub.store.sql import clamp, one
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    NewRecord,
    Record,
    VehicleDetail,
)

T = TypeVar("T")

#: Rows of one statement.
_MOST_ROWS = 64
_REPEAT_MS = 86_400_000
_STRAY_MS = 86_400_000
#: Indexed text is bounded; the whole stands in the record's detail.
_TERM_LENGTH = 256
_UUID_LENGTH = 128
#: Old digests are forgotten a few per group, and looked for again after a pause.
_FORGET_COUNT = 256
_FORGET_PAUSE_MS = 600_000

_RECORD_COLUMNS = (
    "seq, kind, did, sn, device_name, occurred_at, received_at, type, category, uuid, term, "
    "detail, extra, images"
)
# One row for the whole answer: each row costs a turn of the interpreter lock.
_KNOWN = """
SELECT json_group_array(json_array(hex(digest), did, first_seq, last_seq)) FROM upload
WHERE at > ? AND (digest, did) IN (VALUES {rows})
"""
_TERMS = """
SELECT json_group_array(json_array(field, folded, id)) FROM term
WHERE (field, folded) IN (VALUES {rows})
"""
_PUT_TERMS = "INSERT INTO term (field, folded) VALUES {rows}"
_PUT_UPLOADS = """
INSERT OR REPLACE INTO upload (first_seq, last_seq, digest, did, at) VALUES {rows}
"""
_PUT_RECORDS = f"INSERT INTO record ({_RECORD_COLUMNS}) VALUES {{rows}}"
_PUT_ACCESS = "INSERT OR REPLACE INTO latest_access (did, seq) VALUES {rows}"
_PUT_SPANS = """
INSERT INTO span (block, earliest, latest) VALUES {rows}
ON CONFLICT (block) DO UPDATE SET earliest = min(earliest, excluded.earliest),
    latest = max(latest, excluded.latest)
"""
_FORGET = """
DELETE FROM upload WHERE at <= ? AND first_seq IN (
    SELECT first_seq FROM upload ORDER BY first_seq LIMIT ?
)
"""
_LATEST_ACCESS = """
SELECT latest_access.seq FROM latest_access JOIN record USING (seq) WHERE latest_access.did = ?
"""


class NewUpload(Struct, frozen=True):
    """One upload. `digest`: 16 bytes over path and body, which tell a repeat.

    `follows_access`: a lone picture, whose `of` the store fills in: the seq of the device's latest
    access record (D8).
    """

    did: str
    digest: bytes
    records: tuple[NewRecord, ...]
    follows_access: bool = False


class Appended(Struct, frozen=True):
    """The records of an upload; `repeated`: they were there already."""

    seqs: tuple[int, ...]
    repeated: bool


class Append(Write[Appended]):
    """An upload that waits for the writer."""

    __slots__ = ("first", "has_pictures", "images", "known", "upload")

    is_upload = True

    def __init__(self, upload: NewUpload) -> None:
        super().__init__(size=sum(_size(record) for record in upload.records))
        self.has_pictures = any(record.pictures for record in upload.records)
        self.upload = upload
        #: What the database knows of an earlier upload with the same digest.
        self.known: Appended | None = None
        #: The same upload, earlier in the same group.
        self.first: Append | None = None
        #: Where the pictures of each record lie.
        self.images: list[tuple[StoredImage, ...]] = []

    @property
    def is_fresh(self) -> bool:
        return self.known is None and self.first is None

    @property
    def key(self) -> _UploadKey:
        return (self.upload.digest, self.upload.did)


_UploadKey = tuple[bytes, str]
_TermKey = tuple[str, str]


class Appender:
    """One group at a time: recognise repeats, pack the pictures, insert, count."""

    def __init__(
        self,
        packs: Packs,
        days: DayIndex,
        last_seq: int,
        now: Callable[[], float],
        on_records: Callable[[Sequence[Record]], None],
    ) -> None:
        #: The highest seq that was published.
        self.last_seq = last_seq
        self._committed_seq = last_seq
        self._packs = packs
        self._days = days
        self._now = now
        self._on_records = on_records
        self._forget_at = 0
        self._start_group()

    def _start_group(self) -> None:
        self._at = int(self._now() * 1000)
        self._day = day_of(self._at)
        self._end = self._days.end(self._day)
        self._records: list[Record] = []
        self._grown: Day | None = None

    def prepare(self, connection: sqlite3.Connection, group: Sequence[Write[Any]]) -> None:
        self._start_group()
        appends = [write for write in group if isinstance(write, Append)]
        if appends and (fresh := self._fresh(connection, appends)):
            self._pack(fresh)

    def _fresh(self, connection: sqlite3.Connection, appends: Sequence[Append]) -> list[Append]:
        """Those that neither the database nor the group has already."""
        known = _known_uploads(connection, self._at - _REPEAT_MS, {a.key for a in appends})
        firsts: dict[_UploadKey, Append] = {}
        for append in appends:
            append.known = known.get(append.key)
            append.first = firsts.get(append.key)
            if append.is_fresh:
                firsts[append.key] = append
        return list(firsts.values())

    def _pack(self, fresh: Sequence[Append]) -> None:
        tail = Tail(self._end)
        for append in fresh:
            append.images = [
                tuple(tail.add(append.upload.digest, n, picture) for picture in record.pictures)
                for n, record in enumerate(append.upload.records)
            ]
        try:
            self._packs.append(self._day, tail)
        except OSError as error:
            self._packs.cut_back(self._day, self._end)
            for append in fresh:
                if append.has_pictures:
                    append.error = error
        else:
            self._end = tail.end

    def insert(self, connection: sqlite3.Connection, uploads: Sequence[Write[Any]]) -> None:
        appends = [write for write in uploads if isinstance(write, Append)]
        if fresh := [append for append in appends if append.is_fresh]:
            self._insert_fresh(connection, fresh)
        for append in appends:
            if not append.is_fresh:
                append.value = _as_repeated(append)

    def _insert_fresh(self, connection: sqlite3.Connection, fresh: Sequence[Append]) -> None:
        terms = _term_ids(connection, fresh)
        records: list[Record] = []
        rows: list[tuple[object, ...]] = []
        uploads: list[tuple[object, ...]] = []
        accesses: dict[str, int] = {}
        seq = self._committed_seq + len(self._records)
        for append in fresh:
            upload, first = append.upload, seq + 1
            for new, images in zip(upload.records, append.images, strict=True):
                seq += 1
                records.append(self._record(seq, _resolved(connection, upload, new), images))
                rows.append(_row(records[-1], images, terms))
            append.value = Appended(tuple(range(first, seq + 1)), repeated=False)
            uploads.append((first, seq, upload.digest, upload.did, self._at))
            if records[-1].kind == "access" and not upload.follows_access:
                accesses[upload.did] = seq
        _insert(connection, _PUT_UPLOADS, uploads)
        _insert(connection, _PUT_RECORDS, rows)
        _insert(connection, _PUT_ACCESS, list(accesses.items()))
        self._records += records

    def _record(self, seq: int, new: NewRecord, images: tuple[StoredImage, ...]) -> Record:
        return Record(
            seq=seq,
            kind=new.kind,
            did=new.did,
            sn=new.sn,
            device_name=new.device_name,
            occurred_at=clamp(new.occurred_at),
            received_at=self._at,
            detail=_own(new.detail),
            extra=Raw(bytes(new.extra)),
            images=public_images(seq, images),
        )

    def restart(self) -> None:
        self._records = []

    def finish(self, connection: sqlite3.Connection) -> None:
        if not self._records:
            return
        first, last = self._records[0].seq, self._records[-1].seq
        self._grown = self._days.grown(self._day, first, last, self._end)
        save_day(connection, self._grown)
        _insert(connection, _PUT_SPANS, _spans(self._records))
        self._forget_old_digests(connection)

    def _forget_old_digests(self, connection: sqlite3.Connection) -> None:
        if self._at >= self._forget_at:
            values = (self._at - _REPEAT_MS, _FORGET_COUNT)
            if connection.execute(_FORGET, values).rowcount < _FORGET_COUNT:
                self._forget_at = self._at + _FORGET_PAUSE_MS

    def abandon(self) -> None:
        self._packs.cut_back(self._day, self._days.end(self._day))

    def committed(self) -> Sequence[Record]:
        if self._grown is not None:
            self._days.put(self._grown)
            self._committed_seq = self._grown.last_seq
        return self._records

    def publish(self, records: Sequence[Record]) -> None:
        if not records:
            return
        self.last_seq = records[-1].seq
        for record in records:
            metrics.records.labels(record.kind).inc()
        self._on_records(records)

    def probe(self) -> None:
        self._start_group()
        self._packs.probe(self._day, self._end)


def _size(new: NewRecord) -> int:
    return memoryview(new.extra).nbytes + sum(len(picture.data) for picture in new.pictures)


def _as_repeated(append: Append) -> Appended:
    if append.known is not None:
        return append.known
    if append.first is None or append.first.value is None:
        raise CannotStoreNow("the same upload, sent at the same time, could not be stored")
    return Appended(append.first.value.seqs, repeated=True)


def _insert(connection: sqlite3.Connection, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
    """All rows in a few statements. `sql` has `{rows}` where the values go."""
    for some in _portions(rows):
        connection.execute(_with_rows(sql, len(some), len(some[0])), list(chain(*some)))


def _portions(rows: Sequence[tuple[T, ...]]) -> Iterator[Sequence[tuple[T, ...]]]:
    """Rows in numbers that stay within SQLite's limits, and within few texts of statements."""
    return (rows[start : start + _MOST_ROWS] for start in range(0, len(rows), _MOST_ROWS))


@lru_cache(maxsize=512)
def _with_rows(sql: str, count: int, width: int) -> str:
    row = f"({', '.join('?' * width)})"
    return sql.replace("{rows}", ", ".join([row] * count))


def _known_uploads(
    connection: sqlite3.Connection, since: int, keys: set[_UploadKey]
) -> dict[_UploadKey, Appended]:
    """Of these uploads, those that are in the log since then."""
    known: dict[_UploadKey, Appended] = {}
    for some in _portions(list(keys)):
        sql = _with_rows(_KNOWN, len(some), 2)
        for digest, did, first, last in _decoded(connection, sql, (since, *chain(*some))):
            seqs = tuple(range(first, last + 1))
            known[bytes.fromhex(digest), did] = Appended(seqs, repeated=True)
    return known


def _term_ids(connection: sqlite3.Connection, appends: Iterable[Append]) -> dict[_TermKey, int]:
    """The ids of all names and plates of these uploads; new ones are added."""
    keys = {
        (key.field, fold(key.term))
        for append in appends
        for record in append.upload.records
        if (key := _key_of(record.detail)).term
    }
    ids = _known_terms(connection, keys)
    if missing := [key for key in keys if key not in ids]:
        _insert(connection, _PUT_TERMS, missing)
        ids |= _known_terms(connection, missing)
    return ids


def _known_terms(connection: sqlite3.Connection, keys: Iterable[_TermKey]) -> dict[_TermKey, int]:
    ids: dict[_TermKey, int] = {}
    for some in _portions(list(keys)):
        sql = _with_rows(_TERMS, len(some), 2)
        ids |= {(f, text): id for f, text, id in _decoded(connection, sql, tuple(chain(*some)))}
    return ids


def _decoded(connection: sqlite3.Connection, sql: str, values: tuple[object, ...]) -> list[Any]:
    rows: list[Any] = msgspec.json.decode(str(one(connection, sql, values)))
    return rows


def _resolved(connection: sqlite3.Connection, upload: NewUpload, new: NewRecord) -> NewRecord:
    if not (upload.follows_access and isinstance(new.detail, AccessDetail)):
        return new
    latest = one(connection, _LATEST_ACCESS, (upload.did,))
    of = latest if isinstance(latest, int) else None
    return replace(new, detail=replace(new.detail, of=of))


def _own(detail: Detail) -> Detail:
    """The detail without a hold on the body that it was read from: followers may keep it long."""
    if isinstance(detail, EventDetail):
        return replace(detail, data=detail.data.copy())
    return detail


class _Key(Struct, frozen=True):
    """What of a detail can be filtered by. `term` is the name or the plate, as `field` says."""

    type: int | float | str | None = None
    category: int | None = None
    uuid: str | None = None
    field: str = "name"
    term: str | None = None


def _key_of(detail: Detail) -> _Key:
    match detail:
        case FaceDetail():
            return _Key(category=detail.category, uuid=detail.uuid, term=detail.name)
        case EventDetail():
            return _Key(detail.type, detail.category, detail.uuid, term=detail.name)
        case VehicleDetail():
            return _Key(field="plate", term=detail.plate.id)
        case AccessDetail():
            return _Key(type=detail.type, uuid=detail.uuid)


def _number(value: int | float | str | None) -> int | None:
    """The value as SQLite can hold it; None where it is no such whole number."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    return value if isinstance(value, int) and clamp(value) == value else None


def fold(text: str) -> str:
    """A name or plate as it is searched for. SQLite's functions end a text at its first NUL."""
    return text.replace("\0", "").casefold()[:_TERM_LENGTH]


def short_uuid(uuid: str) -> str:
    return uuid[:_UUID_LENGTH]


def _row(
    record: Record, images: tuple[StoredImage, ...], terms: dict[_TermKey, int]
) -> tuple[object, ...]:
    key = _key_of(record.detail)
    return (
        record.seq,
        record.kind,
        record.did,
        record.sn,
        record.device_name,
        record.occurred_at,
        record.received_at,
        _number(key.type),
        _number(key.category),
        short_uuid(key.uuid) if key.uuid else None,
        terms.get((key.field, fold(key.term))) if key.term else None,
        msgspec.json.encode(record.detail),
        bytes(record.extra),
        encode_images(images),
    )


def _spans(records: Sequence[Record]) -> list[tuple[int, int, int]]:
    """(block, earliest, latest) of the records whose device's clock can be believed."""
    spans: dict[int, tuple[int, int]] = {}
    for record in records:
        at = record.occurred_at
        if abs(at - record.received_at) <= _STRAY_MS:
            earliest, latest = spans.get(record.seq >> 10, (at, at))
            spans[record.seq >> 10] = (min(earliest, at), max(latest, at))
    return [(block, earliest, latest) for block, (earliest, latest) in spans.items()]
