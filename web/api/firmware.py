"""/firmware: files, the releases made of them, the campaigns that give them out, and downloads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from hub.errors import NoSuchResource
from hub.services import Services
from hub.services.firmware.campaign_views import Campaign, CampaignDevice, CampaignOutline
from hub.services.firmware.campaigns import MAX_DEVICES
from hub.services.firmware.downloads import Download
from hub.services.firmware.release_validation import (
    MAX_COMPONENTS,
    MAX_DESCRIPTION_LENGTH,
    MAX_NAME_LENGTH,
)
from hub.services.firmware.releases import (
    MAX_FILE_BYTES,
    Component,
    NewComponent,
    NewRelease,
    Release,
    StoredFile,
)
from hub.wire.times import format_rfc3339
from hub.wire.uploads.firmware import Versions
from web.api import answers
from web.api.endpoint import PREFIX, Call, Did, Endpoint, FileBody, Nothing, Routes, Seq
from web.http.bodies import TooSlow

TAG = "Firmware"
_FILES = f"{PREFIX}/firmware/files"
_RELEASES = f"{PREFIX}/firmware/releases"
_CAMPAIGNS = f"{PREFIX}/firmware/campaigns"

_MOST_CODE = 2**53
_Version = Annotated[str, Meta(max_length=100)]


class VersionsBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Dotted numbers, such as V1.2.3; what is not given is not looked at."""

    fwVer: _Version | None = None
    swVer: _Version | None = None
    osVer: _Version | None = None
    hwVer: _Version | None = None


class ComponentBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]
    type: Annotated[
        int,
        Meta(ge=1, le=5, description="1 description, 2 firmware, 3 app, 4 model, 5 license"),
    ]
    sha256: Annotated[str, Meta(max_length=64, description="of a file that was uploaded")]


class NewReleaseBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    ver_code: Annotated[
        int, Meta(ge=0, le=_MOST_CODE, description="the number that devices compare")
    ]
    ver_name: Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]
    components: Annotated[
        list[ComponentBody], Meta(description=f"1 to {MAX_COMPONENTS}, name, type and sha256 each")
    ]
    description: Annotated[str, Meta(max_length=MAX_DESCRIPTION_LENGTH)] = ""
    release_date: Annotated[
        Annotated[str, Meta(max_length=19)] | None,
        Meta(description="yyyy-MM-dd HH:mm:ss in the site's time; else it is now"),
    ] = None
    reports: Annotated[
        VersionsBody | None,
        Meta(description="what a device reports once it is installed: `fwVer`, `swVer`, ..."),
    ] = None
    least: Annotated[
        VersionsBody | None, Meta(description="the least versions it can be installed over")
    ] = None


class NewCampaignBody(Struct, frozen=True, forbid_unknown_fields=True):
    release: Seq
    dids: Annotated[
        list[Did],
        Meta(description=f"1 to {MAX_DEVICES}; the first that has not got it goes alone"),
    ]


class DownloadsQuery(Struct, frozen=True, forbid_unknown_fields=True):
    did: Annotated[Did | None, Meta(description="of this device only")] = None


_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_MD5 = "098f6bcd4621d373cade4e832627b4f6"
_FILE_EXAMPLE = answers.FirmwareFile(_SHA256, _MD5, 31_457_280, "2026-11-25T08:00:00.000Z")
_RELEASE_EXAMPLE = answers.Release(
    id=3,
    ver_code=453523,
    ver_name="v2.3.0",
    description="Sees better at night.",
    release_date="2026-11-25 16:00:00",
    components=[answers.Component("app.bin", 3, 31_457_280, _MD5, _SHA256)],
    reports=answers.Versions(swVer="V2.3.0"),
    least=answers.Versions(hwVer="V1.0"),
    created_at="2026-11-25T08:00:00.000Z",
)
_SUMMARY_EXAMPLE = answers.CampaignSummary(
    id=7,
    release=3,
    ver_name="v2.3.0",
    state="first",
    started_at="2026-11-25T08:05:00.000Z",
    count=1,
    done=0,
)
_CAMPAIGN_EXAMPLE = answers.Campaign(
    **msgspec.structs.asdict(_SUMMARY_EXAMPLE),
    size=31_457_280,
    devices=[
        answers.CampaignDevice(
            did="12",
            name="Gate",
            state="downloading",
            is_next=True,
            versions=answers.Versions(swVer="V2.2.1", hwVer="V1.0"),
            received=9_437_184,
            offered_at="2026-11-25T08:06:10.000Z",
            downloaded_at=None,
            done_at=None,
        )
    ],
)
_DOWNLOAD_EXAMPLE = answers.Download(
    did="12",
    sha256=_SHA256,
    size=31_457_280,
    covered=9_437_184,
    sent=9_699_328,
    started_at="2026-11-25T08:06:11.000Z",
    ended_at="2026-11-25T08:06:14.000Z",
)

