"""Times of forms, in the site's time zone."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from hub.errors import BadParameter
from web import auth


def read_time(text: str, field: str) -> int | None:
    """The time of a field as UNIX milliseconds; None if it is empty. Raises BadParameter."""
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return _ms(moment if moment.tzinfo else moment.replace(tzinfo=auth.services().site.zone()))
    except (ValueError, OverflowError):
        raise BadParameter("not a time", field=field) from None


def read_last_day(text: str, field: str) -> int | None:
    """The end of the day of a field as UNIX milliseconds; None if it is empty."""
    if not text.strip():
        return None
    try:
        following = date.fromisoformat(text.strip()) + timedelta(days=1)
        return _ms(datetime.combine(following, time(), auth.services().site.zone()))
    except (ValueError, OverflowError):
        raise BadParameter("not a day", field=field) from None


def last_day_field(ms: int | None) -> str:
    """The last day of a hold, as a date field has it."""
    if ms is None:
        return ""
    zone = auth.services().site.zone()
    return datetime.fromtimestamp((ms - 1) / 1000, zone).date().isoformat()


def today_field() -> str:
    """Today, as a date field has it."""
    hub = auth.services()
    return datetime.fromtimestamp(hub.now(), hub.site.zone()).date().isoformat()


def _ms(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)
