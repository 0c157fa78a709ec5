"""Connections whose COMMIT fails on demand, as if the flush of the write-ahead log had failed."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from hub.store.sqlite import connection

_IOERR_FSYNC = 1034


class FailingCommits:
    """While `failing`, each COMMIT of the writer is rolled back and reported as failed.

    `used`: the connections that the writer had, `failed`: those on which a COMMIT failed.
    """

    def __init__(self) -> None:
        self.failing = False
        self.used: list[sqlite3.Connection] = []
        self.failed: list[sqlite3.Connection] = []
        self._changed = threading.Condition()
        self._good = 0

    async def wait_failed(self, count: int) -> None:
        """Wait until so many COMMITs failed in all."""
        await self._wait(lambda: len(self.failed) >= count)

    async def wait_good(self) -> None:
        """Wait for the next COMMIT that succeeds."""
        good = self._good
        await self._wait(lambda: self._good > good)

    async def _wait(self, is_so: Callable[[], bool]) -> None:
        def wait() -> None:
            with self._changed:
                assert self._changed.wait_for(is_so, 10)

        await trio.to_thread.run_sync(wait)

    def _note(self, failed: sqlite3.Connection | None) -> None:
        with self._changed:
            if failed is None:
                self._good += 1
            else:
                self.failed.append(failed)
            self._changed.notify_all()

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        faults = self

        class Failing(sqlite3.Connection):
            def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
                assert self not in faults.failed, "a connection whose COMMIT failed is used again"
                if sql == "COMMIT" and faults.failing:
                    super().execute("ROLLBACK")
                    faults._note(self)
                    error = sqlite3.OperationalError("disk I/O error")
                    error.sqlite_errorcode = _IOERR_FSYNC
                    raise error
                cursor = super().execute(sql, *values)
                if sql == "COMMIT":
                    faults._note(None)
                return cursor

        connect = connection._connect

        def connected(path: Path, mode: str, setup: str) -> sqlite3.Connection:
            if mode != "rw":
                return connect(path, mode, setup)
            with pytest.MonkeyPatch.context() as patch:
                real = sqlite3.connect
                patch.setattr(sqlite3, "connect", lambda *a, **k: real(*a, factory=Failing, **k))
                made = connect(path, mode, setup)
            faults.used.append(made)
            return made

        monkeypatch.setattr(connection, "_connect", connected)
