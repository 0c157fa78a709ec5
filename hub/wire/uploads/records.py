"""A record: one thing that a device reported, or the hub noticed, as integrators receive it.

All times are UNIX milliseconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Raw, Struct

from hub.decoders import decode_json
from hub.reasons import Value, texts
from hub.wire.code_tables import event_name
from hub.wire.pictures import Image
from hub.wire.times import format_rfc3339

#: "hub": the hub itself noticed it (D11).
RecordKind = Literal["face", "event", "vehicle", "access", "hub"]
RECORD_KINDS: tuple[RecordKind, ...] = ("face", "event", "vehicle", "access", "hub")


class Rect(Struct, frozen=True):
    """A rectangle in the full picture, in pixels of the device (2.5)."""

    x: int | float
    y: int | float
    w: int | float
    h: int | float


class FaceDetail(Struct, frozen=True, omit_defaults=True):
    """The detail of a face capture (2.1). Codes as in hub.wire.code_tables.

    Of later editions (D12): `attributes` as in hub.wire.uploads.attributes; `face_loc`, `body_loc`
    in the scene, whose `width` and `height` are in pixels.
    """

    name: str | None = None
    age: int | None = None
    gender: int | None = None
    uuid: str | None = None
    category: int | None = None
    attributes: dict[str, str] = {}
    face_loc: Rect | None = None
    body_loc: Rect | None = None
    width: int | None = None
    height: int | None = None


class EventDetail(Struct, frozen=True, omit_defaults=True):
    """The detail of an event (2.4). `data`: its object as it was sent, without the pictures."""

    type: int
    data: Raw = Raw(b"{}")
    name: str | None = None
    uuid: str | None = None
    category: int | None = None


class Plate(Struct, frozen=True, omit_defaults=True):
    """A number plate (2.5). `loc`: its place in the full picture. `colour`: a word (D12)."""

    id: str | None = None
    type: int | None = None
    loc: Rect | None = None
    colour: str | None = None


class Vehicle(Struct, frozen=True, omit_defaults=True):
    """A vehicle (2.5). `loc`: its place in the full picture. `colour`: a word (D12)."""

    type: int | None = None
    brand: str | None = None
    loc: Rect | None = None
    colour: str | None = None


class VehicleDetail(Struct, frozen=True):
    """The detail of a vehicle capture (2.5). Type codes that are not in the tables are kept."""

    plate: Plate = Plate()
    vehicle: Vehicle = Vehicle()


class AccessDetail(Struct, frozen=True, omit_defaults=True):
    """The detail of an access record (D8).

    `of`: the seq of the access record that a separately uploaded picture belongs to.
    """

    rid: str | None = None
    uuid: str | None = None
    type: int | float | str | None = None
    status: int | float | str | None = None
    temperature: int | float | str | None = None
    score: int | float | str | None = None
    of: int | None = None


class HubDetail(Struct, frozen=True):
    """What the hub itself noticed (D11). `cause`: "offline", or the code of a problem of the hub.

    `text`: an English sentence with the values `args`.
    """

    cause: str = ""
    text: str = ""
    args: Mapping[str, Value] = {}


def problem_key(code: str, did: str) -> str:
    """What tells a problem of the hub from others: its code, and the camera that it is about."""
    return f"{code}-{did}" if did else code


Detail = FaceDetail | EventDetail | VehicleDetail | AccessDetail | HubDetail

DETAILS: dict[RecordKind, type[Detail]] = {
    "face": FaceDetail,
    "event": EventDetail,
    "vehicle": VehicleDetail,
    "access": AccessDetail,
    "hub": HubDetail,
}


class Record(Struct, frozen=True, kw_only=True):
    """A committed record. `seq` increases in the order of the commits.

    It never changes, unless it is `erased`: then it says no more than that a device reported
    something at that time.
    """

    seq: int
    kind: RecordKind
    did: str
    sn: str
    device_name: str
    occurred_at: int
    received_at: int
    detail: Detail
    extra: Raw
    images: tuple[Image, ...]
    erased: bool = False


def decode_detail(kind: RecordKind, data: bytes) -> Detail:
    """Decode a detail from the JSON that the store keeps."""
    detail: Detail = decode_json(data, DETAILS[kind])
    return detail


def empty_detail(kind: RecordKind, data: bytes) -> bytes:
    """Return the JSON of a detail without all that tells of a person: only an event's type."""
    detail = decode_detail(kind, data)
    if isinstance(detail, EventDetail):
        return msgspec.json.encode(EventDetail(detail.type))
    return msgspec.json.encode(type(detail)())


def render(record: Record) -> bytes:
    """Encode a record as one line of JSON, for the API, the stream and the page."""
    return msgspec.json.encode(
        {
            "seq": record.seq,
            "kind": record.kind,
            "did": record.did,
            "sn": record.sn,
            "device_name": record.device_name,
            "occurred_at": format_rfc3339(record.occurred_at),
            "received_at": format_rfc3339(record.received_at),
            **_shown(record.detail),
            "images": {image.name: image.path for image in record.images},
            "extra": record.extra,
            **({"erased": True} if record.erased else {}),
        }
    )


def _shown(detail: Detail) -> dict[str, object]:
    """The fields of one kind of record, without those that were not sent."""
    if isinstance(detail, VehicleDetail):
        return {"plate": detail.plate, "vehicle": detail.vehicle}
    shown = {
        name: value
        for name, value in msgspec.structs.asdict(detail).items()
        if value is not None and (value != {} or name != "attributes")
    }
    if isinstance(detail, EventDetail):
        shown["type_name"] = event_name(detail.type)
    if isinstance(detail, AccessDetail):
        shown["of"] = detail.of
    if isinstance(detail, HubDetail):
        shown["args"] = texts(detail.args)
    return shown
