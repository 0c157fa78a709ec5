"""The calendar of a month: its weeks and the number of recordings per day (1.7)."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date, timedelta

from msgspec import Struct

from hub.wire.commands.answers import DayCount

#: Number of shades that show how many recordings a day has.
SHADES = 4


class CalendarDay(Struct, frozen=True):
    """One day. `shade` is 0 for no recordings, up to SHADES for the most."""

    date: date
    count: int
    shade: int
    is_today: bool
    is_to_come: bool


class CalendarMonth(Struct, frozen=True):
    """`weeks` start on Monday; days of other months are None."""

    weeks: list[list[CalendarDay | None]]
    recordings: int
    days: int


def make_month(year: int, month: int, counts: Iterable[DayCount], *, today: date) -> CalendarMonth:
    """Lay out a month. If a device counts a day twice, the counts are added."""
    _, length = calendar.monthrange(year, month)
    held = [0] * (length + 1)
    for one in counts:
        # A device may report a 31st of February; there is no page for it.
        if one.day <= length:
            held[one.day] += one.count
    most = max(held)

    def day(number: int) -> CalendarDay | None:
        if not number:
            return None
        at, count = date(year, month, number), held[number]
        shade = -(-count * SHADES // most) if most else 0
        return CalendarDay(at, count, shade, at == today, at > today)

    weeks = calendar.Calendar().monthdayscalendar(year, month)
    return CalendarMonth(
        weeks=[[day(number) for number in week] for week in weeks],
        recordings=sum(held),
        days=sum(1 for count in held if count),
    )


def month_text(year: int, month: int) -> str:
    return f"{year:04d}-{month:02d}"


def months_around(year: int, month: int) -> tuple[str, str]:
    """The previous and the next month, as addresses name them."""
    before = date(year, month, 1) - timedelta(days=1)
    after = date(year, month, 28) + timedelta(days=4)
    return month_text(before.year, before.month), month_text(after.year, after.month)
