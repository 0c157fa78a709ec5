"""A record as it is shown: a card on the wall, and all its fields on its page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import islice

from msgspec import Struct

from hub.wire import code_tables
from hub.wire.pictures import Image
from hub.wire.uploads.records import AccessDetail, EventDetail, FaceDetail, Record, VehicleDetail
from web.pages import language
from web.pages.language import N_, gettext

#: D8: what the access path sends as the pid of somebody unknown (2^63).
_UNKNOWN_PERSON = "9223372036854775808"
#: Which picture a card shows, the first that is there.
_FIRST_PICTURES = ("face", "vehicle", "body", "background", "full", "plate")
#: Pictures of a whole scene are shown uncropped.
_SCENES = frozenset({"background", "full"})
#: A record that arrives later than this after it happened says so (ms).
_LATE = 120_000
#: Further fields are cut on the page; the integrator API has them whole.
_LONGEST_VALUE = 2_000
_MOST_EXTRA_FIELDS = 200

_IMAGE_NAMES = {
    "face": N_("Face"),
    "body": N_("Body"),
    "background": N_("Scene"),
    "full": N_("Scene"),
    "vehicle": N_("Vehicle"),
    "plate": N_("Plate"),
}
_ICONS = {"face": "face", "event": "event", "vehicle": "vehicle", "access": "access"}
_LISTS = {1: "white", 2: "black", 3: "vip", 4: "visitor"}
#: 2.5: plate types by the colour of the plate that people know.
_PLATE_COLOURS = {
    1: "blue",
    2: "black",
    3: "yellow",
    4: "yellow",
    5: "white",
    6: "white",
    7: "white",
    8: "white",
    9: "white",
    10: "black",
    11: "black",
    12: "black",
    13: "green",
    14: "yellow",
    17: "green",
}


#: Gives the name of a number of a table of the specification.
TableName = Callable[[int, language.Code], str]


class Badge(Struct, frozen=True):
    """Which list a person stands on: `look` names its icon and its colour."""

    look: str
    text: str


class PlateView(Struct, frozen=True):
    text: str
    colour: str


class Shown(Struct, frozen=True):
    """A picture with what to call it."""

    name: str
    text: str
    image: Image
    scene: bool


class Card(Struct, frozen=True, kw_only=True):
    seq: int
    kind: str
    icon: str
    did: str
    camera: str
    title: str
    badge: Badge | None
    plate: PlateView | None
    picture: Shown | None
    occurred_at: int
    late_at: int | None


class Field(Struct, frozen=True):
    label: str
    value: str
    #: Shown as it came, with its line breaks.
    raw: bool = False


def card(record: Record) -> Card:
    pictures = shown_pictures(record)
    return Card(
        seq=record.seq,
        kind=record.kind,
        icon=_ICONS[record.kind],
        did=record.did,
        camera=record.device_name or record.sn,
        title=_title(record),
        badge=_badge(record),
        plate=_plate(record),
        picture=pictures[0] if pictures else None,
        occurred_at=record.occurred_at,
        late_at=record.received_at if record.received_at - record.occurred_at > _LATE else None,
    )


def shown_pictures(record: Record) -> list[Shown]:
    """The pictures of a record, the most telling first."""

    def place(image: Image) -> int:
        known = image.name in _FIRST_PICTURES
        return _FIRST_PICTURES.index(image.name) if known else len(_FIRST_PICTURES)

    return [
        Shown(
            name=image.name,
            text=gettext(_IMAGE_NAMES.get(image.name, image.name)),
            image=image,
            scene=image.name in _SCENES,
        )
        for image in sorted(record.images, key=place)
    ]


def _lang() -> language.Code:
    return language.current().code


def _is_known(uuid: str | None) -> bool:
    return bool(uuid) and uuid not in ("0", _UNKNOWN_PERSON)


def _person(name: str | None, uuid: str | None) -> str:
    if name:
        return name
    if _is_known(uuid):
        return gettext("Person %(uuid)s") % {"uuid": uuid}
    return gettext("Stranger")


def _title(record: Record) -> str:
    match record.detail:
        case FaceDetail(name=name, uuid=uuid):
            return _person(name, uuid)
        case AccessDetail(rid=None, uuid=None):
            return gettext("Picture")
        case AccessDetail(uuid=uuid):
            return _person(None, uuid)
        case EventDetail(type=number, name=name):
            return " · ".join(filter(None, (code_tables.event_name(number, _lang()), name)))
        case VehicleDetail(vehicle=vehicle, plate=plate):
            kind = "" if vehicle.type is None else code_tables.vehicle_name(vehicle.type, _lang())
            return _capital(" ".join(filter(None, (vehicle.brand, kind)))) or (
                gettext("Vehicle") if plate.id else gettext("Vehicle without a plate")
            )
    raise AssertionError(record.kind)


def _badge(record: Record) -> Badge | None:
    detail = record.detail
    return badge_of(detail.category) if isinstance(detail, FaceDetail | EventDetail) else None


def badge_of(category: int | None) -> Badge | None:
    """The list of that number; None where it is none."""
    look = _LISTS.get(category or 0)
    return Badge(look, table_text(category, code_tables.category_name)) if look else None


def _plate(record: Record) -> PlateView | None:
    if not isinstance(record.detail, VehicleDetail) or not record.detail.plate.id:
        return None
    plate = record.detail.plate
    return PlateView(plate.id or "", _PLATE_COLOURS.get(plate.type or 0, "plain"))


def fields(record: Record) -> list[Field]:
    """What the specification knows of a record, in the order in which one asks."""
    return [field for field in _known_fields(record) if field.value]


def further_fields(record: Record) -> list[Field]:
    """What the camera sent beyond the specification, as it came."""
    further = islice(_extra_fields(record), _MOST_EXTRA_FIELDS)
    return [field for field in further if field.value]


def _known_fields(record: Record) -> Iterator[Field]:
    _ = gettext
    code = _lang()
    match record.detail:
        case FaceDetail() as face:
            yield Field(_("Name"), face.name or "")
            yield Field(_("Person ID"), face.uuid or "")
            yield Field(_("List"), table_text(face.category, code_tables.category_name))
            yield Field(_("Gender"), table_text(face.gender, code_tables.gender_name))
            yield Field(_("Age"), _number(face.age))
        case EventDetail() as event:
            yield Field(_("Event"), f"{code_tables.event_name(event.type, code)} ({event.type})")
            yield Field(_("Name"), event.name or "")
            yield Field(_("Person ID"), event.uuid or "")
            yield Field(_("List"), table_text(event.category, code_tables.category_name))
        case VehicleDetail() as seen:
            yield Field(_("Plate"), seen.plate.id or "")
            yield Field(_("Plate type"), table_text(seen.plate.type, code_tables.plate_name))
            yield Field(_("Vehicle type"), table_text(seen.vehicle.type, code_tables.vehicle_name))
            yield Field(_("Brand"), seen.vehicle.brand or "")
        case AccessDetail() as access:
            yield Field(_("Person ID"), access.uuid or "")
            yield Field(_("Record ID on the camera"), access.rid or "")
            yield Field(_("Type"), _number(access.type))
            yield Field(_("Status"), _number(access.status))
            yield Field(_("Temperature"), _number(access.temperature))
            yield Field(_("Score"), _number(access.score))
            yield Field(_("Belongs to record"), _number(access.of))


def table_text(number: int | None, name: TableName) -> str:
    """What a table of the specification calls a number, as a text of its own."""
    return "" if number is None else _capital(name(number, _lang()))


def _capital(text: str) -> str:
    """The tables give words; here one begins a line."""
    return text[:1].upper() + text[1:]


def _number(value: object) -> str:
    return "" if value is None else str(value)


def _extra_fields(record: Record) -> Iterator[Field]:
    sources = [bytes(record.extra)]
    if isinstance(record.detail, EventDetail):
        sources.insert(0, bytes(record.detail.data))
    for source in sources:
        further = json.loads(source)
        if isinstance(further, dict):
            for name, value in further.items():
                yield _extra_field(name, value)


def _extra_field(name: str, value: object) -> Field:
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        text, raw = str(value), False
    else:
        text, raw = json.dumps(value, ensure_ascii=False, indent=2), isinstance(value, dict | list)
    if len(text) > _LONGEST_VALUE:
        text = text[:_LONGEST_VALUE] + " …"
    return Field(name, text, raw)
