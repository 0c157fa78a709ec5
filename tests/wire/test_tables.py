"""The tables of 2.1, 2.4 and 2.5 in both languages."""

from __future__ import annotations

from hub.wire import tables


def test_2_4_has_fourteen_event_types_with_names_in_both_languages() -> None:
    assert list(tables.EVENT_TYPES) == list(range(1, 15))
    assert tables.event_name(12) == "Listed person"
    assert tables.event_name(12, "zh") == "关注人员"
    assert tables.event_name(15) == "type 15"
    assert tables.event_name(15, "zh") == "类型 15"


def test_2_5_vehicle_types_are_0_to_36_without_14() -> None:
    assert list(tables.VEHICLE_TYPES) == [number for number in range(37) if number != 14]
    assert tables.vehicle_name(6) == "SUV"
    assert tables.vehicle_name(1, "zh") == "轿车"


def test_2_5_plate_types_are_0_to_18_without_12() -> None:
    assert list(tables.PLATE_TYPES) == [number for number in range(19) if number != 12]
    assert tables.plate_name(17, "zh") == "新能源牌"


def test_d5_unknown_numbers_are_shown_as_unknown() -> None:
    assert tables.vehicle_name(14) == "unknown (14)"
    assert tables.plate_name(99, "zh") == "未知 (99)"


def test_categories_and_genders_have_names() -> None:
    assert tables.category_name(0) == "stranger"
    assert tables.category_name(2, "zh") == "黑名单"
    assert tables.gender_name(2) == "female"


def test_no_name_is_empty() -> None:
    for table in (
        tables.EVENT_TYPES,
        tables.VEHICLE_TYPES,
        tables.PLATE_TYPES,
        tables.CATEGORIES,
        tables.GENDERS,
    ):
        assert all(names.en and names.zh for names in table.values())
