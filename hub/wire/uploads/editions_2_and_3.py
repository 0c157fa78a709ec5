"""What editions 2 and 3 send with captures of people and vehicles, read by its own keys (D12).

Which edition a body is of shows in its keys alone: firmware mixes the editions.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Raw, Struct

from hub.wire.code_tables import CodeName
from hub.wire.commands.capabilities import Edition
from hub.wire.extra_fields import ExtraField, FieldReader
from hub.wire.person_numbers import names_nobody
from hub.wire.pictures import Picture
from hub.wire.uploads import attributes, vehicle_tables
from hub.wire.uploads.attributes import Attribute, Attributes
from hub.wire.uploads.fields import read_rect, undocumented, without_none
from hub.wire.uploads.records import Plate, Rect, Vehicle, VehicleDetail

#: Only these editions have these keys. `smoke`, which both have, means different things.
_ONLY_IN_2 = frozenset({"helmet", "handed"})
_ONLY_IN_3 = frozenset({"bg_width", "bg_height", "face_rect", "body_rect"}) | (
    attributes.SENT_BY_3.keys() - {"smoke"}
)
#: What only a recogniser sends, which compares faces with a library; a capture camera does not.
_OF_A_RECOGNISER = frozenset({"id_card", "ic_card", "work_id", "department", "score", "express"})
_FLAT_VEHICLE = (
    *("plate_rect", "car_rect", "plate", "plate_color", "car_color", "car_type", "car_maker"),
)
#: What a recogniser of edition 3 sends as text where it has nothing.
_NO_TEXT = b'"(null)"'
_VEHICLE_PICTURES = (("bg_data", "full"), ("car_data", "vehicle"), ("plate_data", "plate"))


class FaceReading(Struct, frozen=True, kw_only=True):
    """What a capture says of a person. `age`, `gender`: as in 2.1, None if not known.

    `extra`: the fields that were not read.
    """

    edition: Edition
    age: int | None
    gender: int | None
    attributes: Attributes = {}
    face_loc: Rect | None = None
    body_loc: Rect | None = None
    width: int | None = None
    height: int | None = None
    extra: list[ExtraField]


class UploadSender(Struct, frozen=True):
    """Which kind of camera sent a capture, as far as its other fields tell.

    `has_library`: it compares faces with a library. `knows`: it has recognised this person.
    """

    has_library: bool
    knows: bool


def sender_of(extra: list[ExtraField], *, names: bool, uuid: str | None) -> UploadSender:
    """`names`: the body has a name or a category; `uuid`: the person that it tells of."""
    has_library = names or any(name in _OF_A_RECOGNISER for name, _ in extra)
    return UploadSender(has_library, not names_nobody(uuid))


def read_face(
    extra: list[ExtraField], *, age: int | None, gender: int | None, sender: UploadSender
) -> FaceReading:
    """Read the undocumented fields of a capture. Raises BadParameter for a wrong rectangle."""
    names = {name for name, _ in extra}
    if names & _ONLY_IN_3:
        return _face_of_3(extra, age, gender, sender)
    if names & _ONLY_IN_2:
        # As cameras of late 2024 do (D8): their records have these fields as extra fields, too.
        read, _ = _read_attributes(dict(extra), attributes.SENT_BY_2)
        return FaceReading(edition=2, age=age, gender=gender, attributes=read, extra=extra)
    return FaceReading(edition=1, age=age, gender=gender, extra=extra)


def _face_of_3(
    extra: list[ExtraField], age: int | None, gender: int | None, sender: UploadSender
) -> FaceReading:
    scene = FieldReader(dict(extra))
    face_loc, body_loc = read_rect(scene, "face_rect"), read_rect(scene, "body_rect")
    width, height = scene.integer("bg_width"), scene.integer("bg_height")
    read, rest = _read_attributes(dict(scene.remaining()), attributes.SENT_BY_3)
    if gender == 0:
        gender = 2 if sender.has_library else None
    if not (sender.has_library and sender.knows):
        # Not years, but the number of a group.
        groups = attributes.RECOGNISED_AGES if sender.has_library else attributes.CAPTURED_AGES
        group = attributes.named(groups, age)
        if age is not None and not group and not attributes.is_unknown(groups, age):
            rest.append(("age", Raw(b"%d" % age)))
        read |= group
        age = None
    return FaceReading(
        edition=3,
        age=age,
        gender=gender,
        attributes=read,
        face_loc=_visible(face_loc),
        body_loc=_visible(body_loc),
        width=width or None,
        height=height or None,
        extra=[(name, value) for name, value in rest if bytes(value) != _NO_TEXT],
    )


def _read_attributes(
    sent: dict[str, Raw], table: Mapping[str, Attribute]
) -> tuple[Attributes, list[ExtraField]]:
    """The attributes, and the fields that are not in the table or have another value."""
    read: Attributes = {}
    rest: list[ExtraField] = []
    for key, raw in sent.items():
        attribute = table.get(key)
        if attribute is None:
            rest.append((key, raw))
            continue
        number = undocumented(FieldReader.integer, raw, key, rest)
        value = attributes.named(attribute, number)
        read |= value
        if not value and number is not None and not attributes.is_unknown(attribute, number):
            rest.append((key, raw))
    return read, rest


def is_flat_vehicle(fields: FieldReader) -> bool:
    """Whether a vehicle is described beside `data` (edition 3), not within it (2.5)."""
    return fields.has(*_FLAT_VEHICLE)


def read_flat_vehicle(
    fields: FieldReader, data: FieldReader
) -> tuple[VehicleDetail, tuple[Picture, ...], list[ExtraField]]:
    """The vehicle of edition 3, its pictures, and the top-level fields that were not read.

    Raises BadParameter, which names the field.
    """
    rest: list[ExtraField] = []
    pictures = without_none(*(data.picture(key, name) for key, name in _VEHICLE_PICTURES))
    detail = VehicleDetail(
        plate=Plate(
            id=fields.text("plate"),
            loc=_visible(read_rect(fields, "plate_rect")),
            colour=_word(fields, "plate_color", vehicle_tables.PLATE_COLOURS, rest),
        ),
        vehicle=Vehicle(
            type=_car_type(fields, rest),
            brand=_word(fields, "car_maker", vehicle_tables.CAR_MAKERS, rest),
            loc=_visible(read_rect(fields, "car_rect")),
            colour=_word(fields, "car_color", vehicle_tables.CAR_COLOURS, rest),
        ),
    )
    return detail, pictures, [*fields.remaining(), *rest]


def _word(
    fields: FieldReader, key: str, table: Mapping[int, CodeName], rest: list[ExtraField]
) -> str | None:
    """The English name of a code; None if the camera does not know. Other codes go to `rest`."""
    number = fields.integer(key)
    name = None if number is None else table.get(number)
    if name is None and number:
        rest.append((key, Raw(b"%d" % number)))
    return None if name is None else name.en


def _car_type(fields: FieldReader, rest: list[ExtraField]) -> int | None:
    number = fields.integer("car_type")
    if number and number not in vehicle_tables.CAR_TYPES:
        rest.append(("car_type", Raw(b"%d" % number)))
    return None if number is None else vehicle_tables.CAR_TYPES.get(number)


def _visible(rect: Rect | None) -> Rect | None:
    """None for a rectangle without an area, which says that there is nothing."""
    return rect if rect and rect.w and rect.h else None
