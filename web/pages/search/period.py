"""The time that a question is about, in the words of a guard: "yesterday, about 15:00"."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal, get_args

from msgspec import Struct

from hub.errors import BadParameter
from hub.services.reports.periods import read_day
from web.pages.times import read_moment, time_field

When = Literal["", "hour", "today", "yesterday", "week", "month"]
#: No answers to "which day".
_NO_DAYS: tuple[When, ...] = ("hour", "week", "month")

#: "About 15:00" is from 14:45 to 15:15.
AROUND = timedelta(minutes=15)
_TIME = re.compile(
    r"(上午|下午)?\s*(\d{1,2})(?:[:：.点时h](\d{2})?分?(?::\d{2})?)?\s*([ap]m?|[ap]\.m\.)?", re.I
)
_AFTERNOON = ("下午", "p", "pm", "p.")
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)


class SearchPeriod(Struct, frozen=True, kw_only=True):
    """A time as somebody means it. Of several answers to "when", the most exact one counts:
    `since` and `until`, then `day`, then `when`.

    `when` is relative and stays so in a saved search. `around` is a time of the day that is meant;
    of today if nothing else is given. All are in the zone of the site.
    """

    when: When = ""
    day: date | None = None
    around: time | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def is_range(self) -> bool:
        return self.since is not None or self.until is not None

    def pairs(self) -> list[tuple[str, str]]:
        """As the address has it, without what does not count."""
        if self.is_range:
            given = [("since", self.since), ("until", self.until)]
            return [(name, time_field(at)) for name, at in given if at is not None]
        pairs: list[tuple[str, str]] = []
        if self.day is not None:
            pairs.append(("day", self.day.isoformat()))
        elif self.when and not (self.around and self.when in _NO_DAYS):
            pairs.append(("when", self.when))
        if self.around is not None:
            pairs.append(("around", f"{self.around:%H:%M}"))
        return pairs

    def bounds(self, now: datetime) -> tuple[datetime | None, datetime | None]:
        """From when until when, the end not included. `now` is in the zone of the site."""
        if self.is_range:
            return self.since, self.until
        day = self.day or {"yesterday": now.date() - _DAY}.get(self.when, now.date())
        if self.around is not None:
            middle = datetime.combine(day, self.around, now.tzinfo)
            # In UTC: where clocks are changed, a day is not a plain number of hours.
            middle = middle.astimezone(UTC)
            return middle - AROUND, middle + AROUND
        if self.when == "hour" and self.day is None:
            return now.astimezone(UTC) - _HOUR, None
        if self.when == "week" and self.day is None:
            return _midnight(now.date() - 6 * _DAY, now.tzinfo), None
        if self.when == "month" and self.day is None:
            return _midnight(now.date().replace(day=1), now.tzinfo), None
        if self.day is None and not self.when:
            return None, None
        return _midnight(day, now.tzinfo), _midnight(day + _DAY, now.tzinfo)


def read_period(values: dict[str, str], zone: tzinfo) -> SearchPeriod:
    """Read the fields `when`, `day`, `around`, `since` and `until`.

    `around` may be a whole moment, which then gives the day as well. Raises BadParameter that
    names the field.
    """
    when = values["when"]
    if when not in get_args(When):
        raise BadParameter("hour, today, yesterday, week or month is expected", field="when")
    day, around = read_day(values["day"], "day") if values["day"] else None, values["around"]
    at: time | None = None
    if "-" in around:
        moment = read_moment(around, "around", zone)
        assert moment is not None
        day, at = moment.date(), moment.time()
    elif around:
        at = _read_time(around)
    since = read_moment(values["since"], "since", zone)
    until = read_moment(values["until"], "until", zone)
    if since is not None and until is not None and since >= until:
        raise BadParameter("the end must be after the beginning", field="until")
    return SearchPeriod(
        when=when,  # type: ignore[arg-type]
        day=day,
        around=at.replace(second=0, microsecond=0, tzinfo=None) if at else None,
        since=since,
        until=until,
    )


def _midnight(day: date, zone: tzinfo | None) -> datetime:
    return datetime.combine(day, time(), zone)


def _read_time(text: str) -> time:
    """A time of the day as people write it: 15:00, 9.30, 1950, 15, 15h, 3 pm, 下午3点."""
    text = text.strip()
    if len(text) == 4 and text.isdecimal():
        text = f"{text[:2]}:{text[2:]}"
    if (found := _TIME.fullmatch(text)) is None:
        raise BadParameter("a time as hh:mm is expected", field="around")
    before, hour, minute, after = found.groups()
    half = (before or after or "").lower()[:2]
    hours = int(hour)
    if half and not 1 <= hours <= 12:
        raise BadParameter("a time as hh:mm is expected", field="around")
    if half:
        hours = hours % 12 + (12 if half in _AFTERNOON else 0)
    try:
        return time(hours, int(minute or 0))
    except ValueError:
        raise BadParameter("a time as hh:mm is expected", field="around") from None
