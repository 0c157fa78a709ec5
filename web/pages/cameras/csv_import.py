"""Many cameras as a sheet (CSV): looked at before they are added, and written."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response

from hub.errors import BadParameter
from hub.services.devices.csv_import import MOST_BYTES, BadCsv, DeviceCsv, RowFault
from hub.services.shielding import shielded
from web import auth
from web.forms.file_forms import FileForm, read_file_form
from web.pages.labels import device_fault, row_fault
from web.pages.language import gettext
from web.pages.layout import go, page
from web.pages.upload_errors import UPLOAD_ERRORS, file_too_large, form_fault

blueprint = Blueprint("sheets", __name__, url_prefix="/cameras")

#: What was looked at comes back as a field, where each end of a line has become two characters.
_MAX_FORM_BYTES = MOST_BYTES + (1 << 20)
#: What a preview shows of it; the rest is counted.
_MOST_SHOWN = 200


class BadRow(Struct, frozen=True):
    line: int
    text: str


@blueprint.get("/import")
async def show_import() -> Response:
    await auth.require_role("admin")
    return await _import_page()


@blueprint.post("/import")
async def look_at() -> Response:
    """What would be added, or what is wrong; nothing is added yet."""
    me = await auth.require_role("admin")
    devices = auth.services().devices
    try:
        form = await read_file_form(me, "file", _MAX_FORM_BYTES)
    except UPLOAD_ERRORS as error:
        return await _import_page(fault=form_fault(error, _megabytes()))
    await auth.check_csrf(form.fields)
    text = _text_of(form)
    if text is None:
        return await _import_page(
            fault=gettext("The file is not UTF-8 text. In Excel, save it as “CSV UTF-8”.")
        )
    try:
        sheet = await devices.read_csv(text)
        await devices.check_import(sheet)
    except BadCsv as error:
        return await _import_page(text=text, faults=error.faults)
    return await _import_page(text=text, sheet=sheet)


@blueprint.post("/import/add")
async def add() -> Response:
    """What was looked at before: all of it, or nothing."""
    me = await auth.require_role("admin")
    hub = auth.services()
    try:
        form = await read_file_form(me, "file", _MAX_FORM_BYTES)
    except UPLOAD_ERRORS as error:
        return await _import_page(fault=form_fault(error, _megabytes()))
    await auth.check_csrf(form.fields)
    text = form.fields.get("text", "")
    try:
        sheet = await hub.devices.read_csv(text)
        with shielded():
            added = await hub.devices.import_csv(sheet)
            dids = [device.did for device in added]
            await hub.audit.add_each(auth.actor(me), "device.add", dids)
    except BadCsv as error:
        return await _import_page(text=text, faults=error.faults)
    except BadParameter as error:  # A camera of the same number was added this very moment.
        return await _import_page(text=text, fault=device_fault(error))
    return go("/cameras?done=imported")


@blueprint.get("/export.csv")
async def export() -> Response:
    await auth.require_role("admin")
    # With the mark by which spreadsheets know UTF-8.
    text = "\ufeff" + auth.services().devices.export_csv()
    response = Response(text, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="cameras.csv"'
    return response


async def _import_page(
    *,
    text: str = "",
    fault: str = "",
    faults: tuple[RowFault, ...] = (),
    sheet: DeviceCsv | None = None,
) -> Response:
    return await page(
        "cameras/csv_import.html",
        area="cameras",
        status=400 if fault or faults else 200,
        text=text,
        fault=fault,
        bad_rows=[BadRow(one.line, row_fault(one)) for one in faults[:_MOST_SHOWN]],
        bad=len(faults),
        rows=sheet.rows[:_MOST_SHOWN] if sheet else (),
        good=len(sheet.rows) if sheet else 0,
        most_bytes=_megabytes() << 20,
        too_large=file_too_large(_megabytes()),
        has_site_key=auth.services().devices.site_key() is not None,
    )


def _megabytes() -> int:
    """What a sheet may have."""
    return min(MOST_BYTES >> 20, auth.services().config.web.max_body_mb)


def _text_of(form: FileForm) -> str | None:
    """The file where one was chosen; None where it is no text."""
    if not form.file:
        return form.fields.get("text", "")
    try:
        return str(form.file, "utf-8-sig")
    except UnicodeDecodeError:
        return None
