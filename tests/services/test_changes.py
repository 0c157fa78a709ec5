"""A change goes on without its caller, and a repeat of it gets its outcome."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import AlreadyExists, CannotStoreNow, StillStoring
from hub.services import changes as module
from hub.services.changes import (
    MAX_ALONE,
    Changes,
    acts_outside,
    named,
    open_changes,
    store_now_or_later,
    undoes_nothing,
    waiting_for_input,
)
from hub.store.commit import group_commit
from hub.store.db import Store
from tests.support.clock import FrozenClock
from tests.support.stores import BlockingJob, opened


class Caller:
    """One try of the change `KEY`, which takes until `go_on` is set."""

    def __init__(self, changes: Changes) -> None:
        self._changes = changes
        self.scope = trio.CancelScope()
        self.go_on = trio.Event()
        self.steps: list[str] = []
        self.result: object = None

    async def work(self) -> str:
        named("KEY")
        self.steps.append("begun")
        await self.go_on.wait()
        self.steps.append("done")
        return "outcome"

    async def call(self, work: Callable[[], Awaitable[object]] | None = None) -> None:
        with self.scope:
            try:
                self.result = await self._changes.carry_out(work or self.work)
            except Exception as error:
                self.result = error


async def test_a_change_gives_its_result_or_its_error() -> None:
    async def fail() -> None:
        raise AlreadyExists("it is there")

    async with open_changes(trio.Event()) as changes:
        caller = Caller(changes)
        caller.go_on.set()
        await caller.call()
        assert caller.result == "outcome"
        with pytest.raises(AlreadyExists, match="it is there"):
            await changes.carry_out(fail)


async def test_a_change_is_completed_although_its_caller_leaves() -> None:
    async with trio.open_nursery() as nursery, open_changes(trio.Event()) as changes:
        caller = Caller(changes)
        nursery.start_soon(caller.call)
        await wait_all_tasks_blocked()
        caller.scope.cancel()
        await wait_all_tasks_blocked()
        assert caller.steps == ["begun"]
        caller.go_on.set()
        await wait_all_tasks_blocked()
        assert caller.steps == ["begun", "done"]


async def test_a_caller_waits_100_seconds_at_most(autojump_clock: MockClock) -> None:
    async with open_changes(trio.Event()) as changes:
        caller = Caller(changes)
        await caller.call()
        assert trio.current_time() == pytest.approx(100)
        assert isinstance(caller.result, StillStoring)
        caller.go_on.set()


async def test_a_change_that_waits_for_its_input_ends_with_its_caller(
    autojump_clock: MockClock,
) -> None:
    steps = []

    async def work() -> None:
        with waiting_for_input():
            with waiting_for_input():
                await trio.sleep(1)
            steps.append("half")
            await trio.sleep(1_000)
        steps.append("whole")

    async with open_changes(trio.Event()) as changes:
        with trio.move_on_after(500):
            await changes.carry_out(work)
        assert steps == ["half"]
        # As long as the caller waits, the time does not count.
        await changes.carry_out(work)
    assert steps == ["half", "half", "whole"]


async def test_too_many_changes_without_callers_let_no_other_begin(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery, open_changes(trio.Event()) as changes:
        callers = [Caller(changes) for _ in range(MAX_ALONE)]
        for caller in callers:
            nursery.start_soon(caller.call)
        await wait_all_tasks_blocked()
        # As many as come at once: they hold their places at the port.
        other = Caller(changes)
        other.go_on.set()
        await other.call()
        assert other.result == "outcome"
        await trio.sleep(101)
        late = Caller(changes)
        with pytest.raises(CannotStoreNow, match="too many changes"):
            await changes.carry_out(late.work)
        for caller in callers:
            caller.go_on.set()
    assert late.steps == []


async def test_a_client_that_hangs_up_holds_its_place_until_the_change_ends_or_the_hub() -> None:
    closing = trio.Event()
    async with trio.open_nursery() as nursery, open_changes(closing) as changes:
        both = [Caller(changes), Caller(changes)]
        left: list[int] = []
        for number, caller in enumerate(both):
            nursery.start_soon(_note_end, caller, left, number)
        await wait_all_tasks_blocked()
        for caller in both:
            caller.scope.cancel()
        await wait_all_tasks_blocked()
        assert left == []
        both[1].go_on.set()
        await wait_all_tasks_blocked()
        assert left == [1]
        closing.set()
        await wait_all_tasks_blocked()
        assert left == [1, 0]
        both[0].go_on.set()
        await changes.all_ended()
        assert both[0].steps == ["begun", "done"]


async def _note_end(caller: Caller, left: list[int], number: int) -> None:
    await caller.call()
    left.append(number)


async def test_the_end_waits_a_few_seconds_for_changes(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        async with open_changes(trio.Event()) as changes:
            soon, never = Caller(changes), Caller(changes)
            for caller in (soon, never):
                nursery.start_soon(caller.call)
            await wait_all_tasks_blocked()
            for caller in (soon, never):
                caller.scope.cancel()
            nursery.start_soon(_later, 2, soon.go_on)
        assert (soon.steps, never.steps) == (["begun", "done"], ["begun"])
        assert trio.current_time() == pytest.approx(3)
        with pytest.raises(CannotStoreNow, match="the hub is stopping"):
            await changes.carry_out(soon.work)


async def _later(seconds: float, event: trio.Event) -> None:
    await trio.sleep(seconds)
    event.set()


async def test_an_error_of_the_block_is_raised_unchanged() -> None:
    with pytest.raises(ValueError, match="mine"):
        async with open_changes(trio.Event()):
            raise ValueError("mine")


# Repeats


async def test_a_repeat_joins_the_change_that_still_goes_on() -> None:
    async with trio.open_nursery() as nursery, open_changes(trio.Event()) as changes:
        first, repeat = Caller(changes), Caller(changes)
        nursery.start_soon(first.call)
        await wait_all_tasks_blocked()
        first.scope.cancel()
        await wait_all_tasks_blocked()
        nursery.start_soon(repeat.call)
        await wait_all_tasks_blocked()
        first.go_on.set()
    assert (repeat.result, repeat.steps) == ("outcome", [])


async def test_whoever_was_told_the_outcome_begins_anew() -> None:
    """Also two that are made at the same time: each has a caller who waits for its own."""
    async with trio.open_nursery() as nursery, open_changes(trio.Event()) as changes:
        both = [Caller(changes), Caller(changes)]
        for caller in both:
            nursery.start_soon(caller.call)
        await wait_all_tasks_blocked()
        for caller in both:
            caller.go_on.set()
        await wait_all_tasks_blocked()
        both.append(Caller(changes))
        both[2].go_on.set()
        await both[2].call()
    assert [one.steps for one in both] == [["begun", "done"]] * 3


@asynccontextmanager
async def slow_disk(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Store, Changes, Callable[[], None]]]:
    """A store whose disk does not respond until the last is called."""
    monkeypatch.setattr(group_commit, "_COMMIT_SECONDS", 0.02)
    monkeypatch.setattr(module, "_SLOW_SECONDS", 0.02)
    async with (
        opened(tmp_path / "data", clock) as store,
        open_changes(trio.Event()) as changes,
        trio.open_nursery() as nursery,
    ):
        gate = BlockingJob()

        def work_again() -> None:
            monkeypatch.setattr(group_commit, "_COMMIT_SECONDS", 30.0)
            monkeypatch.setattr(module, "_SLOW_SECONDS", 30.0)
            gate.open()

        nursery.start_soon(_ignore, store, gate)
        await gate.entered.wait()
        try:
            yield store, changes, work_again
        finally:
            work_again()


async def _ignore(store: Store, gate: BlockingJob) -> None:
    with suppress(StillStoring):
        await store.write(gate)


expects_slow_disk = pytest.mark.expects_error("now: the disk is not responding")


@expects_slow_disk
async def test_what_follows_a_write_happens_when_a_slow_disk_has_stored_it(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = trio.Event()
    tries = []

    async with slow_disk(tmp_path, clock, monkeypatch) as (store, changes, work_again):

        async def change() -> str:
            named("site.name")
            tries.append(store.settings.get("site.name"))
            await store.settings.set("site.name", "Gate")
            await store.settings.set("site.zone", "UTC")
            followed.set()
            return "done"

        for _ in range(2):
            with pytest.raises(StillStoring, match="the change goes on"):
                await changes.carry_out(change)
        assert not followed.is_set()
        work_again()
        await followed.wait()
        # A third try learns the outcome, a fourth one is a new change.
        assert await changes.carry_out(change) == "done"
        assert tries == [None]
        assert await changes.carry_out(change) == "done"
        assert tries == [None, "Gate"]


@expects_slow_disk
async def test_the_outcome_is_kept_for_ten_minutes(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEEP_SECONDS", 0.0)
    tries = []
    async with slow_disk(tmp_path, clock, monkeypatch) as (store, changes, work_again):

        async def change() -> None:
            named("KEY")
            tries.append(1)
            await store.settings.set("site.name", "Gate")

        with pytest.raises(StillStoring):
            await changes.carry_out(change)
        work_again()
        await changes.all_ended()
        await changes.carry_out(change)
    assert tries == [1, 1]


async def test_a_change_that_was_not_slow_is_made_again_although_its_caller_left(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with (
        opened(tmp_path / "data", clock) as store,
        open_changes(trio.Event()) as changes,
        trio.open_nursery() as nursery,
    ):
        disable, enable = (Setter(store, changes, value) for value in ("disabled", "enabled"))
        disable.go_on = trio.Event()
        caller = Caller(changes)
        nursery.start_soon(caller.call, disable.work)
        await wait_all_tasks_blocked()
        caller.scope.cancel()
        await wait_all_tasks_blocked()
        disable.go_on.set()
        await changes.all_ended()
        await enable.make()
        assert await disable.make() == "stored"
        assert store.settings.get("bob") == "disabled"


class Setter:
    """A change that sets bob to a value."""

    def __init__(self, store: Store, changes: Changes, value: str) -> None:
        self._store = store
        self._changes = changes
        self._value = value
        self.go_on: trio.Event | None = None
        self.tries = 0

    async def work(self) -> str:
        named(self._value)
        self.tries += 1
        if self.go_on is not None:
            await self.go_on.wait()
        await self._store.settings.set("bob", self._value)
        return "stored"

    async def make(self) -> str:
        return await self._changes.carry_out(self.work)


@expects_slow_disk
async def test_an_outcome_is_not_told_after_another_change_has_stored_something(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with slow_disk(tmp_path, clock, monkeypatch) as (store, changes, work_again):
        disable, enable = (Setter(store, changes, value) for value in ("disabled", "enabled"))
        with pytest.raises(StillStoring):
            await disable.make()
        work_again()
        await changes.all_ended()
        await enable.make()
        assert await disable.make() == "stored"
        assert (disable.tries, store.settings.get("bob")) == (2, "disabled")


@expects_slow_disk
async def test_changes_that_were_slow_at_the_same_time_all_have_their_outcome(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with slow_disk(tmp_path, clock, monkeypatch) as (store, changes, work_again):
        setters = [Setter(store, changes, str(number)) for number in range(3)]
        for setter in setters:
            with pytest.raises(StillStoring):
                await setter.make()
        work_again()
        await changes.all_ended()
        for setter in setters:
            assert await setter.make() == "stored"
        assert [setter.tries for setter in setters] == [1, 1, 1]


@expects_slow_disk
async def test_what_stores_nothing_or_undoes_nothing_leaves_the_outcomes(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with slow_disk(tmp_path, clock, monkeypatch) as (store, changes, work_again):

        async def refused() -> None:
            named("refused")
            raise AlreadyExists("it is there")

        async def acknowledge() -> None:
            named("alarm 1")
            undoes_nothing()
            await store.settings.set("alarm", "acknowledged")

        async def open_door() -> None:
            acts_outside()
            await store_now_or_later(lambda: store.settings.set("door", "open"))

        disable = Setter(store, changes, "disabled")
        with pytest.raises(StillStoring):
            await disable.make()
        work_again()
        await changes.all_ended()
        with pytest.raises(AlreadyExists):
            await changes.carry_out(refused)
        await changes.carry_out(acknowledge)
        await changes.carry_out(open_door)
        assert await disable.make() == "stored"
        assert disable.tries == 1


@expects_slow_disk
async def test_a_repeat_whose_caller_leaves_keeps_the_outcome_only_as_long_as_the_first(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another change began between the end of the first one and that of its repeat."""
    async with (
        slow_disk(tmp_path, clock, monkeypatch) as (store, changes, work_again),
        trio.open_nursery() as nursery,
    ):
        disable, enable = (Setter(store, changes, value) for value in ("disabled", "enabled"))
        with pytest.raises(StillStoring):
            await disable.make()
        work_again()
        await changes.all_ended()
        enable.go_on = trio.Event()
        nursery.start_soon(enable.make)
        await wait_all_tasks_blocked()
        repeat = Caller(changes)
        repeat.scope.cancel()
        await repeat.call(disable.work)
        await wait_all_tasks_blocked()
        enable.go_on.set()
        await changes.all_ended()
        await disable.make()
        assert store.settings.get("bob") == "disabled"


