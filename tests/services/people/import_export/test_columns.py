"""What stands in the cells of a CSV file of people."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from hub.services.people.import_export.columns import (
    FIELDS,
    BadCell,
    column_name,
    field_of,
    read_cells,
)

SHANGHAI = ZoneInfo("Asia/Shanghai")


def cell(field: str, text: str) -> object:
    return read_cells([field], [text], SHANGHAI)[field]


def ms(*date: int) -> int:
    return int(datetime(*date, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


def test_columns_are_named_in_both_languages() -> None:
    for field in (*FIELDS, "reason"):
        assert field_of(column_name(field, "en")) == field_of(column_name(field, "zh")) == field
    assert field_of(" Work-ID ") == field_of("WORK ID") == field_of("员工编号") == "work_id"
    assert field_of("salary") is None


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("gender", "女", 2),
        ("gender", "Male", 1),
        ("gender", "2", 2),
        ("gender", "", None),
        ("category", "黑名单", 2),
        ("category", "Blacklist", 2),
        ("category", "vip", 3),
        ("category", "4", 4),
        ("age", "36", 36),
        ("age", "36.0", 36),
        ("birth_year", "", None),
        ("groups", "Gate; Building B", ("Gate", "Building B")),
        ("groups", "大门、B栋；大门", ("大门", "B栋")),
        ("groups", "", None),
        ("groups", "-", ()),
        ("valid_from", "2026-11-27", ms(2026, 11, 26, 16)),
        ("valid_from", "2026/1/7 8:05", ms(2026, 1, 7, 0, 5)),
        ("valid_from", "2026年1月7日", ms(2026, 1, 6, 16)),
        ("valid_from", "2026-11-27T08:00:00Z", ms(2026, 11, 27, 8)),
        ("valid_from", "2026-11-27T08:00:00.250+01:00", ms(2026, 11, 27, 7)),
        ("valid_until", "2026-11-27 18:30", ms(2026, 11, 27, 10, 30)),
        ("name", "  '=Ada ", "=Ada"),
        ("work_id", "E-7", "E-7"),
        ("pid", "18446744073709551615", "18446744073709551615"),
    ],
)
def test_a_cell_as_spreadsheets_write_it(field: str, text: str, value: object) -> None:
    assert cell(field, text) == value


def test_the_last_day_counts() -> None:
    assert cell("valid_until", "2026-11-27") == ms(2026, 11, 27, 16)


@pytest.mark.parametrize(
    ("field", "text", "fault"),
    [
        ("id_card_no", "1.10101E+17", "shortened"),
        ("pid", "1E+18", "shortened"),
        ("gender", "x", "word"),
        ("category", "0", "word"),
        ("age", "old", "number"),
        ("age", "-1", "number"),
        ("birth_year", "9" * 5000, "number"),
        ("valid_from", "yesterday", "time"),
        ("valid_from", "2026-02-30", "time"),
        ("valid_until", "9999-12-31", "time"),
        ("valid_from", "2026-11-27 25:00", "time"),
    ],
)
def test_a_cell_that_cannot_be_used_is_named(field: str, text: str, fault: str) -> None:
    with pytest.raises(BadCell) as caught:
        cell(field, text)
    assert (caught.value.field, caught.value.fault, caught.value.value) == (field, fault, text)
    assert str(caught.value).startswith(f"{field}: ")


def test_what_has_no_column_is_not_changed_and_what_is_empty_is() -> None:
    found = read_cells(["pid", None, "reason", "note", "phone"], ["7", "x", "y"], SHANGHAI)
    assert found == {"pid": "7", "note": "", "phone": ""}
