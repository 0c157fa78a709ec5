"""Reports: made when somebody asks, and sent every morning."""

from __future__ import annotations

from dataclasses import dataclass

from hub.services.areas.cameras import Cameras
from hub.services.areas.parts import Parts
from hub.services.areas.people import People
from hub.services.core import Core
from hub.services.reports.delivery import Render, ReportDelivery
from hub.services.reports.reports import ReportMaker


@dataclass(frozen=True, kw_only=True)
class Reports:
    """The services of this area."""

    maker: ReportMaker
    delivery: ReportDelivery

    def parts(self) -> Parts:
        """Return what runs in the background."""
        yield "the reports", self.maker.run
        yield "the morning reports", self.delivery.run


def build_reports(core: Core, cameras: Cameras, people: People, render: Render) -> Reports:
    """Build this area. `render` makes the files that are sent."""
    maker = ReportMaker(core, people.register, people.groups, cameras.availability)
    return Reports(maker=maker, delivery=ReportDelivery(core, maker, cameras.devices, render))
