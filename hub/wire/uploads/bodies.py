"""Decoding of the bodies that devices upload (2.1, 2.2, 2.4, 2.5 and the extra paths of D8).

Each function coerces and checks the documented fields. Extra fields are kept undecoded (D5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import TypeVar

from msgspec import Raw, Struct

from hub.errors import BadParameter, UnknownEventType
from hub.wire import json_limits, times
from hub.wire.code_tables import EVENT_TYPES
from hub.wire.coercion import LooseNumber, coerce_int, coerce_text
from hub.wire.extra_fields import (
    MAX_EXTRA_BYTES,
    NO_EXTRA,
    ExtraField,
    ExtraObject,
    FieldReader,
    extra_object,
)
from hub.wire.pictures import Picture, decode_picture, picture_of_text
from hub.wire.uploads.body_decoder import ABSENT, EVENT, FACE, VEHICLE
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    Plate,
    RecordKind,
    Rect,
    Vehicle,
    VehicleDetail,
)

T = TypeVar("T")

#: Access records in one upload (D8).
MAX_ACCESS_RECORDS = 1000
#: Bytes of the extra fields of all access records in one upload.
_MAX_ACCESS_EXTRA_BYTES = 1024 * 1024

#: Key in `data` of 2.1 and 2.4, and the name of that picture.
FACE_PICTURES = (("face_data", "face"), ("body_data", "body"), ("bg_data", "background"))


class CheckedUpload(Struct, frozen=True, kw_only=True):
    """One thing that a device reported, decoded and checked.

    `did` and `sn`: as in the body; None if absent. `occurred_at`: UNIX milliseconds; None if the
    body has no time. `extra`: a JSON object of the extra fields; `omitted` names those that were
    too long to be kept.
    """

    kind: RecordKind
    did: str | None = None
    sn: str | None = None
    occurred_at: int | None = None
    detail: Detail
    extra: Raw = NO_EXTRA
    omitted: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()


class AccessBody(Struct, frozen=True):
    """The access records of one body (D8). Each may name its own did."""

    sn: str | None
    entries: tuple[CheckedUpload, ...]


class DeviceInfo(Struct, frozen=True):
    """What a device reports about itself when it starts (2.2)."""

    did: str | None = None
    sn: str | None = None
    fw_ver: str | None = None
    sw_ver: str | None = None
    os_ver: str | None = None
    hw_ver: str | None = None
    dev_name: str | None = None
    extra: Raw = NO_EXTRA


def decode_face(body: bytes, *, max_depth: int) -> CheckedUpload:
    """Decode a face capture (2.1). Raises BadParameter."""
    sent, extra = FACE.decode(body, max_depth)
    data = FieldReader(sent.data or {}, "data")
    pictures = _face_pictures(data)
    uuid = coerce_text(sent.uuid, "uuid") or _pid(sent.pid, extra)
    category = _undocumented(FieldReader.integer, sent.category, "category", extra)
    kept = _extra(extra, data)
    return CheckedUpload(
        kind="face",
        did=coerce_text(sent.did, "did"),
        sn=coerce_text(sent.sn, "sn"),
        occurred_at=times.require_device_time(sent.time, "time"),
        detail=FaceDetail(
            name=coerce_text(sent.name, "name"),
            age=coerce_int(sent.age, "age"),
            gender=coerce_int(sent.gender, "gender"),
            uuid=uuid,
            category=category,
        ),
        extra=kept.json,
        omitted=kept.omitted,
        pictures=pictures,
    )


def decode_event(body: bytes, *, max_depth: int, keep_unknown: bool) -> CheckedUpload:
    """Decode an event (2.4). Raises BadParameter.

    A type beyond 14 raises UnknownEventType unless `keep_unknown`.
    """
    sent, extra = EVENT.decode(body, max_depth)
    data = FieldReader(sent.data or {}, "data")
    pictures = _face_pictures(data)
    name = _undocumented(FieldReader.text, sent.name, "name", extra)
    uuid = _undocumented(FieldReader.text, sent.uuid, "uuid", extra) or _pid(sent.pid, extra)
    category = _undocumented(FieldReader.integer, sent.category, "category", extra)
    inner, outer = extra_object(data.remaining()), extra_object(extra)
    return CheckedUpload(
        kind="event",
        did=coerce_text(sent.did, "did"),
        sn=coerce_text(sent.sn, "sn"),
        occurred_at=times.require_device_time(sent.time, "time"),
        detail=EventDetail(
            type=_event_type(sent.type, keep_unknown),
            data=inner.json,
            name=name,
            uuid=uuid,
            category=category,
        ),
        extra=outer.json,
        omitted=(*outer.omitted, *_paths("data", inner)),
        pictures=pictures,
    )


def decode_vehicle(body: bytes, *, max_depth: int) -> CheckedUpload:
    """Decode a vehicle and its plate (2.5). Raises BadParameter."""
    sent, extra = VEHICLE.decode(body, max_depth)
    data = FieldReader(sent.data or {}, "data")
    plate = data.nested("plate") or FieldReader({}, "data.plate")
    pictures = _without_none(
        data.picture("full_image", "full"),
        data.picture("vehicle_pic", "vehicle"),
        plate.picture("plate_pic", "plate"),
    )
    detail = VehicleDetail(
        plate=Plate(
            id=plate.text("id"), type=plate.integer("plate_type"), loc=_rect(plate, "plate_loc")
        ),
        vehicle=Vehicle(
            type=data.integer("type"), brand=data.text("brand"), loc=_rect(data, "vehicle_loc")
        ),
    )
    data.put_back("plate", plate.remaining())
    kept = _extra(extra, data)
    return CheckedUpload(
        kind="vehicle",
        did=coerce_text(sent.did, "did"),
        sn=coerce_text(sent.sn, "sn"),
        occurred_at=times.require_device_time(sent.time, "time"),
        detail=detail,
        extra=kept.json,
        omitted=kept.omitted,
        pictures=pictures,
    )


def decode_access(body: bytes, *, max_depth: int, zone: tzinfo) -> AccessBody:
    """Decode access records (D8), whose times are local to `zone`. Raises BadParameter."""
    sent = _fields(body, max_depth)
    sn = sent.text("sn")
    entries = sent.nested_list("data", MAX_ACCESS_RECORDS)
    if not entries:
        raise BadParameter("at least one access record is expected", field="data")
    limit = min(MAX_EXTRA_BYTES, _MAX_ACCESS_EXTRA_BYTES // len(entries))
    return AccessBody(sn, tuple(_access_entry(entry, sn, zone, limit) for entry in entries))


def decode_device_info(body: bytes, *, max_depth: int) -> DeviceInfo:
    """Decode a device's versions and name (2.2). Raises BadParameter."""
    sent = _fields(body, max_depth)
    return DeviceInfo(
        did=sent.text("did"),
        sn=sent.text("sn"),
        fw_ver=sent.text("fwVer"),
        sw_ver=sent.text("swVer"),
        os_ver=sent.text("osVer"),
        hw_ver=sent.text("hwVer"),
        dev_name=sent.text("devName"),
        extra=extra_object(sent.remaining()).json,
    )


