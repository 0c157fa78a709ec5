"""Decoding of the bodies that devices upload (2.1, 2.2, 2.4, 2.5 and the extra paths of D8).

Each function coerces and checks the documented fields. Extra fields are kept undecoded (D5).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import tzinfo

from msgspec import Raw, Struct

from hub.errors import BadParameter, UnknownEventType
from hub.wire import json_limits, times
from hub.wire.code_tables import BOX_EVENT_TYPES, CAMERA_EVENT_TYPES
from hub.wire.coercion import LooseNumber, coerce_int, coerce_text
from hub.wire.commands.capabilities import Edition
from hub.wire.extra_fields import (
    MAX_EXTRA_BYTES,
    NO_EXTRA,
    ExtraField,
    ExtraObject,
    FieldReader,
    extra_object,
    tidy_keys,
)
from hub.wire.pictures import Picture, decode_picture, picture_of_text
from hub.wire.uploads import editions_2_and_3
from hub.wire.uploads.body_decoder import ABSENT, EVENT, FACE, VEHICLE
from hub.wire.uploads.fields import read_rect, undocumented, without_none
from hub.wire.uploads.records import (
    AccessDetail,
    Detail,
    EventDetail,
    FaceDetail,
    Plate,
    RecordKind,
    Vehicle,
    VehicleDetail,
)

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
    too long to be kept. `edition`: whose shape the body has (D12); None if it does not show.
    """

    kind: RecordKind
    did: str | None = None
    sn: str | None = None
    occurred_at: int | None = None
    detail: Detail
    extra: Raw = NO_EXTRA
    omitted: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    edition: Edition | None = None


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
    """Decode a face capture (2.1), of any edition (D12). Raises BadParameter."""
    sent, extra = FACE.decode(body, max_depth)
    data = FieldReader(tidy_keys(sent.data or {}), "data")
    pictures = _face_pictures(data)
    name = coerce_text(sent.name, "name")
    uuid = coerce_text(sent.uuid, "uuid") or _pid(sent.pid, extra)
    category = undocumented(FieldReader.integer, sent.category, "category", extra)
    reading = editions_2_and_3.read_face(
        extra,
        age=coerce_int(sent.age, "age"),
        gender=coerce_int(sent.gender, "gender"),
        sender=editions_2_and_3.sender_of(
            extra, names=name is not None or category is not None, uuid=uuid
        ),
    )
    kept = _extra(reading.extra, data)
    return CheckedUpload(
        kind="face",
        did=coerce_text(sent.did, "did"),
        sn=coerce_text(sent.sn, "sn"),
        occurred_at=times.require_device_time(sent.time, "time"),
        detail=FaceDetail(
            name=name,
            age=reading.age,
            gender=reading.gender,
            uuid=uuid,
            category=category,
            attributes=reading.attributes,
            face_loc=reading.face_loc,
            body_loc=reading.body_loc,
            width=reading.width,
            height=reading.height,
        ),
        extra=kept.json,
        omitted=kept.omitted,
        pictures=pictures,
        edition=reading.edition,
    )


def decode_event(body: bytes, *, max_depth: int, keep_unknown: bool) -> CheckedUpload:
    """Decode an event (2.4). Raises BadParameter.

    A type beyond 14 raises UnknownEventType unless `keep_unknown`. A box, which sends a `state`,
    has further types, and other meanings of some (D12).
    """
    sent, extra = EVENT.decode(body, max_depth)
    data = FieldReader(tidy_keys(sent.data or {}), "data")
    pictures = _face_pictures(data)
    name = undocumented(FieldReader.text, sent.name, "name", extra)
    uuid = undocumented(FieldReader.text, sent.uuid, "uuid", extra) or _pid(sent.pid, extra)
    category = undocumented(FieldReader.integer, sent.category, "category", extra)
    number = _event_type(sent.type, keep_unknown, is_box=any(key == "state" for key, _ in extra))
    inner, outer = extra_object(data.remaining()), extra_object(extra)
    return CheckedUpload(
        kind="event",
        did=coerce_text(sent.did, "did"),
        sn=coerce_text(sent.sn, "sn"),
        occurred_at=times.require_device_time(sent.time, "time"),
        detail=EventDetail(
            type=number.type,
            data=inner.json,
            name=name,
            uuid=uuid,
            category=number.category if category is None else category,
        ),
        extra=outer.json,
        omitted=(*outer.omitted, *_paths("data", inner)),
        pictures=pictures,
    )


def decode_vehicle(body: bytes, *, max_depth: int) -> CheckedUpload:
    """Decode a vehicle and its plate (2.5). Raises BadParameter."""
    sent, extra = VEHICLE.decode(body, max_depth)
    data = FieldReader(tidy_keys(sent.data or {}), "data")
    top = FieldReader(dict(extra))
    edition: Edition = 3 if editions_2_and_3.is_flat_vehicle(top) else 1
    if edition == 3:
        detail, pictures, extra = editions_2_and_3.read_flat_vehicle(top, data)
    else:
        detail, pictures = _nested_vehicle(data)
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
        edition=edition,
    )


def _nested_vehicle(data: FieldReader) -> tuple[VehicleDetail, tuple[Picture, ...]]:
    plate = data.nested("plate") or FieldReader({}, "data.plate")
    pictures = without_none(
        data.picture("full_image", "full"),
        data.picture("vehicle_pic", "vehicle"),
        plate.picture("plate_pic", "plate"),
    )
    detail = VehicleDetail(
        plate=Plate(
            id=plate.text("id"), type=plate.integer("plate_type"), loc=read_rect(plate, "plate_loc")
        ),
        vehicle=Vehicle(
            type=data.integer("type"), brand=data.text("brand"), loc=read_rect(data, "vehicle_loc")
        ),
    )
    data.put_back("plate", plate.remaining())
    return detail, pictures


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
    return without_none(*(data.picture(key, name) for key, name in FACE_PICTURES))


def _pid(raw: Raw, extra: list[ExtraField]) -> str | None:
    """Read the `pid` that cameras send instead of `uuid` (D8). Keep it as an extra field too."""
    uuid = undocumented(FieldReader.text, raw, "pid", [])
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


class _EventType(Struct, frozen=True):
    type: int
    category: int | None = None


def _event_type(sent: LooseNumber, keep_unknown: bool, *, is_box: bool) -> _EventType:
    last = max(BOX_EVENT_TYPES) if is_box else max(CAMERA_EVENT_TYPES)
    if sent is None or sent == "":
        raise BadParameter(f"an event type from 1 to {last} is required", field="type")
    number = coerce_int(sent, "type")
    if is_box and number in BOX_EVENT_TYPES:
        return _EventType(*BOX_EVENT_TYPES[number])
    if number is None or (number not in CAMERA_EVENT_TYPES and not (keep_unknown and number > 0)):
        raise UnknownEventType(f"type: {number} is not one of the event types 1 to {last}")
    return _EventType(number)


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
    pictures = without_none(entry.picture("faceImg", "face"))
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
