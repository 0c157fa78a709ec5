"""Answers about people and groups of cameras."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from hub.services.people.sync.numbers import DeviceNumbers
from hub.store.people.groups import CameraGroup
from hub.store.people.person_fields import PersonFacts
from hub.store.people.person_rows import Person as RegisterPerson
from hub.wire.times import format_rfc3339
from web.api.answers import Did, Pid, Time
from web.api.endpoint import PREFIX


class Person(PersonFacts, frozen=True, kw_only=True):
    """A person of the site's register, with the field names of 1.12.

    Of personal numbers (ID card, IC card, phone), all but the last four digits are `*` unless the
    caller may see them. `age`: by the year of birth, if that is known. `everywhere`: on all
    cameras; false: on those of `groups`.
    """

    valid_from: Annotated[Time | None, Meta(description="on cameras from then; null: at once")]
    valid_until: Annotated[Time | None, Meta(description="on cameras until then; null: no end")]
    photo: Annotated[str | None, Meta(description="the path of the photo; null: there is none")]
    revision: Annotated[
        int, Meta(description="of what cameras are given; rises with each change of it")
    ]
    created_at: Time
    changed_at: Time
    changed_by: Annotated[str, Meta(description="`user NAME`, `key APPID` or `command line`")]


class PeopleList(Struct, frozen=True):
    """One page. `next` is the `after` of the next call; null: this is the last page."""

    items: list[Person]
    next: Pid | None


class Group(Struct, frozen=True, kw_only=True):
    """A group of cameras; a camera may be in several."""

    id: int
    name: str
    dids: list[Did]


class GroupList(Struct, frozen=True):
    """All groups by name."""

    items: list[Group]
    next: None = None


#: Of the people on a device.
DeviceState = Annotated[
    Literal["new", "managed", "undecided", "alone"],
    Meta(
        description=(
            "new: not looked at yet; undecided: it holds unknown people, and nothing on it is "
            "changed until someone decides; alone: not synced"
        )
    ),
]


class DeviceSync(Struct, frozen=True, kw_only=True, rename={"is_": "is"}):
    """How far the people on a camera are."""

    did: Did
    state: DeviceState
    should: Annotated[int, Meta(description="how many it should hold")]
    is_: Annotated[int, Meta(description="how many of the register it is known to hold")]
    pending: int
    failed: int
    unknown: Annotated[int, Meta(description="how many it holds that the register does not have")]
    compared_at: Annotated[
        Time | None, Meta(description="when its whole list was last compared with the register")
    ]


def sync_fields(numbers: DeviceNumbers) -> DeviceSync:
    return DeviceSync(
        did=numbers.did,
        state=numbers.state,
        should=numbers.should,
        is_=numbers.is_,
        pending=numbers.pending,
        failed=numbers.failed,
        unknown=numbers.unknown,
        compared_at=_time(numbers.compared_at),
    )


def person_fields(person: RegisterPerson, year: int) -> Person:
    """A person as the API shows it. `year`: now, for the age."""
    photo = f"{PREFIX}/people/{person.pid}/photo?revision={person.revision}"
    facts = {name: getattr(person, name) for name in PersonFacts.__struct_fields__}
    return Person(
        **{**facts, "age": person.age_in(year)},
        valid_from=_time(person.valid_from),
        valid_until=_time(person.valid_until),
        photo=photo if person.has_photo else None,
        revision=person.revision,
        created_at=format_rfc3339(person.created_at),
        changed_at=format_rfc3339(person.changed_at),
        changed_by=person.changed_by,
    )


def group_fields(group: CameraGroup) -> Group:
    """A group as the API shows it."""
    return Group(
        id=group.id,
        name=group.name,
        dids=list(group.dids),
    )


def _time(ms: int | None) -> str | None:
    return None if ms is None else format_rfc3339(ms)
