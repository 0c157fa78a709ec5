"""The query parameters that say which records are wanted, and the filter that they make."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.errors import BadParameter, NoSuchResource
from hub.services.people.groups import CameraGroups
from hub.store.records.record_filter import RecordFilter
from hub.wire.times import parse_rfc3339
from hub.wire.uploads.records import RecordKind
from hub.wire.uploads.searchable import SEARCHABLE, AskedAttributes
from web.api.endpoint import Did, Integer, Seq, Text

_WILDCARDS = (
    "; case is ignored; `?` stands for one character, `*` for any number; in double quotes: "
    "the whole"
)


_MAX_WORDS = 100
_Words = Annotated[tuple[Text, ...], Meta(max_length=_MAX_WORDS)] | None


def _asks(key: str, description: str) -> Meta:
    items = {"type": "string", "enum": list(SEARCHABLE[key].words)}
    return Meta(description=description, extra_json_schema={"items": items})


class FilterQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The parameters that calls about records share.

    The attributes are named as in records; those of vehicles begin with `car_` or `plate_`.
    """

    kind: Annotated[RecordKind | None, Meta(description="of this kind")] = None
    did: Annotated[
        Annotated[tuple[Did, ...], Meta(max_length=1000)] | None,
        Meta(description="of these devices"),
    ] = None
    group: Annotated[
        Annotated[tuple[Seq, ...], Meta(max_length=200)] | None,
        Meta(description="of the cameras in these groups, by id; added to those of `did`"),
    ] = None
    since: Annotated[Text | None, Meta(description="`since` ≤ `occurred_at`, in RFC 3339")] = None
    until: Annotated[Text | None, Meta(description="`occurred_at` < `until`, in RFC 3339")] = None
    type: Annotated[Integer | None, Meta(description="type of event")] = None
    plate: Annotated[Text | None, Meta(description=f"part of the plate{_WILDCARDS}")] = None
    name: Annotated[Text | None, Meta(description=f"part of the name{_WILDCARDS}")] = None
    uuid: Annotated[
        Text | None, Meta(description="of the person with this number; leading zeros do not count")
    ] = None
    category: Annotated[
        Annotated[tuple[Integer, ...], Meta(max_length=20)] | None,
        Meta(description="any of these: 0 stranger, 1 whitelist, 2 blacklist, 3 VIP, 4 visitor"),
    ] = None
    pictures: Annotated[
        Literal["yes", "no"] | None, Meta(description="with pictures, or without")
    ] = None
    gender: Annotated[_Words, _asks("gender", "gender of the person")] = None
    helmet: Annotated[_Words, _asks("helmet", "with a safety helmet, or without")] = None
    headwear: Annotated[_Words, _asks("headwear", "what the person has on the head")] = None
    mask: Annotated[_Words, _asks("mask", "with a face mask, or without")] = None
    glasses: Annotated[_Words, _asks("glasses", "glasses of the person")] = None
    bag: Annotated[_Words, _asks("bag", "bag of the person")] = None
    upper_colour: Annotated[_Words, _asks("upper_colour", "colour of the upper clothing")] = None
    lower_colour: Annotated[_Words, _asks("lower_colour", "colour of the lower clothing")] = None
    upper_wear: Annotated[_Words, _asks("upper_wear", "sleeves of the upper clothing")] = None
    upper_garment: Annotated[_Words, _asks("upper_garment", "kind of upper clothing")] = None
    lower_wear: Annotated[_Words, _asks("lower_wear", "kind of lower clothing")] = None
    safety_clothing: Annotated[
        _Words, _asks("safety_clothing", "with safety clothing, or without")
    ] = None
    smoking: Annotated[_Words, _asks("smoking", "smoking, or not")] = None
    phone_in_hand: Annotated[
        _Words, _asks("phone_in_hand", "with a phone in the hand, or without")
    ] = None
    rides: Annotated[_Words, _asks("rides", "what the person rides")] = None
    carrying: Annotated[_Words, _asks("carrying", "carrying something, or not")] = None
    umbrella: Annotated[_Words, _asks("umbrella", "with an umbrella, or without")] = None
    car_type: Annotated[_Words, _asks("car_type", "type of vehicle")] = None
    plate_colour: Annotated[_Words, _asks("plate_colour", "colour of the number plate")] = None
    car_colour: Annotated[_Words, _asks("car_colour", "colour of the vehicle")] = None
    car_maker: Annotated[_Words, _asks("car_maker", "brand of the vehicle")] = None


def filter_of(query: FilterQuery, groups: CameraGroups) -> RecordFilter:
    """Return the filter. Raises BadParameter for what is no time, an unknown group or word."""
    dids, categories = _dids(query, groups), query.category
    return RecordFilter(
        kind=query.kind,
        did=dids[0] if dids is not None and len(dids) == 1 else None,
        dids=None if dids is not None and len(dids) == 1 else dids,
        since=_time(query.since, "since"),
        until=_time(query.until, "until"),
        type=query.type,
        plate=query.plate,
        name=query.name,
        uuid=query.uuid,
        category=categories[0] if categories is not None and len(categories) == 1 else None,
        categories=None if categories is not None and len(categories) == 1 else categories,
        has_pictures=None if query.pictures is None else query.pictures == "yes",
        attributes=_attributes(query),
    )


def _dids(query: FilterQuery, groups: CameraGroups) -> tuple[str, ...] | None:
    if query.did is None and query.group is None:
        return None
    try:
        of_groups = groups.dids_of(query.group or ())
    except NoSuchResource as error:
        raise BadParameter(str(error), field="group") from error
    return tuple(dict.fromkeys((*(query.did or ()), *of_groups)))


def _attributes(query: FilterQuery) -> AskedAttributes:
    asked: list[tuple[str, tuple[str, ...]]] = []
    for key, attribute in SEARCHABLE.items():
        words: tuple[str, ...] | None = getattr(query, key)
        if words is None:
            continue
        if unknown := [word for word in words if word not in attribute.words]:
            expected = ", ".join(attribute.words)
            raise BadParameter(f"{unknown[0]!r} is not one of {expected}", field=key)
        asked.append((key, tuple(dict.fromkeys(words))))
    return tuple(asked)


def _time(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    if text[-6:-5] == " ":
        # "+08:00" was not escaped: in a query a plus sign means a space.
        text = f"{text[:-6]}+{text[-5:]}"
    return parse_rfc3339(text, field)
