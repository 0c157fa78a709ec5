"""Answers about devices."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.live.pending_devices import PendingDevice
from hub.services.admission.enrolment import CodeMatch
from hub.services.admission.provisioning import DeliveryOutcome, stored_delivery
from hub.services.devices.views import DeviceView
from hub.store.tables.devices import Connects, Suspicion
from hub.wire.times import format_rfc3339
from web.api.answers import Did, Time, Versions


class Init(Struct, frozen=True):
    """Whether the device accepted the initial parameters (did, otaId, appid, secret)."""

    outcome: Annotated[
        DeliveryOutcome,
        Meta(
            description="`refused`: the device answered with an error; `silent`: no answer in "
            "time, or it disconnected; `not-sent`: sent after its next valid connect without a did"
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
        str | None, Meta(description="why the hub refuses its connects; null: it does not")
    ]
    waiting_reasons: Annotated[list[str], Meta(description="the codes of the reasons")]
    enabled: bool
    clock_trusted: Annotated[
        bool, Meta(description="false: connects are accepted with any timestamp")
    ]
    own_key: Annotated[bool, Meta(description="false: the site key applies")]
    earlier_key_until: Annotated[
        Time | None,
        Meta(description="the earlier key is valid until this time, or until the new one is used"),
    ]
    init: Annotated[Init | None, Meta(description="null: they were never sent")]
    connects: Annotated[
        Connects, Meta(description="unsigned: it was approved, and cannot prove what it is")
    ]
    suspect: Annotated[
        Suspicion | None,
        Meta(description="what did not fit its approval since an administrator looked at it"),
    ]


class CodeCheck(Struct, frozen=True):
    """Whether code and key match the device's last signature."""

    outcome: CodeMatch
    reasons: Annotated[list[str], Meta(description="codes of the reasons why it is still refused")]
    reason: Annotated[str, Meta(description="the reasons in words")]
    sign_form: Annotated[str | None, Meta(description="the form of the signature that matches")]


class ImportedDevices(Struct, frozen=True):
    """The enrolled devices. With `dry_run` a did is null if the import would assign it."""

    count: int
    dids: list[str | None]


class RemovedDevice(Struct, frozen=True):
    """The data of a `device` event of the stream when a device was removed."""

    did: Did
    state: Literal["removed"] = "removed"


class DeviceList(Struct, frozen=True):
    """One page. `next` is the `after` of the next call; null: this is the last page."""

    items: list[Device]
    next: Did | None = None


class WaitingDevice(Struct, frozen=True):
    """A device that tries to connect and is refused: it is not enrolled, or its connects fail."""

    sn: str
    ip: str
    first_seen: Time
    last_seen: Time
    reason: Annotated[str, Meta(description="all reasons, in words")]
    reasons: Annotated[
        list[str],
        Meta(
            description="the codes of the reasons: unknown, no-signature, bad-signature, no-key, "
            "key-mismatch, code-mismatch, clock-off, replayed, slowed; of connects without a "
            "signature: unsigned, unsigned-off, unsigned-network, label-mismatch, not-proved"
        ),
    ]
    tries: Annotated[int, Meta(description="connects since first_seen")]
    clock_offset: Annotated[
        float, Meta(description="seconds by which its clock is ahead of the hub's")
    ]
    slowed_until: Annotated[
        Time | None,
        Meta(description="after too many failures its connects are answered late until this time"),
    ]


class WaitingList(Struct, frozen=True):
    items: list[WaitingDevice]
    next: None = None


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
        connects=view.connects,
        suspect=view.suspect,
    )


def _init(kept: str) -> Init:
    delivery = stored_delivery(kept)
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
