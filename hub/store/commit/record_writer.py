"""Writes the record batches of one group: rows to the database, records and pictures to the pack.

Everything runs in the writer's thread. The group commit calls, for each group: `prepare`, then in
the transaction `insert` (again after `restart`), `append` and `finish`, then `committed`,
`abandon` if there was no COMMIT, or `keep` if it failed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub.errors import CannotStoreNow
from hub.store.alarms.alarm import AlarmChange
from hub.store.alarms.raising import AlarmRaiser
from hub.store.commit.record_batch import Appended, BatchKey, RecordBatch
from hub.store.commit.record_rows import (
    NewRecord,
    forget_digests,
    insert_records,
    insert_spans,
    known_batches,
    latest_access,
)
from hub.store.commit.repeat_window import RepeatWindow
from hub.store.media.day_index import DayIndex, PackDay, forget_day, save_day
from hub.store.media.pack_format import GroupTail
from hub.store.media.packs import Packs, day_of, public_images
from hub.store.sqlite.log_state import LogState, save_last_group
from hub.store.sqlite.sql import clamp
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import AccessDetail, Detail, EventDetail, Record

#: Old digests are deleted a few per group; once none is left, the search pauses.
_FORGET_COUNT = 256
_FORGET_PAUSE_MS = 600_000


class PackFault(Exception):
    """The pack could not be written; the cause is an OSError."""


class Committed(Struct, frozen=True):
    """What a group has stored: its records, and the alarms that they raised or repeated."""

    records: Sequence[Record] = ()
    alarms: Sequence[AlarmChange] = ()


class RecordWriter:
    """Recognises repeats, assigns seqs, inserts records and packs them, a group at a time."""

    def __init__(
        self,
        packs: Packs,
        days: DayIndex,
        log_state: LogState,
        raiser: AlarmRaiser,
        now: Callable[[], float],
    ) -> None:
        self.raiser = raiser
        #: The highest committed seq.
        self.last_seq = log_state.last_seq
        #: The number of the last committed group, and of the last one that was tried.
        self.last_group = log_state.last_group
        self._number = log_state.last_number
        self._log_id = log_state.log_id
        #: The last group that was in the main file when the write-ahead log began, once that is
        #: another one than at the start.
        self._checkpointed: int | None = None
        self._packs = packs
        self._days = days
        self._now = now
        self._forget_at = 0
        self._repeats = RepeatWindow()
        self._remembered_since = 0
        #: The ends of packs whose last groups may or may not be committed, by day: their COMMIT
        #: failed, and the write-ahead log may name them.
        self._kept_ends: dict[str, int] = {}
        self._start_group()

    def _start_group(self) -> None:
        self._at = int(self._now() * 1000)
        self._day = day_of(self._at)
        #: Its pack is gone already, and the database has not forgotten it yet.
        self._is_hidden = self._days.is_hidden(self._day)
        self._start = max(self._days.end(self._day), self._kept_ends.get(self._day, 0))
        self._grown: PackDay | None = None
        self.restart()

    def prepare(self, connection: sqlite3.Connection, batches: Sequence[RecordBatch]) -> None:
        """Start a group, and find its repeats."""
        self._start_group()
        if not batches:
            return
        self._remembered_since = self._repeats.since(connection, self._at)
        keys = {batch.key for batch in batches}
        known = known_batches(connection, self._remembered_since, keys)
        firsts: dict[BatchKey, RecordBatch] = {}
        for batch in batches:
            batch.known = known.get(batch.key)
            batch.first = firsts.get(batch.key)
            if batch.is_fresh:
                firsts[batch.key] = batch

    def restart(self) -> None:
        """Forget the inserted records: the transaction was rolled back and begins again."""
        self._new: list[NewRecord] = []
        self._alarms: list[AlarmChange] = []
        self._tail = GroupTail(self._start)

    def insert(self, connection: sqlite3.Connection, batches: Sequence[RecordBatch]) -> None:
        """Insert all batches and set the value of each. Raises if one cannot be inserted."""
        if fresh := [batch for batch in batches if batch.is_fresh]:
            mark = self._tail.mark()
            try:
                self._insert_fresh(connection, fresh)
            except BaseException:
                self._tail.back_to(mark)
                raise
        for batch in batches:
            if not batch.is_fresh:
                batch.value = _as_repeated(batch)

    def _insert_fresh(self, connection: sqlite3.Connection, fresh: Sequence[RecordBatch]) -> None:
        new: list[NewRecord] = []
        seq = self.last_seq + len(self._new)
        for batch in fresh:
            first = seq + 1
            for ordinal, upload in enumerate(batch.uploads):
                seq += 1
                new.append(self._new_record(connection, seq, batch, ordinal, upload))
            batch.value = Appended(tuple(range(first, seq + 1)), repeated=False)
        insert_records(connection, new)
        alarms = self.raiser.raise_for(connection, [one.record for one in new])
        self._alarms += alarms
        self._new += new

    def _new_record(
        self,
        connection: sqlite3.Connection,
        seq: int,
        batch: RecordBatch,
        ordinal: int,
        upload: CheckedUpload,
    ) -> NewRecord:
        occurred_at = batch.arrived_at if upload.occurred_at is None else upload.occurred_at
        detail = upload.detail
        if batch.follows_access and isinstance(detail, AccessDetail):
            detail = replace(detail, of=latest_access(connection, batch.did))
        images = tuple(
            self._tail.add_picture(batch.digest, ordinal, picture) for picture in upload.pictures
        )
        record = Record(
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
        return NewRecord(
            record, msgspec.json.encode(detail), images, batch.digest, batch.follows_access
        )

    def append(self) -> None:
        """Append the inserted records to the pack as a group, and flush it.

        Done before the COMMIT, which names the end of the group. Raises PackFault.
        """
        if not self._new:
            return
        for new in self._new:
            self._tail.add_record(new.logged())
        self._number += 1
        group = self._tail.buffers(
            self._log_id, self._number, self.last_group, self._seqs(), self._at
        )
        try:
            self._packs.append(self._day, self._start, group, self._tail.end)
        except OSError as error:
            raise PackFault from error

    def _seqs(self) -> tuple[int, int]:
        return self._new[0].record.seq, self._new[-1].record.seq

    def finish(self, connection: sqlite3.Connection) -> None:
        """Update the day, the spans and the group's number, as the last part of the transaction."""
        if not self._new:
            return
        self._grown = self._days.grown(self._day, *self._seqs(), self._tail.end)
        self._days.begin(self._grown)
        if self._is_hidden:
            forget_day(connection, self._day)
        save_day(connection, self._grown)
        save_last_group(connection, self._number, self._checkpointed)
        self._repeats.note(connection)
        insert_spans(connection, [new.record for new in self._new])
        # The clock may have been set back since the pause began.
        is_pausing = self._at < self._forget_at <= self._at + _FORGET_PAUSE_MS
        if not is_pausing and (
            forget_digests(connection, self._remembered_since, self._at, _FORGET_COUNT)
            < _FORGET_COUNT
        ):
            self._forget_at = self._at + _FORGET_PAUSE_MS

    def abandon(self) -> None:
        """Cut the group off the pack: its transaction was rolled back before its COMMIT."""
        self._packs.cut_back(self._day, self._start)

    def keep(self) -> None:
        """Leave the group in the pack: its COMMIT failed, and may be in the write-ahead log.

        If the hub ends before the next good commit, its records may come back at the start, and
        then need their pictures. The next group goes behind it.
        """
        if self._new:
            self._kept_ends[self._day] = self._tail.end

    def committed(self) -> Committed:
        """Update the day index and `last_seq` right after the commit; return what was stored."""
        if self._grown is not None:
            self._days.put(self._grown)
            self.last_seq = self._grown.last_seq
            self.last_group = self._number
            self._repeats.committed()
        if self._kept_ends:
            self._drop_kept()
        return Committed([new.record for new in self._new], self._alarms)

    @property
    def folder(self) -> Path:
        """Where the packs are."""
        return self._packs.directory

    def checkpointed(self) -> None:
        """Note that the write-ahead log is empty: everything committed is in the main file."""
        self._checkpointed = self.last_group

    def _drop_kept(self) -> None:
        """Cut off the groups that failed to commit: this commit has overwritten them in the WAL.

        In the pack of this group they lie before it, and stay.
        """
        for day in self._kept_ends:
            self._packs.cut_off(day, self._days.end(day))
        self._kept_ends.clear()

    def close(self) -> None:
        """Close the packs after a last commit, cut to what was committed."""
        self._drop_kept()
        self._packs.close()

    def probe(self) -> None:
        """Write to the pack and cut it back. Raises OSError if that fails."""
        self._start_group()
        self._packs.probe(self._day, self._start)


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
