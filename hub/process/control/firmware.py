"""Requests about firmware: releases, campaigns and downloads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.process.control.request import ControlRequest
from hub.services.audit import COMMAND_LINE
from hub.services.firmware.campaign_views import Campaign
from hub.store.tables.downloads import Download
from hub.store.tables.firmware import NewRelease, Release

if TYPE_CHECKING:
    from hub.services import Services


class CheckFirmwareRoom(ControlRequest[None], frozen=True, tag="firmware.room"):
    """Check that the disk has room for release files of `size` bytes in total."""

    size: int

    async def perform(self, services: Services) -> None:
        services.firmware.releases.check_disk(self.size)


class TakeFirmwareFile(ControlRequest[str], frozen=True, tag="firmware.take"):
    """Move a file that was staged in the data directory to the releases. Returns its SHA-256."""

    staged: str

    async def perform(self, services: Services) -> str:
        return (await services.firmware.releases.take_staged(self.staged)).sha256


class AddRelease(ControlRequest[int], frozen=True, tag="firmware.add"):
    """Add a release of files that TakeFirmwareFile moved. Returns its id."""

    release: NewRelease

    async def perform(self, services: Services) -> int:
        added = await services.firmware.releases.add(self.release)
        await services.core.audit.add(COMMAND_LINE, "firmware.add", str(added.id))
        return added.id


class ListReleases(ControlRequest[list[Release]], frozen=True, tag="firmware.list"):
    """List the releases."""

    async def perform(self, services: Services) -> list[Release]:
        return list(services.firmware.releases.all())


class ListCampaigns(ControlRequest[list[Campaign]], frozen=True, tag="campaign.list"):
    """List all campaigns, or only the one with this id."""

    id: int | None = None

    async def perform(self, services: Services) -> list[Campaign]:
        if self.id is not None:
            return [services.firmware.campaigns.campaign(self.id)]
        return services.firmware.campaigns.campaigns()


class ListDownloads(ControlRequest[list[Download]], frozen=True, tag="firmware.downloads"):
    """List the downloads of release files, newest first."""

    async def perform(self, services: Services) -> list[Download]:
        return services.firmware.downloads.downloads()
