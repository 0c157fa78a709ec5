"""Whether the clock of the hub's host is believed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
import trio
from trio.testing import MockClock

from hub.clock_reading import ALWAYS_AFTER, ALWAYS_BEFORE, Reading
from hub.services.audit import COMMAND_LINE, Audit
from hub.services.clock.clock import SiteClock
from hub.services.clock.plausibility import Agreement
from tests.support.clock import FrozenClock
from tests.support.memory_store import MemoryStore
from tests.support.stores import batch

HOUR = 3600
DAY = 86_400
YEAR = 365 * DAY
START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC).timestamp()


class Host:
    """A computer on which hubs run one after another; its clock can be set."""

    def __init__(self) -> None:
        self.wall = FrozenClock(START)
        self.steady = FrozenClock(0.0)
        self.store = MemoryStore(self.wall)

    def run(self, seconds: float) -> None:
        self.wall.advance(seconds)
        self.steady.advance(seconds)

    def set_by(self, seconds: float) -> None:
        self.wall.advance(seconds)

    def new_clock(self) -> SiteClock:
        return SiteClock(
            self.store, Audit(self.store, self.wall), self.wall, steady_now=self.steady
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SiteClock]:
        """A hub that starts, runs, and ends."""
        clock = self.new_clock()
        async with trio.open_nursery() as nursery:
            await nursery.start(clock.run)
            yield clock
            nursery.cancel_scope.cancel()

    async def report(self, seed: int, *, did: str = "1", ahead: float = 0) -> None:
        """Store a record of a device whose clock is so much ahead of the hub's."""
        occurred_at = self.wall.ms + int(ahead * 1000)
        await self.store.records.append(
            batch(self.wall, seed, did=did, pictures=0, occurred_at=occurred_at)
        )


@pytest.fixture
def host() -> Host:
    return Host()


def test_a_new_hub_does_not_doubt_a_possible_clock_and_trusts_it_after_a_day(host: Host) -> None:
    clock = host.new_clock()
    assert not clock.is_doubted
    assert not clock.is_trusted
    host.run(DAY - 60)
    assert not clock.is_trusted
    host.run(60)
    assert clock.is_trusted


def test_a_date_before_2025_is_doubted_until_the_clock_is_set(host: Host) -> None:
    host.wall.seconds = 1000.0
    clock = host.new_clock()
    assert clock.is_doubted
    host.run(3 * DAY)
    assert clock.is_doubted
    assert not clock.is_trusted
    host.wall.seconds = START
    assert not clock.is_doubted


async def test_a_clock_that_was_never_set_may_be_set_while_the_hub_is_off(
    host: Host, autojump_clock: MockClock
) -> None:
    """A new PC that came with 1970: whoever sets it has nothing else to confirm."""
    host.wall.seconds = 1000.0
    async with host.running() as clock:
        host.run(HOUR)
        assert clock.is_doubted
    host.wall.seconds = START
    async with host.running() as clock:
        assert not clock.is_doubted
        assert clock.doubted_off_seconds == 0
        assert not clock.is_trusted


def test_a_new_hub_doubts_a_jump_at_once(host: Host) -> None:
    clock = host.new_clock()
    host.run(60)
    host.set_by(YEAR)
    assert clock.is_doubted


@pytest.mark.parametrize("jump", [2 * HOUR, YEAR, -2 * HOUR, -YEAR])
def test_a_jump_is_doubted_for_a_day(host: Host, jump: float) -> None:
    clock = host.new_clock()
    host.run(2 * DAY)
    assert clock.is_trusted
    host.set_by(jump)
    assert clock.is_doubted
    assert clock.likely_time() == host.wall() - jump
    host.run(DAY - 60)
    assert clock.is_doubted
    host.run(60)
    assert clock.is_trusted
    assert clock.likely_time() == host.wall()


def test_a_clock_that_is_set_back_right_is_not_doubted_but_trusted_only_after_a_day(
    host: Host,
) -> None:
    clock = host.new_clock()
    host.run(2 * DAY)
    host.set_by(YEAR)
    assert clock.is_doubted
    host.run(HOUR)
    host.set_by(-YEAR)
    assert not clock.is_doubted
    assert not clock.is_trusted
    host.run(DAY)
    assert clock.is_trusted


