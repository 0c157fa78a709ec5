"""Forwarding: to whom else records and alarms are sent."""

from __future__ import annotations

from dataclasses import dataclass

from hub.services.areas.alarms import Alarms
from hub.services.areas.cameras import Cameras
from hub.services.areas.parts import Parts
from hub.services.areas.records import Records
from hub.services.core import Core
from hub.services.forwarding.mail.options import WriteMail
from hub.services.forwarding.mqtt.site_view import SiteView
from hub.services.forwarding.targets import Targets


@dataclass(frozen=True, kw_only=True)
class Forwarding:
    """The services of this area."""

    targets: Targets

    def parts(self) -> Parts:
        """Return what runs in the background."""
        yield "forwarding the records", self.targets.run


def build_forwarding(
    core: Core, cameras: Cameras, alarms: Alarms, records: Records, write_mail: WriteMail
) -> Forwarding:
    """Build this area."""
    view = SiteView(core, cameras.devices, alarms.raised, cameras.commands, cameras.photos)
    return Forwarding(targets=Targets(core, view, records.retention, write_mail))