@expects_slow_disk
async def test_what_acts_outside_the_hub_acts_again_when_it_is_repeated(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_doors = []
    async with slow_disk(tmp_path, clock, monkeypatch) as (store, changes, _):

        async def change() -> None:
            named("door")
            acts_outside()
            opened_doors.append(1)
            await store_now_or_later(lambda: store.settings.set("door", "open"))

        for _ in range(2):
            with pytest.raises(StillStoring):
                await changes.carry_out(change)
    assert len(opened_doors) == 2


# A disk that refuses


def refuse(connection: sqlite3.Connection) -> None:
    raise OSError(28, "No space left on device")


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_the_first_write_of_a_change_may_be_refused(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store, open_changes(trio.Event()) as changes:

        async def change() -> None:
            await store.write(refuse)

        with pytest.raises(CannotStoreNow, match="the disk is full"):
            await changes.carry_out(change)


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_a_later_write_of_a_change_is_tried_until_it_is_stored(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_commit, "_INSIST_SECONDS", 0.01)
    tries = []

    def refuse_twice(connection: sqlite3.Connection) -> None:
        tries.append(1)
        if len(tries) <= 2:
            refuse(connection)

    async with opened(tmp_path / "data", clock) as store, open_changes(trio.Event()) as changes:

        async def change() -> str:
            await store.settings.set("site.name", "Gate")
            await store.write(refuse_twice)
            return "done"

        with pytest.raises(StillStoring, match="the disk is full: the change goes on"):
            await changes.carry_out(change)
        await changes.all_ended()
    assert len(tries) == 3


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_what_tells_of_a_change_is_stored_later_and_holds_nothing_up(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_INSIST_SECONDS", 0.01)
    stored = trio.Event()
    is_full = True

    async with opened(tmp_path / "data", clock) as store, open_changes(trio.Event()) as changes:

        async def write_entry() -> None:
            if is_full:
                await store.write(refuse)
            await store.settings.set("entry", "of the change")
            stored.set()

        async def change() -> str:
            await store_now_or_later(write_entry)
            return "done"

        with pytest.raises(CannotStoreNow):
            await store_now_or_later(write_entry)
        assert await changes.carry_out(change) == "done"
        is_full = False
        await stored.wait()
        assert store.settings.get("entry") == "of the change"


@pytest.mark.expects_error("nothing can be stored now: the disk is full")
async def test_a_full_disk_blocks_no_door_however_many_entries_wait_for_it(
    tmp_path: Path, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_ALONE", 2)
    monkeypatch.setattr(module, "MAX_LATER", 4)
    monkeypatch.setattr(module, "_INSIST_SECONDS", 0.01)
    opened_doors: list[int] = []
    stored: list[int] = []
    is_full = True
    async with opened(tmp_path / "data", clock) as store, open_changes(trio.Event()) as changes:

        async def open_door() -> None:
            acts_outside()
            opened_doors.append(len(opened_doors))
            await store_now_or_later(partial(write_entry, opened_doors[-1]))

        async def write_entry(number: int) -> None:
            if is_full:
                await store.write(refuse)
            stored.append(number)

        for _ in range(10):
            await changes.carry_out(open_door)
        assert len(opened_doors) == 10
        is_full = False
        await changes.all_ended()
        assert stored == [0, 1, 2, 3]


async def test_the_end_does_not_wait_for_what_the_disk_still_refuses(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse_entry() -> None:
        raise CannotStoreNow("the disk is full")

    closing = trio.Event()
    async with open_changes(closing) as changes:
        for _ in range(5):
            await changes.carry_out(lambda: store_now_or_later(refuse_entry))
        closing.set()
        began = trio.current_time()
    assert trio.current_time() == began
    assert "5 entries are lost" in caplog.text
