"""How many alarms are new, and which of them matter most: on every page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from hub.services import Services
from hub.store.alarms.alarm import SEVERITIES, Alarm
from web.pages.shown.alarm_cards import AlarmCard, make_alarm_card

#: New alarms on the live page; further ones are counted.
MAX_SHOWN = 20
#: Places of them that all cameras get in turn, whatever the severity.
_TURN_PLACES = 5


class AlarmState(Struct, frozen=True):
    """`severity`: the highest of the new ones, "" without any. `escalated`: how many have.

    `worst`: the newest of the most severe ones. `newest`: the last that came; None if it is
    `worst`.
    """

    count: int = 0
    severity: str = ""
    escalated: int = 0
    worst: AlarmCard | None = None
    newest: AlarmCard | None = None
    #: How many major and critical ones there are beside `worst`.
    others: int = 0
    #: The problems of the hub that these tell.
    problems: tuple[str, ...] = ()


def new_alarms(hub: Services) -> list[Alarm]:
    """The alarms that nobody has acknowledged, also what cannot be stored.

    The most severe ones are first, and of these the newest.
    """
    found = [alarm for alarm in hub.alarms.raised.shown() if alarm.state == "new"]
    return sorted(found, key=lambda one: (SEVERITIES.index(one.severity), -one.new_since, -one.seq))


def choose_shown(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Choose from new alarms which of them to show; keep their order.

    The first of all cameras in turn; and, for the last places, also those of cameras that have no
    severe ones. So neither newer alarms nor those of one camera hide others.
    """
    severe = sorted(
        zip(_turns(alarms, by_severity=True), alarms, strict=True),
        key=lambda one: (SEVERITIES.index(one[1].severity), one[0]),
    )
    chosen = {alarm.seq for _, alarm in severe[: MAX_SHOWN - _TURN_PLACES]}
    in_turn = sorted(
        zip(_turns(alarms, by_severity=False), alarms, strict=True),
        key=lambda one: (one[0], SEVERITIES.index(one[1].severity)),
    )
    for _, alarm in in_turn:
        if len(chosen) == MAX_SHOWN:
            break
        chosen.add(alarm.seq)
    return [alarm for alarm in alarms if alarm.seq in chosen]


def _turns(alarms: Sequence[Alarm], *, by_severity: bool) -> list[int]:
    """How many alarms of the same camera (and severity) precede each one."""
    counts: Counter[tuple[str, str]] = Counter()
    turns = []
    for alarm in alarms:
        key = alarm.dids[-1] if alarm.dids else "", alarm.severity if by_severity else ""
        turns.append(counts[key])
        counts[key] += 1
    return turns


def alarm_state(hub: Services) -> AlarmState:
    alarms = new_alarms(hub)
    if not alarms:
        return AlarmState()
    worst, newest = alarms[0], max(alarms, key=lambda alarm: (alarm.new_since, alarm.seq))
    told = [one for one in alarms if one.severity != "minor"]
    return AlarmState(
        count=len(alarms),
        severity=worst.severity,
        escalated=sum(alarm.escalated_at is not None for alarm in alarms),
        worst=make_alarm_card(hub, worst),
        newest=make_alarm_card(hub, newest) if newest != worst else None,
        others=max(len(told) - 1, 0),
        problems=tuple(one.subject for one in told if one.kind == "hub"),
    )
