"""The people stored on a camera: list (1.13), details (1.14), add (1.12) and delete (1.15)."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import AlreadyExists, BadParameter, HubError, NoSuchPath
from hub.services.devices.views import DeviceView
from hub.services.people.masking import masked_number
from hub.wire.commands.answers import Person
from hub.wire.commands.capabilities import may_know
from hub.wire.commands.dialect import PERSON_LIST
from hub.wire.commands.param_structs import MAX_PID, PersonList
from hub.wire.commands.params import check_fields
from hub.wire.redaction import is_personal_number
from web import auth
from web.forms.file_forms import read_file_form
from web.language import gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.layout import camera_page, device_picture_url, get_camera
from web.pages.camera.paged_list import each, read_position, stream_list
from web.pages.camera.people.filters import (
    FILTERS,
    describe_filter_error,
    filter_fields,
    may_ask_by_numbers,
    read_filters,
)
from web.pages.camera.people.form import (
    LABELS,
    TABLES,
    category_choices,
    make_param,
    person_fields,
    read_values,
)
from web.pages.camera.streamed_page import PartRenderer, streamed_camera_page
from web.pages.device_errors import DEVICE_ERRORS, describe_change_error
from web.pages.layout import redirect_to
from web.pages.shown.form_fields import describe_photo_error, photo_field
from web.pages.shown.record_cards import ListBadge, list_badge, table_text
from web.pages.upload_errors import UPLOAD_ERRORS

blueprint = Blueprint("camera_people", __name__, url_prefix="/cameras/<int:did>/people")

PAGE = "camera/people/people.html"

_PID = re.compile(r"[0-9]{1,20}", re.ASCII)


class CardFact(Struct, frozen=True):
    label: str
    value: str


class PersonCard(Struct, frozen=True, kw_only=True):
    """A person as text. `url` is empty if the pid is not valid in a command."""

    pid: str
    name: str
    url: str
    picture: str
    badge: ListBadge | None
    facts: tuple[CardFact, ...]


@blueprint.get("/list", role="guard")
async def people(did: int) -> Response:
    device, hub = get_camera(did), auth.services()
    sees_numbers = may_ask_by_numbers(auth.user(), device)
    query = _read_query(request.args, sees_numbers=sees_numbers)
    position = read_position(request.args)
    page = list_values(device, query, is_first=position.page is None)
    try:
        param = _make_list_param(query, position.page)
    except BadParameter as error:
        return await camera_page(
            PAGE, device, status=400, fault=_describe_query_error(error), **page
        )

    def ask(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        return stream_list(
            renderer,
            lambda: hub.cameras.commands.people(device.did, param, left=position.left),
            each(lambda row: _make_card(row, device.did)),
            "camera/people/_people.html",
            "camera/people/_people_end.html",
            query=query,
            is_first=position.page is None,
            is_filtered=bool(query),
        )

    return await streamed_camera_page(PAGE, device, ask, **page)


def list_values(
    device: DeviceView, query: Mapping[str, str] = {}, *, is_first: bool = True
) -> dict[str, Any]:
    """What the page shows around the list."""
    sees_numbers = may_ask_by_numbers(auth.user(), device)
    return {
        "filters": filter_fields(PersonList, query, sees_numbers=sees_numbers),
        "category": query.get("category", ""),
        "categories": category_choices(),
        "is_filtered": bool(query),
        "is_first": is_first,
        "first_url": "?" + urlencode(query) if query else "",
        "may_ask_who": may_ask_who(device),
        "photo": photo_field(),
        "fields": person_fields({}),
    }


def may_ask_who(device: DeviceView) -> bool:
    return may_know(auth.services().cameras.capabilities.of(device.did), "people")


@blueprint.get("/<pid>", role="guard")
async def person(did: int, pid: str) -> Response:
    me = auth.user()
    device, hub, by = get_camera(did), auth.services(), auth.actor()
    _check_pid(pid)

    async def ask(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        found = await hub.cameras.commands.person_query(device.did, pid)
        sees_numbers = auth.reaches(me, "admin")
        if sees_numbers and any((found.id_card_no, found.ic_card_no, found.phone)):
            await hub.people.register.note_device_numbers_shown(device.did, by)
        yield await renderer.render(
            "camera/people/_person.html",
            person=_make_card(found, device.did, sees_numbers=sees_numbers),
            may_delete=auth.reaches(me, "admin"),
        )

    return await streamed_camera_page("camera/people/person.html", device, ask, pid=pid)


@blueprint.post("/add", role="admin", check="file")
async def add(did: int) -> Response:
    device, hub = get_camera(did), auth.services()
    values: Mapping[str, str] = {}
    try:
        form = await read_file_form("photo")
        values = read_values(form.fields)
        param = make_param(values, await hub.cameras.photos.for_devices(form.file))
    except UPLOAD_ERRORS as error:
        return await _add_page(device, values, error)
    if not form.fields.get("replace") and (holder := await _find_holder(device, param.pid)):
        return await _add_page(device, values, holder=holder)
    device_error = await perform_audited(
        device,
        "device.person_add",
        lambda: hub.cameras.commands.person_add(device.did, param),
    )
    if device_error is not None:
        return await _add_page(device, values, device_error)
    return redirect_to(f"/cameras/{did}/people/{param.pid}?done=person-added")


async def _ask_to_delete(did: int, pid: str) -> Response:
    return await _delete_page(get_camera(did), pid)


@blueprint.post("/<pid>/delete", role="admin", confirm=_ask_to_delete)
async def delete(did: int, pid: str) -> Response:
    device, hub = get_camera(did), auth.services()
    _check_pid(pid)
    device_error = await perform_audited(
        device,
        "device.person_delete",
        lambda: hub.cameras.commands.person_delete(device.did, pid),
    )
    if device_error is not None:
        return await _delete_page(device, pid, device_error)
    return redirect_to(f"/cameras/{did}/people/list?done=person-deleted")


async def _find_holder(device: DeviceView, pid: str) -> str:
    """Name of the person who already has that pid; "" if there is none or the camera fails."""
    try:
        holder = await auth.services().cameras.commands.person_query(device.did, pid)
    except DEVICE_ERRORS:
        return ""
    return holder.name or gettext("No name")


async def _add_page(
    device: DeviceView,
    values: Mapping[str, str],
    error: HubError | None = None,
    *,
    holder: str = "",
) -> Response:
    """The page of people with the form again. `holder`: the person who already has that pid; the
    page asks whether to replace them.
    """
    wrong = error if isinstance(error, BadParameter) else None
    is_field = wrong is not None and wrong.field.removeprefix("param.") in LABELS
    values_of_page = list_values(device) | {"fields": person_fields(values, wrong)}
    return await camera_page(
        PAGE,
        device,
        status=error.status if error else AlreadyExists.status,
        add_fault=_describe_add_error(error, is_field=is_field),
        is_sent=True,
        holder=holder,
        pid=values.get("pid", ""),
        **values_of_page,
    )


def _describe_add_error(error: HubError | None, *, is_field: bool) -> str:
    if error is None:
        return ""
    if is_field:
        return gettext("Nothing was sent: one value is not valid. It is marked below.")
    if isinstance(error, UPLOAD_ERRORS):
        return describe_photo_error(error)
    return describe_change_error(error)


async def _delete_page(device: DeviceView, pid: str, error: HubError | None = None) -> Response:
    """Ask for confirmation. The page shows the person as the camera describes them."""
    _check_pid(pid)
    hub = auth.services()

    async def ask(renderer: PartRenderer) -> AsyncGenerator[str, None]:
        if error is not None:
            return
        found = await hub.cameras.commands.person_query(device.did, pid)
        yield await renderer.render(
            "camera/people/_person.html", person=_make_card(found, device.did)
        )

    return await streamed_camera_page(
        "camera/people/delete.html",
        device,
        ask,
        status=error.status if error else 200,
        pid=pid,
        fault=describe_change_error(error) if error else "",
    )


def _check_pid(pid: str) -> None:
    """Check that it is a pid. Raises NoSuchPath."""
    if not _is_pid(pid):
        raise NoSuchPath


def _is_pid(text: str) -> bool:
    return bool(_PID.fullmatch(text)) and 1 <= int(text) <= MAX_PID


def _read_query(args: Mapping[str, str], *, sees_numbers: bool) -> dict[str, str]:
    """The search form, from the query parameters."""
    category = args.get("category", "").strip()
    filters = read_filters(args, sees_numbers=sees_numbers)
    return filters | ({"category": category} if category else {})


def _make_list_param(query: Mapping[str, str], page: int | None) -> PersonList:
    """Check the query. Raises BadParameter that names the field."""
    return check_fields(PERSON_LIST, {**query, "page_num": page})


def _describe_query_error(error: BadParameter) -> str:
    field = error.field.removeprefix("param.")
    if field in FILTERS:
        return describe_filter_error(PersonList, field)
    return gettext("There is no such list. Choose one of the options.")


def _make_card(person_found: Person, did: str, *, sees_numbers: bool = False) -> PersonCard:
    badge = list_badge(person_found.category)
    return PersonCard(
        pid=person_found.pid,
        name=person_found.name or gettext("No name"),
        url=f"/cameras/{did}/people/{person_found.pid}" if _is_pid(person_found.pid) else "",
        picture=device_picture_url(did, person_found.photo) if person_found.photo else "",
        badge=badge,
        facts=tuple(
            CardFact(gettext(label), value)
            for name, label in LABELS.items()
            # The page shows the name and badge above.
            if not (name == "name" or (name == "category" and badge))
            and (value := _format_value(person_found, name, sees_numbers))
        ),
    )


def _format_value(person_found: Person, name: str, sees_numbers: bool) -> str:
    value = getattr(person_found, name)
    if is_personal_number(name) and not sees_numbers:
        return masked_number(value or "")
    if name in TABLES:
        return table_text(value, TABLES[name])
    # An age of 0 means unknown.
    return "" if value is None or (name == "age" and not value) else str(value)
