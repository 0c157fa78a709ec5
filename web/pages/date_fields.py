"""Days of forms, in the site's time zone."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, datetime, time

from web import auth


def read_day(text: str) -> date | None:
    """The day of a date field; None if it is empty or not valid."""
    with suppress(ValueError):
        day = date.fromisoformat(text)
        # The day after must be a date, too.
        return day if 1970 <= day.year < 9999 else None
    return None


def begin_of(day: date) -> int:
    """When a day begins in the zone of the site, in UNIX milliseconds."""
    zone = auth.services().site.zone()
    return int(datetime.combine(day, time(), zone).timestamp() * 1000)
