"""The people that a camera knows itself: listed (1.13), one of them (1.14), added and deleted."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping
from typing import Any
from urllib.parse import urlencode

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import AlreadyExists, BadParameter, HubError, NoSuchPath
from hub.services.devices.views import DeviceView
from hub.wire.commands.dialect import PERSON_LIST
from hub.wire.commands.messages import MAX_PID, Person, PersonList
from hub.wire.commands.params import check_fields
from web import auth
from web.forms.file_forms import read_file_form
from web.pages.camera.audited_action import have_done
from web.pages.camera.layout import camera, camera_page
from web.pages.camera.paged_list import listed, place_of
from web.pages.camera.people.filters import FILTERS, filter_fault, filters_sent, shown_filters
from web.pages.camera.people.form import (
    LABELS,
    TABLES,
    category_choices,
    param_of,
    shown_fields,
    values_sent,
)
from web.pages.camera.photo_field import photo_fault, photo_field
from web.pages.camera.picture_urls import picture_url
from web.pages.camera.streamed_page import Parts, asking_page
from web.pages.device_errors import DEVICE_ERRORS, change_trouble
from web.pages.language import gettext
from web.pages.layout import go
from web.pages.live.record_cards import Badge, badge_of, table_text
from web.pages.upload_errors import UPLOAD_ERRORS

blueprint = Blueprint("camera_people", __name__, url_prefix="/cameras/<int:did>/people")

_PAGE = "camera/people/people.html"

_PID = re.compile(r"[0-9]{1,20}", re.ASCII)


class Fact(Struct, frozen=True):
    label: str
    value: str


class Shown(Struct, frozen=True, kw_only=True):
    """A person in words. `url` is empty where the number is none that a camera can be asked by."""

    pid: str
    name: str
    url: str
    picture: str
    badge: Badge | None
    facts: tuple[Fact, ...]


@blueprint.get("")
async def people(did: int) -> Response:
    await auth.require_role("guard")
    device, hub = camera(did), auth.services()
    asked, place = _asked(request.args), place_of(request.args)
    page: dict[str, Any] = {
        "filters": shown_filters(PersonList, asked),
        "category": asked.get("category", ""),
        "categories": category_choices(),
        "is_filtered": bool(asked),
        "is_first": place.page is None,
        "first_url": "?" + urlencode(asked) if asked else "",
    }
    try:
        param = _list_param(asked, place.page)
    except BadParameter as error:
        return await camera_page(
            _PAGE, device, tab="/people", status=400, fault=_filter_fault(error), **page
        )

    def ask(parts: Parts) -> AsyncGenerator[str, None]:
        return listed(
            parts,
            lambda: hub.commands.people(device.did, param, left=place.left),
            lambda row: _shown(row, device.did),
            "camera/people/_people.html",
            "camera/people/_people_end.html",
            query=asked,
            is_first=place.page is None,
            is_filtered=bool(asked),
        )

    return await asking_page(_PAGE, device, ask, tab="/people", **page)


@blueprint.get("/<pid>")
async def person(did: int, pid: str) -> Response:
    me = await auth.require_role("guard")
    device, hub = camera(did), auth.services()
    _check_pid(pid)

    async def ask(parts: Parts) -> AsyncGenerator[str, None]:
        found = await hub.commands.person_query(device.did, pid)
        yield await parts.show(
            "camera/people/_person.html",
            person=_shown(found, device.did),
            may_delete=auth.reaches(me, "admin"),
        )

    return await asking_page("camera/people/person.html", device, ask, tab="/people", pid=pid)


@blueprint.get("/add")
async def show_add(did: int) -> Response:
    await auth.require_role("admin")
    return await _add_page(camera(did), {})


@blueprint.post("/add")
async def add(did: int) -> Response:
    me = await auth.require_role("admin")
    device, hub = camera(did), auth.services()
    values: Mapping[str, str] = {}
    try:
        form = await read_file_form(me, "photo")
        await auth.check_csrf(form.fields)
        values = values_sent(form.fields)
        param = param_of(values, await hub.photos.for_devices(form.file))
    except UPLOAD_ERRORS as error:
        return await _add_page(device, values, error)
    if not form.fields.get("replace") and (holder := await _holder_of(device, param.pid)):
        return await _add_page(device, values, holder=holder)
    trouble = await have_done(
        device,
        me,
        "device.person_add",
        lambda: hub.commands.person_add(device.did, param),
        of=param.pid,
    )
    if trouble is not None:
        return await _add_page(device, values, trouble)
    return go(f"/cameras/{did}/people/{param.pid}?done=person-added")


@blueprint.get("/<pid>/delete")
async def ask_to_delete(did: int, pid: str) -> Response:
    await auth.require_role("admin")
    return await _delete_page(camera(did), pid)


@blueprint.post("/<pid>/delete")
async def delete(did: int, pid: str) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    device, hub = camera(did), auth.services()
    _check_pid(pid)
    trouble = await have_done(
        device,
        me,
        "device.person_delete",
        lambda: hub.commands.person_delete(device.did, pid),
        of=pid,
    )
    if trouble is not None:
        return await _delete_page(device, pid, trouble)
    return go(f"/cameras/{did}/people?done=person-deleted")


async def _holder_of(device: DeviceView, pid: str) -> str:
    """Who has that number on the camera, whom adding would replace; "" where it does not tell."""
    try:
        holder = await auth.services().commands.person_query(device.did, pid)
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
    """`holder` has the number already: whether that person is to be replaced is asked."""
    wrong = error if isinstance(error, BadParameter) else None
    is_field = wrong is not None and wrong.field.removeprefix("param.") in LABELS
    return await camera_page(
        "camera/people/add.html",
        device,
        tab="/people",
        status=error.status if error else AlreadyExists.status if holder else 200,
        fields=shown_fields(values, wrong),
        photo=photo_field(),
        fault=_add_fault(error, is_field=is_field),
        is_sent=error is not None or bool(holder),
        holder=holder,
        pid=values.get("pid", ""),
    )


def _add_fault(error: HubError | None, *, is_field: bool) -> str:
    if error is None:
        return ""
    if is_field:
        return gettext("Nothing was sent: one value is not valid. It is marked below.")
    if isinstance(error, UPLOAD_ERRORS):
        return photo_fault(error)
    return change_trouble(error)


async def _delete_page(device: DeviceView, pid: str, trouble: HubError | None = None) -> Response:
    """Who it is is asked of the camera; the button comes after the answer."""
    _check_pid(pid)
    hub = auth.services()

    async def ask(parts: Parts) -> AsyncGenerator[str, None]:
        if trouble is not None:
            return
        found = await hub.commands.person_query(device.did, pid)
        yield await parts.show("camera/people/_person.html", person=_shown(found, device.did))

    return await asking_page(
        "camera/people/delete.html",
        device,
        ask,
        tab="/people",
        status=trouble.status if trouble else 200,
        pid=pid,
        fault=change_trouble(trouble) if trouble else "",
    )


def _check_pid(pid: str) -> None:
    """Raises NoSuchPath: there is no page of such a person."""
    if not _is_pid(pid):
        raise NoSuchPath


def _is_pid(text: str) -> bool:
    return bool(_PID.fullmatch(text)) and 1 <= int(text) <= MAX_PID


def _asked(args: Mapping[str, str]) -> dict[str, str]:
    """What is looked for, as the address has it."""
    category = args.get("category", "").strip()
    return filters_sent(args) | ({"category": category} if category else {})


def _list_param(asked: Mapping[str, str], page: int | None) -> PersonList:
    """Raises BadParameter that names the field."""
    return check_fields(PERSON_LIST, {**asked, "page_num": page})


def _filter_fault(error: BadParameter) -> str:
    field = error.field.removeprefix("param.")
    if field in FILTERS:
        return filter_fault(PersonList, field)
    return gettext("There is no such list. Choose one of the options.")


def _shown(one: Person, did: str) -> Shown:
    badge = badge_of(one.category)
    return Shown(
        pid=one.pid,
        name=one.name or gettext("No name"),
        url=f"/cameras/{did}/people/{one.pid}" if _is_pid(one.pid) else "",
        picture=picture_url(did, one.photo) if one.photo else "",
        badge=badge,
        facts=tuple(
            Fact(gettext(label), value)
            for name, label in LABELS.items()
            # Name and badge are told above.
            if not (name == "name" or (name == "category" and badge))
            and (value := _value(one, name))
        ),
    )


def _value(one: Person, name: str) -> str:
    value = getattr(one, name)
    if name in TABLES:
        return table_text(value, TABLES[name])
    # 0 years are none that are known.
    return "" if value is None or (name == "age" and not value) else str(value)
