"""Records are counted per bucket of time, under any filter, as a search would find them."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.store.db import Store
from hub.store.records import counting
from hub.store.records.counting import Counting
from hub.store.records.record_filter import RecordFilter
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import (
    Detail,
    EventDetail,
    FaceDetail,
    Plate,
    RecordKind,
    Rect,
    Vehicle,
    VehicleDetail,
)
from tests.support.clock import FrozenClock
from tests.support.listed_people import add_people
from tests.support.stores import batch_of, opened, upload

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
#: 2026-11-25, 12:00 UTC.
NOON = 1_795_608_000_000

FILTERS = (
    RecordFilter(),
    RecordFilter(did="1"),
    RecordFilter(dids=("1", "3")),
    RecordFilter(kind="face"),
    RecordFilter(type=3),
    RecordFilter(did="2", type=3),
    RecordFilter(category=0),
    RecordFilter(categories=(0, 2)),
    RecordFilter(lists=(0, 2)),
    RecordFilter(lists=(1,)),
    RecordFilter(name="wei"),
    RecordFilter(name="w*i", did="1"),
    RecordFilter(plate="A1"),
    RecordFilter(uuid="p1"),
    RecordFilter(name="wei", category=0),
    RecordFilter(has_pictures=False),
    RecordFilter(has_pictures=True, kind="vehicle"),
    RecordFilter(kind="face", plate="A1"),
    RecordFilter(attributes=(("bag", ("backpack",)), ("upper_colour", ("red", "blue")))),
    RecordFilter(attributes=(("bag", ("backpack",)),), did="1", uuid="p1"),
    RecordFilter(attributes=(("plate_colour", ("blue",)),), plate="A1"),
    RecordFilter(attributes=(("car_colour", ("purple",)),)),
    RecordFilter(did="1", dids=("2",)),
    RecordFilter(name="nobody"),
    # Its own times do not count: those of the buckets do.
    RecordFilter(since=0, until=NOON + DAY),
)


def _upload(clock: FrozenClock, chance: random.Random) -> CheckedUpload:
    details: dict[RecordKind, Detail] = {
        "face": FaceDetail(
            name=chance.choice((None, "Li Wei", "Ann")),
            uuid=chance.choice((None, "p1", "p2")),
            category=chance.choice((None, 0, 1, 2)),
            attributes=chance.choice(({}, {"bag": "backpack", "upper_colour": "red"})),
        ),
        "event": EventDetail(type=chance.choice((2, 3)), category=chance.choice((None, 0))),
        "vehicle": VehicleDetail(
            Plate(chance.choice(("京A12345", "沪B00000")), 1, Rect(1, 2, 3, 4)),
            Vehicle(2, "", None),
        ),
    }
    kind = chance.choice(tuple(details))
    away = chance.choice((0, 0, 0, -5000, 9 * HOUR, -30 * DAY))
    return upload(
        clock,
        kind=kind,
        detail=details[kind],
        pictures=chance.choice((0, 1)),
        occurred_at=clock.ms + away,
    )


@pytest.fixture
async def store(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[Store]:
    """Some hundred records of three cameras in a day, with clocks that are off."""
    chance = random.Random(7)
    async with opened(tmp_path, clock) as store:
        for seed in range(60):
            uploads = [_upload(clock, chance) for _ in range(chance.randrange(1, 6))]
            await store.records.append(
                batch_of(clock, uploads, seed=seed, did=chance.choice(("1", "2", "3")))
            )
            clock.advance(chance.choice((0, 40, 700, 3000)))
        with closing(sqlite3.connect(tmp_path / "hub.sqlite")) as connection, connection:
            add_people(connection, {"p1": 1})
        yield store


async def count(
    store: Store, filter: RecordFilter, edges: Sequence[int], bucket_ms: int
) -> Counting:
    counting = Counting(filter, edges, bucket_ms, lambda: 0.0)
    while not counting.is_done:
        await store.read(lambda c: counting.step(c, 1.0))
    return counting


async def expected(store: Store, filter: RecordFilter, edges: Sequence[int]) -> list[int]:
    """What a search finds in each bucket."""
    return [
        len((await store.records.page(replace(filter, since=since, until=until), limit=1000)).items)
        for since, until in pairwise(edges)
    ]


@pytest.mark.parametrize(
    ("bucket_ms", "edges"),
    [
        (HOUR, tuple(NOON + hour * HOUR for hour in range(24))),
        (DAY, (NOON - DAY, NOON + HOUR // 2, NOON + DAY + HOUR // 2)),
        (5 * MINUTE, tuple(NOON + step * 5 * MINUTE for step in range(30))),
        (HOUR, (NOON + 1234, NOON + HOUR, NOON + 2 * HOUR, NOON + 2 * HOUR + 1)),
        (MINUTE, (NOON + 59_999, NOON + 60_000, NOON + 61_000)),
        (DAY, (NOON - 40 * DAY, NOON - 20 * DAY)),
    ],
)
async def test_each_bucket_has_what_a_search_finds(
    bucket_ms: int,
    edges: tuple[int, ...],
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(counting, "_WINDOW", 16)
    for filter in FILTERS:
        counted = await count(store, filter, edges, bucket_ms)
        assert (filter, counted.counts) == (filter, await expected(store, filter, edges))
        assert counted.is_exact


@pytest.mark.parametrize(
    "filter",
    [
        RecordFilter(name="wei"),
        RecordFilter(name="wei", did="1"),
        RecordFilter(uuid="p1"),
        RecordFilter(attributes=(("bag", ("backpack",)),)),
    ],
)
async def test_very_many_records_are_spread_over_the_times_of_their_blocks(
    filter: RecordFilter, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_MANY", 2)
    edges = tuple(NOON + hour * HOUR for hour in range(26))
    counted = await count(store, filter, edges, HOUR)
    total = len((await store.records.page(filter, limit=1000)).items)
    assert sum(counted.counts) == total > 5
    assert not counted.is_exact
    assert sum(count > 0 for count in counted.counts) > 5


@pytest.mark.parametrize(
    ("filter", "bucket_ms"),
    [(RecordFilter(name="wei", kind="face"), HOUR), (RecordFilter(uuid="p1"), MINUTE)],
)
async def test_what_an_index_does_not_answer_alone_is_not_spread(
    filter: RecordFilter, bucket_ms: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_MANY", 2)
    edges = (NOON, NOON + HOUR, NOON + 20 * HOUR)
    counted = await count(store, filter, edges, bucket_ms)
    assert counted.is_exact
    assert counted.counts == await expected(store, filter, edges)


async def test_a_count_that_is_out_of_time_has_counted_the_newest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_WINDOW", 16)
    edges = tuple(NOON + step * MINUTE for step in range(24 * 60))
    seconds = iter(range(1000))
    counted = Counting(RecordFilter(), edges, MINUTE, lambda: float(next(seconds)))
    await store.read(lambda c: counted.step(c, 2.5))
    assert not counted.is_done
    assert sum(counted.counts) > 0
    right = await expected(store, RecordFilter(), edges)
    newest = max(place for place, records in enumerate(right) if records)
    assert counted.counts[newest] == right[newest]
    assert sum(counted.counts) < sum(right)


async def test_whole_hours_are_not_looked_for_in_the_log(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements: list[str] = []
    edges = tuple(NOON + hour * HOUR for hour in range(26))
    counted = Counting(RecordFilter(kind="face", categories=(0, 2)), edges, HOUR, lambda: 0.0)

    def traced(connection: sqlite3.Connection) -> None:
        connection.set_trace_callback(statements.append)
        counted.step(connection, 1.0)
        connection.set_trace_callback(None)

    await store.read(traced)
    assert counted.is_done
    assert sum(counted.counts) > 0
    assert not [one for one in statements if "FROM record " in one]


@pytest.mark.parametrize(
    "filter",
    [
        RecordFilter(lists=(0, 2)),
        RecordFilter(lists=(1,)),
        RecordFilter(lists=(1, 2), did="1"),
        RecordFilter(lists=(3,)),
        RecordFilter(lists=(0,), kind="face"),
        RecordFilter(lists=(1,), has_pictures=True),
        RecordFilter(lists=(2,), name="wei"),
        RecordFilter(lists=(1,), category=2),
        RecordFilter(lists=(0,), kind="vehicle"),
    ],
)
async def test_people_on_lists_are_counted_as_the_cameras_and_the_register_have_them(
    filter: RecordFilter, store: Store
) -> None:
    for bucket_ms, edges in (
        (HOUR, tuple(NOON + hour * HOUR for hour in range(24))),
        (DAY, (NOON - DAY, NOON + HOUR // 2, NOON + DAY + HOUR // 2)),
    ):
        counted = await store.counter.by_bucket(filter, edges, bucket_ms)
        assert list(counted.counts) == await expected(store, filter, edges)
        assert counted.is_exact


async def test_whom_the_cameras_put_on_a_list_is_not_looked_for_in_the_log(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside them, a sample tells enough of millions of rows."""
    monkeypatch.setattr(counting, "_MOST_ROWS", 80)
    monkeypatch.setattr(counting, "_SAMPLE", 80)
    monkeypatch.setattr(counting, "_FEW", 4)
    monkeypatch.setattr(counting, "_RUN", 1)
    edges = (NOON, NOON + 12 * HOUR, NOON + 24 * HOUR)
    counted = await store.counter.by_bucket(RecordFilter(lists=(0,)), edges, DAY)
    by_camera = await expected(store, RecordFilter(category=0), edges)
    right = await expected(store, RecordFilter(lists=(0,)), edges)
    assert not counted.is_exact
    assert all(found >= least for found, least in zip(counted.counts, by_camera, strict=True))
    assert sum(by_camera) <= sum(counted.counts) < 2 * sum(right)


@pytest.mark.parametrize("run", [1, 4])
async def test_of_very_many_rows_a_sample_is_looked_at(
    run: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    filter = RecordFilter(has_pictures=True)
    edges = (NOON - 40 * DAY, NOON + 40 * DAY)
    (right,) = await expected(store, filter, edges)
    monkeypatch.setattr(counting, "_MOST_ROWS", 8)
    monkeypatch.setattr(counting, "_SAMPLE", store.records.last_seq // 3)
    monkeypatch.setattr(counting, "_FEW", 4)
    monkeypatch.setattr(counting, "_RUN", run)
    counted = await count(store, filter, edges, DAY)
    assert not counted.is_exact
    assert counted.counts[0] % 4 == 0
    assert right * 0.7 < counted.counts[0] < right * 1.3


async def test_no_sample_is_taken_where_an_index_lists_few(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "_MOST_ROWS", 8)
    filter = RecordFilter(has_pictures=True, kind="vehicle")
    edges = (NOON - 40 * DAY, NOON + 40 * DAY)
    counted = await count(store, filter, edges, DAY)
    assert counted.is_exact
    assert counted.counts == await expected(store, filter, edges)