def decode_base64img(body: bytes) -> Picture:
    """Decode a single picture: the body is a data URI and not JSON (D8). Raises BadParameter."""
    content = body.strip()
    if content[:1] == b'"':
        picture = decode_picture(content, name="face", field="body")
    else:
        picture = picture_of_text(memoryview(content), name="face", field="body")
    if picture is None:
        raise BadParameter("a picture as a data URI is required", field="body")
    return picture


def _fields(body: bytes, max_depth: int) -> FieldReader:
    json_limits.check_limits(body, max_depth)
    return FieldReader.decode(body)


def _face_pictures(data: FieldReader) -> tuple[Picture, ...]:
    return _without_none(*(data.picture(key, name) for key, name in FACE_PICTURES))


def _without_none(*pictures: Picture | None) -> tuple[Picture, ...]:
    return tuple(picture for picture in pictures if picture is not None)


def _undocumented(
    read: Callable[[FieldReader, str], T | None], raw: Raw, key: str, extra: list[ExtraField]
) -> T | None:
    """Read an undocumented field (D8). If it is unreadable, keep it as an extra field."""
    if raw is ABSENT:
        return None
    try:
        return read(FieldReader({key: raw}), key)
    except BadParameter:
        extra.append((key, raw))
        return None


def _pid(raw: Raw, extra: list[ExtraField]) -> str | None:
    """Read the `pid` that cameras send instead of `uuid` (D8). Keep it as an extra field too."""
    uuid = _undocumented(FieldReader.text, raw, "pid", [])
    if raw is not ABSENT:
        extra.append(("pid", raw))
    return uuid


def _extra(extra: Iterable[ExtraField], data: FieldReader) -> ExtraObject:
    """The extra fields of a body, with those of its `data` nested under that name."""
    if not (inner := data.remaining()):
        return extra_object(extra)
    nested = extra_object(inner, MAX_EXTRA_BYTES // 2)
    outer = extra_object([("data", nested.json), *extra])
    return ExtraObject(outer.json, (*outer.omitted, *_paths("data", nested), *data.omitted))


def _paths(name: str, nested: ExtraObject) -> list[str]:
    """The paths of what was omitted in a nested object."""
    return [f"{name}.{one}" for one in nested.omitted]


def _event_type(sent: LooseNumber, keep_unknown: bool) -> int:
    if sent is None or sent == "":
        raise BadParameter("an event type from 1 to 14 is required", field="type")
    number = coerce_int(sent, "type")
    if number is None or (number not in EVENT_TYPES and not (keep_unknown and number > 0)):
        raise UnknownEventType(f"type: {number} is not one of the event types 1 to 14")
    return number


def _rect(fields: FieldReader, key: str) -> Rect | None:
    """A rectangle in the full picture. Either all four numbers must be given, or none."""
    rect = fields.nested(key)
    sides = {side: rect.number(side) for side in "xywh"} if rect else {}
    given = [value for value in sides.values() if value is not None]
    if not given:
        return None
    for side, value in sides.items():
        if value is None:
            raise BadParameter("a number is required", field=f"{fields.path_of(key)}.{side}")
    return Rect(*given)


def _access_entry(
    entry: FieldReader, sn: str | None, zone: tzinfo, max_extra_bytes: int
) -> CheckedUpload:
    did, sn = entry.text("did"), entry.text("sn") or sn
    occurred_at = times.parse_local_time(
        entry.scalar("accessTime"), entry.path_of("accessTime"), zone
    )
    detail = AccessDetail(
        rid=entry.text("rid"),
        uuid=entry.text("pid"),
        type=entry.scalar("type"),
        status=entry.scalar("status"),
        temperature=entry.scalar("temperature"),
        score=entry.scalar("score"),
    )
    pictures = _without_none(entry.picture("faceImg", "face"))
    kept = extra_object(entry.remaining(), max_extra_bytes)
    return CheckedUpload(
        kind="access",
        did=did,
        sn=sn,
        occurred_at=occurred_at,
        detail=detail,
        pictures=pictures,
        extra=kept.json,
        omitted=kept.omitted,
    )
