"""Retention, disk space, pruning and the nightly check."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
import trio

from hub.config import Config, StoreConfig
from hub.errors import AlreadyExists, BadParameter
from hub.outside import Outside
from hub.services.audit import COMMAND_LINE
from hub.services.disk_space import GB, DiskSpace, Shortage
from hub.services.retention.retention import RetentionPolicy
from hub.services.upkeep.maintenance import Maintenance
from hub.store.records.retention import DayUse
from tests.support.clock import FrozenClock
from tests.support.core import core_of
from tests.support.kept_days import BelievedClock, KeptDays
from tests.support.stores import batch, is_whole, opened

pytestmark = pytest.mark.jumping_clock

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


def policy_of(
    store: KeptDays, clock: BelievedClock, now: Callable[[], float], keep_days: int
) -> RetentionPolicy:
    config = Config(store=StoreConfig(keep_days=keep_days))
    return RetentionPolicy(core_of(store, now, config, clock=clock))


@asynccontextmanager
async def running_maintenance(
    store: KeptDays,
    config: StoreConfig = UNLIMITED,
    *,
    now: Callable[[], float] | None = None,
    zone: tzinfo = UTC,
    clock: BelievedClock | None = None,
    retention: RetentionPolicy | None = None,
) -> AsyncIterator[Maintenance]:
    """Run maintenance, from after its work at the start."""
    now = now or noon()
    clock = clock or BelievedClock(now)
    core = core_of(
        store,
        now,
        Config(store=config),
        clock=clock,
        outside=Outside(free_bytes=lambda folder: store.free_bytes()),
        site=SimpleNamespace(zone=lambda: zone),
    )
    maintenance = Maintenance(
        core,
        DiskSpace(core),
        retention or RetentionPolicy(core),
        prune=(store.tokens.prune, store.sessions.prune),
        save=(store.keys.prune,),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(maintenance.run)
        await trio.sleep(1)
        yield maintenance
        nursery.cancel_scope.cancel()


# Age


async def test_a_day_older_than_keep_days_is_dropped_soon_after_the_start(store: KeptDays) -> None:
    store.keep(TODAY, 9)
    async with running_maintenance(store, StoreConfig(keep_days=7, min_free_gb=0)):
        assert store.dropped == ["2026-11-17"]


async def test_pictures_read_from_devices_are_dropped_by_age_too(store: KeptDays) -> None:
    now = noon()
    started = now()
    async with running_maintenance(store, StoreConfig(keep_days=7, min_free_gb=0), now=now):
        assert store.dropped_older == [int((started - 7 * DAY) * 1000)]
        await trio.sleep(DAY)
        assert len(store.dropped_older) == 2


async def test_a_day_is_kept_whole(store: KeptDays) -> None:
    store.keep(TODAY, 2)
    async with running_maintenance(store, StoreConfig(keep_days=1, min_free_gb=0)):
        assert store.dropped == []


async def test_the_next_day_is_dropped_at_3_o_clock_in_the_zone_of_the_site(
    store: KeptDays,
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


async def test_nothing_goes_by_age_until_the_clock_is_trusted(store: KeptDays) -> None:
    store.keep(TODAY, 9)
    now = noon()
    clock = BelievedClock(now)
    clock.is_trusted = False
    async with running_maintenance(
        store, StoreConfig(keep_days=7, min_free_gb=0), now=now, clock=clock
    ):
        await trio.sleep(DAY)
        assert store.dropped == []
        assert store.dropped_older == []
        clock.is_trusted, clock.has_settled = True, False
        await trio.sleep(HOUR)
        assert store.dropped == []
        clock.has_settled = True
        await trio.sleep(120)
        assert store.dropped == ["2026-11-17", "2026-11-18"]


async def test_what_would_take_many_records_waits_until_a_person_confirms(store: KeptDays) -> None:
    store.keep("2026-10-25", 10)
    store.kept += [DayUse(TODAY, 0, 1, 101, 101)]
    config = StoreConfig(keep_days=30, min_free_gb=0)
    now = noon()
    policy = policy_of(store, BelievedClock(now), now, config.keep_days)
    async with running_maintenance(store, config, now=now, retention=policy):
        await trio.sleep(3 * DAY)
        assert store.dropped == []
        waiting = [day.use.day for day in policy.waiting.waiting]
        assert len(waiting) == 10
        with pytest.raises(AlreadyExists):
            await policy.confirm(waiting[1:], by=COMMAND_LINE)
        with pytest.raises(BadParameter):
            await policy.confirm([], by=COMMAND_LINE)
        assert await policy.confirm(waiting[::-1], by=COMMAND_LINE) == 100
        assert policy.waiting.waiting == ()
        await trio.sleep(1)
        assert store.dropped == waiting
        assert store.audit.entries == [("retention.confirm", " ".join(waiting))]
        await trio.sleep(DAY)
        assert [use.day for use in store.kept] == [TODAY]
        assert policy.confirmed_days() == frozenset()


async def test_what_was_confirmed_is_dropped_after_a_restart_whatever_the_clock_says(
    store: KeptDays,
) -> None:
    store.keep(TODAY, 5)
    store.settings.values["retention.confirmed"] = "2026-11-21 2026-11-22"
    now = noon()
    clock = BelievedClock(now)
    clock.is_trusted = False
    async with running_maintenance(store, now=now, clock=clock):
        assert store.dropped == ["2026-11-21", "2026-11-22"]


async def test_what_waits_is_found_again_after_a_restart(store: KeptDays) -> None:
    store.keep("2026-10-25", 10)
    config = StoreConfig(keep_days=7, min_free_gb=0)
    now = noon()
    for _ in range(2):
        policy = policy_of(store, BelievedClock(now), now, config.keep_days)
        async with running_maintenance(store, config, now=now, retention=policy):
            assert len(policy.waiting.waiting) == 10
    assert store.dropped == []


async def test_nothing_waits_while_the_clock_is_not_trusted(store: KeptDays) -> None:
    store.keep("2026-10-25", 10)
    now = noon()
    clock = BelievedClock(now)
    policy = policy_of(store, clock, now, 7)
    config = StoreConfig(keep_days=7, min_free_gb=0)
    async with running_maintenance(store, config, now=now, clock=clock, retention=policy):
        assert policy.waiting.waiting
        clock.is_trusted = False
        assert not policy.waiting.waiting


# Size


async def test_the_oldest_days_are_dropped_while_pictures_exceed_max_gb(store: KeptDays) -> None:
    store.keep(TODAY, 10)
    async with running_maintenance(store, StoreConfig(keep_days=30, max_gb=7.5, min_free_gb=0)):
        assert store.dropped == ["2026-11-16", "2026-11-17", "2026-11-18"]


async def test_held_evidence_counts_for_up_to_a_half_of_max_gb(store: KeptDays) -> None:
    store.keep(TODAY, 10)
    store.held = 100 * GB
    async with running_maintenance(store, StoreConfig(keep_days=30, max_gb=8, min_free_gb=0)):
        await trio.sleep(1)
    assert len(store.kept) == 4


async def test_a_day_whose_evidence_cannot_be_moved_does_not_keep_the_next_from_making_room(
    store: KeptDays,
) -> None:
    store.keep(TODAY, 10)
    oldest = store.kept[0].day
    store.stuck[oldest] = "the disk is full"
    async with running_maintenance(store, StoreConfig(keep_days=30, max_gb=7.5, min_free_gb=0)):
        await trio.sleep(1)
    assert len(store.kept) == 7
    assert store.kept[0].day == oldest


async def test_the_oldest_days_are_dropped_while_disk_space_is_short(store: KeptDays) -> None:
    store.keep(TODAY, 10)
    store.free = GB // 2
    async with running_maintenance(store, StoreConfig(min_free_gb=2)) as maintenance:
        assert store.dropped == ["2026-11-16", "2026-11-17"]
        assert maintenance.shortage is None


async def test_no_further_day_goes_while_the_disk_still_frees_the_space_of_the_last_one(
    store: KeptDays,
) -> None:
    store.keep(TODAY, 10)
    store.free = GB
    async with trio.open_nursery() as nursery:

        async def freed_later(size: int) -> None:
            nursery.start_soon(later, size)

        async def later(size: int) -> None:
            await trio.sleep(20)
            store.free += size

        store.free_space = freed_later  # type: ignore[method-assign]
        async with running_maintenance(store, StoreConfig(min_free_gb=3)):
            assert store.dropped == ["2026-11-16"]
            await trio.sleep(60)
            assert store.dropped == ["2026-11-16", "2026-11-17"]


async def test_further_days_go_if_a_disk_never_frees_the_space_of_the_last_one(
    store: KeptDays,
) -> None:
    store.keep(TODAY, 4)
    store.free = GB

    async def kept(size: int) -> None: ...

    store.free_space = kept  # type: ignore[method-assign]
    async with running_maintenance(store, StoreConfig(min_free_gb=3)):
        await trio.sleep(10 * 60)
        assert len(store.dropped) == 3


async def test_days_go_ever_more_slowly_while_none_of_them_frees_any_space(store: KeptDays) -> None:
    """The last backup on the same disk has hard links to their packs."""
    store.keep(TODAY, 90)
    store.free = GB

    async def kept(size: int) -> None: ...

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "free_space", kept)
        async with running_maintenance(store, StoreConfig(min_free_gb=3)) as maintenance:
            await trio.sleep(6 * HOUR)
            assert len(store.dropped) == 9
            assert maintenance.shortage is not None
            patch.undo()
            store.free += 3 * GB  # that backup went
            await trio.sleep(10)
            assert maintenance.shortage is None
            store.free = GB
            await trio.sleep(20)
            assert len(store.dropped) == 11


async def test_a_later_shortage_is_noticed_within_seconds(store: KeptDays) -> None:
    store.keep(TODAY, 10)
    async with running_maintenance(store, StoreConfig(min_free_gb=2)):
        store.free = GB
        await trio.sleep(10)
        assert store.dropped == ["2026-11-16"]


async def test_a_full_disk_drops_the_oldest_days_even_without_a_limit(store: KeptDays) -> None:
    store.keep(TODAY, 3)
    store.free = 1000
    async with running_maintenance(store, UNLIMITED):
        assert store.dropped == ["2026-11-23"]


async def test_today_is_never_dropped(store: KeptDays) -> None:
    store.keep(TODAY, 3, size=0)
    store.free = GB
    async with running_maintenance(
        store, StoreConfig(keep_days=1, max_gb=0.5, min_free_gb=2)
    ) as maintenance:
        assert [use.day for use in store.kept] == [TODAY]
        assert maintenance.shortage == Shortage(free_bytes=GB, wanted_bytes=2 * GB)


async def test_the_oldest_day_is_the_first_of_the_log_whatever_its_name(store: KeptDays) -> None:
    """The clock was ahead, then right, then behind: today's name is the oldest."""
    store.kept = [
        DayUse("2027-11-25", GB, 10, 1, 10),
        DayUse("2026-11-25", GB, 10, 11, 20),
        DayUse("2026-10-01", GB, 10, 21, 30),
    ]
    store.free = GB
    now = RunningClock(datetime(2026, 10, 1, 12, 0, tzinfo=UTC))
    async with running_maintenance(store, StoreConfig(min_free_gb=50), now=now):
        assert store.dropped == ["2027-11-25", "2026-11-25"]


