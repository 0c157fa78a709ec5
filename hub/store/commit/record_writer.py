"""Writes the record batches of one group: pictures to the pack, rows to the database.

Everything runs in the writer's thread. The group commit calls, for each group: `prepare`, then in
the transaction `insert` (again after `restart`) and `finish`, then either `committed` or `abandon`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from msgspec import Raw
from msgspec.structs import replace

from hub.errors import CannotStoreNow
from hub.store.commit.record_batch import Appended, BatchKey, RecordBatch
from hub.store.commit.record_rows import (
    REPEAT_MS,
    forget_digests,
    insert_records,
    insert_spans,
    known_batches,
    latest_access,
)
from hub.store.media.day_index import DayIndex, PackDay, save_day
from hub.store.media.packs import Packs, PackTail, StoredImage, day_of, public_images
from hub.store.sql import clamp
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import AccessDetail, Detail, EventDetail, Record

#: Old digests are deleted a few per group; once none is left, the search pauses.
_FORGET_COUNT = 256
_FORGET_PAUSE_MS = 600_000


class RecordWriter:
    """Recognises repeats, packs pictures, assigns seqs and inserts records, a group at a time."""

    def __init__(
        self,
        packs: Packs,
        days: DayIndex,
        last_seq: int,
        now: Callable[[], float],
    ) -> None:
        #: The highest committed seq.
        self.last_seq = last_seq
        self._packs = packs
        self._days = days
        self._now = now
        self._forget_at = 0
        self._start_group()

    def _start_group(self) -> None:
        self._at = int(self._now() * 1000)
        self._day = day_of(self._at)
        self._end = self._days.end(self._day)
        self._records: list[Record] = []
        self._grown: PackDay | None = None

    def prepare(self, connection: sqlite3.Connection, batches: Sequence[RecordBatch]) -> None:
        """Start a group: find its repeats, then append and flush the pictures of the others.

        If the pack cannot be written, sets the error of each batch with pictures.
        """
        self._start_group()
        if batches and (fresh := self._find_fresh(connection, batches)):
            self._append_pictures(fresh)

    def _find_fresh(
        self, connection: sqlite3.Connection, batches: Sequence[RecordBatch]
    ) -> list[RecordBatch]:
        known = known_batches(connection, self._at - REPEAT_MS, {batch.key for batch in batches})
        firsts: dict[BatchKey, RecordBatch] = {}
        for batch in batches:
            batch.known = known.get(batch.key)
            batch.first = firsts.get(batch.key)
            if batch.is_fresh:
                firsts[batch.key] = batch
        return list(firsts.values())

    def _append_pictures(self, fresh: Sequence[RecordBatch]) -> None:
        tail = PackTail(self._end)
        for batch in fresh:
            batch.images = [
                tuple(tail.add(batch.digest, n, picture) for picture in upload.pictures)
                for n, upload in enumerate(batch.uploads)
            ]
        try:
            self._packs.append(self._day, tail)
        except OSError as error:
            self._packs.cut_back(self._day, self._end)
            for batch in fresh:
                if batch.has_pictures:
                    batch.error = error
        else:
            self._end = tail.end

    def insert(self, connection: sqlite3.Connection, batches: Sequence[RecordBatch]) -> None:
        """Insert all batches and set the value of each. Raises if one cannot be inserted."""
        if fresh := [batch for batch in batches if batch.is_fresh]:
            self._insert_fresh(connection, fresh)
        for batch in batches:
            if not batch.is_fresh:
                batch.value = _as_repeated(batch)

    def _insert_fresh(self, connection: sqlite3.Connection, fresh: Sequence[RecordBatch]) -> None:
        records: list[Record] = []
        images: list[tuple[StoredImage, ...]] = []
        digests: list[tuple[object, ...]] = []
        accesses: dict[str, int] = {}
        seq = self.last_seq + len(self._records)
        for batch in fresh:
            first = seq + 1
            for upload, stored in zip(batch.uploads, batch.images, strict=True):
                seq += 1
                records.append(self._record(connection, seq, batch, upload, stored))
                images.append(stored)
            batch.value = Appended(tuple(range(first, seq + 1)), repeated=False)
            digests.append((first, seq, batch.digest, batch.did, self._at))
            if records[-1].kind == "access" and not batch.follows_access:
                accesses[batch.did] = seq
        insert_records(connection, records, images, digests, accesses)
        self._records += records

    def _record(
        self,
        connection: sqlite3.Connection,
        seq: int,
        batch: RecordBatch,
        upload: CheckedUpload,
        images: tuple[StoredImage, ...],
    ) -> Record:
        occurred_at = batch.arrived_at if upload.occurred_at is None else upload.occurred_at
        detail = upload.detail
        if batch.follows_access and isinstance(detail, AccessDetail):
            detail = replace(detail, of=latest_access(connection, batch.did))
        return Record(
            seq=seq,
            kind=upload.kind,
            did=batch.did,
            sn=batch.sn,
            device_name=batch.device_name,
            occurred_at=clamp(occurred_at),
            received_at=self._at,
            detail=_detached(detail),
            extra=Raw(bytes(upload.extra)),
            images=public_images(seq, images),
        )

    def restart(self) -> None:
        """Forget the inserted records: the transaction was rolled back and begins again."""
        self._records = []

    def finish(self, connection: sqlite3.Connection) -> None:
        """Update the day and the spans, as the last part of the transaction."""
        if not self._records:
            return
        first, last = self._records[0].seq, self._records[-1].seq
        self._grown = self._days.grown(self._day, first, last, self._end)
        save_day(connection, self._grown)
        insert_spans(connection, self._records)
        if self._at >= self._forget_at and (
            forget_digests(connection, self._at - REPEAT_MS, _FORGET_COUNT) < _FORGET_COUNT
        ):
            self._forget_at = self._at + _FORGET_PAUSE_MS

    def abandon(self) -> None:
        """Cut back the pack after a transaction that was not committed.

        Cuts to the end in the day index. A known fault: the write-ahead log may still hold the
        failed commit, whose pictures are then cut although a crash can bring its records back.
        """
        self._packs.cut_back(self._day, self._days.end(self._day))

    def committed(self) -> Sequence[Record]:
        """Update the day index and `last_seq` right after the commit; return the records."""
        if self._grown is not None:
            self._days.put(self._grown)
            self.last_seq = self._grown.last_seq
        return self._records

    def probe(self) -> None:
        """Write to the pack and cut it back. Raises OSError if that fails."""
        self._start_group()
        self._packs.probe(self._day, self._end)


def _as_repeated(batch: RecordBatch) -> Appended:
    if batch.known is not None:
        return batch.known
    if batch.first is None or batch.first.value is None:
        raise CannotStoreNow("the same upload, sent at the same time, could not be stored")
    return Appended(batch.first.value.seqs, repeated=True)


def _detached(detail: Detail) -> Detail:
    """Copy data that refers to the request's body: followers may keep the record for long."""
    if isinstance(detail, EventDetail):
        return replace(detail, data=detail.data.copy())
    return detail
