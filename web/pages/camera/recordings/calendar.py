"""A month as a calendar shows it: its weeks, with how many recordings each day has (1.7)."""

from __future__ import annotations

import calendar
from collections.abc import Iterable
from datetime import date, timedelta

from msgspec import Struct

from hub.wire.commands.messages import DayCount

#: Days are told apart in so many shades by how much they hold.
SHADES = 4


class Day(Struct, frozen=True):
    """One day; `shade` is 0 where it has nothing, and grows to SHADES with what it holds."""

    date: date
    count: int
    shade: int
    is_today: bool
    is_to_come: bool


class Month(Struct, frozen=True):
    """`weeks` begin on Monday, with None for days of other months."""

    weeks: list[list[Day | None]]
    recordings: int
    days: int


def month_of(year: int, month: int, counts: Iterable[DayCount], *, today: date) -> Month:
    """A day that a device tells twice holds both."""
    _, length = calendar.monthrange(year, month)
    held = [0] * (length + 1)
    for one in counts:
        # A device may tell of a 31st of February; such a day has no page.
        if one.day <= length:
            held[one.day] += one.count
    most = max(held)

    def day(number: int) -> Day | None:
        if not number:
            return None
        at, count = date(year, month, number), held[number]
        shade = -(-count * SHADES // most) if most else 0
        return Day(at, count, shade, at == today, at > today)

    weeks = calendar.Calendar().monthdayscalendar(year, month)
    return Month(
        weeks=[[day(number) for number in week] for week in weeks],
        recordings=sum(held),
        days=sum(1 for count in held if count),
    )


def month_text(year: int, month: int) -> str:
    return f"{year:04d}-{month:02d}"


def months_around(year: int, month: int) -> tuple[str, str]:
    """The month before and the month after, as addresses have them."""
    before = date(year, month, 1) - timedelta(days=1)
    after = date(year, month, 28) + timedelta(days=4)
    return month_text(before.year, before.month), month_text(after.year, after.month)
