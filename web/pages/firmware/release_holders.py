"""Which cameras run which release. Goes through all cameras once, for all releases."""

from __future__ import annotations

from collections import defaultdict

from hub.services.devices.views import DeviceView
from hub.services.firmware.releases import Release
from hub.wire.uploads.firmware import Versions
from web import auth


class ReleaseHolders:
    """A snapshot of which cameras run which release."""

    def __init__(self) -> None:
        hub = auth.services()
        devices, standings = hub.devices.list(), hub.campaigns.progress_by_did()
        self.cameras = len(devices)
        #: Grouped, because most cameras of a site report the same versions.
        self._reporting: defaultdict[Versions, list[DeviceView]] = defaultdict(list)
        self._given: defaultdict[int, list[DeviceView]] = defaultdict(list)
        for device in devices:
            self._reporting[Versions.of(device)].append(device)
            standing = standings.get(device.did)
            if standing is not None and standing.state == "done":
                self._given[standing.campaign.release.id].append(device)

    def of(self, release: Release) -> list[DeviceView]:
        """Cameras that report the release, or if it has no versions, that a campaign updated."""
        if not any(release.reports.given()):
            return self._given[release.id]
        return [
            device
            for reported, devices in self._reporting.items()
            if reported.matches(release.reports)
            for device in devices
        ]
