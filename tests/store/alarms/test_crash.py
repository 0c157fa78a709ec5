"""An acknowledged record that should raise an alarm has raised it, whatever happens then (D11)."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub.errors import CannotStoreNow
from hub.store.db import Store
from hub.store.records.record_filter import RecordFilter
from hub.wire.uploads.records import FaceDetail, Record
from tests.store.alarms.test_evidence import OfCategory2
from tests.store.test_crash import STEPS
from tests.support.clock import FrozenClock
from tests.support.failing_commits import FailingCommits
from tests.support.stores import WatchedDisk, batch, copy_as_left, opened


def seen(name: str) -> FaceDetail:
    return FaceDetail(name=name, uuid=name, category=2)


async def facts(store: Store) -> tuple[list[str], dict[str, int]]:
    """Return whom the records are of, and the count of each person's alarm."""
    page = await store.records.page(RecordFilter())
    names = {one.seq: getattr(one.detail, "name", "") for one in page.items}
    alarms = store.alarms.active()
    assert all(names[one.seq] == one.subject for one in alarms)
    return sorted(names.values()), {one.subject: one.count for one in alarms}


@pytest.mark.parametrize("step", STEPS)
async def test_after_a_power_failure_a_record_and_its_alarm_are_both_there_or_neither(
    step: str, tmp_path: Path, clock: FrozenClock
) -> None:
    data, left = tmp_path / "data", tmp_path / "left"
    armed = False

    def at(reached: str) -> None:
        if armed and reached == step:
            copy_as_left(data, left)

    def on_records(records: Sequence[Record]) -> None:
        at("after the commit")

    async with opened(data, clock, on_records=on_records, disk=WatchedDisk(at)) as store:
        store.alarms.use(OfCategory2())
        await store.records.append(batch(clock, 1, detail=seen("ann")))

        def begin(connection: sqlite3.Connection) -> None:
            nonlocal armed
            armed = True
            at("before the rows are complete")

        # While the writer is busy, what waits becomes one group.
        is_busy, go_on = trio.Event(), threading.Event()
        token = trio.lowlevel.current_trio_token()

        def keep_busy(connection: sqlite3.Connection) -> None:
            token.run_sync_soon(is_busy.set)
            go_on.wait(10)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.write, keep_busy)
            await is_busy.wait()
            nursery.start_soon(store.records.append, batch(clock, 2, detail=seen("ann")))
            nursery.start_soon(store.records.append, batch(clock, 3, detail=seen("bob")))
            nursery.start_soon(store.write, begin)
            await wait_all_tasks_blocked()
            go_on.set()
    async with opened(left, clock) as store:
        if step == "after the commit":
            assert await facts(store) == (["ann", "ann", "bob"], {"ann": 2, "bob": 1})
        else:
            assert await facts(store) == (["ann"], {"ann": 1})
        # The cameras send again what was not acknowledged.
        store.alarms.use(OfCategory2())
        await store.records.append(batch(clock, 2, detail=seen("ann")))
        await store.records.append(batch(clock, 3, detail=seen("bob")))
        assert await facts(store) == (["ann", "ann", "bob"], {"ann": 2, "bob": 1})


@pytest.mark.expects_error("nothing can be stored now")
async def test_a_failed_commit_raises_no_alarm_in_memory(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = FailingCommits()
    faults.install(monkeypatch)
    async with opened(tmp_path / "data", clock) as store:
        store.alarms.use(OfCategory2())
        faults.failing = True
        with pytest.raises(CannotStoreNow):
            await store.records.append(batch(clock, 1, detail=seen("ann")))
        faults.failing = False
        assert store.alarms.active() == ()
        await store.records.append(batch(clock, 1, detail=seen("ann")))
        assert await facts(store) == (["ann"], {"ann": 1})
