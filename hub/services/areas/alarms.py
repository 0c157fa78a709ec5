"""Alarms: what raises them, and who has seen them. `upkeep` watches for those of the hub itself."""

from __future__ import annotations

from dataclasses import dataclass

from hub.services.alarms.alarms import RaisedAlarms
from hub.services.alarms.plate_lists import PlateLists
from hub.services.alarms.rules import AlarmRules
from hub.services.areas.parts import Parts
from hub.services.areas.people import People
from hub.services.core import Core


@dataclass(frozen=True, kw_only=True)
class Alarms:
    """The services of this area."""

    raised: RaisedAlarms
    rules: AlarmRules
    plate_lists: PlateLists

    def parts(self) -> Parts:
        """Return what runs in the background."""
        yield "the alarm rules", self.rules.run


def build_alarms(core: Core, people: People) -> Alarms:
    """Build this area."""
    rules = AlarmRules(core, people.groups)
    return Alarms(raised=RaisedAlarms(core), rules=rules, plate_lists=PlateLists(core, rules))
