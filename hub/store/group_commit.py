"""Group commit: one writer takes whatever waits, makes it durable in one go, wakes each waiter.

A group is pictures to the pack and flushed, then one transaction, all in the connection's thread.
As long as all goes well the thread stays with its work: a bell wakes it, for a hop over the bridge
costs half as much as a small group. What follows a commit (memory, readers, waiters) happens in
trio, in the order of commits.

Each statement gives the interpreter lock away and has to win it back from a busy trio thread, so
few statements count more than fast ones: a group's uploads are inserted together, and all parts run
without savepoints first. Only where one of them fails are they run again, each in its own
savepoint, so that the failure is its own.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import trio

from hub import metrics
from hub.errors import CannotStoreNow
from hub.log import limited
from hub.store.connection import Bridge, Job
from hub.store.health import Condition, in_words, is_damage, is_worldly
from hub.wire.uploads.records import Record

log = logging.getLogger(__name__)

T = TypeVar("T")

#: What one group holds at the most: more only makes those wait who came first.
_GROUP_COUNT = 256
_GROUP_BYTES = 48 * 1024 * 1024
#: What waits for the writer at the most; beyond it a sender waits for room, then is refused.
_QUEUE_COUNT = 8192
_QUEUE_BYTES = 128 * 1024 * 1024
_ROOM_SECONDS = 5.0
#: A disk that does not answer for so long: the waiters are refused, the writer waits on.
_COMMIT_SECONDS = 30.0
_PROBE_SECONDS = 3.0
#: A checkpoint moves about so many pages; a commit writes so many and about one a changed row.
_CHECKPOINT_PAGES = 1000
_PAGES_PER_COMMIT = 10
#: Writes a page without changing anything.
_TOUCH = "UPDATE setting SET value = value WHERE key = 'store.clean'"


class Write(Generic[T]):
    """One waiter's part of a group."""

    __slots__ = ("_job", "done", "error", "on_commit", "on_durable", "size", "value")

    #: Whether the group log inserts all such parts of a group together.
    is_upload: ClassVar[bool] = False
    #: Whether it has something for the pack.
    has_pictures: bool = False

    def __init__(
        self,
        job: Job[T] | None = None,
        on_commit: Callable[[T], None] | None = None,
        on_durable: Callable[[], None] | None = None,
        *,
        size: int = 0,
    ) -> None:
        self._job = job
        self.on_commit = on_commit
        self.on_durable = on_durable
        #: What it holds in memory, where that is much.
        self.size = size
        self.done = trio.Event()
        self.value: T | None = None
        self.error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        """This waiter's part, in the thread."""
        assert self._job is not None, "an upload is inserted by the group log"
        self.value = self._job(connection)

    def result(self) -> T:
        """What the part returned, or its error. No reference stays: a part may hold megabytes."""
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error
        return self.value  # type: ignore[return-value]  # done without an error


class _Bell:
    """Wakes the writer's thread: rung in trio, awaited in the thread. Rung twice is rung once."""

    def __init__(self) -> None:
        self._silence = threading.Lock()
        self._silence.acquire()

    def ring(self) -> None:
        if self._silence.locked():
            self._silence.release()

    def wait(self) -> None:
        """Until it is rung, or was since the last wait."""
        self._silence.acquire()


class GroupLog(Protocol):
    """What surrounds the parts of a group: the record log, seen from the writer.

    All but `publish` is called in the writer's thread.
    """

    def prepare(self, connection: sqlite3.Connection, group: Sequence[Write[Any]]) -> None:
        """Before the transaction. Sets the error of the uploads that cannot be stored."""

    def insert(self, connection: sqlite3.Connection, uploads: Sequence[Write[Any]]) -> None:
        """In the transaction: these uploads, all or none."""

    def restart(self) -> None:
        """What was inserted so far was rolled back."""

    def finish(self, connection: sqlite3.Connection) -> None:
        """As the last part of the transaction."""

    def abandon(self) -> None:
        """The transaction was not committed."""

    def committed(self) -> Sequence[Record]:
        """Right after the commit; the records that it made durable."""

    def publish(self, records: Sequence[Record]) -> None:
        """In trio, in the order of the commits."""

    def probe(self) -> None:
        """Write something and take it back; OSError where that fails."""


