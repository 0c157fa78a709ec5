"""Campaigns: one release for chosen devices, first for one of them, then for the others (2.3).

The newest campaign that includes a device decides which release is meant for it; if that campaign
is stopped, none is. An offer is no progress: a device is done once it reports (2.2, 2.3) all
versions that the release names. If the release names none, the device is done once it has
downloaded every component and then reports its versions, as it does after a start.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

import trio
from msgspec.structs import replace

from hub.errors import AlreadyExists, BadParameter, ClientTooOld, NoSuchResource, existing
from hub.live.feed import Change
from hub.services.devices.directory import Devices
from hub.services.firmware.campaign_views import (
    Campaign,
    CampaignOutline,
    CampaignViews,
    DeviceCampaign,
    DeviceProgress,
    says_versions,
)
from hub.services.firmware.releases import Releases
from hub.store.tables.campaigns import CampaignTarget, DesiredState, StoredCampaign, TargetState
from hub.store.tables.firmware import Release
from hub.wire.uploads.firmware import Versions

if TYPE_CHECKING:
    from hub.services.core import Core

log = logging.getLogger(__name__)

#: Beyond this number, the oldest campaigns that have ended are removed.
MAX_CAMPAIGNS = 100
MAX_DEVICES = 10_000


class Campaigns:
    """All campaigns. When a call returns, its changes are durable and visible to all."""

    def __init__(self, core: Core, releases: Releases, devices: Devices) -> None:
        self._rows = core.store.campaigns
        self._releases = releases
        self._devices = devices
        self._changes = core.changes
        self._now = core.now
        self._views = CampaignViews(releases, devices, core.store.downloads)
        #: Held from reading the state of a device to writing its next one.
        self._state_lock = trio.Lock()

    # Reading

    def campaigns(self) -> list[Campaign]:
        """Return all campaigns, newest first."""
        return [self._views.campaign(campaign) for campaign in self._rows.all()]

    def outlines(self) -> list[CampaignOutline]:
        """Return all campaigns, newest first, without their devices, which may be many."""
        return [self._views.outline(campaign) for campaign in self._rows.all()]

    def campaign(self, id: int) -> Campaign:
        """Return one campaign with its devices. Raises NoSuchResource."""
        return self._views.campaign(self._stored(id))

    def progress_by_did(self) -> dict[str, DeviceProgress]:
        """Return the progress of every device that a campaign includes."""
        return self._views.progress(self._rows.all())

    def of_device(self, did: str) -> DeviceCampaign | None:
        """Return how far a device is in the newest campaign that includes it."""
        campaign = self._rows.last_of(did)
        return None if campaign is None else self._views.device(campaign, did)

    def waiting_dids(self) -> set[str]:
        """Return the devices that may update now, and have not got the whole release."""
        found: set[str] = set()
        for campaign in self._rows.all():
            if campaign.desired_state == "running":
                pilot = campaign.pilot_did
                found |= {
                    target.did
                    for target in campaign.targets
                    if target.state in _BEFORE_DOWNLOAD and pilot in (None, target.did)
                }
        return found

    # Actions of operators

    async def start(self, release_id: int, dids: Sequence[str]) -> Campaign:
        """Give a release to devices. The first of `dids` that lacks it updates alone first.

        Raises NoSuchResource, BadParameter, and AlreadyExists for a device in a campaign that has
        not ended.
        """
        release = self._releases.get(release_id)
        if not 1 <= len(dids) <= MAX_DEVICES or len(set(dids)) != len(dids):
            raise BadParameter(f"1 to {MAX_DEVICES} different devices are expected", field="dids")
        async with self._state_lock:
            for did in dids:
                self._check_not_in_campaign(did)
            targets = [self._new_target(did, release) for did in dids]
            stored = await self._rows.add(release_id, targets, self._now_ms(), self._to_remove())
        log.info("campaign %d gives %s to %d devices", stored.id, release.ver_name, len(dids))
        self._publish(stored.id)
        return self._views.campaign(stored)

    async def pause(self, id: int) -> Campaign:
        """Stop offering the release until `resume`; downloads that were offered continue."""
        return await self._set_desired_state(id, "paused")

    async def resume(self, id: int) -> Campaign:
        return await self._set_desired_state(id, "running")

    async def stop(self, id: int) -> Campaign:
        """End the campaign for good: nothing is offered, and running downloads end."""
        return await self._set_desired_state(id, "stopped")

    # Actions of devices

    def may_download(self, did: str, sha256: str) -> bool:
        """Whether the file belongs to the release that is meant for this device."""
        campaign = self._rows.last_of(did)
        if campaign is None or campaign.desired_state == "stopped" or not campaign.may_update(did):
            return False
        components = self._releases.get(campaign.release_id).components
        return any(one.sha256 == sha256 for one in components)

    async def offer(self, did: str, reported: Versions) -> Release | None:
        """D5, 2.3: return the release that is meant for this device; None if it has that already.

        Raises NoSuchResource if none is meant for it, and ClientTooOld if it needs another version
        first.
        """
        async with self._state_lock:
            campaign = self._rows.last_of(did)
            if (
                campaign is None
                or campaign.desired_state != "running"
                or not campaign.may_update(did)
            ):
                raise NoSuchResource("no release is meant for this device")
            release = self._releases.get(campaign.release_id)
            if too_old := reported.first_older_than(release.least):
                await self._advance(campaign, did, "too_old")
                raise ClientTooOld(too_old)
            if says_versions(release) and reported.matches(release.reports):
                return None
            await self._advance(campaign, did, "offered")
            return release

    async def reported(self, did: str) -> None:
        """Record that a device reported its versions (2.2, 2.3), and may be done."""
        async with self._state_lock:
            campaign = self._rows.last_of(did)
            if campaign is None or campaign.desired_state == "stopped":
                return
            release = self._releases.get(campaign.release_id)
            if self._views.is_done(release, campaign.target(did)):
                await self._advance(campaign, did, "done")

    async def downloading(self, did: str) -> None:
        """Record that a device began to download the offered release."""
        async with self._state_lock:
            campaign = self._rows.last_of(did)
            if campaign is not None:
                await self._advance(campaign, did, "downloading")

    async def downloaded(self, did: str) -> None:
        """Record that a device downloaded a whole file, perhaps the last of the release."""
        async with self._state_lock:
            campaign = self._rows.last_of(did)
            if campaign is None:
                return
            release = self._releases.get(campaign.release_id)
            if self._views.has_all(release, campaign.target(did)):
                await self._advance(campaign, did, "downloaded")

    def publish_progress(self, did: str) -> None:
        """Tell subscribers that a device downloaded more."""
        campaign = self._rows.last_of(did)
        if campaign is not None:
            self._publish(campaign.id)

    async def _advance(self, campaign: StoredCampaign, did: str, state: TargetState) -> None:
        """Move a device to the state, unless it is already there or beyond."""
        target = campaign.target(did)
        if not _is_advance(target.state, state):
            return
        now = self._now_ms()
        changed = replace(target, state=state)
        if state == "offered":
            changed = replace(changed, offered_at=now)
        elif state == "downloaded":
            changed = replace(changed, downloaded_at=now)
        elif state == "done":
            changed = replace(changed, done_at=now)
        proves = state == "done" and campaign.may_update(did)

        def advanced() -> None:
            log.info("campaign %d: device %s is %s", campaign.id, did, state.replace("_", " "))
            self._publish(campaign.id)

        await self._rows.update_target(
            campaign.id, changed, proved_at=now if proves else None, on_commit=advanced
        )

    async def _set_desired_state(self, id: int, desired_state: DesiredState) -> Campaign:
        async with self._state_lock:
            campaign = self._stored(id)
            if campaign.has_ended:
                raise BadParameter(f"campaign {id} has ended")
            await self._rows.set_desired_state(id, desired_state)
        log.info("campaign %d is %s", id, desired_state)
        self._publish(id)
        return self.campaign(id)

    def _stored(self, id: int) -> StoredCampaign:
        return existing(self._rows.get(id), "campaign", id=id)

    def _check_not_in_campaign(self, did: str) -> None:
        self._devices.device(did)
        campaign = self._rows.last_of(did)
        if campaign is not None and not campaign.has_ended:
            raise AlreadyExists(
                f"device {did} is in campaign {campaign.id}, which has not ended: "
                "stop it, or wait for its end",
                field="dids",
            )

    def _new_target(self, did: str, release: Release) -> CampaignTarget:
        target = CampaignTarget(did)
        if self._views.is_done(release, target):
            return replace(target, state="done", done_at=self._now_ms())
        return target

    def _to_remove(self) -> list[int]:
        """Return the ended campaigns to remove so that one more fits. Raises BadParameter."""
        over = len(self._rows.all()) + 1 - MAX_CAMPAIGNS
        ended = [one.id for one in reversed(self._rows.all()) if one.has_ended]
        if over > len(ended):
            raise BadParameter(f"{MAX_CAMPAIGNS} campaigns have not ended: stop one first")
        return ended[: max(over, 0)]

    def _publish(self, id: int) -> None:
        self._changes.publish([Change("firmware", str(id))])

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


#: A device in one of these has not got the whole release.
_BEFORE_DOWNLOAD: tuple[TargetState, ...] = ("waiting", "offered", "downloading")
#: The order of states. Only "too_old" can go back: the release may be offered to the device again.
_ORDER: tuple[TargetState, ...] = ("waiting", "offered", "downloading", "downloaded", "done")


def _is_advance(before: TargetState, after: TargetState) -> bool:
    if after == "too_old":
        return before in ("waiting", "offered")
    if before == "too_old":
        return after in ("offered", "done")
    return _ORDER.index(after) > _ORDER.index(before)
