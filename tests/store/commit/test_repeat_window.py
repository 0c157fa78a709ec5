"""How long an upload is remembered: a day, not counting the time that the hub was off."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from hub.store.commit.repeat_window import MAX_STARTS, RepeatWindow
from tests.support.clock import FrozenClock
from tests.support.stores import batch, opened

DAY = 86_400
WEEKEND = 60 * 3600


async def store_two(data_dir: Path, clock: FrozenClock) -> None:
    async with opened(data_dir, clock) as store:
        await store.records.append(batch(clock, 1))
        await store.records.append(batch(clock, 2))


async def test_what_was_stored_before_a_weekend_without_power_is_known_after_it(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await store_two(tmp_path, clock)
    clock.advance(WEEKEND)
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 3))
        clock.advance(3600)
        again = await store.records.append(batch(clock, 2))
        assert (again.seqs, again.repeated) == ((2,), True)


async def test_what_was_stored_before_it_is_known_after_further_starts(
    tmp_path: Path, clock: FrozenClock
) -> None:
    await store_two(tmp_path, clock)
    clock.advance(WEEKEND)
    for seed in (3, 4, 5):
        async with opened(tmp_path, clock) as store:
            clock.advance(600)
            await store.records.append(batch(clock, seed))
            clock.advance(600)
    async with opened(tmp_path, clock) as store:
        again = await store.records.append(batch(clock, 2))
        assert (again.seqs, again.repeated) == ((2,), True)
        clock.advance(DAY)
        assert not (await store.records.append(batch(clock, 1))).repeated


async def test_of_very_many_starts_the_latest_are_noted(tmp_path: Path, clock: FrozenClock) -> None:
    window = RepeatWindow()
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
    with closing(sqlite3.connect(tmp_path / "hub.sqlite")) as connection:
        for number in range(2 * MAX_STARTS):
            window = RepeatWindow()
            window.since(connection, number)
            window.note(connection)
        rows = connection.execute("SELECT min(started_at), count(*) FROM start").fetchone()
    assert rows == (MAX_STARTS, MAX_STARTS)


async def test_after_a_day_of_running_it_is_forgotten_as_ever(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
    clock.advance(WEEKEND)
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 2))
        clock.advance(DAY)
        assert not (await store.records.append(batch(clock, 1))).repeated


async def test_the_uploads_of_the_new_run_are_not_taken_for_those_of_a_clock_that_was_ahead(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
    clock.advance(365 * DAY)
    async with opened(tmp_path, clock) as store:
        for seed in (2, 3, 4):
            await store.records.append(batch(clock, seed))
        for seed in (1, 2, 3, 4):
            assert (await store.records.append(batch(clock, seed))).repeated


async def test_a_clock_that_was_set_back_over_a_start_shortens_nothing(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path, clock) as store:
        await store.records.append(batch(clock, 1))
    clock.advance(-40 * DAY)
    async with opened(tmp_path, clock) as store:
        assert (await store.records.append(batch(clock, 1))).repeated
