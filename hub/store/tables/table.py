"""What every table of the store has in common. All of them are named in `hub.store.all_tables`."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any, ClassVar, Generic, TypeVar

import trio
from msgspec import Struct, field

from hub.errors import NoSuchResource
from hub.store.access_changes import AccessChanges
from hub.store.alarms.raising import AlarmRaiser
from hub.store.commit.group_commit import GroupCommit
from hub.store.device_marks import DeviceMarks
from hub.store.disk import Disk
from hub.store.health import HealthMonitor
from hub.store.media.day_index import DayIndex
from hub.store.media.held_index import HeldIndex
from hub.store.media.packs import Packs
from hub.store.rows import DamagedRows, TableRows
from hub.store.sealing import Random, SecretBox
from hub.store.sqlite.readers import Readers

#: A key, a row, and what a table reads at the start.
K = TypeVar("K")
R = TypeVar("R", bound=Struct)
Loaded = TypeVar("Loaded")


class RowSource(Struct, frozen=True):
    """A database as a table reads it. `box`: opens the secrets; None: they are not looked at."""

    connection: sqlite3.Connection
    damaged: DamagedRows
    box: SecretBox | None = None


class Saving(Struct, frozen=True):
    """A change for one write, alone or with others: the job, and what is done in trio after it."""

    job: Callable[[sqlite3.Connection], None]
    on_commit: Callable[[], None]


class Engine(Struct, frozen=True, kw_only=True):
    """What the tables of an open store work with. `tables`: all of them.

    `changing`: the lock that keeps records from being held while their day goes.
    """

    writer: GroupCommit
    queries: Readers
    searchers: Readers
    picture_readers: Readers
    box: SecretBox
    damaged: DamagedRows
    packs: Packs
    days: DayIndex
    held: HeldIndex
    disk: Disk
    monitor: HealthMonitor
    raiser: AlarmRaiser
    now: Callable[[], float]
    random: Random
    changing: trio.Lock = field(default_factory=trio.Lock)
    access_changes: AccessChanges = field(default_factory=AccessChanges)
    device_marks: DeviceMarks = field(default_factory=DeviceMarks)
    tables: list[Table[Any]] = field(default_factory=list)


class Table(Generic[Loaded]):
    """Reads and changes the rows of one subject; base of all tables.

    Changes are durable on return, and raise CannotStoreNow if they cannot be made so. What is held
    in memory is read by `load` at the start, before anything else runs, and follows each commit.
    """

    #: The rows that `load` does not read, and how they are decoded.
    queries: ClassVar[tuple[tuple[TableRows[Any], str], ...]] = ()

    def __init__(self, engine: Engine, loaded: Loaded) -> None:
        self._engine = engine
        self._writer = engine.writer
        self._readers = engine.queries
        self._damaged = engine.damaged
        engine.tables.append(self)

    @classmethod
    def load(cls, source: RowSource) -> Loaded:
        """Read what is held in memory. Blocks. Raises sqlite3.Error."""
        return None  # type: ignore[return-value]

    @classmethod
    def check(cls, source: RowSource) -> None:
        """Decode all rows, to note those that are damaged. Blocks. Raises sqlite3.Error."""
        cls.load(source)
        for reader, sql in cls.queries:
            for row in source.connection.execute(sql):
                reader.read(row, source.damaged)

    async def carry_out(self, saving: Saving) -> None:
        """Make a change in a write of its own. Raises what its job raises."""
        await self._writer.write(saving.job, lambda _: saving.on_commit())

    def _load(self, connection: sqlite3.Connection) -> Loaded:
        return self.load(RowSource(connection, self._damaged, self._engine.box))

    # What the database removes together with a row of another table is removed from memory.

    def forget_device(self, did: str) -> None:
        """A device was removed; `forget_camera` was called before."""

    def forget_camera(self, did: str) -> None:
        """A device was removed, or its camera was replaced (see `reset_camera`)."""

    def forget_user(self, name: str) -> None:
        """A user was removed."""

    def forget_key(self, appid: str) -> None:
        """An API key was removed."""

    def forget_release(self, id: int) -> None:
        """A firmware release was removed."""


class KeyedTable(Table[list[R]], Generic[K, R]):
    """A table with all its rows in memory, by their key, in the order of its first query."""

    key: ClassVar[attrgetter[Any]] = attrgetter("id")

    def __init__(self, engine: Engine, loaded: list[R]) -> None:
        super().__init__(engine, loaded)
        self._rows: dict[K, R] = {self.key(row): row for row in loaded}

    @classmethod
    def load(cls, source: RowSource) -> list[R]:
        reader, sql = cls.queries[0]
        return reader.read_all(source.connection.execute(sql), source.damaged)

    def _put(self, row: R) -> None:
        self._rows[self.key(row)] = row

    def _drop(self, keys: Iterable[K]) -> None:
        for key in keys:
            self._rows.pop(key, None)

    async def _remove_one(self, key: K, sql: str, missing: NoSuchResource) -> None:
        """Run a statement for a key, and forget its row. Raises `missing` if there is none."""

        def job(connection: sqlite3.Connection) -> None:
            if connection.execute(sql, (key,)).rowcount == 0:
                raise missing

        await self._writer.write(job, lambda _: self._drop([key]))

    async def _remove(self, keys: Sequence[K], sql: str) -> None:
        """Run a statement for each key, if there are any, and forget their rows."""
        if keys:
            values = [(key,) for key in keys]
            await self._writer.write(
                lambda connection: connection.executemany(sql, values), lambda _: self._drop(keys)
            )


class MemoryTable(KeyedTable[K, R]):
    """A table whose rows are what others get to see."""

    def get(self, key: K) -> R | None:
        return self._rows.get(key)

    def all(self) -> tuple[R, ...]:
        return tuple(self._rows.values())
