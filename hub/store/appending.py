"""How a group of uploads becomes rows and pictures: the writer's side of the record log.

`Appender` is the writer's `GroupLog`. Its methods run in the writer's thread, except `committed`,
which runs in trio while that thread rests; so nothing here needs a lock.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub import metrics
from hub.errors import CannotStoreNow
from hub.store.days import Day, Days, save_day
from hub.store.packs import (
    Packs,
    StoredImage,
    Tail,
    day_of,
    encode_images,
    public_images,
    total_size,
)
from hub.store.sql import clamp, one
from hub.store.writer import Write
from hub.wire.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    NewRecord,
    Record,
    VehicleDetail,
)

_REPEAT_MS = 86_400_000
_STRAY_MS = 86_400_000
#: Indexed text is bounded; the whole stands in the record's detail.
_TERM_LENGTH = 256
_UUID_LENGTH = 128
#: Old digests are forgotten a few per group, and looked for again after a pause.
_FORGET_COUNT = 256
_FORGET_PAUSE_MS = 600_000

_KNOWN = "SELECT first_seq, last_seq FROM upload WHERE digest = ? AND did = ? AND at > ?"
_PUT_UPLOAD = """
INSERT OR REPLACE INTO upload (first_seq, last_seq, digest, did, at) VALUES (?, ?, ?, ?, ?)
"""
_FORGET = """
DELETE FROM upload WHERE at <= ? AND first_seq IN (
    SELECT first_seq FROM upload ORDER BY first_seq LIMIT ?
)
"""
_PUT_RECORD = """
INSERT INTO record (seq, kind, did, sn, device_name, occurred_at, received_at, type, category, uuid,
    term, detail, extra, images)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_TERM = "SELECT id FROM term WHERE field = ? AND folded = ?"
_PUT_TERM = "INSERT INTO term (field, folded) VALUES (?, ?)"
_PUT_SPAN = """
INSERT INTO span (block, earliest, latest) VALUES (?, ?, ?)
ON CONFLICT (block) DO UPDATE SET earliest = min(earliest, excluded.earliest),
    latest = max(latest, excluded.latest)
"""
_LATEST_ACCESS = """
SELECT latest_access.seq FROM latest_access JOIN record USING (seq) WHERE latest_access.did = ?
"""
_PUT_ACCESS = "INSERT OR REPLACE INTO latest_access (did, seq) VALUES (?, ?)"


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

    __slots__ = ("_appender", "first", "images", "known", "upload")

    def __init__(self, appender: Appender, upload: NewUpload) -> None:
        super().__init__(size=sum(total_size(record.pictures) for record in upload.records))
        self._appender = appender
        self.upload = upload
        #: What the database knows of an earlier upload with the same digest.
        self.known: Appended | None = None
        #: The same upload, earlier in the same group.
        self.first: Append | None = None
        #: Where the pictures of each record lie.
        self.images: list[tuple[StoredImage, ...]] = []

    def run(self, connection: sqlite3.Connection) -> Appended:
        return self._appender.insert(connection, self)


