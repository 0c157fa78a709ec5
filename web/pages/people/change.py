"""Add, change and remove people of the register."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import msgspec
from quart import Blueprint, Response, request
from werkzeug.datastructures import MultiDict

from hub.errors import AlreadyExists, BadParameter, HubError, Missing, NoSuchResource
from hub.services.photos.photos import BadPhoto
from hub.store.people.person_rows import Person, PersonChange
from web import auth
from web.forms.file_forms import FileForm, read_file_form
from web.language import gettext
from web.pages.choices import group_choices
from web.pages.device_errors import DEVICE_ERRORS, describe_device_error
from web.pages.layout import page, redirect_to
from web.pages.people.form import (
    PersonForm,
    empty_form,
    field_of,
    form_fields,
    form_of,
    make_change,
    read_form,
)
from web.pages.people.people_list import ROWS_PER_PAGE, read_query
from web.pages.people.photo_picker import (
    PictureSource,
    chosen_photo,
    photo_picker,
    read_source,
)
from web.pages.people.rows import photo_url
from web.pages.people.views import check_pid, list_page
from web.pages.shown.form_fields import describe_photo_error
from web.pages.upload_errors import UPLOAD_ERRORS

blueprint = Blueprint("people_change", __name__, url_prefix="/people")

_PHOTO_ERRORS = (*UPLOAD_ERRORS, *DEVICE_ERRORS, NoSuchResource)

#: Stores what the form says.
Save = Callable[[PersonForm, PersonChange], Awaitable[Person]]


@blueprint.get("/add", role="people")
async def show_add() -> Response:
    known = {name: request.args.get(name, "")[:200] for name in ("name", "pid")}
    return await _form_page(empty_form(known), read_source(request.args))


@blueprint.post("/add", role="people", check="file")
async def add() -> Response:

    async def save(form: PersonForm, change: PersonChange) -> Person:
        pid = form.values["pid"] or None
        return await auth.services().people.register.add(change, by=auth.actor(), pid=pid)

    return await _save(None, save, "person-in-register")


@blueprint.get("/<pid>/edit", role="people")
async def show_edit(pid: str) -> Response:
    people = auth.services().people.register
    found = await people.get(check_pid(pid))
    await people.note_numbers_shown([found], auth.actor())
    return await _form_page(form_of(found), PictureSource(), found)


@blueprint.post("/<pid>/edit", role="people", check="file")
async def edit(pid: str) -> Response:
    found = await auth.services().people.register.get(check_pid(pid))

    async def save(form: PersonForm, change: PersonChange) -> Person:
        return await auth.services().people.register.change(pid, change, by=auth.actor())

    return await _save(found, save, "person-changed")


async def _ask_to_remove(pid: str) -> Response:
    found = await auth.services().people.register.get(check_pid(pid))
    return await page("people/remove.html", person=found, photo=photo_url(found))


@blueprint.post("/<pid>/remove", role="people", confirm=_ask_to_remove)
async def remove(pid: str) -> Response:
    await auth.services().people.register.remove(check_pid(pid), by=auth.actor())
    return redirect_to("/people?done=person-removed")


def _read_pids(sent: MultiDict[str, str]) -> list[str]:
    """Who was selected in the list. Raises BadParameter, NoSuchPath."""
    pids = sent.getlist("pid")
    if not 0 < len(pids) <= ROWS_PER_PAGE:
        raise BadParameter(f"1 to {ROWS_PER_PAGE} people are expected", field="pid")
    return [check_pid(pid) for pid in dict.fromkeys(pids)]


async def _ask_to_remove_many() -> Response:
    query = read_query(request.args)
    try:
        pids = _read_pids(request.args)
    except BadParameter:
        return await list_page(gettext("Select 1 to %(n)s people.") % {"n": ROWS_PER_PAGE})
    found = await auth.services().people.register.names(pids)
    people = [found[pid] for pid in pids if pid in found]
    if not people:
        raise Missing("person", pid=pids[0])
    return await page(
        "people/remove_many.html",
        people=people,
        gone=len(pids) - len(people),
        fields=[*(("pid", one.pid) for one in people), *query.given.items()],
        cancel=query.here(),
    )


@blueprint.post("/remove", role="people", confirm=_ask_to_remove_many)
async def remove_many() -> Response:
    form = await request.form
    pids = _read_pids(form)
    removed = await auth.services().people.register.remove_many(pids, by=auth.actor())
    done = "people-removed" if len(removed) == len(pids) else "people-removed-but-gone"
    return redirect_to(read_query(form).here(done=done))


async def _save(person: Person | None, save: Save, done: str) -> Response:
    """Store the form of this request, or show it again with what is wrong."""
    form, source = empty_form(), PictureSource()
    try:
        sent = await read_file_form("photo")
        form, source = read_form(sent.fields), read_source(sent.fields)
        change = await _with_photo(make_change(form), sent, source)
        stored = await save(form, change)
    except _PHOTO_ERRORS as error:
        return await _form_page(form, source, person, error)
    return redirect_to(f"/people/{stored.pid}?done={done}")


async def _with_photo(change: PersonChange, sent: FileForm, source: PictureSource) -> PersonChange:
    """The change with the photo of the form, if it has one. Raises one of _PHOTO_ERRORS."""
    if sent.fields.get("remove_photo"):
        return msgspec.structs.replace(change, photo=None)
    data = await chosen_photo(sent.file, source)
    return msgspec.structs.replace(change, photo=data) if data else change


async def _form_page(
    form: PersonForm,
    source: PictureSource,
    person: Person | None = None,
    error: HubError | None = None,
) -> Response:
    wrong = error if isinstance(error, BadParameter) else None
    hub = auth.services()
    return await page(
        "people/form.html",
        status=error.status if error else 200,
        person=person,
        present=photo_url(person) if person else "",
        fields=form_fields(form, wrong, is_new=person is None),
        everywhere=form.groups is None,
        groups=group_choices(hub.people.groups.list(), [str(id) for id in form.groups or ()]),
        group_fault=field_of(wrong) == "groups",
        photo=await photo_picker(source, is_required=False),
        fault=_describe(error),
        is_sent=error is not None,
    )


def _describe(error: HubError | None) -> str:
    match error:
        case None:
            return ""
        case AlreadyExists():
            return gettext("There is already a person with this ID.")
        case BadPhoto():
            return describe_photo_error(error)
        case BadParameter() if field_of(error):
            return gettext("Nothing was saved: one value is not valid. It is marked below.")
        case NoSuchResource():
            return gettext("The picture no longer exists. Choose a photo.")
    if isinstance(error, DEVICE_ERRORS):
        return describe_device_error(error)
    return describe_photo_error(error)
