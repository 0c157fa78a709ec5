"""Releases, campaigns and their cameras as pages show them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from hub.services.devices.views import DeviceView
from hub.services.firmware.campaign_views import Campaign, CampaignDevice, CampaignOutline
from hub.store.tables.firmware import Component, Release
from web import auth
from web.language import gettext
from web.pages.firmware.labels import (
    CAMPAIGN_LOOKS,
    CAMPAIGN_STATES,
    DEVICE_LOOKS,
    DEVICE_STATES,
    TYPES,
    NamedVersion,
    device_sentence,
    moment,
    percent,
    size_text,
    versions,
    versions_line,
)
from web.pages.firmware.release_holders import ReleaseHolders

#: States that need attention come first.
_STATE_ORDER = ("too_old", "downloading", "downloaded", "offered", "waiting", "done")


class ComponentRow(Struct, frozen=True):
    component: Component
    type: str
    size: str


class ReleaseRow(Struct, frozen=True, kw_only=True):
    """A release, with the cameras that run it."""

    release: Release
    components: list[ComponentRow]
    size: str
    reports: list[NamedVersion]
    least: list[NamedVersion]
    holders: list[DeviceView]
    #: How many of its campaigns are running.
    running: int


class CampaignRow(Struct, frozen=True):
    campaign: CampaignOutline | Campaign
    state: str
    look: str


class CampaignDeviceRow(Struct, frozen=True, kw_only=True):
    """One camera of a campaign; `when` is the time of its last step."""

    device: CampaignDevice
    name: str
    state: str
    look: str
    sentence: str
    percent: int
    received: str
    versions: str
    when: str


class CampaignOfCamera(Struct, frozen=True):
    """The state of one camera in its latest campaign."""

    id: int
    version: str
    state: str
    look: str


def find_campaign(did: str) -> CampaignOfCamera | None:
    found = auth.services().firmware.campaigns.of_device(did)
    if found is None:
        return None
    state = found.device.state
    text, look = gettext(DEVICE_STATES[state]), DEVICE_LOOKS[state]
    if state == "downloading":
        text = f"{text} {percent(found.device, found.campaign.release)} %"
    if found.campaign.has_ended and state != "done":
        text, look = gettext(CAMPAIGN_STATES[found.campaign.state]), "disabled"
    return CampaignOfCamera(found.campaign.id, found.campaign.release.ver_name, text, look)


def release_row(release: Release, holders: ReleaseHolders) -> ReleaseRow:
    return _release_row(release, holders, auth.services().firmware.campaigns.outlines())


def release_rows(holders: ReleaseHolders) -> list[ReleaseRow]:
    """All releases, newest first."""
    hub = auth.services()
    outlines = hub.firmware.campaigns.outlines()
    return [_release_row(release, holders, outlines) for release in hub.firmware.releases.all()]


def _release_row(
    release: Release, holders: ReleaseHolders, outlines: Sequence[CampaignOutline]
) -> ReleaseRow:
    return ReleaseRow(
        release=release,
        components=[
            ComponentRow(one, gettext(TYPES[one.type]), size_text(one.size))
            for one in release.components
        ],
        size=size_text(release.size),
        reports=versions(release.reports),
        least=versions(release.least),
        holders=holders.of(release),
        running=sum(one.release.id == release.id and not one.has_ended for one in outlines),
    )


def campaign_row(campaign: CampaignOutline | Campaign) -> CampaignRow:
    return CampaignRow(
        campaign, gettext(CAMPAIGN_STATES[campaign.state]), CAMPAIGN_LOOKS[campaign.state]
    )


def campaign_device_rows(campaign: Campaign) -> list[CampaignDeviceRow]:
    """The camera that goes first, then those in progress, waiting, and done."""
    offline = {one.did for one in auth.services().cameras.devices.list() if one.state != "online"}
    devices = sorted(
        campaign.devices, key=lambda one: (not one.is_next, _STATE_ORDER.index(one.state))
    )
    return [_campaign_device_row(one, campaign, is_offline=one.did in offline) for one in devices]


def _campaign_device_row(
    device: CampaignDevice, campaign: Campaign, *, is_offline: bool
) -> CampaignDeviceRow:
    return CampaignDeviceRow(
        device=device,
        name=device.name or device.did,
        state=gettext(DEVICE_STATES[device.state]),
        look=DEVICE_LOOKS[device.state],
        sentence=device_sentence(device, campaign, is_offline=is_offline),
        percent=percent(device, campaign.release),
        received=f"{size_text(device.received)} / {size_text(campaign.release.size)}",
        versions=versions_line(device.reported),
        when=moment(device.done_at or device.downloaded_at or device.offered_at),
    )
