"""/groups: groups of cameras, on whose cameras a person can be (D10)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.services import Services
from hub.services.people.validation import MAX_GROUP_NAME_LENGTH
from hub.store.people.groups import MAX_GROUPS
from web.api.endpoint import PREFIX, Did
from web.api.people import answers
from web.api.resource import Resource
from web.api.routes import Routes, id_of

Name = Annotated[str, Meta(min_length=1, max_length=MAX_GROUP_NAME_LENGTH)]


class NewGroupBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    dids: list[Did] = []


class GroupBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Fields that are not given keep their values. `dids`: all cameras of the group."""

    name: Name | UnsetType = UNSET
    dids: list[Did] | UnsetType = UNSET


_EXAMPLE = answers.Group(id=3, name="Gate", dids=["12", "13"])


def add(routes: Routes, services: Services) -> None:
    groups = services.people.groups
    calls = Resource(
        routes,
        f"{PREFIX}/groups/{{group}}",
        tag="People",
        example=_EXAMPLE,
        get=lambda call: groups.get(id_of(call, "group")),
        show=answers.group_fields,
        read="signed-in",
    )
    calls.list(
        "The groups of cameras",
        answers.GroupList,
        groups.list,
        description=f"At most {MAX_GROUPS}, by name.",
    )
    calls.add(
        "Add a group of cameras",
        NewGroupBody("Gate", ["12", "13"]),
        lambda call: groups.add(call.body.name, call.body.dids, by=call.caller.actor),
    )
    calls.one("One group of cameras")
    calls.change(
        "PUT",
        "Rename a group, or give it other cameras",
        GroupBody(dids=["12"]),
        lambda call: groups.change(
            id_of(call, "group"),
            name=call.body.name,
            dids=call.body.dids,
            by=call.caller.actor,
        ),
        description="People of the group are put on its new cameras, and taken off the others.",
    )
    calls.remove(
        "Remove a group",
        lambda group, by: groups.remove(group.id, by=by),
        description=(
            "Returns the removed group. Its cameras stay; people who were in no other group are on "
            "no camera then."
        ),
    )
