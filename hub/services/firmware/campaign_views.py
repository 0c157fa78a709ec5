"""Campaigns as pages and integrators see them, with the progress of each device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from hub.services.devices.directory import Devices
from hub.services.firmware.releases import Releases
from hub.store.tables.campaigns import CampaignTarget, StoredCampaign, TargetState
from hub.store.tables.downloads import DownloadTable
from hub.store.tables.firmware import Release
from hub.wire.uploads.firmware import Versions

CampaignState = Literal["first", "rest", "paused", "stopped", "done"]
_ENDED: tuple[CampaignState, ...] = ("stopped", "done")


class CampaignDevice(Struct, frozen=True, kw_only=True):
    """The progress of one device. Times are UNIX milliseconds.

    `is_next`: it updates alone now, before the others. `reported`: the versions that it last
    reported. `received`: bytes of the release that were sent to it since the offer.
    """

    did: str
    name: str
    state: TargetState
    is_next: bool
    reported: Versions
    received: int
    offered_at: int | None
    downloaded_at: int | None
    done_at: int | None


class CampaignOutline(Struct, frozen=True, kw_only=True):
    """A campaign without its devices: `count` is their number, and `done` of them are done."""

    id: int
    release: Release
    state: CampaignState
    started_at: int
    count: int
    done: int

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED


class DeviceCampaign(Struct, frozen=True, kw_only=True):
    """One device in the newest campaign that includes it."""

    campaign: CampaignOutline
    device: CampaignDevice


class DeviceProgress(Struct, frozen=True):
    """The progress of one device in the newest campaign that includes it."""

    campaign: CampaignOutline
    state: TargetState


class Campaign(Struct, frozen=True, kw_only=True):
    """State "first": one device updates alone; "rest": it is done, and the others update."""

    id: int
    release: Release
    state: CampaignState
    started_at: int
    devices: tuple[CampaignDevice, ...]

    @property
    def count(self) -> int:
        return len(self.devices)

    @property
    def done(self) -> int:
        """How many of its devices are done."""
        return sum(device.state == "done" for device in self.devices)

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED


class CampaignViews:
    """Combines the rows of campaigns with their release, devices and downloads."""

    def __init__(self, releases: Releases, devices: Devices, downloads: DownloadTable) -> None:
        self._releases = releases
        self._devices = devices
        self._downloads = downloads

    def campaign(self, campaign: StoredCampaign) -> Campaign:
        release = self._releases.get(campaign.release_id)
        next_did = _next_did(campaign)
        return Campaign(
            id=campaign.id,
            release=release,
            state=_state(campaign),
            started_at=campaign.started_at,
            devices=tuple(
                self._device(target, release, is_next=target.did == next_did)
                for target in campaign.targets
            ),
        )

    def outline(self, campaign: StoredCampaign) -> CampaignOutline:
        return CampaignOutline(
            id=campaign.id,
            release=self._releases.get(campaign.release_id),
            state=_state(campaign),
            started_at=campaign.started_at,
            count=len(campaign.targets),
            done=sum(target.state == "done" for target in campaign.targets),
        )

    def device(self, campaign: StoredCampaign, did: str) -> DeviceCampaign:
        release = self._releases.get(campaign.release_id)
        is_next = did == _next_did(campaign)
        return DeviceCampaign(
            campaign=self.outline(campaign),
            device=self._device(campaign.target(did), release, is_next=is_next),
        )

    def progress(self, campaigns: Sequence[StoredCampaign]) -> dict[str, DeviceProgress]:
        """Return the progress of every device by its did, in one pass."""
        return {
            target.did: DeviceProgress(outline, target.state)
            for campaign in campaigns
            for outline in [self.outline(campaign)]
            for target in campaign.targets
            if target.counts
        }

    def is_done(self, release: Release, target: CampaignTarget) -> bool:
        """Whether the device reports all versions that the release names.

        If the release names none: whether the device has downloaded all of it.
        """
        if says_versions(release):
            reported = Versions.of(self._devices.device(target.did))
            return reported.matches(release.reports)
        return target.offered_at is not None and self.has_all(release, target)

    def has_all(self, release: Release, target: CampaignTarget) -> bool:
        """Whether every byte of the release was sent to the device since the offer."""
        return self._received(release, target) == release.size

    def _received(self, release: Release, target: CampaignTarget) -> int:
        """Return how many bytes of the release were sent to the device since the offer."""
        received = 0
        for sha256, size in {(c.sha256, c.size) for c in release.components}:
            download = self._downloads.last_of(target.did, sha256)
            if download is not None and download.ended_at >= (target.offered_at or 0):
                received += min(download.covered, size)
        return received

    def _device(self, target: CampaignTarget, release: Release, *, is_next: bool) -> CampaignDevice:
        device = self._devices.device(target.did)
        return CampaignDevice(
            did=target.did,
            name=device.name,
            state=target.state,
            is_next=is_next,
            reported=Versions.of(device),
            received=self._received(release, target) if target.offered_at is not None else 0,
            offered_at=target.offered_at,
            downloaded_at=target.downloaded_at,
            done_at=target.done_at,
        )


def says_versions(release: Release) -> bool:
    """Whether the release names versions that a device reports once it runs it."""
    return any(release.reports.given())


def _next_did(campaign: StoredCampaign) -> str | None:
    """Return the device that updates alone now. Call this once per campaign, not per device."""
    return campaign.pilot_did if campaign.desired_state == "running" else None


def _state(campaign: StoredCampaign) -> CampaignState:
    if campaign.desired_state == "stopped":
        return "stopped"
    if campaign.all_done:
        return "done"
    if campaign.desired_state == "paused":
        return "paused"
    return "first" if campaign.proved_at is None else "rest"
