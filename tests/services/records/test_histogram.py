"""Histograms of the record log."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.services.records.histogram import BUCKETS, DAY_MS, HOUR_MS, MAX_BUCKETS, MINUTE_MS
from hub.store.records.record_filter import RecordFilter
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, face

#: 2026-11-25, 12:00 UTC.
NOON = 1_795_608_000_000


def in_zone(hub: HubServices, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(hub.services.core.site, "zone", lambda: ZoneInfo(name))


async def add(hub: HubServices, clock: FrozenClock, *names: str, did: str = "1") -> None:
    """Store a capture for each name, as if it was taken now."""
    for name in names:
        await hub.add(replace(face(name), occurred_at=clock.ms), did=did)


def local(name: str, text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(name)).timestamp() * 1000)


async def test_a_range_is_counted_in_buckets(hub: HubServices, clock: FrozenClock) -> None:
    await add(hub, clock, "Ann", "Bob")
    clock.advance(2 * 3600)
    await add(hub, clock, "Ann", did="2")
    filter = RecordFilter(since=NOON, until=NOON + 3 * HOUR_MS)
    found = await hub.services.records.histograms.histogram(filter, bucket_ms=HOUR_MS)
    assert (found.since, found.until, found.bucket_ms) == (NOON, NOON + 3 * HOUR_MS, HOUR_MS)
    assert found.edges == tuple(NOON + hour * HOUR_MS for hour in range(4))
    assert (found.counts, found.is_exact) == ((2, 0, 1), True)
    named = RecordFilter(since=NOON, until=NOON + 3 * HOUR_MS, name="ann", did="2")
    found = await hub.services.records.histograms.histogram(named, bucket_ms=HOUR_MS)
    assert found.counts == (0, 0, 1)


async def test_the_first_and_the_last_bucket_are_cut_to_the_range(
    hub: HubServices, clock: FrozenClock
) -> None:
    await add(hub, clock, "Ann")
    clock.advance(1800)
    await add(hub, clock, "Bob")
    filter = RecordFilter(since=NOON + 1, until=NOON + HOUR_MS + 1)
    found = await hub.services.records.histograms.histogram(filter, bucket_ms=HOUR_MS)
    assert found.edges == (NOON + 1, NOON + HOUR_MS, NOON + HOUR_MS + 1)
    assert found.counts == (1, 0)


async def test_without_times_it_is_about_the_whole_log(
    hub: HubServices, clock: FrozenClock
) -> None:
    empty = await hub.services.records.histograms.histogram(RecordFilter())
    assert (empty.until - empty.since, sum(empty.counts)) == (DAY_MS, 0)
    await add(hub, clock, "Ann")
    clock.advance(10 * 86_400)
    await add(hub, clock, "Bob")
    found = await hub.services.records.histograms.histogram(RecordFilter())
    assert found.since == NOON - NOON % DAY_MS
    assert found.until == clock.ms + 1
    assert found.counts[-1] == 1
    assert sum(found.counts) == 2


@pytest.mark.parametrize(
    ("length", "bucket"),
    [
        (HOUR_MS, "1m"),
        (12 * HOUR_MS, "5m"),
        (DAY_MS, "15m"),
        (7 * DAY_MS, "1h"),
        (31 * DAY_MS, "6h"),
        (180 * DAY_MS, "1d"),
        (3 * 366 * DAY_MS, "1w"),
    ],
)
async def test_the_length_of_buckets_follows_the_range(
    length: int, bucket: str, hub: HubServices
) -> None:
    filter = RecordFilter(since=NOON - length, until=NOON)
    found = await hub.services.records.histograms.histogram(filter)
    assert found.bucket_ms == BUCKETS[bucket]
    assert len(found.counts) <= 201


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kolkata", "America/New_York"])
async def test_days_are_those_of_the_site(
    zone: str, hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_zone(hub, monkeypatch, zone)
    filter = RecordFilter(since=local(zone, "2026-10-24 09:00"), until=local(zone, "2026-11-03"))
    found = await hub.services.records.histograms.histogram(filter, bucket_ms=DAY_MS)
    midnights = [
        *(local(zone, f"2026-10-{day}") for day in range(25, 32)),
        *(local(zone, f"2026-11-0{day}") for day in range(1, 4)),
    ]
    assert list(found.edges) == [filter.since, *midnights]


async def test_a_day_with_another_hour_has_buckets_at_the_same_times(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    zone = "Europe/Berlin"
    in_zone(hub, monkeypatch, zone)
    filter = RecordFilter(since=local(zone, "2026-10-25"), until=local(zone, "2026-10-26"))
    found = await hub.services.records.histograms.histogram(filter, bucket_ms=6 * HOUR_MS)
    lengths = [end - begin for begin, end in zip(found.edges, found.edges[1:], strict=False)]
    assert lengths == [7 * HOUR_MS, 6 * HOUR_MS, 6 * HOUR_MS, 6 * HOUR_MS]


async def test_weeks_begin_on_monday(hub: HubServices, monkeypatch: pytest.MonkeyPatch) -> None:
    zone = "Asia/Shanghai"
    in_zone(hub, monkeypatch, zone)
    filter = RecordFilter(since=local(zone, "2026-11-04"), until=local(zone, "2026-11-20"))
    found = await hub.services.records.histograms.histogram(filter, bucket_ms=7 * DAY_MS)
    assert found.edges[1:-1] == (local(zone, "2026-11-09"), local(zone, "2026-11-16"))


@pytest.mark.parametrize(
    ("since", "until", "bucket_ms", "field"),
    [
        (NOON, NOON, None, "since"),
        (NOON + 1, NOON, HOUR_MS, "since"),
        (NOON - DAY_MS, NOON, 7, "bucket"),
        (NOON - 2 * DAY_MS, NOON, MINUTE_MS, "bucket"),
        (-(2**62), 2**62, None, "since"),
    ],
)
async def test_what_cannot_be_counted_is_refused(
    since: int, until: int, bucket_ms: int | None, field: str, hub: HubServices
) -> None:
    filter = RecordFilter(since=since, until=until)
    with pytest.raises(BadParameter) as refused:
        await hub.services.records.histograms.histogram(filter, bucket_ms=bucket_ms)
    assert refused.value.field == field


async def test_as_many_buckets_as_allowed_are_counted(hub: HubServices) -> None:
    filter = RecordFilter(since=NOON - MAX_BUCKETS * MINUTE_MS, until=NOON)
    found = await hub.services.records.histograms.histogram(filter, bucket_ms=MINUTE_MS)
    assert len(found.counts) == MAX_BUCKETS


async def test_a_range_before_1970_is_counted(hub: HubServices) -> None:
    filter = RecordFilter(since=-30 * DAY_MS, until=-DAY_MS)
    found = await hub.services.records.histograms.histogram(filter, bucket_ms=DAY_MS)
    assert sum(found.counts) == 0
