"""What a job that reads sees of what is committed beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from hub.store.health import HealthMonitor
from hub.store.sqlite.connection import Bridge, Job, T
from hub.store.sqlite.readers import Readers


class PlainBridge:
    """Runs jobs here, and not in a thread."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def run(self, job: Job[T]) -> T:
        return job(self._connection)


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE change (number INTEGER PRIMARY KEY)")
        yield writer


@pytest.fixture
def readers(tmp_path: Path, writer: sqlite3.Connection) -> Iterator[Readers]:
    with closing(sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)) as connection:
        bridge = cast("Bridge", PlainBridge(connection))
        yield Readers([bridge], HealthMonitor())


def count(connection: sqlite3.Connection) -> int:
    found: int = connection.execute("SELECT count(*) FROM change").fetchone()[0]
    return found


async def test_all_statements_of_a_job_see_one_state(
    readers: Readers, writer: sqlite3.Connection
) -> None:
    def job(connection: sqlite3.Connection) -> list[int]:
        before = count(connection)
        writer.execute("INSERT INTO change VALUES (1)")
        return [before, count(connection)]

    assert await readers.read(job) == [0, 0]
    assert await readers.read(count) == 1


async def test_a_job_that_fails_leaves_nothing_to_the_next(
    readers: Readers, writer: sqlite3.Connection
) -> None:
    def fails(connection: sqlite3.Connection) -> None:
        count(connection)
        raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011  which is of no matter
        await readers.read(fails)
    writer.execute("INSERT INTO change VALUES (1)")
    assert await readers.read(count) == 1
