"""Weeks of a site whose clock is wrong for a while: what goes by age, night after night."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hub.config import Config, StoreConfig
from hub.services.audit import Audit
from hub.services.clock.clock import SiteClock
from hub.services.retention.retention import RetentionPolicy, utc_day
from tests.support.clock import NOON, FrozenClock
from tests.support.core import core_of
from tests.support.memory_store import MemoryStore
from tests.support.stores import batch, drop_day

DAY = 86_400
YEAR = 365 * DAY
KEEP_DAYS = 10


class Site:
    """A store with one record every six hours, and a hub that may be started again.

    `true` is the right time; the hub's clock is `ahead` of it.
    """

    def __init__(self) -> None:
        self.true = FrozenClock(NOON)
        self.ahead = 0.0
        self.store = MemoryStore(self.shown)
        self.gone: list[str] = []
        #: The last true time of each day of the log.
        self.last: dict[str, float] = {}
        self._seed = 0
        self.start()

    def shown(self) -> float:
        return self.true() + self.ahead

    def start(self) -> None:
        audit = Audit(self.store, self.shown)
        self.clock = SiteClock(self.store, audit, self.shown, steady_now=self.true)
        self.policy = RetentionPolicy(
            core_of(
                self.store,
                self.shown,
                Config(store=StoreConfig(keep_days=KEEP_DAYS)),
                clock=self.clock,
            )
        )

    async def restart(self, *, ahead: float, off: float = 600) -> None:
        """Start the hub again, with another clock, after it was off for so many seconds."""
        await self.clock.save()
        self.true.advance(off)
        self.ahead = ahead
        self.start()

    def set_clock(self, ahead: float) -> None:
        self.ahead = ahead

    async def run(self, days: int) -> None:
        """Let days pass. Old days are looked for whenever the clock allows it."""
        for _ in range(4 * days):
            self.true.advance(DAY / 4)
            self.clock.look()
            await self.clock.save()
            self._seed += 1
            frozen = FrozenClock(self.shown())
            await self.store.records.append(batch(frozen, self._seed, pictures=0))
            day = utc_day(self.shown())
            self.last[day.isoformat()] = self.true()
            await self.clock.ask_records()
            await self.policy.mark()
            if self.policy.is_due(day):
                await self.drop(await self.policy.look(day))

    async def drop(self, plan: object) -> None:
        for day in plan.due:  # type: ignore[attr-defined]
            name = day.use.day
            age = utc_day(self.true()) - utc_day(self.last[name])
            assert age >= timedelta(days=KEEP_DAYS), f"{name} went after {age.days} days"
            await drop_day(self.store, name)
            self.gone.append(name)

    @property
    def kept(self) -> int:
        return len(self.store.retention.days())


@pytest.fixture
async def site() -> Site:
    """A site that has run for three weeks."""
    site = Site()
    await site.run(21)
    assert site.kept == KEEP_DAYS + 1
    return site


AHEADS = [31 * DAY, YEAR, 10 * YEAR, -2 * 3600, -40 * DAY, -YEAR, -NOON]


@pytest.mark.parametrize("ahead", AHEADS)
@pytest.mark.parametrize("days", [1, 4])
async def test_a_start_with_a_wrong_clock_that_is_set_right_takes_nothing_early(
    site: Site, ahead: float, days: int
) -> None:
    await site.restart(ahead=ahead)
    await site.run(days)
    site.set_clock(0)
    await site.run(30)
    assert not site.policy.waiting.waiting
    assert site.kept <= KEEP_DAYS + 2
    assert site.clock.is_trusted


@pytest.mark.parametrize("is_restarted", [False, True])
@pytest.mark.parametrize("ahead", AHEADS)
async def test_no_day_that_waits_for_a_target_seems_older_than_it_is(
    site: Site, ahead: float, is_restarted: bool
) -> None:
    if is_restarted:
        await site.restart(ahead=ahead)
    else:
        site.set_clock(ahead)
    await site.run(2)
    for use in site.store.retention.days():
        age = utc_day(site.true()) - utc_day(site.last[use.day])
        assert site.policy.age(use) <= age + timedelta(days=1)


@pytest.mark.parametrize("ahead", AHEADS)
async def test_a_wrong_clock_that_is_right_at_the_next_start_takes_nothing_early(
    site: Site, ahead: float
) -> None:
    site.set_clock(ahead)
    await site.run(2)
    await site.restart(ahead=0)
    await site.run(30)
    assert site.kept <= KEEP_DAYS + 2


@pytest.mark.parametrize("ahead", AHEADS)
async def test_a_site_whose_first_clock_was_wrong_loses_nothing(ahead: float) -> None:
    site = Site()
    site.ahead = ahead
    site.start()
    await site.run(3)
    site.set_clock(0)
    await site.run(30)
    assert site.kept <= KEEP_DAYS + 4


@pytest.mark.parametrize("ahead", [31 * DAY, YEAR, -40 * DAY])
async def test_a_clock_that_stays_wrong_takes_nothing_early_and_fills_nothing(
    site: Site, ahead: float
) -> None:
    await site.restart(ahead=ahead)
    await site.run(40)
    assert site.kept <= KEEP_DAYS + 3


async def test_a_pc_without_a_battery_keeps_its_days(site: Site) -> None:
    """Each morning it is 1970 until somebody sets the clock."""
    for _ in range(20):
        await site.restart(ahead=-site.true(), off=14 * 3600)
        site.true.advance(60)
        site.clock.look()
        site.set_clock(0)
        await site.run(1)
    assert site.kept <= 2 * KEEP_DAYS


async def test_a_pc_that_is_off_at_weekends_needs_nobody(site: Site) -> None:
    for _ in range(6):
        await site.run(4)
        await site.restart(ahead=0, off=2.6 * DAY)
        assert not site.policy.waiting.waiting
    assert site.kept <= KEEP_DAYS + 3


async def test_after_a_month_off_days_are_kept_longer_and_nothing_waits(site: Site) -> None:
    await site.restart(ahead=0, off=30 * DAY)
    kept = site.kept
    await site.run(9)
    assert site.kept >= kept
    assert not site.policy.waiting.waiting
