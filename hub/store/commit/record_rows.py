"""The rows of a group's records. Each kind of row is inserted with as few statements as possible.

Names and plates are *terms*: each distinct one is kept once, folded, in a table of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, groupby
from typing import Any

import msgspec
from msgspec import Raw, Struct

from hub.store.commit.attribute_bits import bits_of
from hub.store.commit.record_batch import Appended, BatchKey
from hub.store.media.pack_format import LoggedRecord, StoredImage
from hub.store.media.packs import encode_images
from hub.store.sqlite.many_rows import chunks, insert_rows, with_rows
from hub.store.sqlite.sql import clamp, one
from hub.wire.person_numbers import STRANGERS, canonical_number
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    Record,
    VehicleDetail,
)

#: Digests that are more than this in the future are of a clock that was ahead.
_AHEAD_MS = 86_400_000
_MAX_UPLOAD_RECORDS = 100_000
#: Records whose device's clock is off by more, or that came so late, do not widen the spans.
STRAY_MS = 600_000
#: Indexed text is cut off; the record's detail keeps all of it.
_MAX_TERM_LENGTH = 256
_MAX_UUID_LENGTH = 128
#: In SQL: the indexed uuids of people whom cameras do not know.
STRANGER_UUIDS = str(STRANGERS)

_RECORD_COLUMNS = (
    "seq, kind, did, sn, device_name, occurred_at, received_at, type, category, uuid, term, "
    "detail, extra, images"
)
# The result is one row of JSON, because each row fetched costs a turn of the interpreter lock.
_KNOWN = """
SELECT json_group_array(json_array(hex(digest), did, first_seq, last_seq)) FROM upload
WHERE at > ? AND (digest, did) IN (VALUES {rows})
"""
_TERMS = """
SELECT json_group_array(json_array(field, folded, id)) FROM term
WHERE (field, folded) IN (VALUES {rows})
"""
_PUT_TERMS = "INSERT INTO term (field, folded) VALUES {rows}"
_PUT_DIGESTS = """
INSERT OR REPLACE INTO upload (first_seq, last_seq, digest, did, at) VALUES {rows}
"""
_PUT_RECORDS = f"INSERT INTO record ({_RECORD_COLUMNS}) VALUES {{rows}}"
_PUT_ATTRIBUTES = "INSERT OR REPLACE INTO record_attributes (seq, bits) VALUES {rows}"
_PUT_ACCESS = """
INSERT INTO latest_access (did, seq) VALUES {rows}
ON CONFLICT (did) DO UPDATE SET
    seq = CASE typeof(seq) WHEN 'integer' THEN max(seq, excluded.seq) ELSE excluded.seq END
"""
_PUT_SPANS = """
INSERT INTO span (block, earliest, latest) VALUES {rows}
ON CONFLICT (block) DO UPDATE SET
    earliest = CASE typeof(earliest) WHEN 'integer' THEN min(earliest, excluded.earliest)
        ELSE excluded.earliest END,
    latest = CASE typeof(latest) WHEN 'integer' THEN max(latest, excluded.latest)
        ELSE excluded.latest END
"""
_FORGET_DIGESTS = """
DELETE FROM upload WHERE (at <= ? OR at > ?) AND first_seq IN (
    SELECT first_seq FROM upload ORDER BY first_seq LIMIT ?
)
"""
_LATEST_ACCESS = """
SELECT latest_access.seq FROM latest_access JOIN record USING (seq) WHERE latest_access.did = ?
"""

#: (field, folded text).
_TermKey = tuple[str, str]


def known_batches(
    connection: sqlite3.Connection, since: int, keys: set[BatchKey]
) -> dict[BatchKey, Appended]:
    """Return the batches among `keys` that were stored after `since` (UNIX milliseconds)."""
    known: dict[BatchKey, Appended] = {}
    for some in chunks(list(keys)):
        sql = with_rows(_KNOWN, len(some), 2)
        for digest, did, first, last in _select_json(connection, sql, (since, *chain(*some))):
            if not _is_range(first, last):
                continue  # the row is damaged: it does not tell which records these are
            seqs = tuple(range(first, last + 1))
            known[bytes.fromhex(digest), did] = Appended(seqs, repeated=True)
    return known


def _is_range(first: object, last: object) -> bool:
    """Return whether these can be the seqs of one upload."""
    if not (isinstance(first, int) and isinstance(last, int)):
        return False
    return 0 <= last - first < _MAX_UPLOAD_RECORDS


class NewRecord(Struct, frozen=True):
    """A record that is to be inserted. `detail`: its JSON. `upload`: digest of its upload.

    `images`: where its pictures are in the pack. `follows_access`: the upload was a lone picture
    (D8).
    """

    record: Record
    detail: bytes
    images: tuple[StoredImage, ...]
    upload: bytes
    follows_access: bool

    def logged(self) -> LoggedRecord:
        """Return the record as it is written to the pack."""
        record = self.record
        return LoggedRecord(
            seq=record.seq,
            kind=record.kind,
            did=record.did,
            sn=record.sn,
            device_name=record.device_name,
            occurred_at=record.occurred_at,
            received_at=record.received_at,
            detail=Raw(self.detail),
            extra=record.extra,
            images=self.images,
            upload=self.upload.hex(),
            follows_access=self.follows_access,
        )


def insert_records(connection: sqlite3.Connection, new: Sequence[NewRecord]) -> None:
    """Insert records, and the digests, attributes and latest accesses that belong to them.

    The records of one upload are consecutive.
    """
    terms = _term_ids(connection, [one.record for one in new])
    insert_rows(connection, _PUT_DIGESTS, _digests(new))
    insert_rows(connection, _PUT_RECORDS, [_row(one, terms) for one in new])
    insert_rows(connection, _PUT_ATTRIBUTES, list(_attributes(new)))
    insert_rows(connection, _PUT_ACCESS, list(_accesses(new).items()))


def _digests(new: Iterable[NewRecord]) -> list[tuple[object, ...]]:
    """Return (first_seq, last_seq, digest, did, at) of each upload."""
    rows: list[tuple[object, ...]] = []
    for (upload, did), group in groupby(new, lambda one: (one.upload, one.record.did)):
        records = [one.record for one in group]
        rows.append((records[0].seq, records[-1].seq, upload, did, records[0].received_at))
    return rows


def _attributes(new: Iterable[NewRecord]) -> Iterator[tuple[object, ...]]:
    """Yield (seq, bits) of the records that have attributes."""
    for each in new:
        if bits := bits_of(each.record.detail):
            yield each.record.seq, bits


def _accesses(new: Iterable[NewRecord]) -> dict[str, int]:
    """Return the seq of each device's latest access record, by did."""
    return {
        one.record.did: one.record.seq
        for one in new
        if one.record.kind == "access" and not one.follows_access
    }


