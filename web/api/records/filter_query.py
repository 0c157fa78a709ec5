"""The query parameters that say which records are wanted, and the filter that they make."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.errors import BadParameter, NoSuchResource
from hub.services.people.groups import CameraGroups
from hub.services.records.record_log import RecordFilter
from hub.wire.times import parse_rfc3339
from hub.wire.uploads.records import RecordKind
from web.api.endpoint import Did, Integer, Seq, Text

_WILDCARDS = (
    "; case is ignored; `?` stands for one character, `*` for any number; in double quotes: "
    "the whole"
)


class FilterQuery(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The parameters that calls about records share."""

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
    uuid: Annotated[Text | None, Meta(description="of the person with exactly this uuid")] = None
    category: Annotated[
        Annotated[tuple[Integer, ...], Meta(max_length=20)] | None,
        Meta(description="any of these: 0 stranger, 1 whitelist, 2 blacklist, 3 VIP, 4 visitor"),
    ] = None
    pictures: Annotated[
        Literal["yes", "no"] | None, Meta(description="with pictures, or without")
    ] = None


def filter_of(query: FilterQuery, groups: CameraGroups) -> RecordFilter:
    """Return the filter. Raises BadParameter for what is no time and for an unknown group."""
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
    )


def _dids(query: FilterQuery, groups: CameraGroups) -> tuple[str, ...] | None:
    if query.did is None and query.group is None:
        return None
    try:
        of_groups = groups.dids_of(query.group or ())
    except NoSuchResource as error:
        raise BadParameter(str(error), field="group") from error
    return tuple(dict.fromkeys((*(query.did or ()), *of_groups)))


def _time(text: str | None, field: str) -> int | None:
    if text is None:
        return None
    if text[-6:-5] == " ":
        # "+08:00" was not escaped: in a query a plus sign means a space.
        text = f"{text[:-6]}+{text[-5:]}"
    return parse_rfc3339(text, field)
