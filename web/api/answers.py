"""What the API answers, as structs; their docstrings and notes are the text of openapi.json."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Raw, Struct

from hub.services.admission.enrolment import CodeMatch, PendingDevice
from hub.services.admission.provisioning import Outcome, kept_delivery
from hub.services.devices.views import DeviceView
from hub.services.firmware.campaign_views import CampaignState, TargetState
from hub.wire.times import format_rfc3339

Time = Annotated[str, Meta(description="RFC 3339 in UTC with milliseconds")]
Did = Annotated[str, Meta(description="a decimal string from 1 to 2^64 - 1")]
Seq = Annotated[int, Meta(description="the record's place in the log; strictly increasing")]


class Versions(Struct, frozen=True):
    """As a device reports them (2.2); null: nothing is said of it."""

    fwVer: str | None = None
    swVer: str | None = None
    osVer: str | None = None
    hwVer: str | None = None


class Init(Struct, frozen=True):
    """How the initial parameters (did, otaId, appid, secret) were taken."""

    outcome: Annotated[
        Outcome,
        Meta(
            description="`refused`: the device answered an error; `silent`: nothing in time, or "
            "it left; `not-sent`: they are sent at a good connect without a did"
        ),
    ]
    message: str


class Device(Struct, frozen=True, kw_only=True):
    """An enrolled device: a camera or a comparison box."""

    did: Did
    sn: str
    name: str
    state: Literal["online", "offline", "disabled"]
    ip: str | None
    last_seen: Time | None
    versions: Versions
    devName: str | None
    clock_offset: Annotated[
        float | None, Meta(description="seconds by which its clock is ahead of the hub's")
    ]
    waiting_reason: Annotated[
        str | None, Meta(description="why it does not get in, where it knocks in vain")
    ]
    waiting_reasons: Annotated[list[str], Meta(description="their codes")]
    enabled: bool
    clock_trusted: Annotated[
        bool, Meta(description="false: a connect is taken whatever its time is")
    ]
    own_key: Annotated[bool, Meta(description="false: the site key applies")]
    earlier_key_until: Annotated[
        Time | None,
        Meta(description="its earlier key is good too, until it signs with the new one, or then"),
    ]
    init: Annotated[Init | None, Meta(description="null: they were never sent")]


class CodeCheck(Struct, frozen=True):
    """Whether code and key fit the device's last signature."""

    outcome: CodeMatch
    reasons: Annotated[list[str], Meta(description="what keeps it out all the same, by code")]
    reason: Annotated[str, Meta(description="the same in words")]
    sign_form: Annotated[str | None, Meta(description="the form of the signature that fits")]


class ImportedDevices(Struct, frozen=True):
    """What was enrolled; with `dry_run` what would be, where a did of null is assigned then."""

    count: int
    dids: list[str | None]


class RemovedDevice(Struct, frozen=True):
    """What the stream's `device` event tells of a device that is no more."""

    did: Did
    state: Literal["removed"] = "removed"


class DeviceList(Struct, frozen=True):
    """`next` goes into `after` of the next call; null: that was all."""

    items: list[Device]
    next: Did | None = None


class WaitingDevice(Struct, frozen=True):
    """A device that knocks and is not enrolled, or does not get in."""

    sn: str
    ip: str
    first_seen: Time
    last_seen: Time
    reason: Annotated[str, Meta(description="every reason, in words")]
    reasons: Annotated[
        list[str],
        Meta(
            description="their codes: unknown, no-signature, bad-signature, no-key, key-mismatch, "
            "code-mismatch, clock-off, replayed, slowed"
        ),
    ]
    tries: Annotated[int, Meta(description="connects since first_seen")]
    clock_offset: Annotated[
        float, Meta(description="seconds by which its clock is ahead of the hub's")
    ]
    slowed_until: Annotated[
        Time | None, Meta(description="its answers are held back, for it failed too often")
    ]


class WaitingList(Struct, frozen=True):
    items: list[WaitingDevice]
    next: None = None


