"""/devices/{did}/relay: the door or relay of a camera, through its own HTTP (2.8, D12)."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from hub.errors import DeviceNonsense, DeviceSilent, Missing, NotSent
from hub.services import Services
from hub.services.camera_functions.relays.relays import RelaySettings
from hub.services.camera_functions.relays.validation import (
    MAX_NAME_LENGTH,
    MAX_PASSWORD_LENGTH,
    MAX_SECONDS,
    MAX_USERNAME_LENGTH,
)
from hub.store.tables.device_relays import DeviceRelay, RelayKind
from web.api.endpoint import PREFIX, Endpoint, Nothing
from web.api.routes import Call, Routes

_TAG = "Devices"
_PATH = f"{PREFIX}/devices/{{did}}/relay"

Name = Annotated[
    str,
    Meta(min_length=1, max_length=MAX_NAME_LENGTH, description="what people call it"),
]
Seconds = Annotated[int, Meta(ge=1, le=MAX_SECONDS, description="how long it is switched on")]
Port = Annotated[int, Meta(ge=1, le=65535)]
Username = Annotated[str, Meta(min_length=1, max_length=MAX_USERNAME_LENGTH)]


class RelayBody(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """`address`: of the camera's own HTTP. `password` "": the present one stays, as long as
    `address`, `port`, `tls` and `username` do."""

    name: Name
    kind: RelayKind = "door"
    seconds: Seconds = 5
    address: Annotated[
        str,
        Meta(max_length=64, description='an IP address; "": where the camera is connected from'),
    ] = ""
    port: Port = 80
    tls: Annotated[bool, Meta(description="whether it is HTTPS")] = False
    username: Username
    password: Annotated[
        str, Meta(max_length=MAX_PASSWORD_LENGTH, description="no default password")
    ] = ""


class RelayFields(Struct, frozen=True, kw_only=True):
    """A relay, without its password."""

    name: str
    kind: RelayKind
    seconds: int
    address: str
    own_address: Annotated[
        bool, Meta(description="the camera must be connected from it; false: it was typed")
    ]
    port: int
    tls: bool
    certificate: Annotated[
        str | None,
        Meta(description="SHA-256 of the camera's certificate, as first seen; null: none yet"),
    ]
    username: str


class SwitchBody(Struct, frozen=True, forbid_unknown_fields=True):
    on: Annotated[bool, Meta(description="false: switch it off before its time is over")] = True


class Switched(Struct, frozen=True):
    """What the camera confirmed."""

    name: str
    on: bool
    seconds: int


_ANSWER = RelayFields(
    name="Front door",
    kind="door",
    seconds=5,
    address="192.168.1.20",
    own_address=True,
    port=80,
    tls=False,
    certificate=None,
    username="operator",
)

GET = Endpoint(
    method="GET",
    path=_PATH,
    tag=_TAG,
    summary="The door or relay of a device",
    description="426 if none is set up.",
    answer_example=_ANSWER,
)
SET = Endpoint(
    method="PUT",
    path=_PATH,
    tag=_TAG,
    summary="Set up the door or relay of a device",
    description=(
        "For the camera's own HTTP (2.1 and 2.8 of edition 3). The address must be the one that "
        "the camera is connected from, or in a private network or `devices.unsigned_networks`. "
        "Default passwords are refused. Nothing is sent to the camera."
    ),
    body_example=RelayBody(name="Front door", username="operator", password="Kl9-gate"),
    answer_example=_ANSWER,
)
REMOVE = Endpoint(
    method="DELETE",
    path=_PATH,
    tag=_TAG,
    summary="Remove the door or relay of a device, with its password",
    description="Returns the removed relay.",
    answer_example=_ANSWER,
)
SWITCH = Endpoint(
    method="POST",
    path=_PATH,
    tag=_TAG,
    summary="Open the door of a device, or switch its relay",
    description=(
        "Switches it on for its `seconds`, or off at once. The hub logs in to the camera's own "
        "HTTP for it; both together have 10 s. 504: whether the relay was switched is not known, "
        "unless the message says so. A relay is switched on at most once in 2 s (429)."
    ),
    body_example=SwitchBody(),
    is_body_optional=True,
    answer_example=Switched("Front door", True, 5),
    refusals=(NotSent, DeviceNonsense, DeviceSilent),
    role="guard",
)


def add(routes: Routes, services: Services) -> None:
    relays = services.cameras.relays

    async def get_relay(call: Call[Nothing, Nothing]) -> RelayFields:
        did = call.path["did"]
        if (relay := relays.get(did)) is None:
            raise Missing("relay", did=did)
        return _fields(relay)

    async def set_relay(call: Call[Nothing, RelayBody]) -> RelayFields:
        body = call.body
        settings = RelaySettings(
            name=body.name,
            kind=body.kind,
            seconds=body.seconds,
            address=body.address,
            port=body.port,
            tls=body.tls,
            username=body.username,
            password=body.password,
        )
        return _fields(await relays.set(call.path["did"], settings, by=call.caller.actor))

    async def remove_relay(call: Call[Nothing, Nothing]) -> RelayFields:
        return _fields(await relays.remove(call.path["did"], by=call.caller.actor))

    async def switch_relay(call: Call[Nothing, SwitchBody]) -> Switched:
        is_on = call.body.on
        relay = await relays.switch(call.path["did"], on=is_on, by=call.caller.actor)
        return Switched(relay.name, is_on, relay.seconds)

    routes.add(GET, get_relay)
    routes.add(SET, set_relay)
    routes.add(REMOVE, remove_relay)
    routes.add(SWITCH, switch_relay)


def _fields(relay: DeviceRelay) -> RelayFields:
    return RelayFields(
        name=relay.name,
        kind=relay.kind,
        seconds=relay.seconds,
        address=relay.address,
        own_address=relay.is_own,
        port=relay.port,
        tls=relay.tls,
        certificate=relay.certificate or None,
        username=relay.username,
    )