async def test_the_shortage_ends_when_space_is_freed(store: KeptDays) -> None:
    store.keep(TODAY, 1)
    store.free = GB
    async with running_maintenance(store, StoreConfig(min_free_gb=2)) as maintenance:
        assert maintenance.shortage is not None
        store.free = 3 * GB
        await trio.sleep(10)
        assert maintenance.shortage is None


async def test_a_day_that_cannot_be_dropped_is_tried_again(store: KeptDays) -> None:
    store.keep(TODAY, 10)
    store.refuses = True
    async with running_maintenance(store, StoreConfig(max_gb=9, min_free_gb=0)):
        assert store.dropped == []
        store.refuses = False
        await trio.sleep(10)
        assert store.dropped == ["2026-11-16"]


async def test_nothing_is_dropped_while_the_free_space_is_not_known(store: KeptDays) -> None:
    store.keep(TODAY, 10)

    def unknown() -> int:
        raise OSError("no such device")

    store.free_bytes = unknown  # type: ignore[method-assign]
    async with running_maintenance(store, StoreConfig(min_free_gb=2)) as maintenance:
        assert store.dropped == []
        assert maintenance.shortage is None


# The rest


async def test_expired_tokens_and_sessions_are_removed_every_hour(store: KeptDays) -> None:
    async with running_maintenance(store):
        assert store.pruned == ["tokens", "sessions", "keys"]
        store.refuses = True
        await trio.sleep(HOUR)
        store.refuses = False
        await trio.sleep(HOUR)
        assert store.pruned == ["tokens", "sessions", "keys"] * 2


