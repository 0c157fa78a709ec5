"""Answers about firmware."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.services.firmware.campaign_views import CampaignState, TargetState
from web.api.answers import Did, Time, Versions


class FirmwareFile(Struct, frozen=True):
    """A file as it was received; its digests are the hub's own, in lower-case hex."""

    sha256: str
    md5: str
    size: Annotated[int, Meta(description="bytes")]
    added_at: Time


class FirmwareFileList(Struct, frozen=True):
    items: list[FirmwareFile]
    next: None = None


class Component(Struct, frozen=True):
    """One file of a release."""

    name: str
    type: Annotated[
        int, Meta(description="1 description file, 2 firmware, 3 app, 4 model file, 5 license")
    ]
    size: Annotated[int, Meta(description="bytes")]
    md5: str
    sha256: str


class Release(Struct, frozen=True, kw_only=True):
    """Files that are given to devices together (2.3)."""

    id: int
    ver_code: Annotated[int, Meta(description="the number that devices compare")]
    ver_name: str
    description: str
    release_date: Annotated[str, Meta(description="as devices are told it, in the site's time")]
    components: list[Component]
    reports: Annotated[
        Versions, Meta(description="what a device reports once it is installed; null: not said")
    ]
    least: Annotated[Versions, Meta(description="what it can be installed over; null: anything")]
    created_at: Time


class ReleaseList(Struct, frozen=True):
    items: list[Release]
    next: None = None


class CampaignSummary(Struct, frozen=True, kw_only=True):
    """A release on its way to `count` devices, of which so many are `done`."""

    id: int
    release: Annotated[int, Meta(description="its id")]
    ver_name: str
    state: Annotated[
        CampaignState,
        Meta(description="`first`: one device goes alone · `rest`: that one is done, others go"),
    ]
    started_at: Time
    count: int
    done: int


class CampaignList(Struct, frozen=True):
    items: list[CampaignSummary]
    next: None = None


class CampaignDevice(Struct, frozen=True, kw_only=True):
    """How far one device is, by what it reports and downloads."""

    did: Did
    name: str
    state: Annotated[
        TargetState,
        Meta(
            description="`too_old`: below the least versions · `offered`: it was told of the "
            "release · `downloaded`: all of it, and the device has not reported it yet"
        ),
    ]
    is_next: Annotated[bool, Meta(description="it goes alone now, before the others")]
    versions: Versions
    received: Annotated[int, Meta(description="bytes of the release that it has downloaded")]
    offered_at: Time | None
    downloaded_at: Time | None
    done_at: Time | None


class Campaign(CampaignSummary, frozen=True, kw_only=True):
    """The same with each device, in the order in which they go."""

    size: Annotated[int, Meta(description="bytes of the release")]
    devices: list[CampaignDevice]


class Download(Struct, frozen=True, kw_only=True):
    """What one device fetched of one file, in however many requests."""

    did: Did
    sha256: str
    size: Annotated[int, Meta(description="bytes of the file")]
    covered: Annotated[int, Meta(description="bytes of it that were sent at least once")]
    sent: Annotated[int, Meta(description="all bytes sent, those sent twice too")]
    started_at: Time
    ended_at: Time


class DownloadList(Struct, frozen=True):
    items: list[Download]
    next: None = None
