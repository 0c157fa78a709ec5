"""The time that a question is about."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from hub.errors import BadParameter
from web.pages.search.period import SearchPeriod, read_period
from web.pages.times import to_ms

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 25, 20, 30, tzinfo=SHANGHAI)
FIELDS = ("when", "day", "around", "since", "until")


def period(**values: str) -> SearchPeriod:
    return read_period(dict.fromkeys(FIELDS, "") | values, SHANGHAI)


def bounds(**values: str) -> tuple[str, str]:
    found = period(**values).bounds(NOW)
    return tuple(f"{at.astimezone(SHANGHAI):%d %H:%M}" if at else "" for at in found)  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ("", "")),
        ({"when": "hour"}, ("25 19:30", "")),
        ({"when": "today"}, ("25 00:00", "26 00:00")),
        ({"when": "yesterday"}, ("24 00:00", "25 00:00")),
        ({"when": "week"}, ("19 00:00", "")),
        ({"when": "month"}, ("01 00:00", "")),
        ({"when": "month", "around": "15"}, ("25 14:45", "25 15:15")),
        ({"day": "2026-11-20"}, ("20 00:00", "21 00:00")),
        ({"when": "yesterday", "around": "15:00"}, ("24 14:45", "24 15:15")),
        ({"around": "15:00"}, ("25 14:45", "25 15:15")),
        ({"when": "week", "around": "00:05"}, ("24 23:50", "25 00:20")),
        ({"day": "2026-11-20", "around": "15:00"}, ("20 14:45", "20 15:15")),
        ({"since": "2026-11-24T08:00", "until": "2026-11-24T09:00"}, ("24 08:00", "24 09:00")),
        ({"since": "2026-11-24T08:00"}, ("24 08:00", "")),
        ({"until": "2026-11-24T00:00:00Z", "when": "today"}, ("", "24 08:00")),
        ({"until": "2026-11-24T00:00:00 08:00"}, ("", "24 00:00")),
        ({"around": "2026-11-24T07:00:09.123Z"}, ("24 14:45", "24 15:15")),
    ],
)
def test_a_time_is_meant_as_a_guard_says_it(
    values: dict[str, str], expected: tuple[str, str]
) -> None:
    assert bounds(**values) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("15:00", "15:00"),
        ("15", "15:00"),
        ("9.30", "09:30"),
        ("9:05:59", "09:05"),
        ("3 pm", "15:00"),
        ("3:30PM", "15:30"),
        ("12am", "00:00"),
        ("12 p.m.", "12:00"),
        ("下午3点", "15:00"),
        ("上午 9:30", "09:30"),
        ("15：00", "15:00"),
        (" 3 ", "03:00"),
        ("1950", "19:50"),
        ("15h", "15:00"),
        ("15时", "15:00"),
        ("15时30分", "15:30"),
    ],
)
def test_a_time_of_the_day_is_read_as_people_write_it(text: str, expected: str) -> None:
    assert period(around=text).pairs() == [("around", expected)]


@pytest.mark.parametrize("text", ["25", "15:60", "13 pm", "0 am", "three", "15:0", "150", "2450"])
def test_what_is_no_time_of_the_day_is_refused(text: str) -> None:
    with pytest.raises(BadParameter) as caught:
        period(around=text)
    assert caught.value.field == "around"


def test_the_more_exact_answer_counts_and_the_address_has_only_that() -> None:
    asked = period(when="yesterday", day="2026-11-20", around="9:00".zfill(5))
    assert asked.pairs() == [("day", "2026-11-20"), ("around", "09:00")]
    asked = period(when="yesterday", day="2026-11-20", since="2026-11-24T08:00:30")
    assert asked.pairs() == [("since", "2026-11-24T08:00:30")]
    assert period(when="week", around="15:00").pairs() == [("around", "15:00")]
    assert period(when="yesterday").pairs() == [("when", "yesterday")]


def test_a_day_on_which_clocks_change_is_as_long_as_it_is() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    asked = read_period(dict.fromkeys(FIELDS, "") | {"day": "2026-10-25"}, berlin)
    since, until = map(to_ms, asked.bounds(datetime(2026, 11, 1, tzinfo=berlin)))
    assert (until or 0) - (since or 0) == timedelta(hours=25) // timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("when", "soon"),
        ("day", "25.11.2026"),
        ("day", "0001-01-01"),
        ("day", "9999-12-31"),
        ("around", "three"),
        ("around", "about three o'clock"),
        ("since", "yesterday"),
        ("since", "0001-01-01T00:00"),
        ("until", "9999-12-31T23:59"),
    ],
)
def test_what_is_no_time_is_refused_by_field(field: str, text: str) -> None:
    with pytest.raises(BadParameter) as caught:
        period(**{field: text})
    assert caught.value.field == field


def test_an_end_before_the_beginning_is_refused() -> None:
    with pytest.raises(BadParameter) as caught:
        period(since="2026-11-24T08:00", until="2026-11-24T08:00")
    assert caught.value.field == "until"
