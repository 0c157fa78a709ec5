"""Add cameras in advance: one, or those of a CSV table after a preview; and export them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter, TooManyRequests
from hub.services.devices.csv_import import (
    MAX_CSV_BYTES,
    BadCsv,
    DeviceCsv,
    RowFault,
    decode_csv,
    write_template,
)
from hub.store.tables.devices import NewDevice
from hub.wire.code_tables import Language
from web import auth, language
from web.forms.file_forms import read_file_form
from web.forms.key_field import read_key
from web.language import gettext
from web.pages.labels import describe_field_error, describe_row_fault
from web.pages.layout import page, redirect_to, saved_file
from web.pages.upload_errors import UPLOAD_ERRORS, describe_form_error, file_too_large

blueprint = Blueprint("add_cameras", __name__, url_prefix="/cameras")

#: The form of a preview has the text in a field; browsers send its line ends as two characters.
_MAX_FORM_BYTES = MAX_CSV_BYTES + (1 << 20)
#: Rows that a preview shows; the rest is counted.
_MAX_SHOWN = 200
#: By this, spreadsheets recognise UTF-8.
_MARK = "\ufeff"
#: Cameras that a sentence names.
_MAX_NAMED = 10


class RejectedRow(Struct, frozen=True):
    """`row`: as the spreadsheet numbers it. `sn`: "" if it was not read."""

    row: int
    sn: str
    text: str


@blueprint.get("/add", role="admin")
async def show() -> Response:
    return await _add_page()


@blueprint.post("/add", role="admin")
async def add_one() -> Response:
    form = await request.form
    values = {name: form.get(name, "").strip() for name in ("sn", "code", "did", "name")}
    values["key"] = await read_key()
    hub = auth.services()
    try:
        device = await hub.cameras.devices.add(
            NewDevice(
                sn=values["sn"],
                code=values["code"],
                did=values["did"] or None,
                name=values["name"],
                key=values["key"] or None,
            )
        )
        await hub.core.audit.add(auth.actor(), "device.add", device.did)
    except BadParameter as error:
        return await _add_page(values=values, one_fault=describe_field_error(error))
    return redirect_to(f"/cameras/{device.did}?done=added")


@blueprint.post("/import", role="admin", check="file")
async def preview() -> Response:
    """Show what would be added or what is wrong. Adds nothing."""
    devices = auth.services().cameras.devices
    try:
        form = await read_file_form("file", _MAX_FORM_BYTES)
    except UPLOAD_ERRORS as error:
        return await _add_page(fault=describe_form_error(error, _max_file_mb()))
    text = form.fields.get("text", "")
    try:
        if form.file:
            text = decode_csv(form.file)
        table = await devices.read_csv(text)
        await devices.check_import(table)
        doubtful = auth.services().cameras.enrolment.wrong_codes([row.device for row in table.rows])
    except TooManyRequests:
        doubtful = []
    except BadCsv as error:
        return await _add_page(text=text, faults=error.faults)
    return await _add_page(text=text, table=table, doubtful=doubtful)


@blueprint.post("/import/add", role="admin", check="file")
async def add() -> Response:
    """Add all previewed cameras, or none."""
    hub = auth.services()
    try:
        form = await read_file_form("file", _MAX_FORM_BYTES)
    except UPLOAD_ERRORS as error:
        return await _add_page(fault=describe_form_error(error, _max_file_mb()))
    text = form.fields.get("text", "")
    try:
        table = await hub.cameras.devices.read_csv(text)
        added = await hub.cameras.devices.import_csv(table)
        dids = [device.did for device in added]
        await hub.core.audit.add_each(auth.actor(), "device.add", dids)
    except BadCsv as error:
        return await _add_page(text=text, faults=error.faults)
    except BadParameter as error:  # A camera with the same did was added just now.
        return await _add_page(text=text, fault=describe_field_error(error))
    return redirect_to("/cameras?done=imported")


@blueprint.get("/export.csv", role="admin")
async def export() -> Response:
    return saved_file("cameras.csv", f"{_MARK}{auth.services().cameras.devices.export_csv()}")


@blueprint.get("/import/template.csv", role="admin")
async def template() -> Response:
    chosen: Language = "zh" if language.current().code == "zh" else "en"
    return saved_file("cameras-template.csv", f"{_MARK}{write_template(chosen)}")


async def _add_page(
    *,
    values: Mapping[str, str] | None = None,
    one_fault: str = "",
    text: str = "",
    fault: str = "",
    faults: tuple[RowFault, ...] = (),
    table: DeviceCsv | None = None,
    doubtful: Sequence[str] = (),
) -> Response:
    return await page(
        "cameras/add.html",
        status=400 if one_fault or fault or faults else 200,
        values=values or {},
        one_fault=one_fault,
        text=text,
        fault=fault,
        bad_rows=[
            RejectedRow(one.row or one.line, one.sn, describe_row_fault(one))
            for one in faults[:_MAX_SHOWN]
        ],
        bad=len(faults),
        rows=table.rows[:_MAX_SHOWN] if table else (),
        good=len(table.rows) if table else 0,
        doubtful=gettext(", ").join(doubtful[:_MAX_NAMED])
        + ("…" if len(doubtful) > _MAX_NAMED else ""),
        most_bytes=_max_file_mb() << 20,
        too_large=file_too_large(_max_file_mb()),
        has_site_key=auth.services().cameras.devices.site_key() is not None,
    )


def _max_file_mb() -> int:
    """The size limit of a CSV file."""
    return min(MAX_CSV_BYTES >> 20, auth.services().config.web.max_body_mb)
