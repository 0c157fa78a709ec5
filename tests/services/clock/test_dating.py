"""When the days of the log really were."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct

from hub.services.clock.dating import date_days
from hub.store.records.retention import DayUse
from hub.store.tables.clock_steps import ClockStep

HOUR = 3_600_000
DAY = 24 * HOUR
TODAY = date(2026, 11, 25)


def days(*names_and_records: tuple[str, int]) -> list[DayUse]:
    found: list[DayUse] = []
    seq = 0
    for name, records in names_and_records:
        found.append(DayUse(name, 0, records, seq + 1, seq + records))
        seq += records
    return found


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def dates(uses: list[DayUse], *steps: ClockStep, today: date = TODAY) -> list[str]:
    return [day.date.isoformat() for day in date_days(uses, steps, today)]


def test_days_of_a_right_clock_keep_their_dates() -> None:
    uses = days(("2026-10-01", 10), ("2026-11-24", 10), ("2026-11-25", 1))
    assert dates(uses) == ["2026-10-01", "2026-11-24", "2026-11-25"]
    assert date_days([], (), TODAY) == ()


def test_an_hour_a_year_ahead_makes_nothing_immortal() -> None:
    uses = days(("2026-11-23", 100), ("2027-11-24", 5), ("2026-11-24", 100), ("2026-11-25", 9))
    assert dates(uses) == ["2026-11-23", "2026-11-24", "2026-11-24", "2026-11-25"]
    # Long after the wrong date, too.
    assert dates(uses, today=date(2029, 1, 1))[1] == "2026-11-24"


def test_days_before_2025_take_the_date_of_the_next_day() -> None:
    uses = days(("1970-01-01", 500), ("1970-01-02", 500), ("2026-11-25", 1))
    assert dates(uses) == ["2026-11-25"] * 3
    assert dates(uses[:2]) == ["2026-11-25"] * 2


def test_a_day_after_a_day_of_tomorrow_is_not_dated_before_it() -> None:
    """The zone may have changed since: the newest day can be tomorrow's."""
    uses = days(("2026-11-26", 10), ("1970-01-01", 1))
    assert dates(uses) == ["2026-11-26", "2026-11-26"]


def test_the_dates_of_the_most_records_are_right() -> None:
    behind = days(("2026-11-20", 100), ("2026-10-12", 3), ("2026-11-21", 100))
    assert dates(behind) == ["2026-11-20", "2026-11-21", "2026-11-21"]
    ahead = days(("2026-12-20", 100), ("2026-11-12", 1), ("2026-12-21", 100))
    assert dates(ahead, today=date(2026, 12, 22)) == ["2026-12-20", "2026-12-21", "2026-12-21"]


def test_an_old_day_that_was_written_again_is_as_new_as_its_last_record() -> None:
    uses = [
        DayUse("2026-10-16", 0, 110, 1, 305),
        DayUse("2026-11-24", 0, 100, 101, 200),
        DayUse("2026-11-25", 0, 190, 201, 400),
    ]
    assert dates(uses) == ["2026-11-24", "2026-11-25", "2026-11-25"]


def test_days_before_a_step_are_dated_again_by_it() -> None:
    uses = days(("2026-10-15", 100), ("2026-10-16", 100), ("2026-11-25", 1))
    step = ClockStep(200, ms("2026-10-16T12:00"), ms("2026-11-25T12:00"), False)
    assert dates(uses, step) == ["2026-11-24", "2026-11-25", "2026-11-25"]


def test_a_step_there_and_back_leaves_the_days_before_as_they_were() -> None:
    uses = days(("2026-11-20", 100), ("2027-11-20", 5), ("2026-11-21", 100))
    there = ClockStep(100, ms("2026-11-20T12:00"), ms("2027-11-20T12:00"), False)
    back = ClockStep(105, ms("2027-11-20T13:00"), ms("2026-11-20T13:00"), False)
    found = date_days(uses, (there, back), TODAY)
    assert [day.date.isoformat() for day in found] == ["2026-11-20", "2026-11-20", "2026-11-21"]
    assert [day.by for day in found] == ["own", "step", "own"]


