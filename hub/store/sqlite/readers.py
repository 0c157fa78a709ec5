"""A pool of read-only connections, with a bounded wait for a free one."""

from __future__ import annotations

import math
import sqlite3
from contextlib import suppress
from typing import TypeVar

import trio

from hub import metrics
from hub.errors import CannotStoreNow, TooManyRequests
from hub.store.health import (
    HealthMonitor,
    describe,
    is_damage,
    is_damaged_row,
    is_storage_error,
    primary_code,
)
from hub.store.sqlite.connection import Bridge, Job, one_state

T = TypeVar("T")

_MAX_WAITING = 512
_WAIT_SECONDS = 10.0


class Readers:
    """Runs each job on a connection of the pool. `name`: of its limit in the metrics."""

    def __init__(
        self, bridges: list[Bridge], monitor: HealthMonitor, name: str = "store readers"
    ) -> None:
        self._monitor = monitor
        self._name = name
        self._send, self._receive = trio.open_memory_channel[Bridge](math.inf)
        for bridge in bridges:
            self._send.send_nowait(bridge)

    async def read(self, job: Job[T], *, wait_seconds: float | None = None) -> T:
        """Run `job` on a connection that sees every commit so far; return its result.

        All its statements see one state of the database. It runs in the connection's thread. If
        cancelled, its query is interrupted. Raises TooManyRequests if no connection becomes free
        in time (10 s) or too many tasks wait for one, CannotStoreNow if the disk or the database is
        at fault, and what the job raises otherwise.
        """
        bridge = await self._borrow(_WAIT_SECONDS if wait_seconds is None else wait_seconds)
        try:
            return await bridge.run(lambda connection: _in_one_state(connection, job))
        except sqlite3.Error as error:
            if is_damaged_row(error):
                raise CannotStoreNow(f"a row of the database is damaged: {error}") from error
            # A job that tries to write is a bug, not a fault of the database.
            if not is_storage_error(error) or primary_code(error) == sqlite3.SQLITE_READONLY:
                raise
            if is_damage(error):
                self._monitor.damaged(str(describe(error)))
            raise CannotStoreNow(describe(error)) from error
        finally:
            self._send.send_nowait(bridge)

    async def _borrow(self, wait_seconds: float) -> Bridge:
        with suppress(trio.WouldBlock):
            return self._receive.receive_nowait()
        if self._receive.statistics().tasks_waiting_receive < _MAX_WAITING:
            with trio.move_on_after(wait_seconds):
                return await self._receive.receive()
        metrics.limits_reached.labels(self._name).inc()
        raise TooManyRequests("too many queries at once: try again in a second")


def _in_one_state(connection: sqlite3.Connection, job: Job[T]) -> T:
    with one_state(connection):
        return job(connection)
