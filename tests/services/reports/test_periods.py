"""Days, weeks and months in the zone of the site."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from hub.errors import BadParameter
from hub.services.reports.periods import period_of, read_day

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3_600_000


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)],
)
def test_a_day_has_as_many_hours_as_its_clocks_say(day: date, hours: int) -> None:
    period = period_of("day", day, BERLIN)
    assert period.until - period.since == hours * HOUR
    assert (period.before, period.after) == (date.fromordinal(day.toordinal() - 1), period.after)


def test_a_week_begins_on_monday() -> None:
    period = period_of("week", date(2026, 3, 29), BERLIN)
    assert [day.date.day for day in period.days] == [23, 24, 25, 26, 27, 28, 29]
    assert period.until - period.since == (7 * 24 - 1) * HOUR


@pytest.mark.parametrize(("month", "days"), [(2, 28), (10, 31), (11, 30), (12, 31)])
def test_a_month_is_a_calendar_month(month: int, days: int) -> None:
    period = period_of("month", date(2026, month, 17), BERLIN)
    assert len(period.days) == days
    assert period.first == date(2026, month, 1)
    assert period.before.month == (month - 2) % 12 + 1
    assert period.after.month == month % 12 + 1


def test_days_follow_each_other_without_a_gap() -> None:
    days = period_of("month", date(2026, 10, 1), ZoneInfo("Asia/Kathmandu")).days
    assert all(one.until == other.since for one, other in pairwise(days))


@pytest.mark.parametrize("text", ["", "x", "2026-13-01", "20261101", "1969-12-31", "9999-01-01"])
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="YYYY-MM-DD"):
        read_day(text)
