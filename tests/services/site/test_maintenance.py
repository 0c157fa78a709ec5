"""Retention, disk space, pruning and the nightly check."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

import pytest
import trio
from trio.testing import MockClock

from hub.config import StoreConfig
from hub.services.site.disk_space import GB, DiskSpace, Shortage
from hub.services.site.maintenance import Maintenance
from hub.store.db import Store
from tests.support.clock import FrozenClock
from tests.support.kept_days import KeptDays
from tests.support.stores import batch, is_whole, opened

TODAY = "2026-11-25"
DAY = 86_400
HOUR = 3600
SHANGHAI = ZoneInfo("Asia/Shanghai")
UNLIMITED = StoreConfig(keep_days=36_500, max_gb=0, min_free_gb=0)


@pytest.fixture
def store() -> KeptDays:
    return KeptDays()


class RunningClock:
    """A wall clock that advances with trio's clock, and can be set."""

    def __init__(self, start: datetime) -> None:
        self._offset = start.timestamp() - trio.current_time()

    def __call__(self) -> float:
        return trio.current_time() + self._offset

    def jump(self, seconds: float) -> None:
        self._offset += seconds


def noon() -> RunningClock:
    return RunningClock(datetime(2026, 11, 25, 12, 0, tzinfo=UTC))


@asynccontextmanager
async def running_maintenance(
    store: KeptDays,
    config: StoreConfig = UNLIMITED,
    *,
    now: Callable[[], float] | None = None,
    zone: tzinfo = UTC,
) -> AsyncIterator[Maintenance]:
    """Run maintenance, from after its work at the start."""
    maintenance = Maintenance(
        cast("Store", store),
        config,
        DiskSpace(config.min_free_gb, store.free_bytes),
        prune=(store.tokens.prune, store.sessions.prune),
        now=now or noon(),
        zone=lambda: zone,
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(maintenance.run)
        await trio.sleep(1)
        yield maintenance
        nursery.cancel_scope.cancel()


# Age


async def test_days_older_than_keep_days_are_dropped_soon_after_the_start(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 10)
    async with running_maintenance(store, StoreConfig(keep_days=7, min_free_gb=0)):
        assert store.dropped == ["2026-11-16", "2026-11-17"]


async def test_pictures_read_from_devices_are_dropped_by_age_too(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    now = noon()
    started = now()
    async with running_maintenance(store, StoreConfig(keep_days=7, min_free_gb=0), now=now):
        assert store.dropped_older == [int((started - 7 * DAY) * 1000)]
        await trio.sleep(DAY)
        assert len(store.dropped_older) == 2


async def test_a_day_is_kept_whole(store: KeptDays, autojump_clock: MockClock) -> None:
    store.keep(TODAY, 2)
    async with running_maintenance(store, StoreConfig(keep_days=1, min_free_gb=0)):
        assert store.dropped == []


async def test_the_next_day_is_dropped_at_3_o_clock_in_the_zone_of_the_site(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 8)
    start = RunningClock(datetime(2026, 11, 25, 12, 0, tzinfo=SHANGHAI))
    async with running_maintenance(
        store, StoreConfig(keep_days=7, min_free_gb=0), now=start, zone=SHANGHAI
    ):
        await trio.sleep(14.9 * HOUR)  # 2:54 in Shanghai, still the day before in UTC
        assert store.dropped == []
        await trio.sleep(0.2 * HOUR)
        assert store.dropped == []
        await trio.sleep(24 * HOUR)
        assert store.dropped == ["2026-11-18"]


async def test_setting_the_year_wrong_for_an_hour_drops_nothing(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 5)
    now = noon()
    async with running_maintenance(store, StoreConfig(keep_days=7, min_free_gb=0), now=now):
        now.jump(10 * 365 * DAY)
        await trio.sleep(HOUR)
        now.jump(-10 * 365 * DAY)
        await trio.sleep(DAY)
        assert store.dropped == []


async def test_a_clock_that_was_set_is_trusted_after_a_day(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 5)
    now = noon()
    async with running_maintenance(store, StoreConfig(keep_days=7, min_free_gb=0), now=now):
        now.jump(100 * DAY)
        await trio.sleep(2 * DAY)
        assert len(store.dropped) == 5


# Size


async def test_the_oldest_days_are_dropped_while_pictures_exceed_max_gb(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 10)
    async with running_maintenance(store, StoreConfig(keep_days=30, max_gb=7.5, min_free_gb=0)):
        assert store.dropped == ["2026-11-16", "2026-11-17", "2026-11-18"]


async def test_the_oldest_days_are_dropped_while_disk_space_is_short(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 10)
    store.free = GB // 2
    async with running_maintenance(store, StoreConfig(min_free_gb=2)) as maintenance:
        assert store.dropped == ["2026-11-16", "2026-11-17"]
        assert maintenance.shortage is None


async def test_a_later_shortage_is_noticed_within_seconds(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 10)
    async with running_maintenance(store, StoreConfig(min_free_gb=2)):
        store.free = GB
        await trio.sleep(10)
        assert store.dropped == ["2026-11-16"]


async def test_a_full_disk_drops_the_oldest_days_even_without_a_limit(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 3)
    store.free = 1000
    async with running_maintenance(store, UNLIMITED):
        assert store.dropped == ["2026-11-23"]


async def test_today_is_never_dropped(store: KeptDays, autojump_clock: MockClock) -> None:
    store.keep(TODAY, 3, size=0)
    store.free = GB
    async with running_maintenance(
        store, StoreConfig(keep_days=1, max_gb=0.5, min_free_gb=2)
    ) as maintenance:
        assert [use.day for use in store.kept] == [TODAY]
        assert maintenance.shortage == Shortage(free_bytes=GB, wanted_bytes=2 * GB)


async def test_the_shortage_ends_when_space_is_freed(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 1)
    store.free = GB
    async with running_maintenance(store, StoreConfig(min_free_gb=2)) as maintenance:
        assert maintenance.shortage is not None
        store.free = 3 * GB
        await trio.sleep(10)
        assert maintenance.shortage is None


async def test_a_day_that_cannot_be_dropped_is_tried_again(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 10)
    store.refuses = True
    async with running_maintenance(store, StoreConfig(max_gb=9, min_free_gb=0)):
        assert store.dropped == []
        store.refuses = False
        await trio.sleep(10)
        assert store.dropped == ["2026-11-16"]


async def test_nothing_is_dropped_while_the_free_space_is_not_known(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    store.keep(TODAY, 10)

    def unknown() -> int:
        raise OSError("no such device")

    store.free_bytes = unknown  # type: ignore[method-assign]
    async with running_maintenance(store, StoreConfig(min_free_gb=2)) as maintenance:
        assert store.dropped == []
        assert maintenance.shortage is None


# The rest


async def test_expired_tokens_and_sessions_are_removed_every_hour(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    async with running_maintenance(store):
        assert store.pruned == ["tokens", "sessions"]
        store.refuses = True
        await trio.sleep(HOUR)
        store.refuses = False
        await trio.sleep(HOUR)
        assert store.pruned == ["tokens", "sessions"] * 2


async def test_the_database_is_checked_every_night(
    store: KeptDays, autojump_clock: MockClock
) -> None:
    async with running_maintenance(store):
        assert store.checks == 0
        await trio.sleep(3 * DAY)
        assert store.checks == 3


async def test_a_real_store_drops_its_old_days_and_keeps_today(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        for seed in range(3):
            clock.advance(DAY)
            last = batch(clock, seed)
            await store.records.append(last)
        maintenance = Maintenance(
            store,
            StoreConfig(keep_days=1, min_free_gb=0),
            DiskSpace(0, lambda: 100 * GB),
            prune=(),
            now=clock,
            zone=lambda: UTC,
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(maintenance.run)
            while len(store.retention.days()) > 2:  # A thread is at work.
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert await is_whole(store, 3, last.uploads[0])
