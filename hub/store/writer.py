"""Group commit: one writer takes whatever waits, makes it durable in one go, wakes each waiter.

A group is one job in the connection's thread: pictures to the pack and flushed, then one
transaction in which each waiter's part has its own savepoint. Memory follows only after the commit,
and before anybody wakes.
"""

from __future__ import annotations

import logging
import math
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import trio

from hub import metrics
from hub.errors import CannotStoreNow
from hub.log import limited
from hub.store.connection import Bridge, Job
from hub.store.health import Condition, in_words, is_damage, is_worldly

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


class Write(Generic[T]):
    """One waiter's part of a group."""

    __slots__ = ("_job", "done", "error", "on_commit", "size", "value")

    def __init__(
        self,
        job: Job[T] | None = None,
        on_commit: Callable[[T], None] | None = None,
        *,
        size: int = 0,
    ) -> None:
        self._job = job
        self.on_commit = on_commit
        #: Bytes of pictures that it carries.
        self.size = size
        self.done = trio.Event()
        self.value: T | None = None
        self.error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> T:
        """This waiter's part, in the thread, inside its savepoint."""
        assert self._job is not None, "a subclass without a job has a `run` of its own"
        return self._job(connection)

    def result(self) -> T:
        """What the part returned, or its error. No reference stays: a part may hold megabytes."""
        error, self.error = self.error, None
        if error is not None:
            try:
                raise error
            finally:
                del error
        return self.value  # type: ignore[return-value]  # done without an error


class GroupLog(Protocol):
    """What surrounds the waiters' parts of a group: the record log, seen from the writer."""

    def prepare(self, connection: sqlite3.Connection, group: Sequence[Write[Any]]) -> None:
        """In the thread, before the transaction."""

    def finish(self, connection: sqlite3.Connection) -> None:
        """In the thread, as the last part of the transaction."""

    def abandon(self) -> None:
        """In the thread: the transaction was not committed."""

    def committed(self) -> None:
        """In trio, right after the commit."""

    def probe(self) -> None:
        """In the thread: write something and take it back; OSError where that fails."""


