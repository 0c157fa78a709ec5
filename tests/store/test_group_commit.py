"""The one writer: what waits becomes durable together, each part on its own."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
import trio
import trio.testing

from hub.errors import CannotStoreNow, TooManyRequests
from hub.store import readers
from hub.store.commit import group_commit, write_queue
from hub.store.connection import Job
from hub.store.db import Store
from tests.support.clock import FrozenClock
from tests.support.stores import batch, is_whole, opened


class Gate:
    """A job that holds its thread until it is let go."""

    def __init__(self) -> None:
        self.entered = trio.Event()
        self._leave = threading.Event()
        self._token = trio.lowlevel.current_trio_token()

    def __call__(self, connection: sqlite3.Connection) -> None:
        self._token.run_sync_soon(self.entered.set)
        assert self._leave.wait(10)

    def open(self) -> None:
        self._leave.set()


def insert(key: str) -> Job[None]:
    def job(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO setting (key, value) VALUES (?, '')", (key,))

    return job


async def keys(store: Store) -> set[str]:
    rows = await store.read(
        lambda c: c.execute("SELECT key FROM setting WHERE key NOT LIKE 'store.%'").fetchall()
    )
    return {key for (key,) in rows}


async def test_what_waits_shares_one_commit(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        groups: list[int] = []
        run_group = store._writer._run_group

        def watched(connection: sqlite3.Connection, group: list[write_queue.Write[None]]) -> None:
            groups.append(len(group))
            run_group(connection, group)

        store._writer._run_group = watched  # type: ignore[method-assign, assignment]
        gate = Gate()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, gate)
            await gate.entered.wait()
            for n in range(100):
                nursery.start_soon(store.write, insert(f"k{n}"))
            await trio.testing.wait_all_tasks_blocked()
            gate.open()
        assert groups == [1, 100]
        assert len(await keys(store)) == 100


async def test_the_thread_stays_with_its_work_and_leaves_it_when_the_store_ends(
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


async def test_one_waiters_failure_is_only_its_own(tmp_path: Path, clock: FrozenClock) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        insert("of the failed one")(connection)
        raise ValueError("its own")

    async with opened(tmp_path / "data", clock) as store:
        gate = Gate()

        async def failing() -> None:
            with pytest.raises(ValueError, match="its own"):
                await store.write(fail)

        async def twice() -> None:
            with pytest.raises(sqlite3.IntegrityError):
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
        assert store.health.storable


async def test_a_cancelled_waiter_tears_nothing(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        gate = Gate()
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
        # Nobody was told, but what was taken is whole, and memory follows the commit.
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


async def test_what_waits_at_the_end_is_committed_and_what_comes_later_refused(
    tmp_path: Path, clock: FrozenClock
) -> None:
    data = tmp_path / "data"
    async with trio.open_nursery() as nursery:
        async with opened(data, clock) as store:
            gate = Gate()
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


async def test_a_full_queue_makes_senders_wait_and_then_refuses(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "_QUEUE_BYTES", 10_000)
    monkeypatch.setattr(write_queue, "_ROOM_SECONDS", 0.0)
    async with opened(tmp_path / "data", clock) as store:
        gate = Gate()
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
        assert store.health.storable


async def test_an_upload_larger_than_the_queue_is_taken_alone(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(write_queue, "_QUEUE_BYTES", 100)
    monkeypatch.setattr(write_queue, "_GROUP_BYTES", 100)
    async with opened(tmp_path / "data", clock) as store:
        await store.records.append(batch(clock, 1))
        assert await is_whole(store, 1, batch(clock, 1).uploads[0])


@pytest.mark.expects_error("nothing can be stored now: the disk does not answer")
async def test_a_disk_that_does_not_answer_refuses_and_is_waited_for(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        gate = Gate()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, gate)
            await gate.entered.wait()
            monkeypatch.setattr(group_commit, "_COMMIT_SECONDS", 0.0)
            with pytest.raises(CannotStoreNow, match="does not answer"):
                await store.records.append(batch(clock, 1))
            assert not store.health.storable
            monkeypatch.setattr(group_commit, "_COMMIT_SECONDS", 30.0)
            gate.open()
        assert (await store.records.append(batch(clock, 1))).repeated
        assert store.health.storable


@pytest.mark.expects_error("a group could not be committed")
@pytest.mark.expects_error("nothing can be stored now: an unexpected fault")
async def test_the_writer_survives_any_fault_of_a_group(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        with monkeypatch.context() as patch:
            patch.setattr(store.records._record_writer, "finish", lambda connection: 1 / 0)
            with pytest.raises(CannotStoreNow, match="unexpected"):
                await store.records.append(batch(clock, 1))
        assert (await store.records.append(batch(clock, 1))).seqs == (1,)
        assert store.health.storable


async def test_a_failed_upload_is_let_go_of(tmp_path: Path, clock: FrozenClock) -> None:
    """Its pictures must not wait for the garbage collector."""
    write: write_queue.Write[None] = write_queue.Write(lambda connection: None)
    write.error = ValueError("x")
    with pytest.raises(ValueError, match="x") as failure:
        write.result()
    assert write.error is None
    del failure


async def test_an_error_of_the_body_comes_out_as_it_is(tmp_path: Path, clock: FrozenClock) -> None:
    with pytest.raises(KeyError, match="mine"):
        async with opened(tmp_path / "data", clock):
            raise KeyError("mine")


async def test_readers_are_few_and_the_wait_for_one_is_bounded(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers, "_WAIT_SECONDS", 0.0)
    async with opened(tmp_path / "data", clock) as store:
        gates = [Gate(), Gate()]
        async with trio.open_nursery() as nursery:
            for gate in gates:
                nursery.start_soon(store.read, gate)
                await gate.entered.wait()
            with pytest.raises(TooManyRequests):
                await store.read(lambda connection: None)
            for gate in gates:
                gate.open()
        await store.read(lambda connection: None)


async def test_a_cancelled_query_is_interrupted_and_its_reader_goes_on(
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
        with trio.fail_after(5):
            assert await store.read(lambda c: c.execute("SELECT 1").fetchone()) == (1,)


@pytest.mark.expects_error("the store is damaged: the database is damaged")
async def test_a_query_that_meets_damage_is_refused_and_the_damage_told(
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
        assert store.health.storable


async def test_a_reader_cannot_write(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await store.read(insert("x"))


async def test_a_reader_sees_every_commit_so_far(tmp_path: Path, clock: FrozenClock) -> None:
    async with opened(tmp_path / "data", clock) as store:
        for n in range(20):
            await store.write(insert(f"k{n}"))
            assert f"k{n}" in await keys(store)


async def test_the_log_of_the_database_is_moved_beside_the_writer(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_CHECKPOINT_PAGES", 1)
    data = tmp_path / "data"
    async with opened(data, clock) as store:
        size = (data / "hub.sqlite").stat().st_size
        with trio.fail_after(10):
            while (data / "hub.sqlite").stat().st_size == size:
                await store.write(
                    lambda c: c.execute("REPLACE INTO setting VALUES ('large', ?)", ("x" * 10**6,))
                )
