"""Records as the API returns them; hub.wire.uploads.records encodes them."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Raw, Struct

from web.api.answers import Did, Time

Seq = Annotated[int, Meta(description="the record's position in the log; strictly increasing")]


class Rect(Struct, frozen=True):
    x: float
    y: float
    w: float
    h: float


class Plate(Struct, frozen=True, omit_defaults=True):
    id: str | None = None
    type: int | None = None
    loc: Rect | None = None
    colour: Annotated[str | None, Meta(description='such as "blue", "yellow, one row"')] = None


class Vehicle(Struct, frozen=True, omit_defaults=True):
    type: int | None = None
    brand: str | None = None
    loc: Rect | None = None
    colour: Annotated[str | None, Meta(description='such as "red", "silver"')] = None


class _Record(Struct, frozen=True, kw_only=True, tag_field="kind"):
    seq: Seq
    did: Did
    sn: str
    device_name: str
    occurred_at: Time
    received_at: Time
    images: Annotated[
        dict[str, str], Meta(description="name of each picture -> path to fetch it from")
    ]
    erased: Annotated[
        bool | None,
        Meta(description="true: all that told of a person was erased; otherwise left out"),
    ] = None
    extra: Annotated[
        dict[str, Raw],
        Meta(
            description=(
                "other fields, as the device sent them; one that was too long to be kept is "
                '{"omitted_bytes", "sha256"} of its JSON value'
            )
        ),
    ]


class FaceRecord(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="face"):
    """A captured face (2.1). Fields that the device did not send are left out."""

    name: str | None = None
    age: int | None = None
    gender: Annotated[int | None, Meta(description="1 male, 2 female")] = None
    uuid: str | None = None
    category: Annotated[
        int | None,
        Meta(description="0 stranger, 1 whitelist, 2 blacklist, 3 VIP, 4 visitor"),
    ] = None
    attributes: Annotated[
        dict[str, str],
        Meta(description='what the camera saw of the person, such as {"helmet": "yes"} (D12)'),
    ] = {}
    face_loc: Annotated[Rect | None, Meta(description="in the scene, in pixels")] = None
    body_loc: Annotated[Rect | None, Meta(description="in the scene, in pixels")] = None
    width: Annotated[int | None, Meta(description="of the scene, in pixels")] = None
    height: Annotated[int | None, Meta(description="of the scene, in pixels")] = None


class EventRecord(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="event"):
    """An event (2.4). Fields that the device did not send are left out."""

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
    """A passage, or a picture of one, in which case `of` is the seq of the passage's record."""

    rid: str | None = None
    uuid: str | None = None
    type: float | str | None = None
    status: float | str | None = None
    temperature: float | str | None = None
    score: float | str | None = None
    of: int | None = None


class HubRecord(_Record, frozen=True, kw_only=True, omit_defaults=True, tag="hub"):
    """What the hub itself noticed (D11). `did` is empty unless it is about one device.

    `cause` is `offline`, or the code of a problem as in GET /status; `text` says it with `args`.
    """

    cause: str
    text: str
    args: dict[str, str]


Record = FaceRecord | EventRecord | VehicleRecord | AccessRecord | HubRecord


class Records(Struct, frozen=True):
    """One page. `next` is the `after` of the next call; null: this is the last page.

    `log`: the id of the log, which changes only when a `seq` could be given again.
    """

    items: list[Record]
    next: int | None
    log: str