def insert_spans(connection: sqlite3.Connection, records: Sequence[Record]) -> None:
    """Widen the spans of `occurred_at` by the records, except those whose device's clock is off."""
    spans: dict[int, tuple[int, int]] = {}
    for record in records:
        at = record.occurred_at
        if abs(at - record.received_at) <= STRAY_MS:
            earliest, latest = spans.get(record.seq >> 10, (at, at))
            spans[record.seq >> 10] = (min(earliest, at), max(latest, at))
    insert_rows(connection, _PUT_SPANS, [(block, *span) for block, span in spans.items()])


def forget_digests(connection: sqlite3.Connection, until: int, now: int, count: int) -> int:
    """Delete up to `count` digests that are not newer than `until`; return how many.

    Also those of a clock that was ahead: nothing would be deleted behind them until that time.
    """
    return connection.execute(_FORGET_DIGESTS, (until, now + _AHEAD_MS, count)).rowcount


def latest_access(connection: sqlite3.Connection, did: str) -> int | None:
    """Return the seq of the device's latest access record, None if its day was dropped."""
    seq = one(connection, _LATEST_ACCESS, (did,))
    return seq if isinstance(seq, int) else None


def fold(text: str) -> str:
    """Return a name or plate as it is indexed, without NULs: SQLite's functions stop at them."""
    # Cut before as well: folding makes no text shorter.
    return text.replace("\0", "")[:_MAX_TERM_LENGTH].casefold()[:_MAX_TERM_LENGTH]


def indexed_uuid(uuid: str) -> str:
    """Return a uuid as it is indexed, in the one form of a number; "" if it is none."""
    return canonical_number(uuid)[:_MAX_UUID_LENGTH]


def _select_json(connection: sqlite3.Connection, sql: str, values: tuple[object, ...]) -> list[Any]:
    rows: list[Any] = msgspec.json.decode(str(one(connection, sql, values)))
    return rows


def _term_ids(connection: sqlite3.Connection, records: Iterable[Record]) -> dict[_TermKey, int]:
    """Return the ids of all names and plates of these records; new ones are inserted."""
    keys = {
        (key.field, fold(key.term)) for record in records if (key := _index_key(record.detail)).term
    }
    ids = _known_terms(connection, keys)
    if missing := [key for key in keys if key not in ids]:
        insert_rows(connection, _PUT_TERMS, missing)
        ids |= _known_terms(connection, missing)
    return ids


def _known_terms(connection: sqlite3.Connection, keys: Iterable[_TermKey]) -> dict[_TermKey, int]:
    ids: dict[_TermKey, int] = {}
    for some in chunks(list(keys)):
        sql = with_rows(_TERMS, len(some), 2)
        found = _select_json(connection, sql, tuple(chain(*some)))
        ids |= {(field, text): id for field, text, id in found}
    return ids


class _IndexKey(Struct, frozen=True):
    """The parts of a detail that filters use. `term`: a name or a plate; `field` says which."""

    type: int | float | str | None = None
    category: int | None = None
    uuid: str | None = None
    field: str = "name"
    term: str | None = None


def _index_key(detail: Detail) -> _IndexKey:
    match detail:
        case FaceDetail():
            return _IndexKey(category=detail.category, uuid=detail.uuid, term=detail.name)
        case EventDetail():
            return _IndexKey(detail.type, detail.category, detail.uuid, term=detail.name)
        case VehicleDetail():
            return _IndexKey(field="plate", term=detail.plate.id)
        case AccessDetail():
            return _IndexKey(type=detail.type, uuid=detail.uuid)
    return _IndexKey()


def _integer(value: int | float | str | None) -> int | None:
    """Return the value as an integer that SQLite can hold, None if it is not one."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 19:
        value = int(value)
    return value if isinstance(value, int) and clamp(value) == value else None


def _row(new: NewRecord, terms: dict[_TermKey, int]) -> tuple[object, ...]:
    record = new.record
    key = _index_key(record.detail)
    return (
        record.seq,
        record.kind,
        record.did,
        record.sn,
        record.device_name,
        record.occurred_at,
        record.received_at,
        _integer(key.type),
        _integer(key.category),
        indexed_uuid(key.uuid or "") or None,
        terms.get((key.field, fold(key.term))) if key.term else None,
        new.detail,
        bytes(record.extra),
        encode_images(new.images),
    )
