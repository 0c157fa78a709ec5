"""The day, week or month that a report is about, in the zone of the site."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from msgspec import Struct

from hub.errors import BadParameter

PeriodKind = Literal["day", "week", "month"]
PERIOD_KINDS: tuple[PeriodKind, ...] = get_args(PeriodKind)


class Day(Struct, frozen=True):
    """A day of the site: `since` <= t < `until`, in UNIX milliseconds; 23 to 25 hours."""

    date: date
    since: int
    until: int


class Period(Struct, frozen=True):
    """A day, a week from Monday, or a calendar month."""

    kind: PeriodKind
    days: tuple[Day, ...]

    @property
    def first(self) -> date:
        return self.days[0].date

    @property
    def since(self) -> int:
        return self.days[0].since

    @property
    def until(self) -> int:
        return self.days[-1].until

    @property
    def label_kind(self) -> Literal["hour", "day"]:
        """What a chart over the period has a bar for."""
        return "hour" if self.kind == "day" else "day"

    @property
    def labels(self) -> tuple[int | str, ...]:
        """The bars of a chart: hours of the day (0 to 23), or days as YYYY-MM-DD."""
        if self.label_kind == "hour":
            return tuple(range(24))
        return tuple(day.date.isoformat() for day in self.days)

    @property
    def before(self) -> date:
        """A day of the period before this one."""
        return self.first - timedelta(days=1)

    @property
    def after(self) -> date:
        """The first day of the period after this one."""
        return self.days[-1].date + timedelta(days=1)


def period_of(kind: PeriodKind, day: date, zone: ZoneInfo) -> Period:
    """Return the period that contains a day."""
    first, end = _bounds(kind, day)
    dates = [first + timedelta(days=n) for n in range((end - first).days + 1)]
    edges = [_begin(one, zone) for one in dates]
    spans = zip(dates, pairwise(edges), strict=False)
    return Period(kind, tuple(Day(one, since, until) for one, (since, until) in spans))


def read_day(text: str, field: str = "date") -> date:
    """Return the day of a text as YYYY-MM-DD. Raises BadParameter."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = date.min
    # Its whole month, and the days beside it, must be dates too.
    if not 1970 <= day.year < 9999 or len(text) != 10:
        raise BadParameter("a day is expected, as YYYY-MM-DD", field=field)
    return day


def _bounds(kind: PeriodKind, day: date) -> tuple[date, date]:
    """Return the first day of a period, and the first one after it."""
    if kind == "day":
        return day, day + timedelta(days=1)
    if kind == "week":
        monday = day - timedelta(days=day.weekday())
        return monday, monday + timedelta(days=7)
    first = day.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)


def _begin(day: date, zone: ZoneInfo) -> int:
    """Return when a day begins, in UNIX milliseconds."""
    return int(datetime.combine(day, time(), zone).timestamp() * 1000)
