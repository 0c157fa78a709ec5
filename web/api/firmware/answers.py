"""Answers about firmware."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.services.firmware.campaign_views import CampaignState
from hub.store.tables.campaigns import TargetState
from web.api.answers import Did, Time, Versions


class FirmwareFile(Struct, frozen=True):
    """An uploaded file. The hub computed the digests, in lower-case hex."""

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
    """Files that devices install together (2.3)."""

    id: int
    ver_code: Annotated[int, Meta(description="the number that devices compare")]
    ver_name: str
    description: str
    release_date: Annotated[str, Meta(description="as it is sent to devices, in the site's time")]
    components: list[Component]
    reports: Annotated[
        Versions, Meta(description="the versions of a device that installed it; null: unknown")
    ]
    least: Annotated[
        Versions, Meta(description="the lowest versions it can be installed over; null: any")
    ]
    created_at: Time


class ReleaseList(Struct, frozen=True):
    items: list[Release]
    next: None = None


class CampaignSummary(Struct, frozen=True, kw_only=True):
    """The roll-out of a release to `count` devices, of which `done` have installed it."""

    id: int
    release: Annotated[int, Meta(description="its id")]
    ver_name: str
    state: Annotated[
        CampaignState,
        Meta(
            description="`first`: one device goes first, alone · `rest`: it is done, the others "
            "follow"
        ),
    ]
    started_at: Time
    count: int
    done: int


class CampaignList(Struct, frozen=True):
    items: list[CampaignSummary]
    next: None = None


class CampaignDevice(Struct, frozen=True, kw_only=True):
    """The progress of one device, known from its reports and downloads."""

    did: Did
    name: str
    state: Annotated[
        TargetState,
        Meta(
            description="`too_old`: below the lowest versions allowed · `offered`: the release "
            "was offered to it · `downloaded`: completely, but not yet reported as installed"
        ),
    ]
    is_next: Annotated[bool, Meta(description="this device goes first")]
    versions: Versions
    received: Annotated[int, Meta(description="bytes of the release that it has downloaded")]
    offered_at: Time | None
    downloaded_at: Time | None
    done_at: Time | None


class Campaign(CampaignSummary, frozen=True, kw_only=True):
    """A campaign with its devices, in the order of the roll-out."""

    size: Annotated[int, Meta(description="bytes of the release")]
    devices: list[CampaignDevice]


class Download(Struct, frozen=True, kw_only=True):
    """One device's download of one file, in any number of requests."""

    did: Did
    sha256: str
    size: Annotated[int, Meta(description="bytes of the file")]
    covered: Annotated[int, Meta(description="bytes of it that were sent at least once")]
    sent: Annotated[int, Meta(description="all bytes sent, repeats included")]
    started_at: Time
    ended_at: Time


class DownloadList(Struct, frozen=True):
    items: list[Download]
    next: None = None
