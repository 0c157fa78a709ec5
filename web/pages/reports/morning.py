"""The reports that are sent every morning: which, when and where to."""

from __future__ import annotations

from typing import get_args

import msgspec
from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.decoders import convert
from hub.errors import BadParameter
from hub.services.reports.delivery import DeliverySettings, FileForm
from hub.services.reports.report import REPORT_KINDS
from web import auth, language
from web.language import gettext
from web.pages.choices import Choice
from web.pages.faults import Fault
from web.pages.labels import reason_text
from web.pages.layout import page, redirect_to
from web.pages.own_password import asked
from web.pages.reports.form import report_name
from web.pages.reports.views import ReportLink
from web.pages.shown.folder_faults import folder_fault

blueprint = Blueprint("morning_reports", __name__)

_FORMS = {"xlsx": "Excel (XLSX)", "csv": "CSV"}
_FIELDS = ("form", "at", "language", "folder", "url")
_MAX_LENGTH = 500


@blueprint.get("/reports/morning", role="admin")
async def morning_reports() -> Response:
    settings = auth.services().reports.delivery.settings
    if settings == DeliverySettings():  # Nobody has chosen anything yet.
        settings = replace(settings, language=language.current().code)
    return await _page(msgspec.to_builtins(settings))


async def _page(values: dict[str, object], fault: Fault | None = None) -> Response:
    delivery = auth.services().reports.delivery
    chosen, last = values.get("kinds", ()), delivery.last_day
    return await page(
        "reports/morning.html",
        status=200 if fault is None else fault.status,
        values=values,
        fault=fault,
        reports=[ReportLink(f"/reports/{one}", report_name(one), False) for one in REPORT_KINDS],
        kinds=[
            Choice(one, report_name(one), isinstance(chosen, list | tuple) and one in chosen)
            for one in REPORT_KINDS
        ],
        forms=[Choice(one, _FORMS[one], one == values.get("form")) for one in get_args(FileForm)],
        report_languages=[
            Choice(one.code, one.name, one.code == values.get("language"))
            for one in language.LANGUAGES.values()
        ],
        is_on=delivery.settings.is_on,
        last=None if last is None else language.current().long_day(last),
        failure=reason_text(delivery.failure),
    )


async def _entered() -> dict[str, object]:
    form = await request.form
    kinds = [kind for kind in REPORT_KINDS if kind in form.getlist("kinds")]
    return {name: form.get(name, "").strip()[:_MAX_LENGTH] for name in _FIELDS} | {"kinds": kinds}


@blueprint.post("/reports/morning", role="admin", password=asked(_page, _entered))
async def change() -> Response:
    values = await _entered()
    try:
        settings = convert(values, DeliverySettings)
    except msgspec.ValidationError:
        return await _page(values, Fault("at", gettext("Enter a time as HH:MM.")))
    if settings.kinds and not (settings.folder or settings.url):
        return await _page(values, Fault("folder", gettext("Enter a folder or a web address.")))
    try:
        await auth.services().reports.delivery.change(settings, by=auth.actor())
    except BadParameter as error:
        return await _page(values, _fault(error, settings.folder))
    return redirect_to("/reports/morning?done=delivery-changed")


@blueprint.post("/reports/morning/send", role="admin")
async def send() -> Response:
    """Send the reports of yesterday now."""
    delivery = auth.services().reports.delivery
    try:
        await delivery.send_now(by=auth.actor())
    except BadParameter as error:
        return await _page(
            msgspec.to_builtins(delivery.settings), _fault(error, delivery.settings.folder)
        )
    return redirect_to("/reports/morning?done=delivery-sent")


def _fault(error: BadParameter, folder: str) -> Fault:
    match error.field:
        case "folder":
            text = folder_fault(folder, error)
        case "url":
            text = gettext(
                "Enter an address that begins with https:// or http://, without user name and "
                "password."
            )
        case _:
            text = gettext("They could not be sent: %(reason)s.") % {
                "reason": reason_text(error.said)
            }
    return Fault(error.field, text)
