"""When a nightly backup is due, and when its absence is a problem."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

from hub.store.backup.generations import Generation

DAY_SECONDS = 86_400
#: Two nights.
ALARM_SECONDS = 2 * DAY_SECONDS


def last_scheduled(hour: int, zone: tzinfo, now: float) -> float:
    """Return the last time at which a backup was due: today's hour, or yesterday's.

    Of an hour that comes twice, in the night in which summer time ends, only the first counts.
    """
    local = datetime.fromtimestamp(now, zone).replace(fold=0)
    due = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    if due > local:
        due = (local - timedelta(days=1)).replace(hour=hour, minute=0, second=0, microsecond=0)
    return due.astimezone(UTC).timestamp()


def last_complete(generations: Iterable[Generation], now: float) -> Generation | None:
    """Return the newest complete generation that no wrong clock dated in the future."""
    found = _restorable(generations, now)
    return max((one for one in found if one.is_complete), key=_made_at, default=None)


def last_incomplete(generations: Iterable[Generation], now: float) -> Generation | None:
    """Return the newest generation that can be restored if it is incomplete, else None."""
    newest = max(_restorable(generations, now), key=_made_at, default=None)
    return None if newest is None or newest.is_complete else newest


def _restorable(generations: Iterable[Generation], now: float) -> list[Generation]:
    return [one for one in _not_ahead(generations, now) if one.is_restorable]


def _not_ahead(generations: Iterable[Generation], now: float) -> list[Generation]:
    return [one for one in generations if one.made_at <= now + DAY_SECONDS]


def _made_at(one: Generation) -> float:
    return one.made_at


def is_due(generations: Iterable[Generation], hour: int, zone: tzinfo, now: float) -> bool:
    """Whether no backup was made since the last scheduled time that can be restored.

    So a night in which the PC was off is made up for after the start. An incomplete one is not
    tried again before the next night: the disk is not better then. Nor is one whose head was not
    read: another one would not be read either.
    """
    made = [one for one in generations if one.is_restorable or one.is_unknown]
    newest = max((one.made_at for one in _not_ahead(made, now)), default=None)
    return newest is None or newest < last_scheduled(hour, zone, now)
