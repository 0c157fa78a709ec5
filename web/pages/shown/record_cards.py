"""A record as pages show it: a card on the wall, and all fields on its own page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from itertools import islice

import msgspec
import xxhash
from msgspec import Raw, Struct
from msgspec.structs import replace

from hub.decoders import json_decoder
from hub.services.records.repeat_groups import RepeatGroup, repeat_key
from hub.store.people.person_rows import PersonName
from hub.wire import code_tables
from hub.wire.extra_fields import omitted_of
from hub.wire.person_numbers import canonical_pid, names_nobody
from hub.wire.pictures import Image
from hub.wire.uploads import attributes, vehicle_tables
from hub.wire.uploads.records import (
    AccessDetail,
    EventDetail,
    FaceDetail,
    HubDetail,
    Record,
    VehicleDetail,
)
from hub.wire.uploads.searchable import searchable_words
from web import language
from web.language import N_, gettext
from web.pages.labels import hub_sentence
from web.pages.shown.links import more_of_person, more_of_plate, more_with

#: No person of the register.
NOBODY: Mapping[str, PersonName] = {}
#: The picture on a card is the first of these that exists.
_FIRST_PICTURES = ("face", "vehicle", "body", "background", "full", "plate")
#: Pictures of a whole scene are not cropped.
_SCENES = frozenset({"background", "full"})
#: A card also shows the time of arrival if it differs from that of the event by this much.
_LATE_MS = 120_000
#: Extra fields are shortened on the page; the integrator API has them whole.
_MAX_VALUE_LENGTH = 2_000
_MAX_EXTRA_FIELDS = 200
#: Of a longer value the beginning is shown as it was sent, without decoding it.
_MAX_DECODED_BYTES = 16 * 1024
#: A card leads to so many earlier records; wall.js keeps to it as well.
MAX_EARLIER = 50
#: Enough of a digest to compare by eye.
_DIGEST_LENGTH = 16
_FIELDS = json_decoder(dict[str, Raw])

_IMAGE_NAMES = {
    "face": N_("Face"),
    "body": N_("Body"),
    "background": N_("Scene"),
    "full": N_("Scene"),
    "vehicle": N_("Vehicle"),
    "plate": N_("Plate"),
}
_LISTS = {1: "white", 2: "black", 3: "vip", 4: "visitor"}

#: Looks up a number in a code table of the specification.
TableName = Callable[[int, language.Code], str]

#: D12: the same by the colour that the camera names.
_COLOURS_BY_WORD = {
    "blue": "blue",
    "yellow, one row": "yellow",
    "yellow, two rows": "yellow",
    "yellow-green": "green",
    "green": "green",
    "black": "black",
    "white": "white",
}


class ListBadge(Struct, frozen=True):
    """The list that a person is on; `look` names its icon and colour."""

    look: str
    text: str


class PlateView(Struct, frozen=True):
    text: str
    colour: str


class CardPicture(Struct, frozen=True):
    """A picture with its caption."""

    name: str
    text: str
    image: Image
    scene: bool


class KnownAs(Struct, frozen=True):
    """The person of the register whom the camera named by pid, as far as they differ.

    `name` is empty if the camera sent the same one; `badge` likewise.
    """

    pid: str
    name: str
    badge: ListBadge | None


class EarlierRecord(Struct, frozen=True):
    """A record that its card does not show, but leads to."""

    seq: int
    occurred_at: int


class RecordCard(Struct, frozen=True, kw_only=True):
    """`look`: the list that gives the card its colour; the blacklist if either says so.

    `repeat`: equal on the cards of records that may repeat each other, "" if nothing repeats this
    one. `count`: the records that the card stands for; `earlier`: some of them, without the first.
    """

    seq: int
    kind: str
    did: str
    camera: str
    title: str
    badge: ListBadge | None
    known_as: KnownAs | None
    look: str
    plate: PlateView | None
    picture: CardPicture | None
    occurred_at: int
    late_at: int | None
    repeat: str
    count: int = 1
    earlier: tuple[EarlierRecord, ...] = ()
    #: The address of a search for the same person or plate; "" if the record names none.
    more_url: str = ""


class RecordField(Struct, frozen=True):
    label: str
    value: str
    #: Shown as preformatted text.
    raw: bool = False
    #: The address of a search for what has the same value; "" if there is none.
    more_url: str = ""


def make_card(record: Record, people: Mapping[str, PersonName] = NOBODY) -> RecordCard:
    """`people`: those of the register whom the record may name, see known_people."""
    pictures = card_pictures(record)
    badge, known_as = _make_badge(record), make_known_as(record, people)
    return RecordCard(
        seq=record.seq,
        kind=record.kind,
        did=record.did,
        camera=record.device_name or record.sn,
        title=_title(record),
        badge=badge,
        known_as=known_as,
        look=_look(badge, known_as),
        plate=_make_plate(record),
        picture=pictures[0] if pictures else None,
        occurred_at=record.occurred_at,
        late_at=record.received_at if _differ(record.occurred_at, record.received_at) else None,
        more_url=more_of_person(record) or more_of_plate(record),
        repeat=_repeat_mark(record),
    )


def make_group_card(group: RepeatGroup, people: Mapping[str, PersonName] = NOBODY) -> RecordCard:
    """The card of records that repeat each other."""
    earlier = tuple(
        EarlierRecord(record.seq, record.occurred_at)
        for record in group.records[1 : MAX_EARLIER + 1]
    )
    return replace(make_card(group.lead, people), count=group.count, earlier=earlier)


def _repeat_mark(record: Record) -> str:
    key = repeat_key(record)
    return xxhash.xxh3_64_hexdigest(key.encode()) if key else ""


def _differ(occurred_at: int, received_at: int) -> bool:
    """Whether a record came late, or its camera's clock is ahead."""
    return abs(received_at - occurred_at) > _LATE_MS


