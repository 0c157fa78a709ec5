"""Searches of the record log: any filter finds what looking at each record finds."""

from __future__ import annotations

import fnmatch
import random
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from hub.store.commit.record_rows import NewRecord, fold, insert_records, insert_spans
from hub.store.media.pack_format import StoredImage
from hub.store.records import record_conditions, record_search
from hub.store.records.record_conditions import with_known_lists
from hub.store.records.record_filter import RecordFilter, simplified
from hub.store.records.record_reading import RecordReader
from hub.store.records.record_search import RecordSearch, seq_range
from hub.store.rows import DamagedRows
from hub.store.sqlite.connection import connect_writer
from hub.store.sqlite.migrate import bring_up_to_date, migrations
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    Plate,
    Record,
    Vehicle,
    VehicleDetail,
)
from tests.support.listed_people import add_people

START = 1_764_057_600_000
MINUTE = 60_000
NAMES = ("Li Lei", "Han Mei", "Li", "[Bo]", "")
PLATES = ("京A12345", "沪B8888", "A1?", "")
NOBODY = str(2**63)
#: As cameras write them; the last ones are those of nobody.
UUIDS = ("p1", "p2", "3", "0003", "000", NOBODY)
#: Those of the register, and the list that each is on.
LISTED = {"p1": 1, "p2": 2, "3": 1}
#: Some of those of people, and values that they have.
ATTRIBUTES = {
    "upper_colour": ("red", "black"),
    "bag": ("none", "backpack"),
    "helmet": ("yes", "no"),
    "upper_pattern": ("plain",),
}
ASKED: dict[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    "people": (("upper_colour", ("red",)),),
    "several": (("upper_colour", ("red", "black")), ("bag", ("backpack",)), ("gender", ("male",))),
    "rare": (("helmet", ("no",)), ("bag", ("none",)), ("umbrella", ("yes",))),
    "vehicles": (("car_type", ("SUV", "car")), ("car_colour", ("red",))),
    "plates": (("plate_colour", ("yellow", "blue")),),
    "both": (("car_colour", ("red",)), ("bag", ("none",))),
    "none": (("car_colour", ()),),
    "no such word": (("car_colour", ("octarine",)),),
}
#: In seqs; the real ones would need large sets.
SMALL = {"_WINDOW": 8, "_MIN_WINDOW": 2, "_MAX_CANDIDATES": 6}


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    path = tmp_path / "hub.sqlite"
    bring_up_to_date(path, migrations())
    with closing(connect_writer(path)) as connection:
        yield connection


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SMALL.items():
        monkeypatch.setattr(record_search, name, value)
    monkeypatch.setattr(record_conditions, "_MAX_INDEXED_TERMS", 2)
    monkeypatch.setattr(record_conditions, "_MAX_INDEXED_PEOPLE", 2)


def detail_of(kind: str, chance: random.Random) -> Detail:
    def maybe(*values: Any) -> Any:
        return chance.choice((None, *values))

    match kind:
        case "face":
            return FaceDetail(
                maybe(*NAMES),
                uuid=maybe(*UUIDS),
                category=maybe(0, 1, 2),
                gender=maybe(1, 2),
                attributes={
                    key: value
                    for key, words in ATTRIBUTES.items()
                    if (value := maybe(*words)) is not None
                },
            )
        case "event":
            event = EventDetail(chance.choice((1, 2, 3)), uuid=maybe(*UUIDS), category=maybe(0, 1))
            return EventDetail(event.type, name=maybe(*NAMES), uuid=event.uuid, category=0)
        case "vehicle":
            plate = Plate(id=maybe(*PLATES), type=1, colour=maybe("yellow, one row", "green"))
            return VehicleDetail(plate, Vehicle(type=maybe(1, 6), colour=maybe("red", "purple")))
    return AccessDetail(rid="1", uuid=maybe(*UUIDS), type=maybe("1", "2"))


def random_record(seq: int, chance: random.Random) -> Record:
    """A record of few cameras, one of which is rare and one has a wrong clock."""
    kind: Any = chance.choice(("face", "face", "face", "event", "vehicle", "access"))
    did = chance.choice("1111222233334") if seq % 31 else "9"
    received = START + seq * MINUTE + chance.randrange(-MINUTE, MINUTE)
    return Record(
        seq=seq,
        kind=kind,
        did=did,
        sn=f"SN{did}",
        device_name="Gate",
        occurred_at=received - (480 * MINUTE if did == "3" else chance.randrange(3 * MINUTE)),
        received_at=received,
        detail=detail_of(kind, chance),
        extra=Raw(b"{}"),
        images=(),
    )


