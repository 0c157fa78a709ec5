"""The last day of a hold, in the site's time zone."""

from __future__ import annotations

from datetime import datetime

from hub.services.reports.periods import read_day
from web import language
from web.pages.times import end_of


def read_last_day(text: str, field: str) -> int | None:
    """The end of the day of a field as UNIX milliseconds; None if it is empty."""
    return end_of(read_day(text.strip(), field)) if text.strip() else None


def last_day_field(ms: int | None) -> str:
    """The last day of a hold, as a date field has it."""
    if ms is None:
        return ""
    zone = language.zone()
    return datetime.fromtimestamp((ms - 1) / 1000, zone).date().isoformat()