async def test_nothing_expires_while_the_clock_is_doubted(store: KeptDays) -> None:
    now = noon()
    clock = BelievedClock(now)
    clock.is_doubted = True
    async with running_maintenance(store, now=now, clock=clock):
        assert store.pruned == ["keys"]
        clock.is_doubted = False
        await trio.sleep(HOUR)
        assert store.pruned == ["keys", "tokens", "sessions", "keys"]


async def test_the_database_is_checked_every_night(store: KeptDays) -> None:
    async with running_maintenance(store):
        assert store.checks == 0
        await trio.sleep(3 * DAY)
        assert store.checks == 3


@pytest.mark.jumping_clock(False)
async def test_a_real_store_drops_its_old_days_and_keeps_today(
    tmp_path: Path, clock: FrozenClock
) -> None:
    async with opened(tmp_path / "data", clock) as store:
        for seed in range(3):
            clock.advance(DAY)
            last = batch(clock, seed)
            await store.records.append(last)
        core = core_of(
            store,
            clock,
            Config(store=StoreConfig(keep_days=1, min_free_gb=0)),
            clock=BelievedClock(clock),
            site=SimpleNamespace(zone=lambda: UTC),
        )
        maintenance = Maintenance(core, DiskSpace(core), RetentionPolicy(core), prune=())
        async with trio.open_nursery() as nursery:
            await nursery.start(maintenance.run)
            while len(store.retention.days()) > 2:  # A thread is at work.
                await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()
        assert await is_whole(store, 3, last.uploads[0])
