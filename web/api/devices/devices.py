"""/devices: enrolled devices, adding them beforehand, changing and removing them."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from hub.services import Services
from hub.services.audit import Actor
from hub.services.devices.validation import (
    MAX_CODE_LENGTH,
    MAX_KEY_LENGTH,
    MAX_NAME_LENGTH,
    MAX_SN_LENGTH,
)
from hub.services.devices.views import DeviceView
from hub.store.tables.devices import DeviceChange, NewDevice
from web.api.answers import Versions
from web.api.devices import answers
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing
from web.api.resource import Resource
from web.api.routes import Call, Routes

Sn = Annotated[str, Meta(min_length=1, max_length=MAX_SN_LENGTH)]
Code = Annotated[str, Meta(min_length=1, max_length=MAX_CODE_LENGTH)]
Name = Annotated[str, Meta(max_length=MAX_NAME_LENGTH)]
Pem = Annotated[
    str,
    Meta(max_length=MAX_KEY_LENGTH, description="RSA public key or X.509 certificate, as PEM text"),
]


class DevicesQuery(Struct, frozen=True, forbid_unknown_fields=True):
    after: Annotated[
        Did | None, Meta(description="devices after this did: `next` of the previous page")
    ] = None
    limit: Annotated[int, Meta(ge=1, le=1000, description="items per page")] = 1000


class NewDeviceBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """`did` is assigned unless given; without `key` the site-wide key applies."""

    sn: Sn
    code: Annotated[Code, Meta(description="the device's security code")]
    did: Did | None = None
    name: Name = ""
    key: Pem | None = None
    clock_trusted: bool = True


class DeviceChangeBody(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Fields that are not given keep their values. `key` null: the site-wide key applies. To
    replace a broken camera, give its did a new sn, code and key: name, history and people stay.
    After a change of the key the earlier one stays valid for a while; `earlier_key` null ends
    that."""

    name: Name | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    code: Code | UnsetType = UNSET
    key: Pem | UnsetType | None = UNSET
    sn: Sn | UnsetType = UNSET
    clock_trusted: bool | UnsetType = UNSET
    earlier_key: UnsetType | None = UNSET


DEVICE_EXAMPLE = answers.Device(
    did="12",
    sn="Y3CA12348912345",
    name="Gate",
    state="online",
    ip="192.168.1.20",
    last_seen="2026-11-25T08:00:00.000Z",
    versions=Versions("V1.2.3", "V3.2.1", "V4.4.167", "V1.0"),
    devName="IPC",
    clock_offset=-0.4,
    waiting_reason=None,
    waiting_reasons=[],
    enabled=True,
    clock_trusted=True,
    own_key=False,
    earlier_key_until=None,
    init=answers.Init("taken", "taken"),
    connects="signed",
    suspect=None,
)
TAG = "Devices"
_ONE = f"{PREFIX}/devices/{{did}}"

LIST = Endpoint(
    method="GET",
    path=f"{PREFIX}/devices",
    tag=TAG,
    summary="The enrolled devices by did, page by page",
    description=(
        "Ordered by did, as a number. A page has up to 1000 devices, or `limit`; while `next` is "
        "not null, continue with `after=` that value."
    ),
    query=DevicesQuery,
    query_example="limit=100",
    answer_example=answers.DeviceList([DEVICE_EXAMPLE], "12"),
    role="viewer",
)


def add(routes: Routes, services: Services) -> None:
    devices, audit = services.cameras.devices, services.core.audit

    async def list_devices(call: Call[DevicesQuery, Nothing]) -> answers.DeviceList:
        page = devices.page(after=call.query.after, limit=call.query.limit)
        return answers.DeviceList([answers.device_fields(view) for view in page.items], page.next)

    async def add_device(call: Call[Nothing, NewDeviceBody]) -> DeviceView:
        body = call.body
        view = await devices.add(
            NewDevice(
                sn=body.sn,
                code=body.code,
                did=body.did,
                name=body.name,
                key=body.key,
                clock_trusted=body.clock_trusted,
            )
        )
        await audit.add(call.caller.actor, "device.add", f"{view.did} {view.sn}")
        return view

    async def change_device(call: Call[Nothing, DeviceChangeBody]) -> DeviceView:
        given = msgspec.structs.asdict(call.body)
        changed = ", ".join(name for name, value in given.items() if value is not UNSET)
        given["previous_key"] = given.pop("earlier_key")
        view = await devices.change(call.path["did"], DeviceChange(**given))
        await audit.add(call.caller.actor, "device.change", f"{view.did} {changed}")
        return view

    async def remove_device(gone: DeviceView, by: Actor) -> None:
        await devices.remove(gone.did)
        await audit.add(by, "device.remove", f"{gone.did} {gone.sn}")

    routes.add(LIST, list_devices)
    calls = Resource(
        routes,
        _ONE,
        tag=TAG,
        example=DEVICE_EXAMPLE,
        get=lambda call: devices.get(call.path["did"]),
        show=answers.device_fields,
    )
    calls.add(
        "Enrol a device",
        NewDeviceBody(sn="Y3CA12348912345", code="AB12CD34", name="Gate"),
        add_device,
    )
    calls.one("One device")
    calls.change(
        "PATCH",
        "Change a device",
        DeviceChangeBody(name="North gate"),
        change_device,
        description=(
            "A new sn or code, `enabled: false` and `earlier_key: null` end its connection and "
            "tokens. A new key alone does not: the earlier one stays valid until the device signs "
            "with the new one, or for a week. If the device with the new sn is waiting, code and "
            "key must match its last signature; otherwise nothing is changed (423)."
        ),
    )
    calls.remove(
        "Remove a device",
        remove_device,
        description="Returns the removed device. Its records are kept.",
    )