class Appender:
    """One group at a time: recognise repeats, pack the pictures, insert, count."""

    def __init__(
        self,
        packs: Packs,
        days: Days,
        last_seq: int,
        now: Callable[[], float],
        on_records: Callable[[Sequence[Record]], None],
    ) -> None:
        #: The highest committed seq.
        self.last_seq = last_seq
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
        if fresh := self._fresh(connection, appends):
            self._pack(fresh)

    def _fresh(self, connection: sqlite3.Connection, appends: Iterable[Append]) -> list[Append]:
        """Those that neither the database nor the group has already."""
        firsts: dict[tuple[bytes, str], Append] = {}
        for append in appends:
            key = (append.upload.digest, append.upload.did)
            append.first = firsts.get(key)
            if append.first is None:
                row = connection.execute(_KNOWN, (*key, self._at - _REPEAT_MS)).fetchone()
                if row is None:
                    firsts[key] = append
                else:
                    append.known = Appended(tuple(range(row[0], row[1] + 1)), repeated=True)
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
            self._packs.cut_back(self._end)
            for append in fresh:
                if append.size:
                    append.error = error
        else:
            self._end = tail.end

    def insert(self, connection: sqlite3.Connection, append: Append) -> Appended:
        """One upload's rows. An error rolls back this upload alone."""
        if append.known is not None:
            return append.known
        if append.first is not None:
            return _repeat_of(append.first)
        upload = append.upload
        first = self.last_seq + len(self._records) + 1
        last = first + len(upload.records) - 1
        connection.execute(_PUT_UPLOAD, (first, last, upload.digest, upload.did, self._at))
        inserted = [
            self._insert_record(connection, seq, _resolved(connection, upload, new), images)
            for seq, new, images in zip(
                range(first, last + 1), upload.records, append.images, strict=True
            )
        ]
        if inserted[-1].kind == "access" and not upload.follows_access:
            connection.execute(_PUT_ACCESS, (upload.did, last))
        self._records += inserted
        return Appended(tuple(range(first, last + 1)), repeated=False)

    def _insert_record(
        self,
        connection: sqlite3.Connection,
        seq: int,
        new: NewRecord,
        images: tuple[StoredImage, ...],
    ) -> Record:
        detail = _own(new.detail)
        extra = bytes(new.extra)
        key = _key_of(detail)
        connection.execute(
            _PUT_RECORD,
            (
                seq,
                new.kind,
                new.did,
                new.sn,
                new.device_name,
                clamp(new.occurred_at),
                self._at,
                _number(key.type),
                _number(key.category),
                short_uuid(key.uuid) if key.uuid else None,
                _term_id(connection, key.field, key.term) if key.term else None,
                msgspec.json.encode(detail),
                extra,
                encode_images(images),
            ),
        )
        return Record(
            seq=seq,
            kind=new.kind,
            did=new.did,
            sn=new.sn,
            device_name=new.device_name,
            occurred_at=new.occurred_at,
            received_at=self._at,
            detail=detail,
            extra=Raw(extra),
            images=public_images(seq, images),
        )

    def finish(self, connection: sqlite3.Connection) -> None:
        if not self._records:
            return
        first, last = self._records[0].seq, self._records[-1].seq
        self._grown = self._days.grown(self._day, first, last, self._end)
        save_day(connection, self._grown)
        connection.executemany(_PUT_SPAN, _spans(self._records))
        self._forget_old_digests(connection)

    def _forget_old_digests(self, connection: sqlite3.Connection) -> None:
        if self._at >= self._forget_at:
            values = (self._at - _REPEAT_MS, _FORGET_COUNT)
            if connection.execute(_FORGET, values).rowcount < _FORGET_COUNT:
                self._forget_at = self._at + _FORGET_PAUSE_MS

    def abandon(self) -> None:
        self._packs.cut_back(self._days.end(self._day))
        self._records = []
        self._grown = None

    def committed(self) -> None:
        records, self._records = self._records, []
        if self._grown is None:
            return
        self._days.put(self._grown)
        self._grown = None
        self.last_seq = records[-1].seq
        for record in records:
            metrics.records.labels(record.kind).inc()
        self._on_records(records)

    def probe(self) -> None:
        self._start_group()
        self._packs.probe(self._day, self._end)


def _repeat_of(first: Append) -> Appended:
    if first.value is None:
        raise CannotStoreNow("the same upload, sent at the same time, could not be stored")
    return Appended(first.value.seqs, repeated=True)


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
    """A name or plate as it is searched for."""
    return text.casefold()[:_TERM_LENGTH]


def short_uuid(uuid: str) -> str:
    return uuid[:_UUID_LENGTH]


def _term_id(connection: sqlite3.Connection, field: str, text: str) -> int | None:
    key = (field, fold(text))
    known = connection.execute(_TERM, key).fetchone()
    return known[0] if known is not None else connection.execute(_PUT_TERM, key).lastrowid


def _spans(records: Sequence[Record]) -> list[tuple[int, int, int]]:
    """(block, earliest, latest) of the records whose device's clock can be believed."""
    spans: dict[int, tuple[int, int]] = {}
    for record in records:
        at = record.occurred_at
        if abs(at - record.received_at) <= _STRAY_MS:
            earliest, latest = spans.get(record.seq >> 10, (at, at))
            spans[record.seq >> 10] = (min(earliest, at), max(latest, at))
    return [(block, earliest, latest) for block, (earliest, latest) in spans.items()]
