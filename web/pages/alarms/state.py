"""How many alarms are new, and which of them have escalated: on every page."""

from __future__ import annotations

from msgspec import Struct

from hub.services import Services
from hub.services.alarms.alarms import SEVERITIES, Alarm
from web.pages.alarms.cards import AlarmCard, make_alarm_card

#: New alarms on the live page; further ones are counted.
MAX_SHOWN = 20


class AlarmState(Struct, frozen=True):
    """`severity`: the highest of the new ones, "" without any. `worst`: the oldest of the most
    severe ones that have escalated.
    """

    count: int = 0
    severity: str = ""
    escalated: int = 0
    worst: AlarmCard | None = None


def new_alarms(hub: Services) -> list[Alarm]:
    """The alarms that nobody has acknowledged, the oldest first."""
    found = [alarm for alarm in hub.alarms.active() if alarm.state == "new"]
    return sorted(found, key=lambda alarm: (alarm.new_since, alarm.seq))


def alarm_state(hub: Services) -> AlarmState:
    alarms = new_alarms(hub)
    escalated = [alarm for alarm in alarms if alarm.escalated_at is not None]
    worst = min(escalated, key=lambda alarm: SEVERITIES.index(alarm.severity), default=None)
    return AlarmState(
        count=len(alarms),
        severity=min((a.severity for a in alarms), key=SEVERITIES.index, default=""),
        escalated=len(escalated),
        worst=make_alarm_card(hub, worst) if worst else None,
    )