class Rect(Struct, frozen=True):
    x: float
    y: float
    w: float
    h: float


class Plate(Struct, frozen=True, omit_defaults=True):
    id: str | None = None
    type: int | None = None
    loc: Rect | None = None


class Vehicle(Struct, frozen=True, omit_defaults=True):
    type: int | None = None
    brand: str | None = None
    loc: Rect | None = None


class _Record(Struct, frozen=True, kw_only=True, tag_field="kind"):
    seq: Seq
    did: Did
    sn: str
    device_name: str
    occurred_at: Time
    received_at: Time
    images: Annotated[
        dict[str, str], Meta(description="name of each picture -> path to get it from")
    ]
    extra: Annotated[dict[str, Raw], Meta(description="further fields, as the device sent them")]


class FaceRecord(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="face"):
    """A captured face (2.1), as far as sent."""

    name: str | None = None
    age: int | None = None
    gender: Annotated[int | None, Meta(description="1 male, 2 female")] = None
    uuid: str | None = None
    category: Annotated[
        int | None,
        Meta(description="0 stranger, 1 whitelist, 2 blacklist, 3 VIP, 4 visitor"),
    ] = None


class EventRecord(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="event"):
    """An event (2.4), as far as sent."""

    type: int
    type_name: str
    data: Annotated[
        dict[str, Raw], Meta(description="the event's own object, without its pictures")
    ]
    name: str | None = None
    uuid: str | None = None
    category: int | None = None


class VehicleRecord(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="vehicle"):
    """A captured vehicle (2.5)."""

    plate: Plate
    vehicle: Vehicle


class AccessRecord(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="access"):
    """A passage, or a lone picture of one; `of` is the seq of the record that it belongs to."""

    rid: str | None = None
    uuid: str | None = None
    type: float | str | None = None
    status: float | str | None = None
    temperature: float | str | None = None
    score: float | str | None = None
    of: int | None = None


Record = FaceRecord | EventRecord | VehicleRecord | AccessRecord


class Records(Struct, frozen=True):
    """`next` goes into `after` of the next call; null: that was all."""

    items: list[Record]
    next: int | None


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


class Refusal(Struct, frozen=True):
    """Any answer that is no success."""

    code: Annotated[int, Meta(description="the protocol's code, as in the table")]
    msg: Annotated[str, Meta(description="names the field and what is allowed")]


def device_fields(view: DeviceView) -> Device:
    return Device(
        did=view.did,
        sn=view.sn,
        name=view.name,
        state=view.state,
        ip=view.ip,
        last_seen=None if view.last_seen is None else format_rfc3339(view.last_seen),
        versions=Versions(view.fw_ver, view.sw_ver, view.os_ver, view.hw_ver),
        devName=view.dev_name,
        clock_offset=view.clock_offset,
        waiting_reason=view.waiting_reason,
        waiting_reasons=[reason.code for reason in view.waiting.all_reasons]
        if view.waiting
        else [],
        enabled=view.enabled,
        clock_trusted=view.clock_trusted,
        own_key=view.has_own_key,
        earlier_key_until=None
        if view.previous_key_until is None
        else format_rfc3339(view.previous_key_until),
        init=None if view.init_outcome is None else _init(view.init_outcome),
    )


def _init(kept: str) -> Init:
    delivery = kept_delivery(kept)
    return Init(delivery.outcome, delivery.message)


def waiting_fields(waiting: PendingDevice) -> WaitingDevice:
    return WaitingDevice(
        sn=waiting.sn,
        ip=waiting.attempt.ip,
        first_seen=format_rfc3339(waiting.first_seen),
        last_seen=format_rfc3339(waiting.last_seen),
        reason=waiting.reason,
        reasons=[reason.code for reason in waiting.all_reasons],
        tries=waiting.tries,
        clock_offset=round(waiting.attempt.clock_offset, 3),
        slowed_until=None if waiting.slowed_until is None else format_rfc3339(waiting.slowed_until),
    )
