"""Times of devices (seconds, milliseconds, local time) as UNIX milliseconds, and RFC 3339."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated

from msgspec import Meta

from hub.errors import BadParameter
from hub.wire.coercion import LooseNumber, coerce_number

#: A number this large or larger is in milliseconds (D5); in seconds it would be the year 5138.
MILLISECONDS_FROM = 10**11
#: The first millisecond of the year 10000.
_YEAR_10000 = 253_402_300_800_000
#: UNIX milliseconds up to the year 9999, which every reader can show.
Moment = Annotated[int, Meta(ge=0, lt=_YEAR_10000)]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d", re.ASCII)
_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def parse_device_time(value: LooseNumber, field: str) -> int | None:
    """UNIX seconds or milliseconds, distinguished by magnitude (D5), as milliseconds.

    None if it is absent or blank. Raises BadParameter.
    """
    since_epoch = coerce_number(value, field)
    if since_epoch is None:
        return None
    if since_epoch < MILLISECONDS_FROM:
        since_epoch *= 1000
    if not 0 <= since_epoch < _YEAR_10000:
        raise BadParameter("UNIX time in seconds or milliseconds is expected", field=field)
    return round(since_epoch)


def require_device_time(value: LooseNumber, field: str) -> int:
    """As parse_device_time(), but also raises BadParameter if it is absent or blank."""
    at = parse_device_time(value, field)
    if at is None:
        raise BadParameter("UNIX time in seconds or milliseconds is required", field=field)
    return at


def parse_local_time(value: LooseNumber, field: str, zone: tzinfo) -> int | None:
    """`yyyy-MM-dd HH:mm:ss` in the site's zone (D8), or UNIX time, as UNIX milliseconds.

    None if it is absent or blank. Raises BadParameter.
    """
    if not isinstance(value, str) or not _LOCAL.fullmatch(value.strip()):
        if isinstance(value, str) and not re.fullmatch(r"\s*[0-9.]*\s*", value):
            raise BadParameter("a time as yyyy-MM-dd HH:mm:ss is expected", field=field)
        return parse_device_time(value, field)
    try:
        at = datetime.fromisoformat(value.strip()).replace(tzinfo=zone)
        since_epoch = (at.astimezone(UTC) - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise BadParameter("this date or time does not exist", field=field) from None
    if since_epoch < 0:
        raise BadParameter("a time from 1970 on is expected", field=field)
    return since_epoch


def read_local_time(value: str | None, zone: tzinfo) -> int | None:
    """The local time in a device's answer, as UNIX milliseconds; None if it is unreadable."""
    try:
        return parse_local_time(value, "time", zone)
    except BadParameter:
        return None


def format_rfc3339(at: int) -> str:
    """UNIX milliseconds as RFC 3339 in UTC with milliseconds."""
    moment = _EPOCH + at * _MILLISECOND
    return f"{moment.isoformat()[:19]}.{at % 1000:03d}Z"


def parse_rfc3339(value: str, field: str = "time") -> int:
    """RFC 3339, with or without a fraction, as UNIX milliseconds. Raises BadParameter."""
    try:
        if not _RFC3339.fullmatch(value):
            raise ValueError
        # In UTC it must be a time of the years 1 to 9999, too.
        moment = datetime.fromisoformat(value.upper()).astimezone(UTC)
        return (moment - _EPOCH) // _MILLISECOND
    except (ValueError, OverflowError):
        raise BadParameter(
            "a time in RFC 3339 is expected, such as 2026-11-25T08:00:00.000Z", field=field
        ) from None
