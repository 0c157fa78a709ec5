"""Firmware: the releases that an administrator gave, and how cameras get them."""

from __future__ import annotations

from dataclasses import dataclass

from hub.services.areas.cameras import Cameras
from hub.services.areas.parts import Parts
from hub.services.core import Core
from hub.services.disk_space import DiskSpace
from hub.services.firmware.campaigns import Campaigns
from hub.services.firmware.downloads import Downloads
from hub.services.firmware.prompting import FirmwarePrompts
from hub.services.firmware.releases import Releases


@dataclass(frozen=True, kw_only=True)
class Firmware:
    """The services of this area."""

    releases: Releases
    campaigns: Campaigns
    downloads: Downloads
    prompts: FirmwarePrompts

    def parts(self) -> Parts:
        """Return what runs in the background."""
        yield "saving the downloads", self.downloads.run
        yield "telling cameras of their releases", self.prompts.run


def build_firmware(core: Core, cameras: Cameras) -> Firmware:
    """Build this area."""
    devices, commands = cameras.devices, cameras.commands
    releases = Releases(core, DiskSpace(core))
    campaigns = Campaigns(core, releases, devices)
    return Firmware(
        releases=releases,
        campaigns=campaigns,
        downloads=Downloads(core, devices, campaigns),
        prompts=FirmwarePrompts(core, campaigns, devices, commands, cameras.capabilities),
    )
