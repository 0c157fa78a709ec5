"""The forecast: bytes of a day, when the disk is full, and how many days will be kept."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.config import StoreConfig
from hub.services.disk_space import GB
from hub.services.retention.forecast import KindPerDay, Measured, average_day, forecast
from hub.store.records.record_samples import KindSample
from hub.store.records.retention import DayUse
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, face, open_hub_services

TODAY = date(2026, 11, 25)
DAY = 86_400
#: 8 GB of pictures and 2 GB of database a day, for ten days.
MEASURED = Measured(
    days=7,
    kinds={"face": KindPerDay(1000, 6 * GB), "event": KindPerDay(500, 2 * GB)},
    database_per_day=2 * GB,
    pictures=80 * GB,
    database=20 * GB,
    room=1000 * GB,
    age=10,
)
KEEP_30 = StoreConfig(keep_days=30, max_gb=0)


def test_with_enough_room_the_age_is_the_limit() -> None:
    found = forecast(MEASURED, KEEP_30)
    assert (found.kept_days, found.limited_by, found.full_in_days) == (30, "age", None)
    assert found.measured.bytes_per_day == 10 * GB


def test_a_disk_that_is_too_small_is_full_when_its_room_is_used() -> None:
    found = forecast(replace(MEASURED, room=50 * GB), KEEP_30)
    assert (found.kept_days, found.limited_by, found.full_in_days) == (15, "disk", 5.0)


@pytest.mark.parametrize("room", [0, -3 * GB])
def test_a_full_disk_is_full_now(room: int) -> None:
    found = forecast(replace(MEASURED, room=room), KEEP_30)
    assert (found.kept_days, found.limited_by, found.full_in_days) == (10, "disk", 0.0)


def test_max_gb_counts_pictures_alone() -> None:
    found = forecast(replace(MEASURED, room=150 * GB), StoreConfig(keep_days=30, max_gb=100))
    assert (found.kept_days, found.limited_by, found.full_in_days) == (12, "size", None)


def test_a_disk_that_just_suffices_is_never_full() -> None:
    assert forecast(replace(MEASURED, room=200 * GB), KEEP_30).full_in_days is None
    assert forecast(replace(MEASURED, room=199 * GB), KEEP_30).full_in_days == 19.9


def test_before_the_first_day_is_over_nothing_is_known() -> None:
    found = forecast(replace(MEASURED, days=0, kinds={}), KEEP_30)
    assert (found.kept_days, found.full_in_days) == (None, None)


def test_a_site_without_records_keeps_what_the_age_allows() -> None:
    found = forecast(replace(MEASURED, kinds={}, database_per_day=0), KEEP_30)
    assert (found.kept_days, found.full_in_days) == (30, None)


def use(day: int, size: int, records: int) -> tuple[date, DayUse]:
    found = date(2026, 11, day)
    return found, DayUse(found.isoformat(), size, records, 1, records)


def test_the_last_seven_days_are_averaged_with_those_without_records() -> None:
    days = [use(1, 999, 9), use(18, 700, 70), use(20, 1400, 140), use(25, 5, 5)]
    half = {"face": KindSample(1, 30), "access": KindSample(3, 10)}
    samples = {"2026-11-18": half, "2026-11-20": {"face": KindSample(5, 7)}}
    count, kinds = average_day(days, samples, TODAY)
    assert count == 7
    assert kinds["face"].bytes == pytest.approx((700 * 0.75 + 1400) / 7)
    assert kinds["access"].bytes == pytest.approx(700 * 0.25 / 7)
    assert kinds["face"].records == pytest.approx((70 * 0.25 + 140) / 7)
    assert kinds["vehicle"] == KindPerDay(0, 0)


def test_days_before_the_first_record_do_not_count() -> None:
    count, kinds = average_day(
        [use(23, 100, 10)], {"2026-11-23": {"face": KindSample(1, 1)}}, TODAY
    )
    assert (count, kinds["face"].bytes) == (2, 50)
    assert average_day([use(25, 100, 10)], {}, TODAY) == (0, {})
    assert average_day([], {}, TODAY) == (0, {})


async def test_a_real_store_is_measured(tmp_path: Path, clock: FrozenClock) -> None:
    async with open_hub_services(tmp_path, clock) as hub:
        await check_forecast(hub, clock)


async def check_forecast(hub: HubServices, clock: FrozenClock) -> None:
    await hub.add_faces("Ann", "Bob", pictures=True)
    clock.advance(DAY)
    await hub.add(face("Eve"))
    found = await hub.services.upkeep.forecasts.read()
    first, second = hub.store.retention.days()
    assert found.measured.days == 1
    assert found.measured.kinds["face"] == KindPerDay(2, first.bytes)
    assert found.measured.database_per_day == 3000
    assert found.measured.pictures == first.bytes + second.bytes
    assert found.measured.database > 0
    assert found.measured.age == 1
