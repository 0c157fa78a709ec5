"""Group commit: waiting writes are committed together, and each fails on its own."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
import trio_asyncio

from hub.errors import CannotStoreNow, TooManyRequests
from hub.store.commit import group_commit, write_queue
from hub.store.commit.record_writer import Committed
from hub.store.db import Store
from hub.store.sqlite import readers
from hub.store.sqlite.clean_mark import Checkpoint
from hub.store.sqlite.connection import Job, open_bridge
from tests.support.clock import FrozenClock
from tests.support.stores import BlockingJob, batch, copy_as_left, is_whole, opened


def insert(key: str) -> Job[None]:
    def job(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO setting (key, value) VALUES (?, '')", (key,))

    return job


async def keys(store: Store) -> set[str]:
    rows = await store.read(
        lambda c: c.execute("SELECT key FROM setting WHERE key NOT LIKE 'store.%'").fetchall()
    )
    return {key for (key,) in rows}


async def test_waiting_writes_share_one_commit(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        groups: list[int] = []
        run_group = store._writer._run_group

        def watched(
            connection: sqlite3.Connection, group: list[write_queue.Write[None]]
        ) -> Committed:
            groups.append(len(group))
            return run_group(connection, group)

        store._writer._run_group = watched  # type: ignore[method-assign, assignment]
        gate = BlockingJob()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, gate)
            await gate.entered.wait()
            for n in range(100):
                nursery.start_soon(store.write, insert(f"k{n}"))
            await trio.testing.wait_all_tasks_blocked()
            gate.open()
        assert groups == [1, 100]
        assert len(await keys(store)) == 100


async def test_the_writers_thread_commits_group_after_group_in_one_job(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await store.write(insert("first"))
        hops: list[object] = []
        run = store._writer._bridge.run

        async def counted(job: Job[None]) -> None:
            hops.append(job)
            await run(job)

        store._writer._bridge.run = counted  # type: ignore[method-assign, assignment]
        for n in range(10):
            await store.write(insert(f"k{n}"))
            await trio.testing.wait_all_tasks_blocked()
        assert hops == []
        assert len(await keys(store)) == 11


async def test_a_failing_write_does_not_affect_the_others_of_its_group(
    tmp_path: Path, clock: FrozenClock
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        insert("of the failed one")(connection)
        raise ValueError("its own")

    async with opened(tmp_path / "data", clock) as store:
        gate = BlockingJob()

        async def failing() -> None:
            with pytest.raises(ValueError, match="its own"):
                await store.write(fail)

        async def twice() -> None:
            with pytest.raises(CannotStoreNow, match="UNIQUE constraint"):
                await store.write(insert("a"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, gate)
            await gate.entered.wait()
            nursery.start_soon(store.write, insert("a"))
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(failing)
            nursery.start_soon(twice)
            nursery.start_soon(store.write, insert("b"))
            await trio.testing.wait_all_tasks_blocked()
            gate.open()
        assert await keys(store) == {"a", "b"}
        assert store.health.can_store


async def test_a_cancelled_write_is_committed_as_a_whole(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        gate = BlockingJob()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, gate)
            await gate.entered.wait()
            with trio.CancelScope() as scope:
                async with trio.open_nursery() as waiters:
                    waiters.start_soon(store.records.append, batch(clock, 1))
                    waiters.start_soon(store.settings.set, "site.name", "Gate")
                    await trio.testing.wait_all_tasks_blocked()
                    scope.cancel()
            gate.open()
        await store.write(lambda connection: None)
        # The callers do not learn it, but both writes were committed, in memory too.
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])
        assert store.settings.get("site.name") == "Gate"
        assert (await store.records.append(batch(clock, 1))).repeated


async def test_a_cancelled_store_still_commits_what_its_users_write_while_they_unwind(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    with trio.CancelScope() as scope:
        async with opened(data, clock) as store:
            try:
                scope.cancel()
                await trio.sleep_forever()
            finally:
                with trio.move_on_after(5, shield=True):
                    await store.records.append(batch(clock, 1))
    async with opened(data, clock) as store:
        assert store.clean_start
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])


async def test_closing_commits_queued_writes_and_refuses_later_ones(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with trio.open_nursery() as nursery:
        async with opened(data, clock) as store:
            gate = BlockingJob()
            nursery.start_soon(store.write, gate)
            await gate.entered.wait()
            for seed in range(20):
                nursery.start_soon(store.records.append, batch(clock, seed))
            await trio.testing.wait_all_tasks_blocked()
            gate.open()
        with pytest.raises(CannotStoreNow, match="stopping"):
            await store.write(insert("late"))
    async with opened(data, clock) as store:
        assert store.records.last_seq == 20


async def test_a_full_queue_makes_callers_wait_and_then_refuses(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "_QUEUE_BYTES", 10_000)
    monkeypatch.setattr(write_queue, "_ROOM_SECONDS", 0.0)
    async with opened(tmp_path / "data", clock) as store:
        gate = BlockingJob()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, gate)
            await gate.entered.wait()
            for seed in range(2):
                nursery.start_soon(store.records.append, batch(clock, seed))
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(CannotStoreNow, match="too many writes"):
                await store.records.append(batch(clock, 3))
            monkeypatch.setattr(write_queue, "_ROOM_SECONDS", 10.0)
            nursery.start_soon(store.records.append, batch(clock, 4))
            await trio.testing.wait_all_tasks_blocked()
            gate.open()
        assert store.records.last_seq == 3
        assert store.health.can_store


async def test_a_batch_larger_than_the_queue_is_committed_alone(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "_QUEUE_BYTES", 100)
    monkeypatch.setattr(write_queue, "_GROUP_BYTES", 100)
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])


@pytest.mark.expects_error("nothing can be stored now: the disk is not responding")
async def test_writes_are_refused_while_the_disk_does_not_answer(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        gate = BlockingJob()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, gate)
            await gate.entered.wait()
            monkeypatch.setattr(group_commit, "_COMMIT_SECONDS", 0.0)
            with pytest.raises(CannotStoreNow, match="not responding"):
                await store.records.append(batch(clock, 1))
            assert not store.health.can_store
            monkeypatch.setattr(group_commit, "_COMMIT_SECONDS", 30.0)
            gate.open()
        assert (await store.records.append(batch(clock, 1))).repeated
        assert store.health.can_store


@pytest.mark.expects_error("a group could not be committed")
@pytest.mark.expects_error("nothing can be stored now: an unexpected error")
async def test_the_writer_survives_an_unexpected_error_of_a_group(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        with monkeypatch.context() as patch:
            patch.setattr(store._writer._record_writer, "finish", lambda connection: 1 / 0)
            with pytest.raises(CannotStoreNow, match="unexpected"):
                await store.records.append(batch(clock, 1))
        assert (await store.records.append(batch(clock, 1))).seqs == (1,)
        assert store.health.can_store


async def test_a_failed_write_drops_its_error(tmp_path: Path, clock: FrozenClock) -> None:
    """The traceback holds pictures, which must not wait for the garbage collector."""
    write: write_queue.Write[None] = write_queue.Write(lambda connection: None)
    write.error = ValueError("x")
    with pytest.raises(ValueError, match="x") as failure:
        write.result()
    assert write.error is None
    del failure


async def test_an_error_of_the_block_is_raised_unchanged(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with opened(tmp_path / "data", clock):
            raise KeyError("mine")


async def test_the_wait_for_a_free_reader_is_bounded(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_WAIT_SECONDS", 0.0)
    async with opened(tmp_path / "data", clock) as store:
        gates = [BlockingJob(), BlockingJob()]
        async with trio.open_nursery() as nursery:
            for gate in gates:
                nursery.start_soon(store.read, gate)
                await gate.entered.wait()
            with pytest.raises(TooManyRequests):
                await store.read(lambda connection: None)
            for gate in gates:
                gate.open()
        await store.read(lambda connection: None)


async def test_a_cancelled_query_is_interrupted_and_its_reader_stays_usable(
    tmp_path: Path, clock: FrozenClock
) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n"
    async with opened(tmp_path / "data", clock) as store:
        started = trio.Event()
        token = trio.lowlevel.current_trio_token()

        def query(connection: sqlite3.Connection) -> object:
            token.run_sync_soon(started.set)
            return connection.execute(endless).fetchone()

        for _ in range(3):  # more often than there are readers
            started = trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.read, query)
                await started.wait()
                await trio.testing.wait_all_tasks_blocked(0.01)
                nursery.cancel_scope.cancel()
        with trio.fail_after(30):
            assert await store.read(lambda c: c.execute("SELECT 1").fetchone()) == (1,)


@pytest.mark.expects_error("the store is damaged: the database is damaged")
async def test_a_query_that_finds_damage_is_refused_and_the_damage_reported(
    tmp_path: Path, clock: FrozenClock
) -> None:
    def meet_damage(connection: sqlite3.Connection) -> None:
        error = sqlite3.DatabaseError("database disk image is malformed")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error

    async with opened(tmp_path / "data", clock) as store:
        with pytest.raises(CannotStoreNow, match="the database is damaged"):
            await store.read(meet_damage)
        assert store.health.damaged == "the database is damaged"
        assert store.health.can_store


async def test_a_reader_cannot_write(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await store.read(insert("x"))


async def test_a_reader_sees_every_commit_so_far(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        for n in range(20):
            await store.write(insert(f"k{n}"))
            assert f"k{n}" in await keys(store)


async def test_only_the_writers_connection_checkpoints_and_writes(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two connections that checkpoint can corrupt the database before SQLite 3.51.3."""
    statements: dict[int, list[str]] = {}
    connect = sqlite3.connect

    def traced(*args: Any, **kwargs: Any) -> sqlite3.Connection:
        connection: sqlite3.Connection = connect(*args, **kwargs)
        seen = statements.setdefault(id(connection), [])
        opened_connections.append(connection)
        connection.set_trace_callback(seen.append)
        return connection

    opened_connections: list[sqlite3.Connection] = []  # so that no id is used twice
    monkeypatch.setattr(sqlite3, "connect", traced)
    monkeypatch.setattr(group_commit, "_CHECKPOINT_PAGES", 1)
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        started = len(opened_connections)
        size = (data / "hub.sqlite").stat().st_size
        with trio.fail_after(10):
            while (data / "hub.sqlite").stat().st_size == size:
                await store.write(
                    lambda c: c.execute("REPLACE INTO setting VALUES ('large', ?)", ("x" * 10**6,))
                )
        assert (await store.records.append(batch(clock, 1))).seqs == (1,)
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])
        assert await store.check() == ""
    # The connections that the store holds together: of those before them, each is closed.
    assert len(opened_connections) > started
    running = opened_connections[started - 6 :]
    writing = {
        id(connection)
        for connection in running
        for statement in statements[id(connection)]
        if re.match(r"BEGIN IMM|INSERT|UPDATE|DELETE|REPLACE|PRAGMA wal_", statement)
    }
    of_writer = [statement.strip() for statement in statements[id(running[0])]]
    checkpoints = [s for s in of_writer if s.startswith("PRAGMA wal_checkpoint")]
    assert writing == {id(running[0])}
    assert checkpoints[0] == checkpoints[-1] == "PRAGMA wal_checkpoint(TRUNCATE)"
    assert "PRAGMA wal_checkpoint(PASSIVE)" in checkpoints
    assert "PRAGMA wal_autocheckpoint = 0;" in of_writer


