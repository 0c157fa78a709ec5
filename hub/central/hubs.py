"""The hubs that a centre knows, and whether they are silent or behind."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from msgspec import Struct

from hub.services.forwarding.site_state import SiteState

HubState = Literal["current", "behind", "unwell", "silent", "never"]
#: In the order in which a person wants to see them.
STATES: tuple[HubState, ...] = ("never", "silent", "unwell", "behind", "current")

#: A clock that was ahead once is shown for so long.
_AHEAD_SHOWN = timedelta(days=7)
#: A sentence names so many hubs.
_NAMED = 5

_SELECT = """
SELECT name, partition, enrolled_at, seen_at, log, seq, received_at, record_at, ahead_at, ahead_by
FROM sitehub.hub ORDER BY name
"""
_ENROL = """
INSERT INTO sitehub.hub (name, partition, enrolled_at) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET partition = excluded.partition, enrolled_at = excluded.enrolled_at
"""


class Limits(Struct, frozen=True, kw_only=True):
    """When a hub counts as silent, and as behind.

    `untold`: of one that tells each minute how it is; `silent`: of one that does not.
    """

    silent: timedelta = timedelta(hours=1)
    behind: timedelta = timedelta(minutes=5)
    untold: timedelta = timedelta(seconds=150)


class Hub(Struct, frozen=True):
    """A hub. `log`, `seq`, `received_at`: its last record; `record_at`: when that was stored.

    `ahead_at`, `ahead_by`: when its clock was ahead last, and by how much. `told`: how it said last
    that it is, and when; it had no way to just before
    `listened_at`.
    """

    name: str
    partition: int
    enrolled_at: datetime | None
    seen_at: datetime | None
    log: str
    seq: int
    received_at: datetime | None
    record_at: datetime | None
    ahead_at: datetime | None = None
    ahead_by: timedelta | None = None
    told_at: datetime | None = None
    told: SiteState | None = None
    listened_at: datetime | None = None

    @property
    def lag(self) -> timedelta | None:
        """How old its last record was when it was stored; None before the first."""
        if self.record_at is None or self.received_at is None:
            return None
        return self.record_at - self.received_at

    def note(self, now: datetime) -> str:
        """Return what a person should know beside the state; "" if there is nothing."""
        notes = [] if self.told is None else list(self.told.problems)
        if self.ahead_at and self.ahead_by and now - self.ahead_at <= _AHEAD_SHOWN:
            by = timedelta(seconds=round(self.ahead_by.total_seconds()))
            notes.append(f"clock was ahead by {by} on {self.ahead_at:%Y-%m-%d}")
        return ", ".join(notes)

    def state(self, now: datetime, limits: Limits) -> HubState:
        heard = (self.seen_at, self.told_at, self.listened_at)
        if not any(heard):
            return "never"
        silent = limits.silent if self.told is None else limits.untold
        if now - max(filter(None, heard)) > silent:
            return "silent"
        if self.told is not None and self.told.state != "ok":
            return "unwell"
        return "behind" if self.lag is not None and self.lag > limits.behind else "current"


#: What hubs are put in the order of, those first that want to be looked at. Then by name.
Order = Literal["name", "told", "version", "backup", "disk"]
_FIRST, _LAST = float("-inf"), float("inf")


def in_order(hubs: Iterable[Hub], order: Order) -> list[Hub]:
    """Return hubs in an order. What a hub has not told of itself puts it last."""

    def key(hub: Hub) -> tuple[object, ...]:
        told = hub.told
        match order:
            case "told":
                return (hub.told_at.timestamp() if hub.told_at else _FIRST,)
            case "version":
                numbers = re.findall(r"\d{1,9}", told.version) if told else ()
                return (told is None, [int(one) for one in numbers])
            case "backup":
                if told is None:
                    return (_LAST,)
                return (told.last_backup.timestamp() if told.last_backup else _FIRST,)
            case "disk":
                days = None if told is None else told.days_left
                free = None if told is None else told.disk_free
                return tuple(_LAST if one is None else one for one in (days, free))
        return ()

    return sorted(hubs, key=lambda hub: (*key(hub), hub.name))


def read_hubs(connection: Any) -> list[Hub]:
    """Return all hubs by name. Blocks. Raises psycopg.Error."""
    return [Hub(*row) for row in connection.execute(_SELECT).fetchall()]


def note_enrolled(connection: Any, name: str, partition: int) -> None:
    """Note a hub that is expected. Blocks. Raises psycopg.Error."""
    connection.execute(_ENROL, (name, partition))


def count_states(hubs: Sequence[Hub], now: datetime, limits: Limits) -> dict[HubState, int]:
    counts: dict[HubState, int] = dict.fromkeys(STATES, 0)
    for hub in hubs:
        counts[hub.state(now, limits)] += 1
    return counts


def some(texts: Iterable[str]) -> str:
    """Return the first few of them by name, and how many more there are."""
    named = sorted(texts)
    rest = f" and {len(named) - _NAMED} more" if len(named) > _NAMED else ""
    return ", ".join(named[:_NAMED]) + rest


def utc_now() -> datetime:
    return datetime.now(UTC)
