"""The bodies that devices upload (2.1, 2.2, 2.4, 2.5 and the extra paths of D8) as structs.

One pass of msgspec reads a body with the fields of the tables and those that real cameras were
seen to send (D8). Only a body that holds others, or is wrong, is read once more, to keep what is
unknown and to say what is wrong. Pictures stay undecoded until they are base64-decoded straight
from the body.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Generic, TypeVar

import msgspec
from msgspec import Raw, Struct

from hub.errors import BadParameter, UnknownEventType
from hub.wire import json_limits, times
from hub.wire.code_tables import EVENT_TYPES
from hub.wire.coercion import LooseNumber, LooseText, coerce_int, coerce_text
from hub.wire.extra_fields import ExtraField, FieldReader, extra_object
from hub.wire.pictures import Picture, decode_picture, picture_of_text
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

#: Access records in one upload (D8).
MAX_ACCESS_RECORDS = 1000

#: Key in `data` of 2.1 and 2.4 -> name of the image.
FACE_PICTURES = (("face_data", "face"), ("body_data", "body"), ("bg_data", "background"))


class CheckedUpload(Struct, frozen=True, kw_only=True):
    """One thing that a device reported. `did` and `sn` as the body names them, if it does.

    `occurred_at` is None where the body tells no time.
    """

    kind: RecordKind
    did: str | None = None
    sn: str | None = None
    occurred_at: int | None = None
    detail: Detail
    extra: Raw = Raw(b"{}")
    pictures: tuple[Picture, ...] = ()


class AccessBody(Struct, frozen=True):
    """The access records of one body (D8); each may name its own did."""

    sn: str | None
    entries: tuple[CheckedUpload, ...]


class DeviceInfo(Struct, frozen=True):
    """2.2, what a device tells of itself when it starts."""

    did: str | None = None
    sn: str | None = None
    fw_ver: str | None = None
    sw_ver: str | None = None
    os_ver: str | None = None
    hw_ver: str | None = None
    dev_name: str | None = None
    extra: Raw = Raw(b"{}")


def decode_face(body: bytes, *, max_depth: int) -> CheckedUpload:
    """2.1: a capture of a face. Raises BadParameter."""
    sent, further = _FACE.read(body, max_depth)
    data = FieldReader(sent.data or {}, "data")
    pictures = _face_pictures(data)
    uuid = coerce_text(sent.uuid, "uuid") or _pid(sent.pid, further)
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
            category=_if_any(FieldReader.integer, sent.category, "category", further),
        ),
        extra=_extra(further, data),
        pictures=pictures,
    )


def decode_event(body: bytes, *, max_depth: int, keep_unknown: bool) -> CheckedUpload:
    """2.4: an event. Raises BadParameter, and UnknownEventType unless `keep_unknown`."""
    sent, further = _EVENT.read(body, max_depth)
    data = FieldReader(sent.data or {}, "data")
    pictures = _face_pictures(data)
    return CheckedUpload(
        kind="event",
        did=coerce_text(sent.did, "did"),
        sn=coerce_text(sent.sn, "sn"),
        occurred_at=times.require_device_time(sent.time, "time"),
        detail=EventDetail(
            type=_event_type(sent.type, keep_unknown),
            data=extra_object(data.remaining()),
            name=_if_any(FieldReader.text, sent.name, "name", further),
            uuid=_if_any(FieldReader.text, sent.uuid, "uuid", further) or _pid(sent.pid, further),
            category=_if_any(FieldReader.integer, sent.category, "category", further),
        ),
        extra=extra_object(further),
        pictures=pictures,
    )


def decode_vehicle(body: bytes, *, max_depth: int) -> CheckedUpload:
    """2.5: a vehicle and its plate. Raises BadParameter."""
    sent, further = _VEHICLE.read(body, max_depth)
    data = FieldReader(sent.data or {}, "data")
    plate = data.nested("plate") or FieldReader({}, "data.plate")
    pictures = _present(
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
    return CheckedUpload(
        kind="vehicle",
        did=coerce_text(sent.did, "did"),
        sn=coerce_text(sent.sn, "sn"),
        occurred_at=times.require_device_time(sent.time, "time"),
        detail=detail,
        extra=_extra(further, data),
        pictures=pictures,
    )


def decode_access(body: bytes, *, max_depth: int, zone: tzinfo) -> AccessBody:
    """Access records (D8); their times are local to `zone`. Raises BadParameter."""
    sent = _fields(body, max_depth)
    sn = sent.text("sn")
    entries = sent.nested_list("data", MAX_ACCESS_RECORDS)
    if not entries:
        raise BadParameter("at least one access record is expected", field="data")
    return AccessBody(sn, tuple(_access_entry(entry, sn, zone) for entry in entries))


def decode_device_info(body: bytes, *, max_depth: int) -> DeviceInfo:
    """2.2: versions and name. Raises BadParameter."""
    sent = _fields(body, max_depth)
    return DeviceInfo(
        did=sent.text("did"),
        sn=sent.text("sn"),
        fw_ver=sent.text("fwVer"),
        sw_ver=sent.text("swVer"),
        os_ver=sent.text("osVer"),
        hw_ver=sent.text("hwVer"),
        dev_name=sent.text("devName"),
        extra=extra_object(sent.remaining()),
    )


def decode_base64img(body: bytes) -> Picture:
    """A lone picture: the body is one data URI, not JSON (D8). Raises BadParameter."""
    content = body.strip()
    if content[:1] == b'"':
        picture = decode_picture(content, name="face", field="body")
    else:
        picture = picture_of_text(memoryview(content), name="face", field="body")
    if picture is None:
        raise BadParameter("a picture as a data URI is required", field="body")
    return picture


#: The default of undecoded fields; told from what was sent by identity.
_ABSENT = Raw()


class _Body(Struct):
    """What 2.1, 2.4 and 2.5 have in common."""

    did: LooseText = None
    sn: LooseText = None
    time: LooseNumber = None
    #: Undecoded: pictures are decoded from here, and the rest is kept as it came.
    data: dict[str, Raw] | None = None


class _Face(_Body):
    name: LooseText = None
    age: LooseNumber = None
    gender: LooseNumber = None
    uuid: LooseText = None
    pid: Raw = _ABSENT
    category: Raw = _ABSENT


class _Event(_Body):
    """Who was seen stands in no table of 2.4, so it may hold anything (D8)."""

    type: LooseNumber = None
    name: Raw = _ABSENT
    uuid: Raw = _ABSENT
    pid: Raw = _ABSENT
    category: Raw = _ABSENT


#: The further fields that real cameras send with a capture or an event (D8).
_SEEN = (
    "id_card",
    "work_id",
    "phone",
    "department",
    "otherInfo",
    "score",
    "helmet",
    "smoke",
    "handed",
    "feature",
)

B = TypeVar("B", bound=_Body)
T = TypeVar("T")


class _Reader(Generic[B]):
    """Reads the bodies of one path: with fields that are known and seen in one pass of msgspec,
    with whatever else in three.
    """

    def __init__(self, known: type[B], seen: tuple[str, ...] = ()) -> None:
        self._known = msgspec.json.Decoder(known)
        self._names = frozenset(known.__struct_fields__)
        self._further = seen
        exact: type[B] = msgspec.defstruct(  # type: ignore[assignment]
            f"{known.__name__}Seen",
            [(name, Raw, _ABSENT) for name in seen],
            bases=(known,),
            forbid_unknown_fields=True,
        )
        self._exact = msgspec.json.Decoder(exact)

    def read(self, body: bytes, max_depth: int) -> tuple[B, list[ExtraField]]:
        """The fields that are known, and the further ones as they came."""
        _check(body, max_depth)
        try:
            sent: B = self._exact.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return self._read_slowly(body)
        values = ((name, getattr(sent, name)) for name in self._further)
        return sent, [(name, raw) for name, raw in values if raw is not _ABSENT]

    def _read_slowly(self, body: bytes) -> tuple[B, list[ExtraField]]:
        sent = json_limits.decode(self._known, body, "the body")
        fields = FieldReader.decode(body).remaining()
        return sent, [(name, raw) for name, raw in fields if name not in self._names]


_FACE = _Reader(_Face, (*_SEEN, "type"))
_EVENT = _Reader(_Event, (*_SEEN, "age", "gender"))
_VEHICLE = _Reader(_Body)


def _check(body: bytes, max_depth: int) -> None:
    json_limits.check_depth(body, max_depth)
    json_limits.check_fields(body)


def _fields(body: bytes, max_depth: int) -> FieldReader:
    _check(body, max_depth)
    return FieldReader.decode(body)


def _face_pictures(data: FieldReader) -> tuple[Picture, ...]:
    return _present(*(data.picture(key, name) for key, name in FACE_PICTURES))


def _present(*pictures: Picture | None) -> tuple[Picture, ...]:
    return tuple(picture for picture in pictures if picture is not None)


def _if_any(
    read: Callable[[FieldReader, str], T | None], raw: Raw, key: str, further: list[ExtraField]
) -> T | None:
    """A field that stands in no table (D8): what cannot be read so stays further."""
    if raw is _ABSENT:
        return None
    try:
        return read(FieldReader({key: raw}), key)
    except BadParameter:
        further.append((key, raw))
        return None


def _pid(raw: Raw, further: list[ExtraField]) -> str | None:
    """The `pid` that stands for `uuid` (D8); it stays further as well."""
    uuid = _if_any(FieldReader.text, raw, "pid", [])
    if raw is not _ABSENT:
        further.append(("pid", raw))
    return uuid


def _extra(further: Iterable[ExtraField], data: FieldReader) -> Raw:
    """The further fields, those of `data` under its name."""
    inner = data.remaining()
    return extra_object([*further, ("data", extra_object(inner))] if inner else further)


def _event_type(sent: LooseNumber, keep_unknown: bool) -> int:
    if sent is None or sent == "":
        raise BadParameter("an event type from 1 to 14 is required", field="type")
    number = coerce_int(sent, "type")
    if number is None or (number not in EVENT_TYPES and not (keep_unknown and number > 0)):
        raise UnknownEventType(f"type: {number} is none of the event types 1 to 14")
    return number


def _rect(fields: FieldReader, key: str) -> Rect | None:
    """A place in the full picture; a RECT has all of its four numbers, or is empty."""
    rect = fields.nested(key)
    sides = {side: rect.number(side) for side in "xywh"} if rect else {}
    told = [value for value in sides.values() if value is not None]
    if not told:
        return None
    for side, value in sides.items():
        if value is None:
            raise BadParameter("a number is required", field=f"{fields.path_of(key)}.{side}")
    return Rect(*told)


def _access_entry(entry: FieldReader, sn: str | None, zone: tzinfo) -> CheckedUpload:
    return CheckedUpload(
        kind="access",
        did=entry.text("did"),
        sn=entry.text("sn") or sn,
        occurred_at=times.parse_local_time(
            entry.scalar("accessTime"), entry.path_of("accessTime"), zone
        ),
        detail=AccessDetail(
            rid=entry.text("rid"),
            uuid=entry.text("pid"),
            type=entry.scalar("type"),
            status=entry.scalar("status"),
            temperature=entry.scalar("temperature"),
            score=entry.scalar("score"),
        ),
        pictures=_present(entry.picture("faceImg", "face")),
        extra=extra_object(entry.remaining()),
    )