def _look(badge: ListBadge | None, known_as: KnownAs | None) -> str:
    looks = [one.look for one in (known_as and known_as.badge, badge) if one]
    return "black" if "black" in looks else looks[0] if looks else ""


def named_pid(record: Record) -> str:
    """The pid by which the camera named a person; "" if it named nobody."""
    detail = record.detail
    if not isinstance(detail, FaceDetail | EventDetail | AccessDetail):
        return ""
    return canonical_pid(detail.uuid or "") or ""


def shows_person(record: Record) -> bool:
    """Whether a picture of the record shows a person's face."""
    return any(image.name == "face" for image in record.images)


def make_known_as(record: Record, people: Mapping[str, PersonName]) -> KnownAs | None:
    """What the register says of the person, where it differs from what the camera said."""
    sent = record.detail
    sent_name = sent.name if isinstance(sent, FaceDetail | EventDetail) else None
    sent_category = sent.category if isinstance(sent, FaceDetail | EventDetail) else None
    return differing(people.get(named_pid(record)), sent_name, sent_category)


def differing(
    person: PersonName | None, sent_name: str | None, sent_category: int | None
) -> KnownAs | None:
    """What the register says of a person, where it differs from what a camera said."""
    if person is None:
        return None
    name = "" if person.name == sent_name else person.name
    badge = None if person.category == sent_category else list_badge(person.category)
    return KnownAs(person.pid, name, badge) if name or badge else None


def card_pictures(record: Record) -> list[CardPicture]:
    """The pictures of a record, the most important first."""

    def rank(image: Image) -> int:
        known = image.name in _FIRST_PICTURES
        return _FIRST_PICTURES.index(image.name) if known else len(_FIRST_PICTURES)

    return [
        CardPicture(
            name=image.name,
            text=gettext(_IMAGE_NAMES.get(image.name, image.name)),
            image=image,
            scene=image.name in _SCENES,
        )
        for image in sorted(record.images, key=rank)
    ]


def _language_code() -> language.Code:
    return language.current().code


def person_name(name: str | None, uuid: str | None) -> str:
    """What a camera calls a person."""
    if name:
        return name
    if not names_nobody(uuid):
        return gettext("Person %(uuid)s") % {"uuid": uuid}
    return gettext("Stranger")


def _title(record: Record) -> str:
    if record.erased:
        return gettext("Erased")
    match record.detail:
        case FaceDetail(name=name, uuid=uuid):
            return person_name(name, uuid)
        case AccessDetail(rid=None, uuid=None):
            return gettext("Picture")
        case AccessDetail(uuid=uuid):
            return person_name(None, uuid)
        case EventDetail(type=number, name=name):
            return " · ".join(
                filter(None, (code_tables.event_name(number, _language_code()), name))
            )
        case VehicleDetail(vehicle=vehicle, plate=plate):
            kind = (
                ""
                if vehicle.type is None
                else code_tables.vehicle_name(vehicle.type, _language_code())
            )
            brand = vehicle_tables.vehicle_word(vehicle.brand or "", _language_code())
            return _capitalise(" ".join(filter(None, (brand, kind)))) or (
                gettext("Vehicle") if plate.id else gettext("Vehicle without a plate")
            )
        case HubDetail() as noticed:
            return hub_sentence(noticed, record.device_name or record.sn)
    raise AssertionError(record.kind)


def _make_badge(record: Record) -> ListBadge | None:
    detail = record.detail
    return list_badge(detail.category) if isinstance(detail, FaceDetail | EventDetail) else None


def list_badge(category: int | None) -> ListBadge | None:
    """The badge for a list; None if the list has none."""
    look = _LISTS.get(category or 0)
    return ListBadge(look, table_text(category, code_tables.category_name)) if look else None


def _make_plate(record: Record) -> PlateView | None:
    if not isinstance(record.detail, VehicleDetail) or not record.detail.plate.id:
        return None
    plate = record.detail.plate
    colour = vehicle_tables.PLATE_COLOUR_OF_TYPE.get(plate.type or 0) or _COLOURS_BY_WORD.get(
        plate.colour or ""
    )
    return PlateView(plate.id or "", colour or "plain")