LIST_FILES = Endpoint(
    method="GET",
    path=_FILES,
    tag=TAG,
    summary="Files",
    description="Those of no release too: they go after a day.",
    answer=answers.FirmwareFileList,
    answer_example=answers.FirmwareFileList([_FILE_EXAMPLE]),
)
UPLOAD = Endpoint(
    method="POST",
    path=_FILES,
    tag=TAG,
    summary="Upload a file",
    description=(
        f"The body is the file itself, of up to {MAX_FILE_BYTES // 1024**2} MB. The same file "
        "twice is one file. A signed request names the file's `body_md5`."
    ),
    body_file="application/octet-stream",
    max_body_bytes=MAX_FILE_BYTES,
    answer=answers.FirmwareFile,
    answer_example=_FILE_EXAMPLE,
    refusals=(TooSlow,),
    role="admin",
)
REMOVE_FILE = Endpoint(
    method="DELETE",
    path=f"{_FILES}/{{sha256}}",
    tag=TAG,
    summary="Remove a file that no release has",
    answer=answers.FirmwareFile,
    answer_example=_FILE_EXAMPLE,
    role="admin",
    path_example={"sha256": _SHA256},
)
LIST_RELEASES = Endpoint(
    method="GET",
    path=_RELEASES,
    tag=TAG,
    summary="Releases",
    description="Newest first.",
    answer=answers.ReleaseList,
    answer_example=answers.ReleaseList([_RELEASE_EXAMPLE]),
)
GET_RELEASE = Endpoint(
    method="GET",
    path=f"{_RELEASES}/{{release}}",
    tag=TAG,
    summary="One release",
    answer=answers.Release,
    answer_example=_RELEASE_EXAMPLE,
    path_example={"release": "3"},
)
ADD_RELEASE = Endpoint(
    method="POST",
    path=_RELEASES,
    tag=TAG,
    summary="Make a release of files",
    body=NewReleaseBody,
    body_example=NewReleaseBody(
        ver_code=453523,
        ver_name="v2.3.0",
        components=[ComponentBody("app.bin", 3, _SHA256)],
        description="Sees better at night.",
        reports=VersionsBody(swVer="V2.3.0"),
        least=VersionsBody(hwVer="V1.0"),
    ),
    answer=answers.Release,
    answer_example=_RELEASE_EXAMPLE,
    role="admin",
)
REMOVE_RELEASE = Endpoint(
    method="DELETE",
    path=f"{_RELEASES}/{{release}}",
    tag=TAG,
    summary="Remove a release",
    description=(
        "With the files that no other release has, and with its campaigns that have ended. One "
        "that a campaign gives to devices is refused (400)."
    ),
    answer=answers.Release,
    answer_example=_RELEASE_EXAMPLE,
    role="admin",
    path_example={"release": "3"},
)
LIST_CAMPAIGNS = Endpoint(
    method="GET",
    path=_CAMPAIGNS,
    tag=TAG,
    summary="Campaigns",
    description="Newest first; those that have ended too.",
    answer=answers.CampaignList,
    answer_example=answers.CampaignList([_SUMMARY_EXAMPLE]),
)
GET_CAMPAIGN = Endpoint(
    method="GET",
    path=f"{_CAMPAIGNS}/{{campaign}}",
    tag=TAG,
    summary="How far each device of a campaign is",
    answer=answers.Campaign,
    answer_example=_CAMPAIGN_EXAMPLE,
    path_example={"campaign": "7"},
)
START_CAMPAIGN = Endpoint(
    method="POST",
    path=_CAMPAIGNS,
    tag=TAG,
    summary="Give a release to devices",
    description=(
        "One device goes alone; once it reports the new version, the others go. Devices ask for "
        "it by themselves (2.3). A device in a campaign that goes on is refused (409)."
    ),
    body=NewCampaignBody,
    body_example=NewCampaignBody(3, ["12"]),
    answer=answers.Campaign,
    answer_example=_CAMPAIGN_EXAMPLE,
    role="admin",
)

