"""Group commit: one writer commits everything that waits together, then wakes each waiter.

A group is one SQLite transaction: insert the rows, append records and pictures to the pack and
flush it, COMMIT. The pack comes before the COMMIT, so that no committed record lacks its pictures,
and after the rows, so that it holds the records as they are committed. All of it runs in the writer
connection's thread. The thread stays in one job from group to group, because a hop over the asyncio
bridge costs half as much as a small group. Everything that follows a commit (tables in memory,
followers of the record log, waiters) runs in trio, in the order of the commits.

A COMMIT that fails may be in the write-ahead log all the same, and a crash brings it back. Nothing
that it names is cut off the pack, and its connection is replaced before anything else is written:
the next commit then overwrites it in the log.

Each statement releases the interpreter lock and has to win it back from a busy trio thread, so the
number of statements decides the speed: a group's record batches are inserted together, and all
parts run without savepoints at first. Only if one fails is the group run again, each part in a
savepoint of its own, so that only the failing part is refused.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import trio

from hub import metrics
from hub.errors import CannotStoreNow, StillStoring
from hub.log import limited
from hub.reasons import Reason
from hub.store.commit.patience import Patience, patience
from hub.store.commit.record_batch import RecordBatch
from hub.store.commit.record_writer import Committed, PackFault, RecordWriter
from hub.store.commit.write_queue import Write, WriteQueue
from hub.store.health import (
    NOT_RESPONDING,
    HealthMonitor,
    describe,
    is_damage,
    is_storage_error,
)
from hub.store.sqlite.clean_mark import Checkpoint, checkpoint, empty_wal, empty_wal_now, save_clean
from hub.store.sqlite.connection import Bridge, Job
from hub.store.sqlite.log_state import count_write, read_writes
from hub.wire.uploads.records import Record

log = logging.getLogger(__name__)

T = TypeVar("T")

#: If the disk does not answer for this long, waiters without patience are refused, and the callers
#: of changes are answered. The writer itself keeps waiting.
_COMMIT_SECONDS = 30.0
#: Then a write is tried again that must be stored.
_INSIST_SECONDS = 3.0
_PROBE_SECONDS = 3.0
#: Growth of the write-ahead log, in pages, that makes a checkpoint worth its flushes: while nobody
#: waits, and at the latest. The writer is held for the time of a checkpoint.
_CHECKPOINT_PAGES = 500
_MAX_WAL_PAGES = 1000
#: First estimate: a commit writes this many pages, plus one for each changed row. What a checkpoint
#: finds in the log corrects it: a row that is deleted changes a page of each of its indexes.
_PAGES_PER_COMMIT = 10
_MAX_CORRECTION = 16.0
#: Rows that triggers change for each new record. They lie together, in few pages.
_COUNTS_PER_RECORD = 3


class GroupCommit:
    """The only writer of the database and the packs."""

    def __init__(
        self,
        bridge: Bridge,
        record_writer: RecordWriter,
        monitor: HealthMonitor,
        on_records: Callable[[Sequence[Record]], None],
    ) -> None:
        self._bridge = bridge
        self._record_writer = record_writer
        self._monitor = monitor
        self._on_records = on_records
        #: The highest seq that was passed to `on_records`.
        self.last_seq = record_writer.last_seq
        self._queue = WriteQueue()
        self._is_closing = False
        #: Whether a COMMIT failed on the connection, which must not be used again.
        self._must_replace = False
        self._wants_empty_wal = False
        self._is_wal_empty = False
        self._next_probe = 0.0
        #: Estimated growth of the write-ahead log since the last checkpoint, in pages, and how many
        #: there were for each estimated one; pages in the log that go on after the last checkpoint.
        self._pages = 0
        self._correction = 1.0
        self._pages_left = 0
        #: The count of transactions at the last whole checkpoint, if there was one.
        self._wal_began: int | None = None
        self.ended = trio.Event()

    async def write(
        self,
        job: Job[T],
        on_commit: Callable[[T], None] | None = None,
        on_durable: Callable[[], None] | None = None,
    ) -> T:
        """Run `job` in the next group; return its result once it is durable.

        The job runs in the writer's thread inside a transaction and may run twice, so it must do
        nothing but SQL. If it raises, its changes are rolled back and the error is raised here.

        `on_commit` is called in trio with the result right after the commit, even if the caller
        was cancelled: tables update their copy in memory there. `on_durable` is called before
        that, in the writer's thread, ahead of the next group.

        Raises CannotStoreNow if nothing is stored, because the group cannot be committed or the
        store is closing; StillStoring if the disk does not answer within 30 s, and the task has no
        patience (hub.store.commit.patience). A cancelled caller does not learn whether its job was
        committed; once queued, it is not withdrawn.
        """
        return await self.submit(Write(job, on_commit, on_durable))

    @property
    def queue_fill(self) -> tuple[int, int]:
        """The writes that wait or are being written, and their bytes."""
        return self._queue.fill

    async def submit(self, write: Write[T]) -> T:
        """Queue a write or a record batch, and wait for it: see `write`."""
        mine = patience.get()
        while True:
            if mine is None or not mine.insists:
                await self._queue.wait_for_room(write.size)
            if self._is_closing:
                raise CannotStoreNow("the hub is stopping")
            self._queue.put(write)
            if mine is None:
                await self._wait(write)
                return write.result()
            mine.queued()
            await self._wait_patiently(write, mine)
            if not (mine.insists and isinstance(write.error, CannotStoreNow)):
                break
            mine.on_slow(write.error.message)
            write = write.again()
            await trio.sleep(_INSIST_SECONDS)
        result = write.result()
        mine.committed()
        return result

    async def _wait(self, write: Write[Any]) -> None:
        """Wait until a write is done. Raises StillStoring if that takes 30 s."""
        with trio.move_on_after(_COMMIT_SECONDS):
            await write.done.wait()
        if not write.done.is_set():
            self._monitor.refused(NOT_RESPONDING)
            self._queue.wake()
            metrics.store_refusals.inc()
            raise StillStoring(NOT_RESPONDING)

    async def _wait_patiently(self, write: Write[Any], mine: Patience) -> None:
        """Wait until a write is done, however long it takes."""
        try:
            await self._wait(write)
        except StillStoring as error:
            mine.on_slow(error.message)
            await write.done.wait()

    async def run(self) -> None:
        """Commit groups until `close` is called and the queue is empty; then set `ended`.

        The caller shields this task, because it must outlive every task that writes.
        """
        self._token = trio.lowlevel.current_trio_token()
        while not (self._queue.is_empty and self._is_closing):
            if self._is_probe_due():
                await self._bridge.run(lambda connection: self._commit([]))
            elif not self._queue.is_empty or self._monitor.health.can_store:
                await self._bridge.run(self._commit_groups)
            else:
                await self._queue.wait_for_work(self._next_probe)
        self.ended.set()

    def close(self) -> None:
        """Refuse new writes, and let `run` end once the queue is empty."""
        self._is_closing = True
        self._queue.wake()

    async def empty_wal(self) -> bool:
        """Copy the write-ahead log into the main file and empty it, without waiting for readers.

        Returns whether it is empty, but for what is written later. Raises CannotStoreNow.
        """
        self._wants_empty_wal = True
        self._is_wal_empty = False
        await self.write(lambda connection: None)
        return self._is_wal_empty

    def mark_closed(self, connection: sqlite3.Connection) -> None:
        """In the connection's thread, after `run`: mark the store as closed, and close the packs.

        Raises sqlite3.Error or OSError, after which the next start finds a store that crashed.
        """
        connection = self._sound()
        save_clean(connection)
        self._record_writer.close()
        empty_wal(connection)

    def _is_probe_due(self) -> bool:
        """Whether to test now if storing works again: every few seconds after a failure."""
        return not self._monitor.health.can_store and trio.current_time() >= self._next_probe

    # -- in the connection's thread: the groups

    def _commit_groups(self, connection: sqlite3.Connection) -> None:
        """Commit group after group until one fails or no more can come."""
        while True:
            if group := self._queue.take():
                if not self._commit(group):
                    return
            elif self._is_closing or not self._monitor.health.can_store:
                return
            else:
                self._queue.block_until_woken()

    def _commit(self, group: Sequence[Write[Any]]) -> bool:
        """Commit one group and report it to trio. Returns whether the next may follow at once."""
        began = time.perf_counter()
        stored = Committed()
        failure: Exception | None = None
        try:
            stored = self._run_group(self._sound(), group)
        except Exception as error:
            failure = error
        seconds = time.perf_counter() - began
        if failure is None and self._wants_empty_wal:
            self._checkpoint_if_needed()  # before its waiter is woken
        self._token.run_sync_soon(self._settle, group, stored, failure, seconds)
        if failure is not None or any(isinstance(write.error, OSError) for write in group):
            return False
        self._checkpoint_if_needed()
        return True

    def _run_group(self, connection: sqlite3.Connection, group: Sequence[Write[Any]]) -> Committed:
        """Return what was committed. An error raised here refuses the whole group."""
        if not group:
            self._record_writer.probe()
        batches = [write for write in group if isinstance(write, RecordBatch)]
        self._record_writer.prepare(connection, batches)
        changes = connection.total_changes
        try:
            self._transact(connection, group)
        except PackFault as fault:
            # The other writes of the group need no pack.
            for batch in batches:
                if batch.is_fresh:
                    batch.value = None  # so that a repeat of it is refused as well
                    batch.error = _cause(fault)
            self._transact(connection, [write for write in group if write.error is None])
        stored = self._record_writer.committed()
        for write in group:
            if write.error is None and write.on_durable is not None:
                write.on_durable()
        rows = connection.total_changes - changes - _COUNTS_PER_RECORD * len(stored.records)
        self._pages += _PAGES_PER_COMMIT + rows
        return stored

    def _sound(self) -> sqlite3.Connection:
        """Return the connection, a new one if a COMMIT failed on it. Raises sqlite3.Error."""
        if not self._must_replace:
            return self._bridge.current()
        connection = self._bridge.replace()
        self._must_replace = False
        return connection

    def _checkpoint_if_needed(self) -> None:
        """Copy the write-ahead log into the main file, once that is worth its flushes.

        Here, and on no other connection: two that checkpoint can corrupt the database before
        SQLite 3.51.3.
        """
        limit = _CHECKPOINT_PAGES if self._queue.is_empty else _MAX_WAL_PAGES
        if self._pages * self._correction < limit and not self._wants_empty_wal:
            return
        estimated, self._pages = self._pages, 0
        began = time.perf_counter()
        try:
            found = checkpoint(self._bridge.current())
            self._correct_estimate(estimated, found)
            if found.is_whole:
                self._record_writer.checkpointed()
                self._wal_began = read_writes(self._bridge.current()).total
                if self._wants_empty_wal:
                    self._is_wal_empty = empty_wal_now(self._bridge.current())
            self._wants_empty_wal = False
        except sqlite3.Error as error:
            limited(log, logging.WARNING, "checkpoint", "a checkpoint failed: %s", error)
        metrics.checkpoint_seconds.observe(time.perf_counter() - began)

    def _correct_estimate(self, estimated: int, found: Checkpoint) -> None:
        """Learn how many pages were written for each that was estimated."""
        written = found.pages - self._pages_left
        # A log that was copied begins anew, unless somebody reads it.
        self._pages_left = 0 if found.is_whole else found.pages
        if estimated >= _CHECKPOINT_PAGES // _MAX_CORRECTION:
            self._correction = max(1.0, min(written / estimated, _MAX_CORRECTION))

    def _transact(self, connection: sqlite3.Connection, group: Sequence[Write[Any]]) -> None:
        """Commit the group's rows and append its records to the pack. Raises PackFault."""
        self._record_writer.restart()
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._run_parts(connection, group)
            self._record_writer.append()
            self._record_writer.finish(connection)
            count_write(connection, self._wal_began)
        except BaseException:
            self._record_writer.abandon()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        try:
            connection.execute("COMMIT")
        except BaseException:
            self._must_replace = True
            self._record_writer.keep()
            raise

    def _run_parts(self, connection: sqlite3.Connection, parts: Sequence[Write[Any]]) -> None:
        try:
            self._record_writer.insert(
                connection, [part for part in parts if isinstance(part, RecordBatch)]
            )
            for part in parts:
                if not isinstance(part, RecordBatch):
                    part.run(connection)
        except Exception as error:
            if is_storage_error(error) or not connection.in_transaction:
                raise
            connection.execute("ROLLBACK")
            self._record_writer.restart()
            connection.execute("BEGIN IMMEDIATE")
            if len(parts) == 1:
                parts[0].error = error
                return
            # The record batches first, as above: alarms follow in the same order.
            for part in sorted(parts, key=lambda part: not isinstance(part, RecordBatch)):
                self._run_in_savepoint(connection, part)

    def _run_in_savepoint(self, connection: sqlite3.Connection, part: Write[Any]) -> None:
        """Run one part. An error refuses only this part, unless it is a storage error."""
        connection.execute("SAVEPOINT part")
        try:
            if isinstance(part, RecordBatch):
                self._record_writer.insert(connection, [part])
            else:
                part.run(connection)
        except Exception as error:
            if is_storage_error(error) or not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO part")
            part.value = None
            part.error = error
        connection.execute("RELEASE part")

    # -- in trio: what follows a group

    def _settle(
        self,
        group: Sequence[Write[Any]],
        stored: Committed,
        failure: Exception | None,
        seconds: float,
    ) -> None:
        metrics.commit_seconds.observe(seconds)
        if failure is None:
            self._accept(group, stored)
        else:
            self._refuse(group, failure)
        self._queue.settle(group)

    def _accept(self, group: Sequence[Write[Any]], stored: Committed) -> None:
        # Batches that could not be written to the pack, although the rest of the group was stored.
        refused = [write for write in group if isinstance(write.error, OSError)]
        for write in refused:
            self._fail([write], write.error or CannotStoreNow())
        if not refused and (not group or stored.records):
            # Only a group that appended to the pack, as a probe does, proves that both the pack
            # and the database can be written.
            self._monitor.stored()
        if stored.records:
            self._publish(stored)
        for write in group:
            if write.error is None and write.on_commit is not None:
                _call_on_commit(write.on_commit, write.value)

    def _publish(self, stored: Committed) -> None:
        records = stored.records
        self.last_seq = records[-1].seq
        for record in records:
            metrics.counter_of(metrics.records, record.kind).inc()
        try:
            self._on_records(records)
            if stored.alarms:
                self._record_writer.raiser.committed(stored.alarms)
        except Exception:
            log.exception("a follower of the record log failed")

    def _refuse(self, group: Sequence[Write[Any]], error: Exception) -> None:
        metrics.commit_failures.inc()
        if not is_storage_error(error):
            limited(log, logging.ERROR, "store fault", "a group could not be committed: %r", error)
        elif is_damage(error):
            self._monitor.damaged("the database is damaged")
        self._fail(group, error)

    def _fail(self, writes: Sequence[Write[Any]], error: Exception) -> None:
        reason = describe(error, self._record_writer.folder)
        self._monitor.refused(reason)
        self._next_probe = trio.current_time() + _PROBE_SECONDS
        self._queue.wake()
        for write in writes:
            write.value = None
            write.error = _refusal(reason, error)


def _cause(fault: PackFault) -> OSError:
    assert isinstance(fault.__cause__, OSError)
    return fault.__cause__


def _refusal(reason: Reason, cause: BaseException) -> CannotStoreNow:
    metrics.store_refusals.inc()
    error = CannotStoreNow(reason)
    error.__cause__ = cause
    return error


def _call_on_commit(on_commit: Callable[[Any], None], value: object) -> None:
    try:
        on_commit(value)
    except Exception:
        log.exception("a table in memory could not be updated after its commit")