def add(
    connection: sqlite3.Connection, records: Sequence[Record], pictures: Callable[[int], bool]
) -> None:
    image = StoredImage("face", "image/jpeg", 0, 10, "0123456789abcdef")
    new = [
        NewRecord(
            one,
            msgspec.json.encode(one.detail),
            (image,) * pictures(one.seq),
            b"%d" % one.seq,
            False,
        )
        for one in records
    ]
    insert_records(connection, new)
    insert_spans(connection, records)


def random_filter(chance: random.Random) -> RecordFilter:
    """A filter with one to five conditions."""
    since = START + chance.randrange(-500, 300) * MINUTE
    conditions: dict[str, Any] = {
        "kind": chance.choice(("face", "event", "vehicle", "access", "hub")),
        "did": chance.choice("1234956"),
        "dids": tuple(chance.sample("1234956", chance.randrange(4))),
        "since": since,
        "until": since + chance.choice((1, 60, 600)) * MINUTE,
        "type": chance.choice((1, 2, 3, 4)),
        "plate": chance.choice(("a", "8", "A1?", "b*8", "*", "[", "")),
        "name": chance.choice(("li", "L", "?i l*", "han", "[bo]", "x")),
        "uuid": chance.choice((*UUIDS, "p9")),
        "category": chance.choice((0, 1, 2, 5)),
        "categories": tuple(chance.sample((0, 1, 2, 5), chance.randrange(4))),
        "lists": tuple(chance.sample((0, 1, 2, 5), chance.randrange(4))),
        "has_pictures": chance.random() < 0.5,
        "attributes": chance.choice(list(ASKED.values())),
    }
    chosen = chance.sample(sorted(conditions), chance.randrange(1, 6))
    return RecordFilter(**{name: conditions[name] for name in chosen})


def has_part(text: str | None, part: str | None) -> bool:
    if not part:
        return True
    if not text:
        return False
    pattern = fold(part).replace("[", "[[]")
    return fnmatch.fnmatchcase(fold(text), f"*{pattern}*")


def matches(record: Record, filter: RecordFilter) -> bool:
    """The meaning of a filter, in other words than the search has."""
    detail = record.detail
    name, uuid, category = (getattr(detail, key, None) for key in ("name", "uuid", "category"))
    plate = detail.plate.id if isinstance(detail, VehicleDetail) else None
    type = getattr(detail, "type", None) if record.kind in ("event", "access") else None
    asked = [
        filter.kind in (None, record.kind),
        filter.did in (None, record.did),
        filter.dids is None or record.did in filter.dids,
        filter.since is None or record.occurred_at >= filter.since,
        filter.until is None or record.occurred_at < filter.until,
        filter.type is None or str(type) == str(filter.type),
        has_part(plate, filter.plate),
        has_part(name, filter.name),
        filter.uuid is None or number(filter.uuid) == number(uuid),
        filter.category in (None, category),
        filter.categories is None or category in filter.categories,
        filter.lists is None or is_on_list(record, filter.lists),
        filter.has_pictures in (None, bool(record.images)),
        all(word_of(detail, key) in words for key, words in filter.attributes),
    ]
    return all(asked)


def number(uuid: str | None) -> str | None:
    """A number without leading zeros."""
    return None if uuid is None else uuid.lstrip("0")


def word_of(detail: Detail, key: str) -> str | None:
    """What an attribute of a record is called in searches."""
    if isinstance(detail, FaceDetail):
        genders = {1: "male", 2: "female"}
        return genders.get(detail.gender or 0) if key == "gender" else detail.attributes.get(key)
    if not isinstance(detail, VehicleDetail):
        return None
    colour = detail.plate.colour or "blue"
    return {
        "plate_colour": colour.partition(",")[0],
        "car_type": {1: "car", 6: "SUV"}.get(detail.vehicle.type or 0),
        "car_colour": detail.vehicle.colour,
    }.get(key)


def is_on_list(record: Record, lists: tuple[int, ...]) -> bool:
    detail = record.detail
    name, uuid, category = (getattr(detail, key, None) for key in ("name", "uuid", "category"))
    if category in lists or LISTED.get(number(uuid) or "") in lists:
        return True
    if record.kind == "access":
        return 0 in lists and number(uuid) in ("", NOBODY)
    is_nobody = not name and number(uuid) in (None, "", NOBODY)
    return 0 in lists and record.kind == "face" and category is None and is_nobody


