"""One SQLite connection with a thread of its own, used from trio: one bridge hop per job."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import aiosqlite
import trio
import trio_asyncio

T = TypeVar("T")
Job = Callable[[sqlite3.Connection], T]

# At level debug aiosqlite logs what it executes, and with it secrets.
logging.getLogger("aiosqlite").setLevel(logging.WARNING)

_BUSY_SECONDS = 5.0
#: Pages in the write-ahead log at which the writer itself moves them into the database. Below it
#: the store's own checkpoints do so beside the writer.
_AUTO_CHECKPOINT_PAGES = 4000
_LOG_BYTES = 64 * 1024 * 1024
# temp_store: what takes a large statement back if it fails; else a file is made for every other
# group under load.

_WRITER_SET_UP = f"""
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA cache_size = -65536;
PRAGMA wal_autocheckpoint = {_AUTO_CHECKPOINT_PAGES};
PRAGMA journal_size_limit = {_LOG_BYTES};
PRAGMA temp_store = MEMORY;
"""
_READER_SET_UP = """
PRAGMA query_only = ON;
PRAGMA cache_size = -16384;
"""


def _connect(path: Path, set_up: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path, timeout=_BUSY_SECONDS, isolation_level=None, cached_statements=256
    )
    try:
        connection.executescript(set_up)
    except BaseException:
        connection.close()
        raise
    return connection


def connect_writer(path: Path) -> sqlite3.Connection:
    """A plain connection set up to write; for the start, before the threads."""
    return _connect(path, _WRITER_SET_UP)


class Connection(aiosqlite.Connection):
    """aiosqlite's connection, which runs a whole job in its thread instead of one statement."""

    def __init__(self, connector: Callable[[], sqlite3.Connection]) -> None:
        super().__init__(connector, iter_chunk_size=64)
        # A disk that does not answer any more must not keep the process from its end.
        self._thread.daemon = True

    async def run(self, job: Job[T]) -> T:
        result: T = await self._execute(job, self._conn)  # type: ignore[no-untyped-call]
        return result

    def stop_job(self) -> None:
        """End the statement that runs now, if one does. Returns at once."""
        with suppress(ValueError):  # it is closed
            self._conn.interrupt()


class Bridge:
    """A `Connection` as trio code uses it. One job at a time is the caller's business."""

    def __init__(self, connection: Connection, loop: trio_asyncio.TrioEventLoop) -> None:
        self._connection = connection
        self._loop = loop

    async def run(self, job: Job[T]) -> T:
        """Run the job in the connection's thread. Cancelled: its statement is interrupted."""
        try:
            result: T = await trio_asyncio.aio_as_trio(self._connection.run, loop=self._loop)(job)
        except trio.Cancelled:
            self._connection.stop_job()
            raise
        return result

    async def aclose(self) -> None:
        await trio_asyncio.aio_as_trio(self._connection.close, loop=self._loop)()


async def open_bridge(path: Path, loop: trio_asyncio.TrioEventLoop, *, writes: bool) -> Bridge:
    """Open a connection in a thread of its own. The caller closes it."""
    set_up = _WRITER_SET_UP if writes else _READER_SET_UP
    connection = Connection(lambda: _connect(path, set_up))

    async def opened() -> None:
        await connection

    await trio_asyncio.aio_as_trio(opened, loop=loop)()
    return Bridge(connection, loop)