def record_fields(record: Record) -> list[RecordField]:
    """The fields of a record that the specification defines, in reading order."""
    return [field for field in _list_known_fields(record) if field.value]


def extra_fields(record: Record) -> list[RecordField]:
    """The fields that the camera sent beyond the specification.

    Unchanged: for whom personal numbers are masked, pass a `masked_record`.
    """
    further = islice(_list_extra_fields(record), _MAX_EXTRA_FIELDS)
    return [field for field in further if field.value]


def _list_known_fields(record: Record) -> Iterator[RecordField]:
    _ = gettext
    code = _language_code()
    words = {} if record.erased else searchable_words(record.detail)

    def searched(label: str, value: str, key: str) -> RecordField:
        return RecordField(
            label, value, more_url=more_with(key, words[key]) if key in words else ""
        )

    match record.detail:
        case FaceDetail() as face:
            yield RecordField(_("Name"), face.name or "")
            yield RecordField(_("Person ID"), face.uuid or "")
            yield RecordField(_("List"), table_text(face.category, code_tables.category_name))
            gender = table_text(face.gender, code_tables.gender_name)
            yield searched(_("Gender"), gender, "gender")
            yield RecordField(_("Age"), _format_number(face.age))
            for key, value in sorted(face.attributes.items(), key=_says_no):
                yield searched(
                    attributes.attribute_name(key, code),
                    _capitalise(attributes.value_name(key, value, code)),
                    key,
                )
        case EventDetail() as event:
            yield RecordField(
                _("Event"), f"{code_tables.event_name(event.type, code)} ({event.type})"
            )
            yield RecordField(_("Name"), event.name or "")
            yield RecordField(_("Person ID"), event.uuid or "")
            yield RecordField(_("List"), table_text(event.category, code_tables.category_name))
        case VehicleDetail() as seen:
            yield RecordField(_("Plate"), seen.plate.id or "")
            yield RecordField(_("Plate type"), table_text(seen.plate.type, code_tables.plate_name))
            kind = table_text(seen.vehicle.type, code_tables.vehicle_name)
            yield searched(_("Plate colour"), _vehicle_text(seen.plate.colour), "plate_colour")
            yield searched(_("Vehicle type"), kind, "car_type")
            yield searched(_("Brand"), _vehicle_text(seen.vehicle.brand), "car_maker")
            yield searched(_("Vehicle colour"), _vehicle_text(seen.vehicle.colour), "car_colour")
        case AccessDetail() as access:
            yield RecordField(_("Person ID"), access.uuid or "")
            yield RecordField(_("Record ID on the camera"), access.rid or "")
            yield RecordField(_("Access type (code)"), _format_number(access.type))
            yield RecordField(_("Access result (code)"), _format_number(access.status))
            yield RecordField(_("Temperature"), _format_number(access.temperature))
            yield RecordField(_("Similarity"), _format_number(access.score))
            yield RecordField(_("Belongs to record"), _format_number(access.of))


def _says_no(attribute: tuple[str, str]) -> bool:
    """Whether it tells that something is not there: that goes last, because there is much of it."""
    return attribute[1] in ("no", "none", "nothing")


def _vehicle_text(kept: str | None) -> str:
    """A colour or maker in the language of the page, capitalised."""
    return _capitalise(vehicle_tables.vehicle_word(kept or "", _language_code()))


def table_text(number: int | None, name: TableName) -> str:
    """The name that a code table gives to a number, capitalised."""
    return "" if number is None else _capitalise(name(number, _language_code()))


def _capitalise(text: str) -> str:
    """Capitalise a name from a code table for the start of a line."""
    return text[:1].upper() + text[1:]


def _format_number(value: object) -> str:
    return "" if value is None else str(value)


def _list_extra_fields(record: Record) -> Iterator[RecordField]:
    sources = [bytes(record.extra)]
    if isinstance(record.detail, EventDetail):
        sources.insert(0, bytes(record.detail.data))
    for source in sources:
        for name, raw in _FIELDS.decode(source).items():
            yield _extra_field(name, raw)


def _extra_field(name: str, sent: Raw) -> RecordField:
    if (omitted := omitted_of(sent)) is not None:
        text = gettext("Too long to be kept: %(size)s bytes, SHA-256 %(digest)s")
        return RecordField(
            name, text % {"size": omitted.omitted_bytes, "digest": omitted.sha256[:_DIGEST_LENGTH]}
        )
    if len(memoryview(sent)) > _MAX_DECODED_BYTES:
        beginning = bytes(memoryview(sent)[:_MAX_VALUE_LENGTH]).decode(errors="ignore")
        return RecordField(name, beginning.removeprefix('"') + " …", raw=beginning[:1] != '"')
    value = msgspec.json.decode(sent)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        text, raw = str(value), False
    else:
        text, raw = json.dumps(value, ensure_ascii=False, indent=2), isinstance(value, dict | list)
    if len(text) > _MAX_VALUE_LENGTH:
        text = text[:_MAX_VALUE_LENGTH] + " …"
    return RecordField(name, text, raw)
