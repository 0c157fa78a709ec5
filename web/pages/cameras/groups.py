"""Groups of cameras, such as "Gate": who is in them, and how many people belong on them."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import AlreadyExists, BadParameter
from hub.services.people.validation import MAX_GROUP_NAME_LENGTH
from hub.store.people.groups import MAX_GROUPS, CameraGroup
from hub.store.people.people import PersonFilter
from web import auth
from web.language import gettext
from web.pages.layout import page, redirect_to

blueprint = Blueprint("camera_groups", __name__, url_prefix="/cameras/groups")


class GroupCamera(Struct, frozen=True):
    did: str
    name: str
    chosen: bool


class GroupRow(Struct, frozen=True):
    """A group, its cameras, and how many people of the register name it."""

    id: int
    name: str
    cameras: list[GroupCamera]
    people: int


@blueprint.get("", role="guard")
async def groups() -> Response:
    return await _groups_page(None, "", ())


@blueprint.post("/add", role="admin")
async def add() -> Response:
    name, dids = await _read_form()
    try:
        await auth.services().people.groups.add(name, dids, by=auth.actor())
    except BadParameter as error:
        return await _groups_page(None, name, dids, error)
    return redirect_to("/cameras/groups?done=group-added")


@blueprint.get("/<int:id>", role="admin")
async def show_edit(id: int) -> Response:
    group = auth.services().people.groups.get(id)
    return await _groups_page(group, group.name, group.dids)


@blueprint.post("/<int:id>", role="admin")
async def edit(id: int) -> Response:
    hub = auth.services()
    group, (name, dids) = hub.people.groups.get(id), await _read_form()
    try:
        await hub.people.groups.change(id, name=name, dids=dids, by=auth.actor())
    except BadParameter as error:
        return await _groups_page(group, name, dids, error)
    return redirect_to("/cameras/groups?done=changed")


async def _ask_to_remove(id: int) -> Response:
    row = await _row(auth.services().people.groups.get(id))
    return await page("cameras/group_remove.html", row=row)


@blueprint.post("/<int:id>/remove", role="admin", confirm=_ask_to_remove)
async def remove(id: int) -> Response:
    await auth.services().people.groups.remove(id, by=auth.actor())
    return redirect_to("/cameras/groups?done=group-removed")


async def _read_form() -> tuple[str, tuple[str, ...]]:
    form = await request.form
    return form.get("name", "").strip(), tuple(dict.fromkeys(form.getlist("did")))


async def _row(group: CameraGroup) -> GroupRow:
    names = {
        device.did: device.name or device.sn for device in auth.services().cameras.devices.list()
    }
    return GroupRow(
        id=group.id,
        name=group.name or gettext("No name"),
        cameras=[GroupCamera(did, names.get(did, did), True) for did in group.dids],
        people=await auth.services().people.register.count(PersonFilter(group=group.id)),
    )


def camera_choices(chosen: Sequence[str]) -> list[GroupCamera]:
    """All cameras by name, with those that are chosen."""
    choices = [
        GroupCamera(device.did, device.name or device.sn, device.did in chosen)
        for device in auth.services().cameras.devices.list()
    ]
    return sorted(choices, key=lambda one: one.name.casefold())


async def _groups_page(
    group: CameraGroup | None,
    name: str,
    dids: Sequence[str],
    error: BadParameter | None = None,
) -> Response:
    """The groups, with the form of `group`; None: of a new one."""
    return await page(
        "cameras/groups.html",
        status=error.status if error else 200,
        rows=[await _row(one) for one in auth.services().people.groups.list()],
        group=group,
        name=name,
        cameras=camera_choices(dids),
        name_length=MAX_GROUP_NAME_LENGTH,
        fault=_describe(error) if error else "",
    )


def _describe(error: BadParameter) -> str:
    if isinstance(error, AlreadyExists):
        return gettext("There is already a group with this name.")
    if error.field == "name":
        return gettext("The name must have 1 to %(n)s characters, without line breaks.") % {
            "n": MAX_GROUP_NAME_LENGTH
        }
    if error.field == "dids":
        return gettext("One of the cameras has been removed in the meantime.")
    return gettext("There can be at most %(n)s groups.") % {"n": MAX_GROUPS}
