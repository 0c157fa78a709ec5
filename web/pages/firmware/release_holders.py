"""Which cameras run which release, found in one pass over all cameras."""

from __future__ import annotations

from collections import defaultdict

from hub.services.devices.views import DeviceView
from hub.store.tables.firmware import Release
from hub.wire.uploads.firmware import Versions
from web import auth


class ReleaseHolders:
    """A snapshot of which cameras run which release."""

    def __init__(self) -> None:
        hub = auth.services()
        devices, progress_by_did = (
            hub.cameras.devices.list(),
            hub.firmware.campaigns.progress_by_did(),
        )
        self.cameras = len(devices)
        #: Grouped, because most cameras of a site report the same versions.
        self._reporting: defaultdict[Versions, list[DeviceView]] = defaultdict(list)
        self._updated: defaultdict[int, list[DeviceView]] = defaultdict(list)
        for device in devices:
            self._reporting[Versions.of(device)].append(device)
            progress = progress_by_did.get(device.did)
            if progress is not None and progress.state == "done":
                self._updated[progress.campaign.release.id].append(device)

    def of(self, release: Release) -> list[DeviceView]:
        """Cameras that report the release; those that a campaign updated if it has no versions."""
        if not any(release.reports.given()):
            return self._updated[release.id]
        return [
            device
            for reported, devices in self._reporting.items()
            if reported.matches(release.reports)
            for device in devices
        ]
