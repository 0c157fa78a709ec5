"""Convert the firmware objects of the services to answers of the API."""

from __future__ import annotations

import msgspec

from hub.services.firmware.campaign_views import Campaign, CampaignDevice, CampaignOutline
from hub.store.tables.downloads import Download
from hub.store.tables.firmware import Component, Release, StoredFile
from hub.wire.times import format_rfc3339
from hub.wire.uploads.firmware import Versions
from web.api.answers import Versions as VersionsAnswer
from web.api.firmware import answers


def file_fields(file: StoredFile) -> answers.FirmwareFile:
    return answers.FirmwareFile(file.sha256, file.md5, file.size, format_rfc3339(file.added_at))


def _versions(versions: Versions) -> VersionsAnswer:
    return VersionsAnswer(versions.fw_ver, versions.sw_ver, versions.os_ver, versions.hw_ver)


def _component(one: Component) -> answers.Component:
    return answers.Component(one.name, one.type, one.size, one.md5, one.sha256)


def release_fields(release: Release) -> answers.Release:
    return answers.Release(
        id=release.id,
        ver_code=release.ver_code,
        ver_name=release.ver_name,
        description=release.description,
        release_date=release.release_date,
        components=[_component(one) for one in release.components],
        reports=_versions(release.reports),
        least=_versions(release.least),
        created_at=format_rfc3339(release.created_at),
    )


def summary_fields(campaign: CampaignOutline | Campaign) -> answers.CampaignSummary:
    return answers.CampaignSummary(
        id=campaign.id,
        release=campaign.release.id,
        ver_name=campaign.release.ver_name,
        state=campaign.state,
        started_at=format_rfc3339(campaign.started_at),
        count=campaign.count,
        done=campaign.done,
    )


def campaign_fields(campaign: Campaign) -> answers.Campaign:
    return answers.Campaign(
        **msgspec.structs.asdict(summary_fields(campaign)),
        size=campaign.release.size,
        devices=[_campaign_device(one) for one in campaign.devices],
    )


def _campaign_device(device: CampaignDevice) -> answers.CampaignDevice:
    return answers.CampaignDevice(
        did=device.did,
        name=device.name,
        state=device.state,
        is_next=device.is_next,
        versions=_versions(device.reported),
        received=device.received,
        offered_at=_optional_time(device.offered_at),
        downloaded_at=_optional_time(device.downloaded_at),
        done_at=_optional_time(device.done_at),
    )


def download_fields(download: Download) -> answers.Download:
    return answers.Download(
        did=download.did,
        sha256=download.sha256,
        size=download.size,
        covered=download.covered,
        sent=download.sent,
        started_at=format_rfc3339(download.started_at),
        ended_at=format_rfc3339(download.ended_at),
    )


def _optional_time(ms: int | None) -> str | None:
    return None if ms is None else format_rfc3339(ms)
