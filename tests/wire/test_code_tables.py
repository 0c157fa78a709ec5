"""The code tables of 2.1, 2.4 and 2.5 in both languages."""

from __future__ import annotations

from hub.wire import code_tables


def test_2_4_has_fourteen_event_types_and_boxes_five_more_with_names_in_both_languages() -> None:
    assert list(code_tables.EVENT_TYPES) == [*range(1, 15), *range(16, 21)]
    assert code_tables.event_name(12) == "Person on a list"
    assert code_tables.event_name(12, "zh") == "名单人员"
    assert code_tables.event_name(15) == "type 15"
    assert code_tables.event_name(15, "zh") == "类型 15"


def test_2_5_vehicle_types_are_0_to_36_without_14() -> None:
    assert list(code_tables.VEHICLE_TYPES) == [number for number in range(37) if number != 14]
    assert code_tables.vehicle_name(6) == "SUV"
    assert code_tables.vehicle_name(1, "zh") == "轿车"


def test_2_5_plate_types_are_0_to_18_without_12() -> None:
    assert list(code_tables.PLATE_TYPES) == [number for number in range(19) if number != 12]
    assert code_tables.plate_name(17, "zh") == "新能源牌"


def test_d5_unknown_numbers_are_shown_as_unknown() -> None:
    assert code_tables.vehicle_name(14) == "unknown (14)"
    assert code_tables.plate_name(99, "zh") == "未知 (99)"


def test_categories_and_genders_have_names() -> None:
    assert code_tables.category_name(0) == "stranger"
    assert code_tables.category_name(2, "zh") == "黑名单"
    assert code_tables.gender_name(2) == "female"


def test_no_name_is_empty() -> None:
    for table in (
        code_tables.EVENT_TYPES,
        code_tables.VEHICLE_TYPES,
        code_tables.PLATE_TYPES,
        code_tables.CATEGORIES,
        code_tables.GENDERS,
    ):
        assert all(names.en and names.zh for names in table.values())
