"""Records are counted by name or plate, as a search would find them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from hub.store.db import Store
from hub.store.records import term_counting
from hub.store.records.record_filter import RecordFilter
from hub.store.records.term_counting import TermCounting
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import (
    EventDetail,
    FaceDetail,
    Plate,
    Record,
    Vehicle,
    VehicleDetail,
)
from tests.support.clock import FrozenClock
from tests.support.stores import batch_of, opened, upload

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
#: 2026-11-25, 12:00 UTC.
NOON = 1_795_608_000_000

FILTERS = (
    RecordFilter(plate="88"),
    RecordFilter(plate="8*8"),
    RecordFilter(plate="88", did="1"),
    RecordFilter(plate="88", dids=("1", "3")),
    RecordFilter(plate="88", kind="vehicle"),
    RecordFilter(plate="88", has_pictures=True),
    RecordFilter(plate="88", since=NOON + HOUR, until=NOON + 9 * HOUR),
    RecordFilter(plate="88", did="2", since=NOON + 5 * MINUTE),
    RecordFilter(plate='"b88"'),
    RecordFilter(plate="nothing"),
    RecordFilter(plate="88", kind="face"),
    RecordFilter(name="an"),
    RecordFilter(name="an", type=3),
    RecordFilter(name="an", category=2, until=NOON + 20 * HOUR),
    RecordFilter(name="an", plate="88"),
)


def _upload(clock: FrozenClock, chance: random.Random) -> CheckedUpload:
    name = chance.choice((None, "Li Wei", "Ann", "Anna", "Jan"))
    plate = chance.choice(("A88", "b88", "88 C", "A12"))
    kind, detail = chance.choice(
        (
            ("face", FaceDetail(name=name, category=chance.choice((None, 2)))),
            ("event", EventDetail(type=chance.choice((2, 3)), name=name)),
            ("vehicle", VehicleDetail(Plate(plate), Vehicle(2))),
            ("vehicle", VehicleDetail(Plate(plate), Vehicle(3))),
        )
    )
    away = chance.choice((0, 0, 0, -5000, 9 * HOUR, -30 * DAY))
    return upload(
        clock,
        kind=kind,  # type: ignore[arg-type]
        detail=detail,
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
        yield store


def _text(record: Record) -> str:
    detail = record.detail
    if isinstance(detail, VehicleDetail):
        return detail.plate.id or ""
    assert isinstance(detail, FaceDetail | EventDetail)
    return detail.name or ""


async def _expected(store: Store, filter: RecordFilter) -> tuple[Counter[str], dict[str, int]]:
    """How many records a search finds of each, and the newest."""
    found = (await store.records.page(filter, limit=1000)).items
    return Counter(map(_text, found)), {_text(record): record.seq for record in found}


@pytest.mark.parametrize("window", [16, 32_000])
async def test_each_name_or_plate_has_what_a_search_finds(
    window: int, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term_counting, "_WINDOW", window)
    monkeypatch.setattr(term_counting, "_TERMS_WINDOW", window)
    kinds = 0
    for filter in FILTERS:
        counted = await store.counter.by_text(filter, 10)
        counts, newest = await _expected(store, filter)
        found = {one.text: one.records for one in counted.found}
        assert (filter, found) == (filter, dict(counts))
        assert {one.text: one.last_seq for one in counted.found} == newest
        assert counted.is_exact
        assert counted.total == len(counts)
        kinds += len(counts)
    assert kinds > 20


async def test_those_of_the_most_records_come_first(store: Store) -> None:
    counted = await store.counter.by_text(RecordFilter(name="an"), 2)
    counts, _ = await _expected(store, RecordFilter(name="an"))
    assert [(one.text, one.records) for one in counted.found] == counts.most_common(2)
    assert counted.total == 3


async def test_with_very_many_records_a_time_is_told_by_the_parts_of_the_log(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term_counting, "_MANY", 2)
    timeless = RecordFilter(plate="88")
    counted = await store.counter.by_text(replace(timeless, since=NOON, until=NOON + 10 * DAY), 10)
    everything = await store.counter.by_text(timeless, 10)
    assert not counted.is_exact
    assert everything.is_exact
    # All in one block.
    assert counted.found == everything.found


async def test_a_count_that_is_out_of_time_has_counted_the_newest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(term_counting, "_TERMS_WINDOW", 16)
    seconds = iter(range(1000))
    counting = TermCounting(RecordFilter(plate="88"), lambda: float(next(seconds)))
    await store.read(lambda c: counting.step(c, 2.5))
    assert not counting.is_done
    _, newest = await _expected(store, RecordFilter(plate="88"))
    assert max(one.last_seq for one in counting.most(10)) == max(newest.values())


async def test_a_plate_whose_newest_record_is_damaged_is_told_as_it_is_indexed(
    tmp_path: Path, clock: FrozenClock
) -> None:
    def damage(connection: object) -> None:
        connection.execute("UPDATE record SET detail = x'00'")  # type: ignore[attr-defined]

    async with opened(tmp_path, clock) as store:
        await store.records.append(
            batch_of(clock, [upload(clock, kind="vehicle", detail=VehicleDetail(Plate("A88")))])
        )
        await store.write(damage)
        counted = await store.counter.by_text(RecordFilter(plate="88"), 10)
    assert [one.text for one in counted.found] == ["a88"]
