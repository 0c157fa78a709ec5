"""Steps of the hub's clock."""

from __future__ import annotations

import pytest

from hub.store.tables.clock_steps import ClockStep, ClockStepTable
from hub.store.tables.table import RowSource
from tests.support.clock import FrozenClock
from tests.support.memory_store import MemoryStore

HOUR = 3_600_000


def step(seq: int, by: int, *, at_start: bool = False) -> ClockStep:
    return ClockStep(seq, 0, by, at_start)


async def test_steps_are_kept_in_their_order(clock: FrozenClock) -> None:
    store = MemoryStore(clock)
    steps = (step(1, 24 * HOUR), step(1, -24 * HOUR, at_start=True))
    for one in steps:
        await store.clock_steps.add(one)
    assert store.clock_steps.all() == steps
    assert (
        await store.read(lambda c: ClockStepTable.load(RowSource(c, store.damaged_rows))) == steps
    )


async def test_small_steps_make_room_before_large_ones(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.tables.clock_steps._MAX_STEPS", 10)
    store = MemoryStore(clock)
    await store.clock_steps.add(step(0, -24 * HOUR))
    for seq in range(1, 13):
        await store.clock_steps.add(step(seq, 6000))
    kept = store.clock_steps.all()
    assert len(kept) == 10
    assert [one.seq for one in kept[:2]] == [0, 4]
