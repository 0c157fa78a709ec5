"""Days and times in forms and addresses: as fields of a browser have them, in the site's zone."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from hub.errors import BadParameter
from hub.services.reports.periods import read_day
from web import auth, language

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def valid_day(text: str) -> date | None:
    """The day of a field; None if it is empty or not valid."""
    with suppress(BadParameter):
        return read_day(text)
    return None


def begin_of(day: date) -> int:
    """When a day begins, in UNIX milliseconds."""
    return to_ms(datetime.combine(day, time(), language.zone()))


def end_of(day: date) -> int:
    """When the day after it begins, in UNIX milliseconds."""
    return begin_of(day + timedelta(days=1))


def read_days(values: dict[str, str]) -> tuple[date | None, date | None]:
    """The first and the last day of the fields `since` and `until`; invalid ones are emptied."""
    since, until = valid_day(values["since"]), valid_day(values["until"])
    values |= {"since": str(since or ""), "until": str(until or "")}
    return since, until


def read_time(text: str, field: str, zone: tzinfo) -> datetime | None:
    """A time of the zone, or RFC 3339, in the zone; None if it is empty. Raises BadParameter."""
    text = text.strip()
    if not text:
        return None
    if text[-6:-5] == " ":
        text = f"{text[:-6]}+{text[-5:]}"  # "+08:00" was not escaped in the address
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.astimezone(zone) if moment.tzinfo else moment.replace(tzinfo=zone)
        to_ms(moment)
    except (ValueError, OverflowError):
        raise BadParameter("a date and time is expected", field=field) from None
    return moment


def read_moment(text: str, field: str, zone: tzinfo) -> datetime | None:
    """As `read_time`, in whole seconds and of a year with which one can reckon."""
    moment = read_time(text, field, zone)
    if moment is not None and not 1970 <= moment.year < 9998:
        raise BadParameter("a time of the years 1970 to 9997 is expected", field=field)
    return moment and moment.replace(microsecond=0)


def read_time_ms(text: str, field: str) -> int | None:
    """As `read_time`, in UNIX milliseconds."""
    moment = read_time(text, field, language.zone())
    return None if moment is None else to_ms(moment)


def to_ms(at: datetime) -> int:
    """A moment as UNIX milliseconds."""
    return (at - _EPOCH) // _MS


def time_field(at: datetime | None) -> str:
    """A moment as a field for date and time has it."""
    return "" if at is None else f"{at:%Y-%m-%dT%H:%M:%S}".removesuffix(":00")


def now_here() -> datetime:
    """Now, in the zone of the site."""
    hub = auth.services()
    return datetime.fromtimestamp(hub.core.clock.likely_time(), language.zone())


def short_moment(at: int) -> str:
    """A moment (UNIX milliseconds) to the minute, with the day if that is not today."""
    words, zone = language.current(), language.zone()
    time = words.time(at, zone)[:-3]
    return (
        time
        if words.date(to_ms(now_here()), zone) == words.date(at, zone)
        else (f"{words.day(at, zone)} {time}")
    )
