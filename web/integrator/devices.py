"""/devices and /devices/waiting: enrolled devices, those that knock, and letting them in."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.services import Services
from hub.services.devices import DeviceChange, NewDevice
from web.integrator import answers
from web.operations import PREFIX, Call, Did, Nothing, Operation, Routes

Sn = Annotated[str, Meta(min_length=1, max_length=64)]
Code = Annotated[str, Meta(min_length=1, max_length=128)]
Name = Annotated[str, Meta(max_length=100)]
Pem = Annotated[
    str,
    Meta(max_length=16_384, description="RSA public key or X.509 certificate, as PEM text"),
]


class NewDeviceBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`did` is assigned unless given; without `key` the site-wide key applies."""

    sn: Sn
    code: Annotated[Code, Meta(description="the device's security code")]
    did: Did | None = None
    name: Name = ""
    key: Pem | None = None


class DeviceChangeBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What is not given stays. `key` null: the site-wide key applies. A broken camera is replaced
    by giving its did a new sn, code and key: name, history and people stay."""

    name: Name | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    code: Code | UnsetType = UNSET
    key: Pem | UnsetType | None = UNSET
    sn: Sn | UnsetType = UNSET
    clock_trusted: bool | UnsetType = UNSET


class AcceptBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    code: Code
    key: Pem | None = None
    name: Name = ""


_DEVICE = answers.Device(
    did="12",
    sn="Y3CA12348912345",
    name="Gate",
    state="online",
    ip="192.168.1.20",
    last_seen="2026-11-25T08:00:00.000Z",
    versions=answers.Versions("V1.2.3", "V3.2.1", "V4.4.167", "V1.0"),
    devName="IPC",
    clock_offset=-0.4,
    waiting_reason=None,
    enabled=True,
    clock_trusted=True,
)
_WAITING = answers.WaitingDevice(
    sn="Y3CA12348912346",
    ip="192.168.1.21",
    first_seen="2026-11-25T08:00:00.000Z",
    last_seen="2026-11-25T08:00:30.000Z",
    reason="it is not known here: accept it with its security code",
    reasons=["unknown"],
    tries=2,
    clock_offset=0.3,
    slowed_until=None,
)
_TAG = "Devices"
_ONE = f"{PREFIX}/devices/{{did}}"

LIST = Operation(
    method="GET",
    path=f"{PREFIX}/devices",
    tag=_TAG,
    summary="All enrolled devices",
    answer=answers.DeviceList,
    answer_example=answers.DeviceList([_DEVICE]),
)
ONE = Operation(
    method="GET",
    path=_ONE,
    tag=_TAG,
    summary="One device",
    answer=answers.Device,
    answer_example=_DEVICE,
    path_example={"did": "12"},
)
ADD = Operation(
    method="POST",
    path=f"{PREFIX}/devices",
    tag=_TAG,
    summary="Enrol a device",
    body=NewDeviceBody,
    body_example=NewDeviceBody(sn="Y3CA12348912345", code="AB12CD34", name="Gate"),
    answer=answers.Device,
    answer_example=_DEVICE,
    role="admin",
)
CHANGE = Operation(
    method="PATCH",
    path=_ONE,
    tag=_TAG,
    summary="Change a device",
    description="A changed sn, code or key, and `enabled: false`, end its connection and tokens.",
    body=DeviceChangeBody,
    body_example=DeviceChangeBody(name="North gate"),
    answer=answers.Device,
    answer_example=_DEVICE,
    role="admin",
    path_example={"did": "12"},
)
REMOVE = Operation(
    method="DELETE",
    path=_ONE,
    tag=_TAG,
    summary="Remove a device",
    description="Answers the device as it was. Its records stay.",
    answer=answers.Device,
    answer_example=_DEVICE,
    role="admin",
    path_example={"did": "12"},
)
WAITING = Operation(
    method="GET",
    path=f"{PREFIX}/devices/waiting",
    tag=_TAG,
    summary="Devices that knock and do not get in",
    answer=answers.WaitingList,
    answer_example=answers.WaitingList([_WAITING]),
)
ACCEPT = Operation(
    method="POST",
    path=f"{PREFIX}/devices/waiting/{{sn}}/accept",
    tag=_TAG,
    summary="Let a waiting device in",
    description=(
        "Enrols it and sends it the initial parameters. Where code and key do not fit its last "
        "signature, nothing is stored and it still waits (423)."
    ),
    body=AcceptBody,
    body_example=AcceptBody(code="AB12CD34", name="Gate"),
    answer=answers.AcceptedDevice,
    answer_example=answers.AcceptedDevice(
        **msgspec.structs.asdict(_DEVICE), init=answers.Init("taken", "")
    ),
    role="admin",
    path_example={"sn": "Y3CA12348912346"},
)


def add_devices(routes: Routes, services: Services) -> None:
    devices, accounts = services.devices, services.accounts

    async def list_devices(call: Call[Nothing, Nothing]) -> answers.DeviceList:
        return answers.DeviceList([answers.device_fields(view) for view in devices.list()])

    async def get_device(call: Call[Nothing, Nothing]) -> answers.Device:
        return answers.device_fields(devices.get(call.path["did"]))

    async def add_device(call: Call[Nothing, NewDeviceBody]) -> answers.Device:
        body = call.body
        view = await devices.add(
            NewDevice(sn=body.sn, code=body.code, did=body.did, name=body.name, key=body.key)
        )
        await accounts.audit(call.caller.actor, "device.add", f"{view.did} {view.sn}")
        return answers.device_fields(view)

    async def change_device(call: Call[Nothing, DeviceChangeBody]) -> answers.Device:
        given = msgspec.structs.asdict(call.body)
        changed = ", ".join(name for name, value in given.items() if value is not UNSET)
        view = await devices.change(call.path["did"], DeviceChange(**given))
        await accounts.audit(call.caller.actor, "device.change", f"{view.did} {changed}")
        return answers.device_fields(view)

    async def remove_device(call: Call[Nothing, Nothing]) -> answers.Device:
        view = devices.get(call.path["did"])
        await devices.remove(view.did)
        await accounts.audit(call.caller.actor, "device.remove", f"{view.did} {view.sn}")
        return answers.device_fields(view)

    async def list_waiting(call: Call[Nothing, Nothing]) -> answers.WaitingList:
        return answers.WaitingList(
            [answers.waiting_fields(waiting) for waiting in services.enrolment.waiting()]
        )

    async def accept_device(call: Call[Nothing, AcceptBody]) -> answers.AcceptedDevice:
        body = call.body
        accepted = await services.enrolment.accept(
            call.path["sn"], body.code, key=body.key, name=body.name
        )
        view = accepted.device
        await accounts.audit(call.caller.actor, "device.accept", f"{view.did} {view.sn}")
        return answers.AcceptedDevice(
            **msgspec.structs.asdict(answers.device_fields(view)),
            init=answers.Init(accepted.outcome, accepted.message),
        )

    routes.add(LIST, list_devices)
    routes.add(ADD, add_device)
    routes.add(WAITING, list_waiting)
    routes.add(ACCEPT, accept_device)
    routes.add(ONE, get_device)
    routes.add(CHANGE, change_device)
    routes.add(REMOVE, remove_device)
