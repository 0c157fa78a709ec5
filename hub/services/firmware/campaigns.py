"""Campaigns: one release to chosen devices, first to one of them, then to the others (2.3).

The last campaign that holds a device says which release is meant for it; a stopped one means none.
How far a device is, is what it reports (2.2, 2.3), never what it was offered: it is done once it
reports all that the release says. Of a release that says nothing, it is done once it has
downloaded every component and then tells of itself again, as it does after a start.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Literal

import trio
from msgspec import Struct
from msgspec.structs import replace

from hub.errors import AlreadyExists, BadParameter, ClientTooOld, NoSuchResource
from hub.live.feed import Change, Feed
from hub.services.devices.directory import Devices
from hub.services.firmware.releases import Release, Releases
from hub.services.shielding import shielded
from hub.store.db import Store
from hub.store.tables.campaigns import CampaignTarget, StoredCampaign, Will
from hub.store.tables.campaigns import DeviceState as DeviceState
from hub.wire.uploads.firmware import Versions

log = logging.getLogger(__name__)

#: Older ones that have ended make room.
MOST_CAMPAIGNS = 100
MOST_DEVICES = 10_000

CampaignState = Literal["first", "rest", "paused", "stopped", "done"]
_ENDED: tuple[CampaignState, ...] = ("stopped", "done")


class CampaignDevice(Struct, frozen=True, kw_only=True):
    """How far one device is. Times in UNIX milliseconds.

    `is_next`: it goes alone now, before the others. `reported`: its versions as it told them last;
    `received`: bytes of the release that it has downloaded since it was offered.
    """

    did: str
    name: str
    state: DeviceState
    is_next: bool
    reported: Versions
    received: int
    offered_at: int | None
    downloaded_at: int | None
    done_at: int | None


class CampaignOutline(Struct, frozen=True, kw_only=True):
    """A campaign of `count` devices, of which so many are `done`."""

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
    """One device in the newest campaign that holds it."""

    campaign: CampaignOutline
    device: CampaignDevice


class Standing(Struct, frozen=True):
    """How far one device is in the newest campaign that holds it."""

    campaign: CampaignOutline
    state: DeviceState


class Campaign(Struct, frozen=True, kw_only=True):
    """`first`: one device goes alone; `rest`: it is done, and the others go."""

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


class Campaigns:
    """Changes are durable, and seen by every reader, once the call returns."""

    def __init__(
        self,
        store: Store,
        releases: Releases,
        devices: Devices,
        changes: Feed[Change],
        now: Callable[[], float],
    ) -> None:
        self._rows = store.campaigns
        self._downloads = store.downloads
        self._releases = releases
        self._devices = devices
        self._changes = changes
        self._now = now
        #: A step of a device is read, decided and written before the next.
        self._stepping = trio.Lock()

    def campaigns(self) -> list[Campaign]:
        """Newest first."""
        return [self._view(campaign) for campaign in self._rows.all()]

    def outlines(self) -> list[CampaignOutline]:
        """The same without their devices, which may be many."""
        return [self._outline(campaign) for campaign in self._rows.all()]

    def standings(self) -> dict[str, Standing]:
        """Of each device that a campaign holds, by its did: all are looked through once."""
        return {
            target.did: Standing(outline, target.state)
            for campaign in self._rows.all()
            for outline in [self._outline(campaign)]
            for target in campaign.targets
            if target.counts
        }

    def of_device(self, did: str) -> DeviceCampaign | None:
        """How far a device is in the newest campaign that holds it."""
        campaign = self._rows.last_of(did)
        if campaign is None:
            return None
        release = self._releases.get(campaign.release_id)
        is_next = did == _next_of(campaign)
        return DeviceCampaign(
            campaign=self._outline(campaign),
            device=self._view_target(campaign.target(did), release, is_next=is_next),
        )

    def campaign(self, id: int) -> Campaign:
        """Raises NoSuchResource."""
        return self._view(self._stored(id))

    async def start(self, release_id: int, dids: Sequence[str]) -> Campaign:
        """Give a release to devices; the first of `dids` that has not got it goes alone first.

        Raises NoSuchResource; BadParameter; AlreadyExists for a device in a campaign that goes on.
        """
        release = self._releases.get(release_id)
        if not 1 <= len(dids) <= MOST_DEVICES or len(set(dids)) != len(dids):
            raise BadParameter(f"1 to {MOST_DEVICES} different devices are expected", field="dids")
        with shielded():
            async with self._stepping:
                for did in dids:
                    self._check_free(did)
                targets = [self._new_target(did, release) for did in dids]
                stored = await self._rows.add(release_id, targets, self._now_ms(), self._oldest())
        log.info("campaign %d gives %s to %d devices", stored.id, release.ver_name, len(dids))
        self._publish(stored.id)
        return self._view(stored)

    async def pause(self, id: int) -> Campaign:
        """Offer it to nobody until it is resumed; what was offered may still be downloaded."""
        return await self._set_will(id, "paused")

    async def resume(self, id: int) -> Campaign:
        return await self._set_will(id, "running")

    async def stop(self, id: int) -> Campaign:
        """End it for good: nothing is offered, and what is being downloaded ends."""
        return await self._set_will(id, "stopped")

    def gives(self, did: str, sha256: str) -> bool:
        """Whether the release that this device is given has such a file."""
        campaign = self._rows.last_of(did)
        if campaign is None or campaign.will == "stopped" or not campaign.is_turn_of(did):
            return False
        components = self._releases.get(campaign.release_id).components
        return any(one.sha256 == sha256 for one in components)

    async def offer(self, did: str, reported: Versions) -> Release | None:
        """D5, 2.3: the release that is meant for this device; None where it has that already.

        Raises NoSuchResource where none is meant for it, ClientTooOld where it has to be brought
        to another version before.
        """
        async with self._stepping:
            campaign = self._rows.last_of(did)
            if campaign is None or not _offers(campaign, did):
                raise NoSuchResource("no release is meant for this device")
            release = self._releases.get(campaign.release_id)
            if too_old := reported.below(release.least):
                await self._note(campaign, did, "too_old")
                raise ClientTooOld(too_old)
            if _says_something(release) and reported.hold(release.reports):
                return None
            await self._note(campaign, did, "offered")
            return release

    async def reported(self, did: str) -> None:
        """A device has told its versions (2.2, 2.3): perhaps it is done."""
        async with self._stepping:
            campaign = self._rows.last_of(did)
            if campaign is None or campaign.will == "stopped":
                return
            if self._has_got(self._releases.get(campaign.release_id), campaign.target(did)):
                await self._note(campaign, did, "done")

    async def downloading(self, did: str) -> None:
        """A device has begun to download what it was offered."""
        async with self._stepping:
            campaign = self._rows.last_of(did)
            if campaign is not None:
                await self._note(campaign, did, "downloading")

    def tell_of_progress(self, did: str) -> None:
        """Some more of what a device downloads was sent: whoever looks on shall see it."""
        campaign = self._rows.last_of(did)
        if campaign is not None:
            self._publish(campaign.id)

    async def downloaded(self, did: str) -> None:
        """A device has downloaded a file as a whole: perhaps it was the last."""
        async with self._stepping:
            campaign = self._rows.last_of(did)
            if campaign is None:
                return
            release = self._releases.get(campaign.release_id)
            if self._received(release, campaign.target(did)) == release.size:
                await self._note(campaign, did, "downloaded")

    async def _note(self, campaign: StoredCampaign, did: str, state: DeviceState) -> None:
        """Take a device a step further; what it is beyond already stays."""
        target = campaign.target(did)
        if not _leads_on(target.state, state):
            return
        now = self._now_ms()
        changed = replace(target, state=state)
        if state == "offered":
            changed = replace(changed, offered_at=now)
        elif state == "downloaded":
            changed = replace(changed, downloaded_at=now)
        elif state == "done":
            changed = replace(changed, done_at=now)
        proves = state == "done" and campaign.is_turn_of(did)
        await self._rows.note(campaign.id, changed, proved_at=now if proves else None)
        log.info("campaign %d: device %s is %s", campaign.id, did, state.replace("_", " "))
        self._publish(campaign.id)

    async def _set_will(self, id: int, will: Will) -> Campaign:
        with shielded():
            async with self._stepping:
                campaign = self._stored(id)
                if campaign.has_ended:
                    raise BadParameter(f"campaign {id} has ended")
                await self._rows.set_will(id, will)
        log.info("campaign %d is %s", id, will)
        self._publish(id)
        return self.campaign(id)

    def _stored(self, id: int) -> StoredCampaign:
        campaign = self._rows.get(id)
        if campaign is None:
            raise NoSuchResource(f"no campaign {id}")
        return campaign

    def _check_free(self, did: str) -> None:
        self._devices.device(did)
        campaign = self._rows.last_of(did)
        if campaign is not None and not campaign.has_ended:
            raise AlreadyExists(
                f"device {did} is in campaign {campaign.id}, which goes on", field="dids"
            )

    def _new_target(self, did: str, release: Release) -> CampaignTarget:
        target = CampaignTarget(did)
        if self._has_got(release, target):
            return replace(target, state="done", done_at=self._now_ms())
        return target

    def _oldest(self) -> list[int]:
        """What has to go so that another one has room."""
        over = len(self._rows.all()) + 1 - MOST_CAMPAIGNS
        ended = [one.id for one in reversed(self._rows.all()) if one.has_ended]
        if over > len(ended):
            raise BadParameter(f"{MOST_CAMPAIGNS} campaigns go on: stop one first")
        return ended[: max(over, 0)]

    def _has_got(self, release: Release, target: CampaignTarget) -> bool:
        if _says_something(release):
            reported = Versions.of(self._devices.device(target.did))
            return reported.hold(release.reports)
        return target.offered_at is not None and self._received(release, target) == release.size

    def _received(self, release: Release, target: CampaignTarget) -> int:
        """Bytes of the release that the device was sent since it was offered."""
        received = 0
        for sha256, size in {(c.sha256, c.size) for c in release.components}:
            download = self._downloads.last_of(target.did, sha256)
            if download is not None and download.ended_at >= (target.offered_at or 0):
                received += min(download.covered, size)
        return received

    def _outline(self, campaign: StoredCampaign) -> CampaignOutline:
        return CampaignOutline(
            id=campaign.id,
            release=self._releases.get(campaign.release_id),
            state=_state(campaign),
            started_at=campaign.started_at,
            count=len(campaign.targets),
            done=sum(target.state == "done" for target in campaign.targets),
        )

    def _view(self, campaign: StoredCampaign) -> Campaign:
        release = self._releases.get(campaign.release_id)
        next_did = _next_of(campaign)
        return Campaign(
            id=campaign.id,
            release=release,
            state=_state(campaign),
            started_at=campaign.started_at,
            devices=tuple(
                self._view_target(target, release, is_next=target.did == next_did)
                for target in campaign.targets
            ),
        )

    def _view_target(
        self, target: CampaignTarget, release: Release, *, is_next: bool
    ) -> CampaignDevice:
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

    def _publish(self, id: int) -> None:
        self._changes.publish([Change("firmware", str(id))])

    def _now_ms(self) -> int:
        return int(self._now() * 1000)


#: How far along a device is. Back goes only who is offered the release again after a refusal.
_ORDER: tuple[DeviceState, ...] = ("waiting", "offered", "downloading", "downloaded", "done")


def _leads_on(before: DeviceState, after: DeviceState) -> bool:
    if after == "too_old":
        return before in ("waiting", "offered")
    if before == "too_old":
        return after in ("offered", "done")
    return _ORDER.index(after) > _ORDER.index(before)


def _offers(campaign: StoredCampaign, did: str) -> bool:
    return campaign.will == "running" and campaign.is_turn_of(did)


def _next_of(campaign: StoredCampaign) -> str | None:
    """The device that goes alone now. Of thousands, so it is looked for once."""
    return campaign.goes_alone if campaign.will == "running" else None


def _says_something(release: Release) -> bool:
    return any(release.reports.told())


def _state(campaign: StoredCampaign) -> CampaignState:
    if campaign.will == "stopped":
        return "stopped"
    if campaign.all_done:
        return "done"
    if campaign.will == "paused":
        return "paused"
    return "first" if campaign.proved_at is None else "rest"
