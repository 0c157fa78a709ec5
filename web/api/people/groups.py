"""/groups: groups of cameras, on whose cameras a person can be (D10)."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

from hub.services import Services
from hub.services.people.groups import MAX_GROUPS
from hub.services.people.validation import MAX_GROUP_NAME_LENGTH
from web.api.endpoint import PREFIX, Did, Endpoint, Nothing
from web.api.people import answers
from web.api.routes import Call, Routes, id_of

TAG = "People"
_GROUPS = f"{PREFIX}/groups"
_ONE = f"{_GROUPS}/{{group}}"

Name = Annotated[str, Meta(min_length=1, max_length=MAX_GROUP_NAME_LENGTH)]


class NewGroupBody(Struct, frozen=True, forbid_unknown_fields=True):
    name: Name
    dids: list[Did] = []


class GroupBody(Struct, frozen=True, forbid_unknown_fields=True):
    """Fields that are not given keep their values. `dids`: all cameras of the group."""

    name: Name | UnsetType = UNSET
    dids: list[Did] | UnsetType = UNSET


_EXAMPLE = answers.Group(id=3, name="Gate", dids=["12", "13"])

LIST = Endpoint(
    method="GET",
    path=_GROUPS,
    tag=TAG,
    summary="The groups of cameras",
    description=f"At most {MAX_GROUPS}, by name.",
    answer_example=answers.GroupList([_EXAMPLE]),
)
ADD = Endpoint(
    method="POST",
    path=_GROUPS,
    tag=TAG,
    summary="Add a group of cameras",
    body_example=NewGroupBody("Gate", ["12", "13"]),
    answer_example=_EXAMPLE,
    role="admin",
)
ONE = Endpoint(
    method="GET",
    path=_ONE,
    tag=TAG,
    summary="One group of cameras",
    answer_example=_EXAMPLE,
)
PUT = Endpoint(
    method="PUT",
    path=_ONE,
    tag=TAG,
    summary="Rename a group, or give it other cameras",
    description="People of the group are put on its new cameras, and taken off the others.",
    body_example=GroupBody(dids=["12"]),
    answer_example=_EXAMPLE,
    role="admin",
)
REMOVE = Endpoint(
    method="DELETE",
    path=_ONE,
    tag=TAG,
    summary="Remove a group",
    description=(
        "Answers with the group as it was. Its cameras stay; people who were in no other group are "
        "on no camera then."
    ),
    answer_example=_EXAMPLE,
    role="admin",
)


def add_groups(routes: Routes, services: Services) -> None:
    groups = services.people.groups

    async def list_groups(call: Call[Nothing, Nothing]) -> answers.GroupList:
        return answers.GroupList([answers.group_fields(group) for group in groups.list()])

    async def add_group(call: Call[Nothing, NewGroupBody]) -> answers.Group:
        group = await groups.add(call.body.name, call.body.dids, by=call.caller.actor)
        return answers.group_fields(group)

    async def get_group(call: Call[Nothing, Nothing]) -> answers.Group:
        return answers.group_fields(groups.get(id_of(call, "group")))

    async def put_group(call: Call[Nothing, GroupBody]) -> answers.Group:
        body = call.body
        group = await groups.change(
            id_of(call, "group"), name=body.name, dids=body.dids, by=call.caller.actor
        )
        return answers.group_fields(group)

    async def remove_group(call: Call[Nothing, Nothing]) -> answers.Group:
        group = groups.get(id_of(call, "group"))
        await groups.remove(group.id, by=call.caller.actor)
        return answers.group_fields(group)

    routes.add(LIST, list_groups)
    routes.add(ADD, add_group)
    routes.add(ONE, get_group)
    routes.add(PUT, put_group)
    routes.add(REMOVE, remove_group)