async def test_the_log_tells_whether_the_clock_was_set_while_the_hub_ran(
    host: Host, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with host.running() as clock:
        host.run(60)
        host.set_by(-2 * DAY)
        clock.look()
    host.set_by(31 * DAY)
    async with host.running():
        pass
    steps = [text for text in caplog.messages if "the clock was" in text or "runs" in text]
    assert steps == [
        "the clock was set by -2 d 0 h, from 2026-11-25 12:01:00 UTC to 2026-11-23 12:01:00 UTC",
        "the clock changed between two runs of the hub by 31 d 0 h, "
        "from 2026-11-23 12:01:00 UTC to 2026-12-24 12:01:00 UTC",
    ]


def test_a_correction_of_minutes_costs_no_trust(host: Host) -> None:
    clock = host.new_clock()
    host.run(2 * DAY)
    for seconds in (600, -600, 50 * 60):
        host.set_by(seconds)
        assert clock.is_trusted
    assert [step.after - step.before for step in clock.steps()] == [600_000, -600_000, 3_000_000]


async def test_steady_time_is_added_up_over_nights_off(
    host: Host, autojump_clock: MockClock
) -> None:
    for _ in range(3):
        async with host.running() as clock:
            assert not clock.is_trusted
            host.run(10 * HOUR)
        host.set_by(14 * HOUR)  # The hub does not run.
    async with host.running() as clock:
        assert not clock.is_doubted
        assert clock.is_trusted
    assert host.store.clock_steps.all() == ()


@pytest.mark.parametrize("off", [-2 * HOUR, 31 * DAY, YEAR, -40 * DAY, -56 * YEAR])
async def test_a_start_with_another_time_is_doubted_and_trusted_after_a_day(
    host: Host, autojump_clock: MockClock, off: float
) -> None:
    async with host.running() as clock:
        host.run(2 * DAY)
        assert clock.is_trusted
    host.set_by(off)
    async with host.running() as clock:
        assert clock.is_doubted
        assert not clock.is_trusted
        (step,) = clock.steps()
        assert step.at_start
        assert step.after - step.before == off * 1000
        assert clock.doubted_off_seconds == max(0, off)
        host.run(DAY)
        is_possible = off > -2 * YEAR
        assert clock.is_trusted is is_possible


async def test_a_clock_that_is_right_again_at_the_next_start_is_trusted_as_before(
    host: Host, autojump_clock: MockClock
) -> None:
    async with host.running():
        host.run(2 * DAY)
    host.wall.seconds = 0.0  # The battery is flat.
    async with host.running() as clock:
        assert clock.is_doubted
        host.run(60)
    host.wall.seconds = START + 2 * DAY + HOUR
    async with host.running() as clock:
        assert clock.is_trusted


@pytest.mark.parametrize("first", [0.0, -14 * HOUR])
async def test_a_pc_that_sets_its_clock_after_the_start_keeps_its_trust(
    host: Host, autojump_clock: MockClock, first: float
) -> None:
    """It has no battery: it starts in 1970, or at the time at which it was switched off."""
    async with host.running():
        host.run(2 * DAY)
    host.set_by(14 * HOUR)
    right = host.wall()
    host.wall.seconds = 0.0 if not first else right + first
    async with host.running() as clock:
        assert clock.is_trusted == bool(first)
        host.run(60)
        host.wall.seconds = right + 60
        assert not clock.is_doubted
        assert clock.is_trusted
        host.run(2 * HOUR)
        assert clock.is_trusted
        host.set_by(14 * HOUR)
        assert clock.is_doubted


async def test_a_clock_that_was_wrong_at_the_start_keeps_its_trust_once_it_is_set_right(
    host: Host, autojump_clock: MockClock
) -> None:
    async with host.running():
        host.run(2 * DAY)
    host.set_by(YEAR)
    async with host.running() as clock:
        host.run(5 * HOUR)
        assert clock.is_doubted
        host.set_by(-YEAR)
        assert clock.is_trusted


async def test_what_happens_within_seconds_of_a_kill_is_known_from_the_last_save(
    host: Host, autojump_clock: MockClock
) -> None:
    clock = host.new_clock()
    async with trio.open_nursery() as nursery:
        await nursery.start(clock.run)
        host.run(DAY)
        await trio.sleep(700)
        host.store.refuses = True  # The process is killed.
        nursery.cancel_scope.cancel()
    host.store.refuses = False
    assert host.new_clock().is_trusted


async def test_steps_are_stored_once_the_disk_takes_them(
    host: Host, autojump_clock: MockClock
) -> None:
    async with host.running() as clock:
        host.store.refuses = True
        host.set_by(YEAR)
        await trio.sleep(30)
        assert host.store.clock_steps.all() == ()
        assert len(clock.steps()) == 1
        host.store.refuses = False
        await trio.sleep(30)
        assert len(host.store.clock_steps.all()) == 1
        assert len(clock.steps()) == 1


async def test_a_person_ends_the_doubt_but_days_still_wait(host: Host) -> None:
    clock = host.new_clock()
    host.run(2 * DAY)
    host.set_by(YEAR)
    assert clock.is_doubted
    await clock.confirm(by=COMMAND_LINE)
    assert not clock.is_doubted
    assert not clock.is_trusted
    (entry,) = await host.store.audit.newest(None, 10)
    assert entry.action == "clock.confirm"
    host.set_by(-YEAR)  # Another jump is another question.
    assert clock.is_doubted


async def test_a_date_before_2025_cannot_be_confirmed(host: Host) -> None:
    host.wall.seconds = 0.0
    clock = host.new_clock()
    await clock.confirm(by=COMMAND_LINE)
    assert clock.is_doubted


async def test_records_whose_devices_say_another_day_keep_trust_away(host: Host) -> None:
    clock = host.new_clock()
    host.run(2 * DAY)
    for seed in range(3):
        await host.report(seed, did=str(seed), ahead=-31 * DAY)
    await clock.ask_records()
    assert clock.agreement == Agreement(devices=3, off=3, hours=31 * 24)
    assert not clock.is_trusted
    await clock.confirm(by=COMMAND_LINE)
    assert clock.is_trusted


async def test_records_from_before_a_jump_say_nothing(host: Host) -> None:
    clock = host.new_clock()
    await host.report(1, ahead=-YEAR)
    host.set_by(2 * HOUR)
    clock.look()
    await clock.ask_records()
    assert clock.agreement == Agreement()


async def test_time_off_is_counted_once_records_agree(
    host: Host, autojump_clock: MockClock
) -> None:
    async with host.running():
        host.run(HOUR)
    host.set_by(2 * DAY)
    async with host.running() as clock:
        assert not clock.has_settled
        assert clock.counted_seconds == HOUR
        await host.report(1)
        await trio.sleep(200)
        assert clock.has_settled
        assert clock.counted_seconds == HOUR + 2 * DAY


def test_as_long_as_the_clock_is_believed_the_time_is_what_it_shows(host: Host) -> None:
    clock = host.new_clock()
    host.run(2 * DAY)
    assert clock.reading() == Reading(host.wall.ms, host.wall.ms, host.wall.ms)


@pytest.mark.parametrize("jump", [2 * HOUR, YEAR, -2 * HOUR, -56 * YEAR])
def test_a_hub_that_saw_its_clock_set_knows_what_time_it_is(host: Host, jump: float) -> None:
    clock = host.new_clock()
    host.run(2 * DAY)
    clock.look()
    right = host.wall.ms
    host.set_by(jump)
    host.run(60)
    expected = right + 60_000
    assert clock.is_doubted
    assert clock.reading() == Reading(expected, expected, expected)


@pytest.mark.parametrize("off", [-2 * HOUR, 31 * DAY, -56 * YEAR])
async def test_a_hub_that_starts_with_a_doubted_clock_does_not_know_what_time_it_is(
    host: Host, autojump_clock: MockClock, off: float
) -> None:
    async with host.running():
        host.run(2 * DAY)
    last = host.wall.ms
    host.set_by(off)
    clock = host.new_clock()
    assert clock.reading() == Reading(last, ALWAYS_BEFORE, ALWAYS_AFTER)
    host.run(2 * HOUR)
    assert clock.reading() == Reading(last + 2 * HOUR * 1000, ALWAYS_BEFORE, ALWAYS_AFTER)
    if off > 0:
        await clock.confirm(by=COMMAND_LINE)
        assert clock.reading() == Reading(host.wall.ms, host.wall.ms, host.wall.ms)


async def test_a_clock_that_starts_somewhat_behind_its_last_run_may_be_behind(
    host: Host, autojump_clock: MockClock
) -> None:
    """A PC without a battery continues from the time that it saved last."""
    async with host.running():
        host.run(2 * DAY)
    host.set_by(-HOUR / 2)
    clock = host.new_clock()
    host.run(60)
    assert not clock.is_doubted
    assert clock.reading() == Reading(host.wall.ms, host.wall.ms, host.wall.ms + HOUR * 500)
    host.run(HOUR)
    clock.look()
    assert clock.reading() == Reading(host.wall.ms, host.wall.ms, host.wall.ms)