def test_nights_without_a_battery_do_not_add_up() -> None:
    """Each morning the clock says 1970, until somebody sets it."""
    uses = days(*((f"2026-11-{day:02}", 100) for day in range(1, 21)))
    steps: list[ClockStep] = []
    for day in range(1, 20):
        evening, morning = ms(f"2026-11-{day:02}T18:00"), ms(f"2026-11-{day + 1:02}T08:00")
        steps.append(ClockStep(100 * day, evening, 0, True))
        steps.append(ClockStep(100 * day, 60_000, morning, False))
    assert dates(uses, *steps) == [use.day for use in uses]


def test_more_than_three_days_off_count_as_a_clock_that_was_behind() -> None:
    uses = days(("2026-10-15", 100), ("2026-11-25", 100))
    step = ClockStep(100, ms("2026-10-15T12:00"), ms("2026-11-25T12:00"), True)
    assert dates(uses, step) == ["2026-11-25", "2026-11-25"]


def test_a_small_step_changes_no_date() -> None:
    uses = days(("2026-11-24", 100), ("2026-11-25", 100))
    assert dates(uses, ClockStep(100, 0, 30 * 60_000, False)) == ["2026-11-24", "2026-11-25"]


class Stretch(Struct, frozen=True):
    """The clock is ahead by `ahead` hours for `hours`, with a record in each."""

    hours: int
    ahead: int


STRETCHES = st.lists(
    st.builds(Stretch, st.integers(1, 120), st.sampled_from([0, 0, 2, -26, 31 * 24, -960, 8760])),
    max_size=8,
)


def write(stretches: list[Stretch]) -> tuple[list[DayUse], list[ClockStep], dict[str, int]]:
    """The days and steps of a log whose clock is right in the end; the true last hour of each."""
    uses: dict[str, DayUse] = {}
    steps: list[ClockStep] = []
    last: dict[str, int] = {}
    at, seq, ahead = ms("2026-03-01T00:30"), 0, 0
    for stretch in [*stretches, Stretch(72, 0)]:
        if stretch.ahead != ahead:
            steps.append(ClockStep(seq, at + ahead * HOUR, at + stretch.ahead * HOUR, False))
            ahead = stretch.ahead
        for _ in range(stretch.hours):
            seq, at = seq + 1, at + HOUR
            name = datetime.fromtimestamp((at + ahead * HOUR) / 1000, UTC).date().isoformat()
            known = uses.get(name, DayUse(name, 0, 0, seq, seq))
            uses[name] = DayUse(name, 0, known.records + 1, known.first_seq, seq)
            last[name] = at
    return list(uses.values()), steps, {**last, "now": at}


@given(STRETCHES)
def test_no_day_is_dated_before_its_last_record_nor_after_today(stretches: list[Stretch]) -> None:
    uses, steps, last = write(stretches)
    today = datetime.fromtimestamp(last["now"] / 1000, UTC).date()
    for day in date_days(uses, steps, today):
        true = datetime.fromtimestamp(last[day.use.day] / 1000, UTC).date()
        assert true <= day.date <= today + timedelta(days=1)


NAMES = st.dates(date(2024, 12, 1), date(2028, 1, 1)).map(date.isoformat)


@given(st.lists(st.tuples(NAMES, st.integers(1, 1000)), max_size=40, unique_by=lambda one: one[0]))
@example([("2026-11-26", 1), ("2024-12-01", 1)])
def test_dates_never_decrease_and_are_never_in_the_future(found: list[tuple[str, int]]) -> None:
    dated = date_days(days(*found), (), TODAY)
    assert [day.use.day for day in dated] == [name for name, _ in found]
    listed = [day.date for day in dated]
    assert listed == sorted(listed)
    assert all(day <= TODAY + timedelta(days=1) for day in listed)


@given(st.lists(st.dates(date(2025, 1, 1), TODAY), max_size=40, unique=True))
def test_dates_in_order_stay(found: list[date]) -> None:
    uses = days(*((day.isoformat(), 1) for day in sorted(found)))
    assert [day.date for day in date_days(uses, (), TODAY)] == sorted(found)