async def test_checkpoints_come_in_time_whatever_a_changed_row_costs(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row here is ten pages, so that an estimate of one page would be far too low."""
    monkeypatch.setattr(group_commit, "_CHECKPOINT_PAGES", 200)
    monkeypatch.setattr(group_commit, "_MAX_WAL_PAGES", 200)
    checkpoint, pages = group_commit.checkpoint, []

    def noted(connection: sqlite3.Connection) -> Checkpoint:
        found = checkpoint(connection)
        pages.append(found.pages)
        return found

    def add(connection: sqlite3.Connection) -> None:
        for n in range(10):
            values = (f"k{n}", "x" * 40_000)
            connection.execute("REPLACE INTO setting VALUES (?, ?)", values)

    monkeypatch.setattr(group_commit, "checkpoint", noted)
    async with opened(tmp_path / "data", clock) as store:
        for _ in range(40):
            await store.write(add)
    assert pages[0] > 600
    assert len(pages) > 10
    assert max(pages[1:]) < 400


async def test_a_reader_that_closes_last_changes_nothing(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        left = copy_as_left(tmp_path / "data", tmp_path / "left")
    before = {name: (left / name).read_bytes() for name in ("hub.sqlite", "hub.sqlite-wal")}
    async with trio_asyncio.open_loop() as loop:
        reader = await open_bridge(left / "hub.sqlite", loop, writes=False)
        count = await reader.run(lambda c: c.execute("SELECT count(*) FROM record").fetchone())
        await reader.aclose()
    assert count == (1,)
    assert before == {name: (left / name).read_bytes() for name in before}
