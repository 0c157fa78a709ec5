"""The queue of writes: filled by trio tasks, emptied by the writer's thread."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

import trio

from hub import metrics
from hub.errors import CannotStoreNow
from hub.log import limited
from hub.store.health import is_damaged_row
from hub.store.sqlite.connection import Job

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Limits of one group. A larger group would only delay those that came first.
_GROUP_COUNT = 256
_GROUP_BYTES = 48 * 1024 * 1024
#: Limits of the queue, including the group being written. Beyond them a caller waits for room.
_QUEUE_COUNT = 8192
_QUEUE_BYTES = 128 * 1024 * 1024
_ROOM_SECONDS = 5.0


class Write(Generic[T]):
    """A job that waits for its group, and its outcome once `done` is set.

    `on_commit` is called in trio with the job's result after the commit; `on_durable` in the
    writer's thread, before the next group. `size`: bytes that the write keeps in memory.
    """

    __slots__ = ("_job", "done", "error", "on_commit", "on_durable", "size", "value")

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
        self.size = size
        self.done = trio.Event()
        self.value: T | None = None
        self.error: Exception | None = None

    def again(self) -> Write[T]:
        """Return the same write, to be submitted once more after it was refused."""
        return Write(self._job, self.on_commit, self.on_durable, size=self.size)

    def run(self, connection: sqlite3.Connection) -> None:
        """Run the job inside the group's transaction, in the writer's thread."""
        assert self._job is not None, "a record batch is inserted by the record writer"
        self.value = self._job(connection)

    def result(self) -> T:
        """Return the job's result or raise its error.

        Drops its own reference to the error, whose traceback may hold megabytes.
        """
        error, self.error = self.error, None
        if error is not None:
            if is_damaged_row(error):
                limited(log, logging.WARNING, f"write {error}", "a damaged row: %s", error)
                error = CannotStoreNow(f"a row of the database is damaged: {error}")
            try:
                raise error
            finally:
                del error
        return self.value  # type: ignore[return-value]  # done without an error


class _WakeFlag:
    """Wakes the writer's thread from trio. Setting it twice before a wait counts once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        if self._lock.locked():
            self._lock.release()

    def wait(self) -> None:
        """Block until it is set; return at once if it was set since the last wait."""
        self._lock.acquire()


class WriteQueue:
    """A queue bounded by count and bytes. All methods run in trio unless they say otherwise."""

    def __init__(self) -> None:
        #: Appended to in trio, taken from in the thread.
        self._waiting: deque[Write[Any]] = deque()
        # Both include the group that is being written.
        self._count = 0
        self._bytes = 0
        self._work = trio.Event()
        self._wake_flag = _WakeFlag()
        self._room = trio.lowlevel.ParkingLot()

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits. Callable from both threads."""
        return not self._waiting

    @property
    def fill(self) -> tuple[int, int]:
        """The writes that wait or are being written, and their bytes."""
        return self._count, self._bytes

    async def wait_for_room(self, size: int) -> None:
        """Return once `size` bytes fit; a write larger than the queue fits into an empty one.

        Does not yield if there is room. Raises CannotStoreNow after five seconds.
        """
        if self._has_room(size):
            return
        metrics.limits_reached.labels("store queue").inc()
        with trio.move_on_after(_ROOM_SECONDS):
            while not self._has_room(size):
                await self._room.park()
            return
        metrics.store_refusals.inc()
        raise CannotStoreNow("too many writes are waiting to be stored")

    def put(self, write: Write[Any]) -> None:
        """Add a write and wake the writer. Call `wait_for_room` right before."""
        assert not write.done.is_set(), "a write is submitted only once"
        self._count += 1
        self._bytes += write.size
        self._waiting.append(write)
        self.wake()

    def settle(self, group: Sequence[Write[Any]]) -> None:
        """Wake the waiters of a group that `take` returned, and free its room."""
        self._count -= len(group)
        self._bytes -= sum(write.size for write in group)
        for write in group:
            write.done.set()
        self._room.unpark_all()

    def wake(self) -> None:
        """Make the thread and `wait_for_work` check again. Call it after changing the state."""
        self._work.set()
        self._wake_flag.set()

    async def wait_for_work(self, deadline: float) -> None:
        """Wait until `wake` is called or trio's clock reaches the deadline."""
        self._work = trio.Event()
        with trio.move_on_at(deadline):
            await self._work.wait()

    def take(self) -> list[Write[Any]]:
        """In the thread: remove and return the next group, empty if nothing waits."""
        group: list[Write[Any]] = []
        size = 0
        while self._waiting and len(group) < _GROUP_COUNT:
            size += self._waiting[0].size
            if group and size > _GROUP_BYTES:
                break
            group.append(self._waiting.popleft())
        return group

    def block_until_woken(self) -> None:
        """In the thread: block until `wake` is called."""
        self._wake_flag.wait()

    def _has_room(self, size: int) -> bool:
        fits = self._bytes + size <= _QUEUE_BYTES or self._bytes == 0
        return fits and self._count < _QUEUE_COUNT