class Writer:
    """The one writer of the database and the packs."""

    def __init__(self, bridge: Bridge, group_log: GroupLog, condition: Condition) -> None:
        self._bridge = bridge
        self._log = group_log
        self._condition = condition
        self._waiting: deque[Write[Any]] = deque()
        self._waiting_bytes = 0
        self._work = trio.Event()
        self._room = trio.lowlevel.ParkingLot()
        self._closing = False
        self._next_probe = 0.0
        #: Pages that the write-ahead log has grown by since the last checkpoint, roughly.
        self._pages = 0
        self._grown = trio.Event()
        self.ended = trio.Event()

    async def write(self, job: Job[T], on_commit: Callable[[T], None] | None = None) -> T:
        """Run `job` in a group; returns its result once it is durable.

        `on_commit` is called with the result right after the commit, even where the caller was
        cancelled meanwhile: what keeps a copy in memory changes it there. Raises what the job
        raises (its savepoint is rolled back, nobody else's), CannotStoreNow where nothing can be
        stored. A cancelled caller does not learn whether its job was committed.
        """
        return await self.submit(Write(job, on_commit))

    async def submit(self, write: Write[T]) -> T:
        """Queue a write and wait for it; see `write`."""
        if not self._has_room(write.size):
            await self._wait_for_room(write.size)
        if self._closing:
            raise CannotStoreNow("the hub is stopping")
        self._waiting.append(write)
        self._waiting_bytes += write.size
        self._work.set()
        with trio.move_on_after(_COMMIT_SECONDS):
            await write.done.wait()
        if not write.done.is_set():
            self._condition.refused("the disk does not answer")
            metrics.store_refusals.inc()
            raise CannotStoreNow("the disk does not answer")
        return write.result()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit groups until closed, and then what still waits.

        The caller shields this task: it must outlive all who write, and ends by `close`.
        """
        task_status.started()
        while self._waiting or not self._closing:
            if self._probe_is_due():
                await self._commit([])
            elif self._waiting:
                await self._commit(self._take())
            else:
                await self._wait_for_work()
        self.ended.set()

    def close(self) -> None:
        """Refuse new writes; `run` commits what waits, sets `ended` and returns."""
        self._closing = True
        self._work.set()

    async def wait_grown(self) -> None:
        """Wait until a checkpoint is worth its flushes."""
        await self._grown.wait()
        self._grown = trio.Event()
        self._pages = 0

    def _has_room(self, size: int) -> bool:
        fits = self._waiting_bytes + size <= _QUEUE_BYTES or not self._waiting
        return fits and len(self._waiting) < _QUEUE_COUNT

    async def _wait_for_room(self, size: int) -> None:
        metrics.limits_reached.labels("store queue").inc()
        with trio.move_on_after(_ROOM_SECONDS):
            while not self._has_room(size):
                await self._room.park()
            return
        metrics.store_refusals.inc()
        raise CannotStoreNow("too much waits to be stored")

    async def _wait_for_work(self) -> None:
        self._work = trio.Event()
        deadline = math.inf if self._condition.health.storable else self._next_probe
        with trio.move_on_at(deadline):
            await self._work.wait()

    def _probe_is_due(self) -> bool:
        """After a failure the writer tries by itself, every few seconds, whether storing works."""
        return not self._condition.health.storable and trio.current_time() >= self._next_probe

    def _take(self) -> list[Write[Any]]:
        group: list[Write[Any]] = []
        size = 0
        while self._waiting and len(group) < _GROUP_COUNT:
            size += self._waiting[0].size
            if group and size > _GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
        self._waiting_bytes -= sum(write.size for write in group)
        self._room.unpark_all()
        return group

    async def _commit(self, group: list[Write[Any]]) -> None:
        with metrics.commit_seconds.time():
            try:
                await self._bridge.run(lambda connection: self._run_group(connection, group))
            except Exception as error:
                self._refuse(group, error)
            else:
                self._accept(group)
        for write in group:
            write.done.set()

    def _accept(self, group: Sequence[Write[Any]]) -> None:
        if self._pages >= _CHECKPOINT_PAGES:
            self._grown.set()
        refused = [write for write in group if isinstance(write.error, OSError)]
        if refused:
            self._refuse_pictures(refused)
        elif not group or any(write.size for write in group):
            # Only what wrote to the pack, as the probe does, proves that both can be written.
            self._condition.stored()
        try:
            self._log.committed()
        except Exception:
            log.exception("a follower of the record log failed")
        for write in group:
            if write.error is None and write.on_commit is not None:
                _call(write.on_commit, write.value)

    def _refuse_pictures(self, refused: Sequence[Write[Any]]) -> None:
        """The pictures could not be written, while the other parts of the group could."""
        for write in refused:
            self._fail([write], write.error or CannotStoreNow())

    def _refuse(self, group: Sequence[Write[Any]], error: Exception) -> None:
        if is_worldly(error):
            if is_damage(error):
                self._condition.damaged("the database is damaged")
        else:
            limited(log, logging.ERROR, "store fault", "a group could not be committed: %r", error)
        self._fail(group, error)

    def _fail(self, writes: Sequence[Write[Any]], error: Exception) -> None:
        reason = in_words(error)
        self._condition.refused(reason)
        self._next_probe = trio.current_time() + _PROBE_SECONDS
        for write in writes:
            write.value = None
            write.error = _refusal(reason, error)

    def _run_group(self, connection: sqlite3.Connection, group: Sequence[Write[Any]]) -> None:
        """In the connection's thread. What it raises is the whole group's refusal."""
        if not group:
            self._log.probe()
        self._log.prepare(connection, group)
        changes = connection.total_changes
        try:
            connection.execute("BEGIN IMMEDIATE")
            for write in group:
                if write.error is None:
                    _run_one(connection, write)
            self._log.finish(connection)
            if not group:
                connection.execute(_TOUCH)
            connection.execute("COMMIT")
        except BaseException:
            self._log.abandon()
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        self._pages += _PAGES_PER_COMMIT + connection.total_changes - changes


#: Writes a page without changing anything.
_TOUCH = "UPDATE setting SET value = value WHERE key = 'store.clean'"


def _run_one(connection: sqlite3.Connection, write: Write[Any]) -> None:
    """One waiter's part: its failure is its own, unless the disk or the database is at fault."""
    connection.execute("SAVEPOINT one")
    try:
        write.value = write.run(connection)
    except Exception as error:
        if is_worldly(error) or not connection.in_transaction:
            raise
        connection.execute("ROLLBACK TO one")
        write.error = error
    connection.execute("RELEASE one")


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
