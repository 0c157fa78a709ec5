"""How many alarms are new, and which of them have escalated: on every page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from hub.services import Services
from hub.services.alarms.alarms import SEVERITIES, Alarm
from web.pages.alarms.cards import AlarmCard, make_alarm_card

#: New alarms on the live page; further ones are counted.
MAX_SHOWN = 20
#: The first ones, of which a screen of usual size has room.
_IN_SIGHT = 4
#: Places of them that all cameras get in turn, whatever the severity.
_TURN_PLACES = 5


class AlarmState(Struct, frozen=True):
    """`severity`: the highest of the new ones, "" without any. `worst`: the oldest of the most
    severe ones that have escalated. `below`: the oldest critical one of those that the live page
    shows so far down that it may be out of sight. `newest`: the last that came, for the pages that
    show no alarms; None if `worst` is the only one.
    """

    count: int = 0
    severity: str = ""
    escalated: int = 0
    worst: AlarmCard | None = None
    below: AlarmCard | None = None
    newest: AlarmCard | None = None


def new_alarms(hub: Services) -> list[Alarm]:
    """The alarms that nobody has acknowledged, the oldest first; also what cannot be stored."""
    found = [alarm for alarm in hub.alarms.shown() if alarm.state == "new"]
    return sorted(found, key=lambda alarm: (alarm.new_since, alarm.seq))


def choose_shown(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Choose from new alarms, the oldest first, which of them to show; keep that order.

    The most severe ones, those of all cameras in turn; and, for the last places, also those of
    cameras that have no severe ones. So neither older alarms nor those of one camera hide others.
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
        key = alarm.dids[0] if alarm.dids else "", alarm.severity if by_severity else ""
        turns.append(counts[key])
        counts[key] += 1
    return turns


def _critical_below(alarms: Sequence[Alarm]) -> Alarm | None:
    if not any(alarm.severity == "critical" for alarm in alarms):
        return None
    shown = choose_shown(alarms)
    if any(alarm.severity == "critical" for alarm in shown[:_IN_SIGHT]):
        return None
    return next((alarm for alarm in shown if alarm.severity == "critical"), None)


def alarm_state(hub: Services) -> AlarmState:
    alarms = new_alarms(hub)
    escalated = [alarm for alarm in alarms if alarm.escalated_at is not None]
    worst = min(escalated, key=lambda alarm: SEVERITIES.index(alarm.severity), default=None)
    below = _critical_below(alarms)
    newest = alarms[-1] if alarms and alarms[-1] != worst else None
    return AlarmState(
        count=len(alarms),
        severity=min((a.severity for a in alarms), key=SEVERITIES.index, default=""),
        escalated=len(escalated),
        worst=make_alarm_card(hub, worst) if worst else None,
        below=make_alarm_card(hub, below) if below and below != worst else None,
        newest=make_alarm_card(hub, newest) if newest else None,
    )
