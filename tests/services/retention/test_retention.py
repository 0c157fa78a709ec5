"""Which days go by age at once, and which wait for a person."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from hub.services.clock.dating import DatedDay
from hub.services.retention.retention import RetentionPlan, plan_drops
from hub.store.records.retention import DayUse

TODAY = date(2026, 11, 25)


def kept(count: int, *, newest: date = TODAY, records: int = 10) -> list[DatedDay]:
    """`count` days up to `newest`, oldest first."""
    dates = [newest - timedelta(days=back) for back in reversed(range(count))]
    return [
        DatedDay(
            DayUse(day.isoformat(), 0, records, records * n + 1, records * n + records), day, "own"
        )
        for n, day in enumerate(dates)
    ]


def plan(days: list[DatedDay], keep_days: int, usual: int = 1, *confirmed: str) -> RetentionPlan:
    return plan_drops(
        days, today=TODAY, keep_days=keep_days, usual=usual, confirmed=frozenset(confirmed)
    )


def names(days: tuple[DatedDay, ...]) -> list[str]:
    return [day.use.day for day in days]


@pytest.mark.parametrize("keep_days", [1, 2, 5, 9, 30, 400])
def test_each_night_one_day_goes(keep_days: int) -> None:
    days = kept(keep_days + 2)
    found = plan(days, keep_days)
    assert found.due == (days[0],)
    assert found.waiting == ()
    assert plan(days[1:], keep_days).due == ()


def test_as_many_days_as_nights_have_passed_may_go() -> None:
    days = kept(9)
    assert len(plan(days, 5, 3).due) == 3
    assert plan(days, 5, 2).due == ()
    assert len(plan(days, 5, 2).waiting) == 3


def test_a_tenth_of_the_records_may_go_at_once() -> None:
    days = kept(30)
    assert len(plan(days, 26).due) == 3
    found = plan(days, 25)
    assert (len(found.due), len(found.waiting), found.reason) == (0, 4, "share")
    assert (found.records, found.total) == (40, 300)


def test_the_last_day_that_holds_records_waits() -> None:
    days = kept(1, newest=TODAY - timedelta(days=60))
    found = plan(days, 30)
    assert (found.due, found.waiting, found.reason) == ((), tuple(days), "last")
    # The others go one by one.
    days = kept(2, newest=TODAY - timedelta(days=60))
    found = plan(days, 30)
    assert (found.due, found.waiting) == ((days[0],), (days[1],))


def test_the_current_day_never_goes() -> None:
    today = DatedDay(DayUse(TODAY.isoformat(), 0, 5, 1, 5), TODAY - timedelta(days=99), "step")
    newest = DatedDay(DayUse("2027-01-01", 0, 5, 6, 10), TODAY, "neighbour")
    assert plan([today, newest], 7) == RetentionPlan((), (), None, 10)


def test_what_was_confirmed_is_not_asked_again() -> None:
    days = kept(10)
    found = plan(days, 2, 0, *names(tuple(days[:5])))
    assert names(found.waiting) == names(tuple(days[5:7]))


def test_a_year_ahead_takes_nothing_by_itself() -> None:
    found = plan(kept(31, newest=TODAY - timedelta(days=365)), 30, 2)
    assert found.due == ()
    assert len(found.waiting) == 31
