"""The services: the rules of the hub.

`hub.app` builds `Services` and passes it to the edges (device link, web, command line).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hub.config import Config
    from hub.services.areas.access import Access
    from hub.services.areas.alarms import Alarms
    from hub.services.areas.cameras import Cameras
    from hub.services.areas.firmware import Firmware
    from hub.services.areas.forwarding import Forwarding
    from hub.services.areas.parts import Parts
    from hub.services.areas.people import People
    from hub.services.areas.records import Records
    from hub.services.areas.reports import Reports
    from hub.services.areas.upkeep import Upkeep
    from hub.services.changes import Changes
    from hub.services.core import Core
    from hub.services.jobs.jobs import Jobs


@dataclass(frozen=True, kw_only=True)
class Services:
    """Every service of one running hub, by areas, each of which knows those above it."""

    core: Core
    changes: Changes
    jobs: Jobs
    cameras: Cameras
    access: Access
    firmware: Firmware
    people: People
    reports: Reports
    records: Records
    alarms: Alarms
    forwarding: Forwarding
    upkeep: Upkeep

    @property
    def config(self) -> Config:
        """The configuration in effect. Parts of it change while the hub runs, see `Settings`."""
        return self.core.settings.current

    def parts(self) -> Parts:
        """Return what runs in the background, in the order in which it starts."""
        # Imported here: the command line knows this package, and has no use for that.
        from hub.services.upkeep.state_notice import tell_state

        yield "watching the clock", self.core.clock.run
        yield "the jobs", self.jobs.run
        yield from self.cameras.parts()
        yield from self.firmware.parts()
        yield from self.people.parts()
        yield from self.alarms.parts()
        yield from self.reports.parts()
        yield from self.records.parts()
        yield from self.forwarding.parts()
        yield from self.upkeep.parts()
        yield "telling how the hub is", partial(tell_state, self)
