"""Steps of the hub's clock: when it was set, by how much, and which records came before."""

from __future__ import annotations

import sqlite3
from typing import Annotated

from msgspec import Meta, Struct

from hub.store.rows import TableRows, as_flag
from hub.store.tables.table import Engine, RowSource, Table

#: Beyond this number of steps, small ones make room first, then the oldest.
_MAX_STEPS = 1000
_SMALL_MS = 3_600_000

#: What a clock may show: any year from 5 to 9999.
ClockTime = Annotated[int, Meta(ge=-62_000_000_000_000, lt=253_402_300_800_000)]

_TRIM = """
DELETE FROM clock_step WHERE id IN (
    SELECT id FROM clock_step ORDER BY abs(after - before) > ? DESC, id DESC LIMIT -1 OFFSET ?
)
"""


class ClockStep(Struct, frozen=True):
    """The clock was set from `before` to `after` (UNIX milliseconds).

    `seq`: the last record before it was noticed. `at_start`: it happened between two runs of the
    hub; `before` is then the last time known of the earlier run.
    """

    seq: int
    before: ClockTime
    after: ClockTime
    at_start: bool


_rows = TableRows("clock_step", ClockStep, key=("seq",), decoders={"at_start": as_flag})
_ALL = f"{_rows.select} ORDER BY id"


class ClockStepTable(Table[tuple[ClockStep, ...]]):
    """The last steps, in memory, oldest first. Changes are durable on return."""

    queries = ((_rows, _ALL),)

    def __init__(self, engine: Engine, loaded: tuple[ClockStep, ...]) -> None:
        super().__init__(engine, loaded)
        self._steps = loaded

    @classmethod
    def load(cls, source: RowSource) -> tuple[ClockStep, ...]:
        return tuple(_rows.read_all(source.connection.execute(_ALL), source.damaged))

    def all(self) -> tuple[ClockStep, ...]:
        return self._steps

    async def add(self, step: ClockStep) -> None:
        """Add a step, which is the newest."""

        def job(connection: sqlite3.Connection) -> tuple[ClockStep, ...]:
            _rows.insert(connection, step)
            connection.execute(_TRIM, (_SMALL_MS, _MAX_STEPS))
            return self._load(connection)

        def added(steps: tuple[ClockStep, ...]) -> None:
            self._steps = steps

        await self._writer.write(job, added)
