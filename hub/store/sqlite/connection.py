"""SQLite connections for trio: each has a thread of its own, which runs a whole job per call."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import aiosqlite
import trio
import trio_asyncio

from hub.store.rows import read_text
from hub.store.sqlite.sql import checked

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

# At level DEBUG aiosqlite logs the values of statements, which include secrets.
logging.getLogger("aiosqlite").setLevel(logging.WARNING)

_BUSY_SECONDS = 5.0
_OPEN_SECONDS = 10.0
_MAX_WAL_BYTES = 64 * 1024 * 1024

# wal_autocheckpoint = 0: the group commit checkpoints between groups, on this connection alone. Two
# that checkpoint can corrupt a database before SQLite 3.51.3.
# temp_store = MEMORY: otherwise, under load, about half of all groups would create a file for a
# statement journal.
# secure_delete: what is erased must not stay in unused parts of pages, to which SQLite copied it.
_WRITER_SETUP = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA cache_size = -65536;
PRAGMA wal_autocheckpoint = 0;
PRAGMA journal_size_limit = {_MAX_WAL_BYTES};
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = FAST;
"""
_READER_SETUP = """
PRAGMA query_only = ON;
PRAGMA cache_size = -16384;
"""


def _connect(path: Path, mode: str, setup: str) -> sqlite3.Connection:
    connection = checked(
        sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            cached_statements=256,
        )
    )
    connection.text_factory = read_text
    try:
        connection.executescript(setup)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_writer(path: Path) -> sqlite3.Connection:
    """Open a plain connection for writing, for use before the threads run."""
    return _connect(path, "rw", _WRITER_SETUP)


@contextmanager
def one_state(connection: sqlite3.Connection) -> Iterator[None]:
    """Let statements that only read see one state, whatever others commit within the block."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        # A fault of the disk may have ended it.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


class Connection(aiosqlite.Connection):
    """An aiosqlite connection whose thread runs a whole job per call, not a single statement."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        # The process must be able to end even if the disk does not answer.
        self._thread.daemon = True

    async def run(self, job: Job[T]) -> T:
        """Run the job in the connection's thread. Call it in asyncio."""
        result: T = await self._execute(job, self._conn)  # type: ignore[no-untyped-call]
        return result

    def current(self) -> sqlite3.Connection:
        return self._conn

    def replace(self) -> sqlite3.Connection:
        """In the connection's thread: open the connection anew; return it. Raises sqlite3.Error.

        The new one reads before the old one is closed. So the index of the write-ahead log, which
        does not know what failed to commit, is never without a user and not made again from the
        log, which may hold it.
        """
        new = self._connector()
        try:
            new.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            self._conn.close()
        except BaseException:
            new.close()
            raise
        self._connection = new
        return new

    def stop_job(self) -> None:
        """Interrupt the running statement, if there is one. Returns at once."""
        with suppress(ValueError):  # the connection is closed
            self._conn.interrupt()


class Bridge:
    """Runs jobs on a `Connection` from trio. Run only one job at a time."""

    def __init__(self, connection: Connection, loop: trio_asyncio.TrioEventLoop) -> None:
        self._connection = connection
        self._loop = loop

    async def run(self, job: Job[T]) -> T:
        """Run the job in the connection's thread. Return its result or raise its error.

        If cancelled, interrupts the running statement, which then raises in the thread.
        """
        try:
            result: T = await trio_asyncio.aio_as_trio(self._connection.run, loop=self._loop)(job)
        except trio.Cancelled:
            self._connection.stop_job()
            raise
        return result

    def current(self) -> sqlite3.Connection:
        """In the connection's thread: return the connection."""
        return self._connection.current()

    def replace(self) -> sqlite3.Connection:
        """See `Connection.replace`."""
        return self._connection.replace()

    async def aclose(self) -> None:
        """Close the connection and end its thread, after a running job."""
        await trio_asyncio.aio_as_trio(self._connection.close, loop=self._loop)()


async def open_bridge(path: Path, loop: trio_asyncio.TrioEventLoop, *, writes: bool) -> Bridge:
    """Open a connection in a thread of its own. The caller closes it. Raises sqlite3.Error."""
    # One that is opened for reading never checkpoints, not even when it is closed last.
    how = ("rw", _WRITER_SETUP) if writes else ("ro", _READER_SETUP)
    connection = Connection(lambda: _connect(path, *how))

    async def opened() -> None:
        await connection

    # Shielded, because a thread that is left while it opens would report to a loop that is closed.
    with trio.move_on_after(_OPEN_SECONDS, shield=True) as opening:
        await trio_asyncio.aio_as_trio(opened, loop=loop)()
    if opening.cancelled_caught:
        raise sqlite3.OperationalError("the disk is not responding")
    return Bridge(connection, loop)
