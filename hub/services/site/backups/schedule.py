"""When a nightly backup is due, and when its absence is a problem."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo

from hub.store.backup.generations import Generation

DAY_SECONDS = 86_400
#: Two nights.
ALARM_SECONDS = 2 * DAY_SECONDS


def last_scheduled(hour: int, zone: tzinfo, now: float) -> float:
    """Return the last time at which a backup was due: today's hour, or yesterday's."""
    local = datetime.fromtimestamp(now, zone)
    due = local.replace(hour=hour, minute=0, second=0, microsecond=0)
    if due > local:
        due = (local - timedelta(days=1)).replace(hour=hour, minute=0, second=0, microsecond=0)
    return due.astimezone(UTC).timestamp()


def last_good(generations: Iterable[Generation], now: float) -> Generation | None:
    """Return the newest good generation, without those that a wrong clock dated in the future."""
    good = [one for one in generations if one.is_good and one.made_at <= now + DAY_SECONDS]
    return max(good, key=lambda one: one.made_at, default=None)


def is_due(generations: Iterable[Generation], hour: int, zone: tzinfo, now: float) -> bool:
    """Whether no good backup was made since the last scheduled time, or within a day before now.

    So a night in which the PC was off is made up for after the start.
    """
    newest = last_good(generations, now)
    return newest is None or newest.made_at < last_scheduled(hour, zone, now)