Step = Literal["pause", "resume", "stop"]
_STEPS: dict[Step, tuple[str, str]] = {
    "pause": (
        "Pause a campaign",
        "It is offered to nobody until it is resumed; what was offered may be downloaded.",
    ),
    "resume": ("Go on with a paused campaign", ""),
    "stop": ("Stop a campaign for good", "Nothing more is offered or downloaded."),
}
CHANGE_CAMPAIGN: dict[Step, Endpoint] = {
    step: Endpoint(
        method="POST",
        path=f"{_CAMPAIGNS}/{{campaign}}/{step}",
        tag=TAG,
        summary=summary,
        description=description,
        answer=answers.Campaign,
        answer_example=_CAMPAIGN_EXAMPLE,
        role="admin",
        path_example={"campaign": "7"},
    )
    for step, (summary, description) in _STEPS.items()
}
LIST_DOWNLOADS = Endpoint(
    method="GET",
    path=f"{PREFIX}/firmware/downloads",
    tag=TAG,
    summary="Which device downloaded what",
    description="The last 1000, newest first.",
    query=DownloadsQuery,
    query_example="did=12",
    answer=answers.DownloadList,
    answer_example=answers.DownloadList([_DOWNLOAD_EXAMPLE]),
)


def add_firmware(routes: Routes, services: Services) -> None:
    _add_files(routes, services)
    _add_releases(routes, services)
    _add_campaigns(routes, services)


def _add_files(routes: Routes, services: Services) -> None:
    releases, audit = services.releases, services.audit

    async def list_files(call: Call[Nothing, Nothing]) -> answers.FirmwareFileList:
        return answers.FirmwareFileList([_file(file) for file in releases.files()])

    async def add_file(call: Call[Nothing, Any]) -> answers.FirmwareFile:
        body: FileBody = call.body
        async with releases.receive(body.bytes_left) as upload:
            while part := await body.next():
                await upload.write(part)
            file = await upload.finish()
        await audit.add(call.caller.actor, "firmware.file-add", file.sha256)
        return _file(file)

    async def remove_file(call: Call[Nothing, Nothing]) -> answers.FirmwareFile:
        sha256 = call.path["sha256"]
        found = next((file for file in releases.files() if file.sha256 == sha256), None)
        if found is None:
            raise NoSuchResource("no such file")
        await releases.remove_file(sha256)
        await audit.add(call.caller.actor, "firmware.file-remove", sha256)
        return _file(found)

    async def list_downloads(call: Call[DownloadsQuery, Nothing]) -> answers.DownloadList:
        found = services.downloads.downloads(call.query.did)
        return answers.DownloadList([_download(one) for one in found])

    routes.add(LIST_FILES, list_files)
    routes.add(UPLOAD, add_file)
    routes.add(REMOVE_FILE, remove_file)
    routes.add(LIST_DOWNLOADS, list_downloads)


def _add_releases(routes: Routes, services: Services) -> None:
    releases, audit = services.releases, services.audit

    async def list_releases(call: Call[Nothing, Nothing]) -> answers.ReleaseList:
        return answers.ReleaseList([_release(one) for one in releases.all()])

    async def get_release(call: Call[Nothing, Nothing]) -> answers.Release:
        return _release(releases.get(_id(call, "release")))

    async def add_release(call: Call[Nothing, NewReleaseBody]) -> answers.Release:
        added = await releases.add(_new_release(call.body))
        await audit.add(call.caller.actor, "firmware.add", str(added.id))
        return _release(added)

    async def remove_release(call: Call[Nothing, Nothing]) -> answers.Release:
        release = releases.get(_id(call, "release"))
        await releases.remove(release.id)
        await audit.add(call.caller.actor, "firmware.remove", str(release.id))
        return _release(release)

    routes.add(LIST_RELEASES, list_releases)
    routes.add(GET_RELEASE, get_release)
    routes.add(ADD_RELEASE, add_release)
    routes.add(REMOVE_RELEASE, remove_release)


