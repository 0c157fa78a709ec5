"""The order in which a guard looks through alarms: what is open first, then what is closed.

Open alarms are in memory: new ones before acknowledged ones, of each the most severe first, then
the latest. Closed ones follow by when they were heard of last, which has an index.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from msgspec import Struct

from hub.store.alarms.alarm import SEVERITIES, Alarm

_STATES = ("new", "acknowledged")


class ListPlace(Struct, frozen=True, order=True):
    """A place in the list; a lower one comes first. Closed alarms all have the highest group.

    `group`: of state and severity. `moment`: of the last record, negative. `seq`: negative.
    """

    group: int
    moment: int
    seq: int


#: Where closed alarms begin.
CLOSED = len(_STATES) * len(SEVERITIES)


def place_of(alarm: Alarm) -> ListPlace:
    """Return the place of an alarm."""
    if not alarm.is_active:
        return ListPlace(CLOSED, -alarm.heard_at, -alarm.seq)
    group = _STATES.index(alarm.state) * len(SEVERITIES) + SEVERITIES.index(alarm.severity)
    return ListPlace(group, -alarm.last_at, -alarm.seq)


def in_order(alarms: Iterable[Alarm], after: ListPlace | None) -> Iterator[Alarm]:
    """Yield the alarms behind a place, in the order of the list."""
    placed = sorted(alarms, key=place_of)
    return (alarm for alarm in placed if after is None or place_of(alarm) > after)