class JumpingClock:
    """A clock that sometimes jumps, so that searches run out of time anywhere."""

    def __init__(self, chance: random.Random, share: float) -> None:
        self._chance = chance
        self._share = share
        self._now = 0.0

    def __call__(self) -> float:
        self._now += 100.0 if self._chance.random() < self._share else 0.001
        return self._now


class Log:
    """A log in a database, and how it is searched."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._reader = RecordReader(DamagedRows(), lambda seq, received_at: True)

    def search(self, filter: RecordFilter, **how: Any) -> RecordSearch:
        given: dict[str, Any] = {
            "newest_first": False,
            "limit": 1000,
            "max_bytes": 2**30,
            "clock": lambda: 0.0,
            **how,
        }
        seqs = seq_range(given.pop("after", None), given.pop("before", None))
        return RecordSearch(filter, seqs, read=self._reader.read, **given)

    def page(self, filter: RecordFilter, **how: Any) -> RecordSearch:
        """One page, in one step."""
        search = self.search(filter, **how)
        if not search.is_done:
            search.step(self.connection, 1.0)
        return search

    def all(self, filter: RecordFilter, *, newest_first: bool, **how: Any) -> list[Record]:
        """The records of all pages, each of which goes on where the last one ended."""
        found: list[Record] = []
        position: int | None = None
        while True:
            bound = {"before" if newest_first else "after": position}
            page = self.page(filter, newest_first=newest_first, **bound, **how)
            found += page.items
            if page.is_end:
                return found
            assert page.position is not None
            assert position is None or (page.position < position) == newest_first
            assert page.position != position
            position = page.position


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.0, 0.02, 0.3])
def test_pages_of_any_filter_hold_what_matches_in_order(
    connection: sqlite3.Connection,
    small_windows: None,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
    share: float,
) -> None:
    monkeypatch.setattr(record_search, "_INSTRUCTIONS", 40)
    chance = random.Random(seed)
    add_people(connection, LISTED)
    kept = [seq for seq in range(1, 300) if chance.random() < 0.9]
    add(connection, [random_record(seq, chance) for seq in kept], lambda seq: seq % 3 == 0)
    log = Log(connection)
    records = log.all(RecordFilter(), newest_first=False)
    assert [one.seq for one in records] == kept
    for _ in range(60):
        filter, limit = random_filter(chance), chance.choice((1, 3, 20))
        expected = [one for one in records if matches(one, filter)]
        for newest_first in (False, True):
            clock = JumpingClock(chance, share)
            found = log.all(filter, newest_first=newest_first, limit=limit, clock=clock)
            assert found == (expected[::-1] if newest_first else expected), filter


def test_lists_are_found_as_categories_where_nothing_else_can_be_on_them(
    connection: sqlite3.Connection,
) -> None:
    chance = random.Random(1)
    sorted_faces = [
        msgspec.structs.replace(one, detail=FaceDetail(None, uuid=None, category=one.seq % 4))
        for one in (random_record(seq, chance) for seq in range(1, 200))
        if one.kind == "face"
    ]
    add(connection, sorted_faces, lambda seq: False)
    lists, categories = RecordFilter(lists=(0, 2)), RecordFilter(categories=(0, 2))
    assert with_known_lists(connection, lists) == categories
    add_people(connection, {"p1": 2})
    assert with_known_lists(connection, lists) == lists
    assert with_known_lists(connection, RecordFilter(lists=(0, 1))) == RecordFilter(
        categories=(0, 1)
    )
    refused = msgspec.structs.replace(
        sorted_faces[-1], seq=400, kind="access", detail=AccessDetail(rid="1", uuid=NOBODY)
    )
    add(connection, [refused], lambda seq: False)
    assert with_known_lists(connection, RecordFilter(lists=(0, 1))) == RecordFilter(lists=(0, 1))
    connection.execute("DELETE FROM record WHERE seq = 400")
    nameless = msgspec.structs.replace(
        sorted_faces[-1], seq=500, detail=FaceDetail(None, uuid=None, category=None)
    )
    add(connection, [nameless], lambda seq: False)
    assert with_known_lists(connection, RecordFilter(lists=(0, 1))) == RecordFilter(lists=(0, 1))


def test_a_page_that_ran_out_of_time_says_how_far_it_searched(
    connection: sqlite3.Connection, small_windows: None
) -> None:
    chance = random.Random(1)
    add(connection, [random_record(seq, chance) for seq in range(1, 100)], lambda seq: False)
    log = Log(connection)
    late = JumpingClock(chance, 1.0)
    page = log.page(RecordFilter(has_pictures=True), clock=late)
    assert (page.items, page.is_done, page.position) == ([], False, 8)
    page.step(connection, 1.0)
    assert (page.is_done, page.position) == (False, 16)
    page = log.page(RecordFilter(has_pictures=True), newest_first=True, clock=late)
    assert (page.items, page.is_done, page.position) == ([], False, 92)


def test_a_full_page_is_not_searched_on_for_long(
    connection: sqlite3.Connection, small_windows: None
) -> None:
    chance = random.Random(1)
    add(connection, [random_record(seq, chance) for seq in range(1, 100)], lambda seq: seq == 2)
    log = Log(connection)
    with_time = log.page(RecordFilter(has_pictures=True), limit=1)
    assert (with_time.is_done, with_time.is_end) == (True, True)
    late = log.page(RecordFilter(has_pictures=True), limit=1, clock=JumpingClock(chance, 1.0))
    assert (late.is_done, late.is_end, late.position) == (True, False, 8)


@pytest.mark.parametrize(
    "filter",
    [
        RecordFilter(plate="1", kind="face"),
        RecordFilter(name="li", kind="vehicle"),
        RecordFilter(name="li", plate="1"),
        RecordFilter(category=1, kind="access"),
        RecordFilter(categories=(0, 1), plate="1"),
        RecordFilter(type=1, kind="face"),
        RecordFilter(uuid="p1", kind="hub"),
        RecordFilter(did="1", dids=("2", "3")),
        RecordFilter(lists=()),
        RecordFilter(lists=(0, 1), kind="vehicle"),
        RecordFilter(category=1, categories=(0, 2)),
        RecordFilter(dids=()),
        RecordFilter(since=5, until=5),
    ],
)
def test_what_contradicts_itself_is_answered_without_a_search(filter: RecordFilter) -> None:
    assert simplified(filter) is None
    search = RecordSearch(
        filter,
        (0, 9),
        newest_first=True,
        limit=1,
        max_bytes=1,
        read=lambda row: pytest.fail("nothing is read"),
        clock=lambda: 0.0,
    )
    assert search.is_done
    assert search.is_end


@pytest.mark.parametrize(
    ("filter", "plan"),
    [
        (RecordFilter(did="9"), "USING INDEX record_did (did=? AND rowid>?"),
        (RecordFilter(kind="face", did="9"), "USING INDEX record_did "),
        (RecordFilter(kind="hub"), ""),
        (RecordFilter(uuid="p1"), "USING INDEX record_uuid "),
        (RecordFilter(uuid="p1", kind="event"), "USING INDEX record_kind "),
        (RecordFilter(did="1", uuid="p9"), ""),
        (RecordFilter(name="han"), "USING INDEX record_term "),
        (RecordFilter(name="li"), "USING COVERING INDEX record_term "),
        (RecordFilter(dids=("9", "8")), "USING COVERING INDEX record_did "),
        (RecordFilter(has_pictures=True), "USING INTEGER PRIMARY KEY (rowid>?"),
        (RecordFilter(did="9", has_pictures=False), "USING INDEX record_did_bare "),
        (RecordFilter(lists=(4,)), ""),
    ],
)
def test_the_index_with_the_fewest_records_is_used_without_a_sort(
    connection: sqlite3.Connection, filter: RecordFilter, plan: str
) -> None:
    chance = random.Random(1)
    add(connection, [random_record(seq, chance) for seq in range(1, 300)], lambda seq: False)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    Log(connection).page(filter, newest_first=True, limit=5)
    connection.set_trace_callback(None)
    reads = [one for one in statements if one.startswith("SELECT seq, kind")]
    plans = [
        " / ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {one}"))
        for one in reads
    ]
    assert len(plans) == (1 if plan else 0)
    assert all(plan in one and "TEMP B-TREE" not in one for one in plans)


def test_all_rows_of_a_window_are_tested_if_most_of_them_may_match(
    connection: sqlite3.Connection,
) -> None:
    chance = random.Random(1)
    add(connection, [random_record(seq, chance) for seq in range(1, 300)], lambda seq: False)
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    Log(connection).page(RecordFilter(kind="face"), limit=5)
    connection.set_trace_callback(None)
    assert any("FROM record NOT INDEXED" in one for one in statements)
