from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from hub.services.records.repeat_groups import REPEAT_MS, group_repeats, repeat_key
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    HubDetail,
    Plate,
    Record,
    VehicleDetail,
)

KINDS: dict[type[Detail], Any] = {
    FaceDetail: "face",
    EventDetail: "event",
    VehicleDetail: "vehicle",
    AccessDetail: "access",
    HubDetail: "hub",
}
LI = FaceDetail(name="Li Wei", uuid="7", category=1)
WANG = FaceDetail(name="Wang Fang", uuid="8", category=1)


def record(seq: int, detail: Detail, *, at: int | None = None, did: str = "gate") -> Record:
    return Record(
        seq=seq,
        kind=KINDS[type(detail)],
        did=did,
        sn=did,
        device_name=did,
        occurred_at=seq * 1_000 if at is None else at,
        received_at=seq * 1_000,
        detail=detail,
        extra=Raw(b"{}"),
        images=(),
    )


def grouped(*records: Record) -> list[list[int]]:
    return [[one.seq for one in group.records] for group in group_repeats(records)]


def test_the_same_person_at_the_same_camera_is_one_group_led_by_the_first() -> None:
    (group,) = group_repeats([record(3, LI), record(2, LI), record(1, LI)])
    assert (group.lead.seq, group.count) == (3, 3)


def test_others_in_between_do_not_separate_a_group() -> None:
    assert grouped(record(1, LI), record(2, WANG), record(3, LI, did="yard"), record(4, LI)) == [
        [1, 4],
        [2],
        [3],
    ]


def test_a_group_ends_once_nothing_was_seen_for_a_minute() -> None:
    first, second = record(1, LI, at=0), record(2, LI, at=REPEAT_MS)
    third, late = record(3, LI, at=2 * REPEAT_MS), record(4, LI, at=3 * REPEAT_MS + 1)
    assert grouped(first, second, third, late) == [[1, 2, 3], [4]]


@pytest.mark.parametrize(
    "detail",
    [
        FaceDetail(),
        FaceDetail(uuid="0", name=""),
        FaceDetail(uuid="000"),
        AccessDetail(uuid="9223372036854775808"),
        AccessDetail(of=1),
        EventDetail(type=3, name="Li Wei", uuid="7"),
        VehicleDetail(),
        HubDetail("offline"),
    ],
)
def test_strangers_events_and_what_names_nobody_stay_apart(detail: Detail) -> None:
    assert grouped(record(1, detail), record(2, detail)) == [[1], [2]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (VehicleDetail(Plate("沪A12345")), VehicleDetail(Plate("沪a12345 ", 2))),
        (FaceDetail(name="Li Wei", uuid="7"), FaceDetail(name="Wei Li", uuid="007")),
        (FaceDetail(name="Li Wei"), FaceDetail(name="Li Wei", uuid="0")),
        (FaceDetail(uuid="not-a-pid"), FaceDetail(uuid="not-a-pid", age=30)),
        (AccessDetail(uuid="7", rid="1", status=1), AccessDetail(uuid="7", rid="2", status=1)),
    ],
)
def test_one_person_or_plate_is_the_same_however_it_is_written(one: Detail, other: Detail) -> None:
    assert grouped(record(1, one), record(2, other)) == [[1, 2]]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (LI, FaceDetail(name="Li Wei", uuid="7", category=2)),
        (AccessDetail(uuid="7", status=1), AccessDetail(uuid="7", status=2)),
        (FaceDetail(uuid="7"), AccessDetail(uuid="7")),
        (FaceDetail(name="pid 7"), FaceDetail(uuid="7")),
    ],
)
def test_what_says_something_else_of_a_person_is_a_card_of_its_own(
    one: Detail, other: Detail
) -> None:
    assert grouped(record(1, one), record(2, other)) == [[1], [2]]


def test_what_was_erased_repeats_nothing() -> None:
    erased = Record(**{**_fields(record(1, LI)), "erased": True})
    assert repeat_key(erased) == ""


@given(
    st.lists(
        st.builds(
            record,
            st.integers(1, 1_000),
            st.sampled_from([LI, WANG, FaceDetail(), EventDetail(type=1)]),
            at=st.integers(0, 300_000),
            did=st.sampled_from(["gate", "yard"]),
        )
    )
)
def test_grouping_loses_no_record_and_keeps_the_order(records: list[Record]) -> None:
    groups = group_repeats(records)
    position = {id(one): at for at, one in enumerate(records)}
    places = [[position[id(one)] for one in group.records] for group in groups]
    assert sorted(at for group in places for at in group) == list(range(len(records)))
    assert all(group == sorted(group) for group in places)
    assert places == sorted(places)


def _fields(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__struct_fields__}
