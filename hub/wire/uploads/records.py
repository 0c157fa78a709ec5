"""A record: one thing that a device reported, in the shape that the integrator sees it.

All times are UNIX milliseconds.
"""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import Raw, Struct

from hub.wire.code_tables import event_name
from hub.wire.pictures import Image
from hub.wire.times import format_rfc3339

RecordKind = Literal["face", "event", "vehicle", "access"]
RECORD_KINDS: tuple[RecordKind, ...] = ("face", "event", "vehicle", "access")


class Rect(Struct, frozen=True):
    """A place in the full picture, in the device's pixels (2.5)."""

    x: int | float
    y: int | float
    w: int | float
    h: int | float


class FaceDetail(Struct, frozen=True, omit_defaults=True):
    """2.1. `gender` 1 male, 2 female; `category` 0 stranger, 1 to 4 as in 1.12 (D8)."""

    name: str | None = None
    age: int | None = None
    gender: int | None = None
    uuid: str | None = None
    category: int | None = None


class EventDetail(Struct, frozen=True, omit_defaults=True):
    """2.4. `data` is the event's object as it came, without its pictures."""

    type: int
    data: Raw = Raw(b"{}")
    name: str | None = None
    uuid: str | None = None
    category: int | None = None


class Plate(Struct, frozen=True, omit_defaults=True):
    id: str | None = None
    type: int | None = None
    loc: Rect | None = None


class Vehicle(Struct, frozen=True, omit_defaults=True):
    type: int | None = None
    brand: str | None = None
    loc: Rect | None = None


class VehicleDetail(Struct, frozen=True):
    """2.5. Unknown numbers of types are kept as they are."""

    plate: Plate = Plate()
    vehicle: Vehicle = Vehicle()


class AccessDetail(Struct, frozen=True, omit_defaults=True):
    """The access record of D8. `of`: the seq of the record that a lone picture belongs to."""

    rid: str | None = None
    uuid: str | None = None
    type: int | float | str | None = None
    status: int | float | str | None = None
    temperature: int | float | str | None = None
    score: int | float | str | None = None
    of: int | None = None


Detail = FaceDetail | EventDetail | VehicleDetail | AccessDetail

DETAILS: dict[RecordKind, type[Detail]] = {
    "face": FaceDetail,
    "event": EventDetail,
    "vehicle": VehicleDetail,
    "access": AccessDetail,
}


class Record(Struct, frozen=True, kw_only=True):
    """A committed record. It never changes."""

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


def decode_detail(kind: RecordKind, data: bytes) -> Detail:
    """The detail of a record as the store keeps it, from JSON."""
    detail: Detail = msgspec.json.decode(data, type=DETAILS[kind])
    return detail


def render(record: Record) -> bytes:
    """The record as the integrator API, the stream and the page give it: JSON on one line."""
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
        }
    )


def _shown(detail: Detail) -> dict[str, object]:
    """The fields of one kind: as far as sent."""
    if isinstance(detail, VehicleDetail):
        return {"plate": detail.plate, "vehicle": detail.vehicle}
    shown = {
        name: value for name, value in msgspec.structs.asdict(detail).items() if value is not None
    }
    if isinstance(detail, EventDetail):
        shown["type_name"] = event_name(detail.type)
    if isinstance(detail, AccessDetail):
        shown["of"] = detail.of
    return shown
