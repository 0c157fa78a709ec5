"""Import people from a table and a ZIP of photos, with a dry run; and export all of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, CannotStoreNow, HubError, NoSuchResource, TooManyRequests
from hub.services.people.import_export.columns import FIELDS, column_name
from hub.services.people.import_export.imports import MAX_UPLOAD_BYTES, ImportPreview, PreviewRow
from hub.services.people.import_export.plan import Action
from hub.store.people.person_rows import PersonName
from web import auth, language
from web.forms.import_form import stage_import
from web.language import N_, gettext
from web.pages.layout import make_url, page, redirect_to, saved_file, wants_part
from web.pages.people.import_texts import describe_import_error, describe_refusal
from web.pages.shown.known_people import people_named
from web.pages.upload_errors import file_too_large
from web.people_export import export_response

blueprint = Blueprint("people_transfer", __name__, url_prefix="/people")

_PER_PAGE = 100
_MAX_POSITION = 2**31

_ACTIONS: dict[Action, str] = {
    "add": N_("Add"),
    "change": N_("Change"),
    "refuse": N_("Refuse"),
}
#: See .sync-state.
_LOOKS: dict[Action, tuple[str, str]] = {
    "add": ("done", "plus"),
    "change": ("pending", "check"),
    "refuse": ("failed", "alert"),
}


class ActionLink(Struct, frozen=True):
    url: str
    text: str
    count: int
    chosen: bool


class PlannedRowView(Struct, frozen=True, kw_only=True):
    line: int
    name: str
    pid: str
    photo: str
    look: str
    icon: str
    text: str
    reason: str


@blueprint.get("/import", role="people")
async def show_import() -> Response:
    return await _form_page()


@blueprint.post("/import", role="people", check="file")
async def preview() -> Response:
    """Receive the files, and show what importing them would do. Imports nothing."""
    try:
        found = await stage_import()
    except (BadParameter, CannotStoreNow) as error:
        return await _form_page(error)
    return redirect_to(f"/people/import/{found.id}")


@blueprint.get("/import/template.csv", role="people")
async def template() -> Response:
    """An empty table: the names of its columns."""
    names = (column_name(field, language.current().code) for field in FIELDS)
    # Spreadsheets recognise UTF-8 by the byte order mark.
    return saved_file("people-template.csv", f"\ufeff{','.join(names)}\r\n")


@blueprint.get("/import/<id>", role="people")
async def show_preview(id: str) -> Response:
    return await _preview_page(id)


@blueprint.post("/import/<id>", role="people")
async def start(id: str) -> Response:
    try:
        job = await auth.services().people.imports.start(id, auth.actor())
    except TooManyRequests as error:
        return await _preview_page(id, error)
    except NoSuchResource as error:
        return await _form_page(error)
    return redirect_to(f"/jobs/{job.id}")


@blueprint.post("/export", role="people")
async def export() -> Response:
    code = language.current().code
    return await export_response(auth.services(), code, by=auth.actor())


async def _form_page(error: HubError | None = None) -> Response:
    gone = isinstance(error, NoSuchResource)
    names = [column_name(field, language.current().code) for field in FIELDS]
    return await page(
        "people/_import_form.html" if wants_part() else "people/import.html",
        # The script shows the form again if the status is 400.
        status=400 if error else 200,
        fault=gettext("These files are no longer available. Choose them again.")
        if gone
        else describe_import_error(error)
        if error
        else "",
        columns=names,
        count=await auth.services().people.register.count(),
        most=MAX_UPLOAD_BYTES,
        too_large=file_too_large(MAX_UPLOAD_BYTES >> 20),
    )


async def _preview_page(id: str, error: HubError | None = None) -> Response:
    imports = auth.services().people.imports
    try:
        found = imports.get(id)
    except NoSuchResource as gone:
        return await _form_page(gone)
    after = max(-1, min(request.args.get("after", -1, type=int), _MAX_POSITION))
    only = request.args.get("only", "")
    actions = tuple(action for action in get_args(Action) if action == only)
    rows = await imports.rows(id, after, _PER_PAGE + 1, actions)
    shown, more = rows[:_PER_PAGE], len(rows) > _PER_PAGE
    known = await people_named(
        auth.services().people.register, (row.pid for row in shown if not row.name)
    )
    here, last = f"/people/import/{id}", str(shown[-1].position) if shown else ""
    return await page(
        "people/import_preview.html",
        status=error.status if error else 200,
        fault=gettext("Another import is running. Wait until it has finished.") if error else "",
        preview=found,
        links=_action_links(found, here, only if actions else ""),
        rows=[_row_view(row, known) for row in shown],
        next=make_url(here, only=only if actions else "", after=last) if more else "",
        is_first=after < 0,
        here=here,
    )


def _action_links(found: ImportPreview, here: str, chosen: str) -> list[ActionLink]:
    counts: tuple[tuple[str, str, int], ...] = (
        ("", N_("All"), found.rows),
        ("add", _ACTIONS["add"], found.adds),
        ("change", _ACTIONS["change"], found.changes),
        ("refuse", _ACTIONS["refuse"], found.refused),
    )
    return [
        ActionLink(make_url(here, only=action), gettext(text), count, action == chosen)
        for action, text, count in counts
    ]


def _row_view(row: PreviewRow, known: Mapping[str, PersonName]) -> PlannedRowView:
    """`known`: people of the register, for rows that only have a number or a photo."""
    look, icon = _LOOKS[row.action]
    present = known.get(row.pid)
    return PlannedRowView(
        line=row.line,
        name=row.name or (present.name if present else ""),
        pid=row.pid,
        photo=row.photo,
        look=look,
        icon=icon,
        text=gettext(_ACTIONS[row.action]),
        reason="" if row.refusal is None else describe_refusal(row.refusal),
    )