def _add_campaigns(routes: Routes, services: Services) -> None:
    campaigns, audit = services.campaigns, services.audit

    async def list_campaigns(call: Call[Nothing, Nothing]) -> answers.CampaignList:
        return answers.CampaignList([_summary(one) for one in campaigns.outlines()])

    async def get_campaign(call: Call[Nothing, Nothing]) -> answers.Campaign:
        return _campaign(campaigns.campaign(_id(call, "campaign")))

    async def start_campaign(call: Call[Nothing, NewCampaignBody]) -> answers.Campaign:
        started = await campaigns.start(call.body.release, call.body.dids)
        await audit.add(call.caller.actor, "campaign.start", str(started.id))
        return _campaign(started)

    async def change(call: Call[Nothing, Nothing], step: Step) -> answers.Campaign:
        steps = {"pause": campaigns.pause, "resume": campaigns.resume, "stop": campaigns.stop}
        changed = await steps[step](_id(call, "campaign"))
        await audit.add(call.caller.actor, f"campaign.{step}", str(changed.id))
        return _campaign(changed)

    async def pause_campaign(call: Call[Nothing, Nothing]) -> answers.Campaign:
        return await change(call, "pause")

    async def resume_campaign(call: Call[Nothing, Nothing]) -> answers.Campaign:
        return await change(call, "resume")

    async def stop_campaign(call: Call[Nothing, Nothing]) -> answers.Campaign:
        return await change(call, "stop")

    routes.add(LIST_CAMPAIGNS, list_campaigns)
    routes.add(GET_CAMPAIGN, get_campaign)
    routes.add(START_CAMPAIGN, start_campaign)
    routes.add(CHANGE_CAMPAIGN["pause"], pause_campaign)
    routes.add(CHANGE_CAMPAIGN["resume"], resume_campaign)
    routes.add(CHANGE_CAMPAIGN["stop"], stop_campaign)


def _id(call: Call[Any, Any], name: str) -> int:
    """Raises NoSuchResource for what is no number of ours."""
    text = call.path[name]
    if not (text.isascii() and text.isdecimal()) or len(text) > 18:
        raise NoSuchResource(f"no such {name}")
    return int(text)


def _new_release(body: NewReleaseBody) -> NewRelease:
    return NewRelease(
        ver_code=body.ver_code,
        ver_name=body.ver_name,
        components=tuple(NewComponent(c.name, c.type, c.sha256) for c in body.components),
        description=body.description,
        release_date=body.release_date,
        reports=_new_versions(body.reports),
        least=_new_versions(body.least),
    )


def _new_versions(body: VersionsBody | None) -> Versions:
    if body is None:
        return Versions()
    return Versions(fw_ver=body.fwVer, sw_ver=body.swVer, os_ver=body.osVer, hw_ver=body.hwVer)


def _file(file: StoredFile) -> answers.FirmwareFile:
    return answers.FirmwareFile(file.sha256, file.md5, file.size, format_rfc3339(file.added_at))


def _versions(versions: Versions) -> answers.Versions:
    return answers.Versions(versions.fw_ver, versions.sw_ver, versions.os_ver, versions.hw_ver)


def _component(one: Component) -> answers.Component:
    return answers.Component(one.name, one.type, one.size, one.md5, one.sha256)


def _release(release: Release) -> answers.Release:
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


def _summary(campaign: CampaignOutline | Campaign) -> answers.CampaignSummary:
    return answers.CampaignSummary(
        id=campaign.id,
        release=campaign.release.id,
        ver_name=campaign.release.ver_name,
        state=campaign.state,
        started_at=format_rfc3339(campaign.started_at),
        count=campaign.count,
        done=campaign.done,
    )


def _campaign(campaign: Campaign) -> answers.Campaign:
    return answers.Campaign(
        **msgspec.structs.asdict(_summary(campaign)),
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
        offered_at=_moment(device.offered_at),
        downloaded_at=_moment(device.downloaded_at),
        done_at=_moment(device.done_at),
    )


def _download(download: Download) -> answers.Download:
    return answers.Download(
        did=download.did,
        sha256=download.sha256,
        size=download.size,
        covered=download.covered,
        sent=download.sent,
        started_at=format_rfc3339(download.started_at),
        ended_at=format_rfc3339(download.ended_at),
    )


def _moment(ms: int | None) -> str | None:
    return None if ms is None else format_rfc3339(ms)