class Writer:
    """The one writer of the database and the packs."""

    def __init__(self, bridge: Bridge, group_log: GroupLog, condition: Condition) -> None:
        self._bridge = bridge
        self._log = group_log
        self._condition = condition
        #: Appended to in trio, taken from in the thread.
        self._waiting: deque[Write[Any]] = deque()
        #: What waits and what is being written.
        self._count = 0
        self._bytes = 0
        self._work = trio.Event()
        self._bell = _Bell()
        self._room = trio.lowlevel.ParkingLot()
        self._closing = False
        self._next_probe = 0.0
        #: Pages that the write-ahead log has grown by since the last checkpoint, roughly.
        self._pages = 0
        self._grown = trio.Event()
        self.ended = trio.Event()

    async def write(
        self,
        job: Job[T],
        on_commit: Callable[[T], None] | None = None,
        on_durable: Callable[[], None] | None = None,
    ) -> T:
        """Run `job` in a group; returns its result once it is durable.

        `on_commit` is called with the result right after the commit, even where the caller was
        cancelled meanwhile: what keeps a copy in memory changes it there. `on_durable` is called
        before, in the writer's thread, ahead of the next group. Raises what the job raises, which
        is rolled back then (a job may be run a second time: it does nothing but SQL);
        CannotStoreNow where nothing can be stored. A cancelled caller does not learn whether its
        job was committed.
        """
        return await self.submit(Write(job, on_commit, on_durable))

    async def submit(self, write: Write[T]) -> T:
        """Queue a write and wait for it; see `write`."""
        if not self._has_room(write.size):
            await self._wait_for_room(write.size)
        if self._closing:
            raise CannotStoreNow("the hub is stopping")
        self._count += 1
        self._bytes += write.size
        self._waiting.append(write)
        self._wake()
        with trio.move_on_after(_COMMIT_SECONDS):
            await write.done.wait()
        if not write.done.is_set():
            self._condition.refused("the disk does not answer")
            self._wake()
            metrics.store_refusals.inc()
            raise CannotStoreNow("the disk does not answer")
        return write.result()

    async def run(self) -> None:
        """Commit groups until closed, and then what still waits.

        The caller shields this task: it must outlive all who write, and ends by `close`.
        """
        self._token = trio.lowlevel.current_trio_token()
        while self._waiting or not self._closing:
            if self._probe_is_due():
                await self._bridge.run(self._probe)
            elif self._waiting or self._condition.health.storable:
                await self._bridge.run(self._stay)
            else:
                await self._wait_for_work()
        self.ended.set()

    def close(self) -> None:
        """Refuse new writes; `run` commits what waits, sets `ended` and returns."""
        self._closing = True
        self._wake()

    async def wait_grown(self) -> None:
        """Wait until a checkpoint is worth its flushes."""
        await self._grown.wait()
        self._grown = trio.Event()
        self._pages = 0

    # -- in trio: the queue

    def _has_room(self, size: int) -> bool:
        fits = self._bytes + size <= _QUEUE_BYTES or self._bytes == 0
        return fits and self._count < _QUEUE_COUNT

    async def _wait_for_room(self, size: int) -> None:
        metrics.limits_reached.labels("store queue").inc()
        with trio.move_on_after(_ROOM_SECONDS):
            while not self._has_room(size):
                await self._room.park()
            return
        metrics.store_refusals.inc()
        raise CannotStoreNow("too much waits to be stored")

    def _wake(self) -> None:
        """What the thread and `run` wait for has changed. Called after the change."""
        self._work.set()
        self._bell.ring()

    async def _wait_for_work(self) -> None:
        """While nothing can be stored: until somebody tries, or the next probe is due."""
        self._work = trio.Event()
        with trio.move_on_at(self._next_probe):
            await self._work.wait()

    def _probe_is_due(self) -> bool:
        """After a failure the writer tries by itself, every few seconds, whether storing works."""
        return not self._condition.health.storable and trio.current_time() >= self._next_probe

    # -- in the connection's thread: the groups

    def _stay(self, connection: sqlite3.Connection) -> None:
        """Group after group, as they come, until one fails or nobody can write any more."""
        while True:
            if group := self._take():
                if not self._commit(connection, group):
                    return
            elif self._closing or not self._condition.health.storable:
                return
            else:
                self._bell.wait()

    def _probe(self, connection: sqlite3.Connection) -> None:
        self._commit(connection, [])

    def _take(self) -> list[Write[Any]]:
        group: list[Write[Any]] = []
        size = 0
        while self._waiting and len(group) < _GROUP_COUNT:
            size += self._waiting[0].size
            if group and size > _GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
        return group

    def _commit(self, connection: sqlite3.Connection, group: Sequence[Write[Any]]) -> bool:
        """One group; trio is told how it went. Whether the next may follow at once."""
        began = time.perf_counter()
        records: Sequence[Record] = ()
        failure: Exception | None = None
        try:
            records = self._run_group(connection, group)
        except Exception as error:
            failure = error
        seconds = time.perf_counter() - began
        self._token.run_sync_soon(self._settle, group, records, failure, seconds)
        return failure is None and not any(isinstance(write.error, OSError) for write in group)

    def _run_group(
        self, connection: sqlite3.Connection, group: Sequence[Write[Any]]
    ) -> Sequence[Record]:
        """What it raises is the whole group's refusal."""
        if not group:
            self._log.probe()
        self._log.prepare(connection, group)
        changes = connection.total_changes
        try:
            connection.execute("BEGIN IMMEDIATE")
            self._run_parts(connection, [write for write in group if write.error is None])
            self._log.finish(connection)
            if not group:
                connection.execute(_TOUCH)
            connection.execute("COMMIT")
        except BaseException:
            self._log.abandon()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        records = self._log.committed()
        for write in group:
            if write.error is None and write.on_durable is not None:
                write.on_durable()
        self._pages += _PAGES_PER_COMMIT + connection.total_changes - changes
        return records

    def _run_parts(self, connection: sqlite3.Connection, parts: Sequence[Write[Any]]) -> None:
        try:
            self._log.insert(connection, [part for part in parts if part.is_upload])
            for part in parts:
                if not part.is_upload:
                    part.run(connection)
        except Exception as error:
            if is_worldly(error) or not connection.in_transaction:
                raise
            connection.execute("ROLLBACK")
            self._log.restart()
            connection.execute("BEGIN IMMEDIATE")
            if len(parts) == 1:
                parts[0].error = error
                return
            for part in parts:
                self._run_apart(connection, part)

    def _run_apart(self, connection: sqlite3.Connection, part: Write[Any]) -> None:
        """One part: its failure is its own, unless the disk or the database is at fault."""
        connection.execute("SAVEPOINT part")
        try:
            if part.is_upload:
                self._log.insert(connection, [part])
            else:
                part.run(connection)
        except Exception as error:
            if is_worldly(error) or not connection.in_transaction:
                raise
            connection.execute("ROLLBACK TO part")
            part.value = None
            part.error = error
        connection.execute("RELEASE part")

    # -- in trio: what follows a group

    def _settle(
        self,
        group: Sequence[Write[Any]],
        records: Sequence[Record],
        failure: Exception | None,
        seconds: float,
    ) -> None:
        metrics.commit_seconds.observe(seconds)
        self._count -= len(group)
        self._bytes -= sum(write.size for write in group)
        if failure is None:
            self._accept(group, records)
        else:
            self._refuse(group, failure)
        for write in group:
            write.done.set()
        self._room.unpark_all()

    def _accept(self, group: Sequence[Write[Any]], records: Sequence[Record]) -> None:
        if self._pages >= _CHECKPOINT_PAGES:
            self._grown.set()
        refused = [write for write in group if isinstance(write.error, OSError)]
        for write in refused:  # its pictures, while the other parts of the group were stored
            self._fail([write], write.error or CannotStoreNow())
        if not refused and (not group or any(write.has_pictures for write in group)):
            # Only what wrote to the pack, as the probe does, proves that both can be written.
            self._condition.stored()
        try:
            self._log.publish(records)
        except Exception:
            log.exception("a follower of the record log failed")
        for write in group:
            if write.error is None and write.on_commit is not None:
                _call(write.on_commit, write.value)

    def _refuse(self, group: Sequence[Write[Any]], error: Exception) -> None:
        if not is_worldly(error):
            limited(log, logging.ERROR, "store fault", "a group could not be committed: %r", error)
        elif is_damage(error):
            self._condition.damaged("the database is damaged")
        self._fail(group, error)

    def _fail(self, writes: Sequence[Write[Any]], error: Exception) -> None:
        reason = in_words(error)
        self._condition.refused(reason)
        self._next_probe = trio.current_time() + _PROBE_SECONDS
        self._wake()
        for write in writes:
            write.value = None
            write.error = _refusal(reason, error)


def _refusal(reason: str, cause: BaseException) -> CannotStoreNow:
    metrics.store_refusals.inc()
    error = CannotStoreNow(reason)
    error.__cause__ = cause
    return error


def _call(on_commit: Callable[[Any], None], value: object) -> None:
    try:
        on_commit(value)
    except Exception:
        log.exception("memory could not follow a commit")
