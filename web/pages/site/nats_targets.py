"""Adding a target of NATS: by a code or a file that the centre has made, or by hand."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace
from quart import Blueprint, Response, request
from werkzeug.datastructures import FileStorage

from hub.errors import BadParameter
from hub.services.forwarding.target_file import MAX_BYTES, TargetFile, read_target_file
from web import auth
from web.pages.layout import redirect_to
from web.pages.own_password import asked
from web.pages.site.target_form import Values, adding_page, entered, fault_of

blueprint = Blueprint("site_nats_targets", __name__, url_prefix="/site/targets/nats")


@blueprint.get("", role="admin")
async def ask() -> Response:
    return await adding_page("nats", Values())


@blueprint.post("", role="admin", password=asked(partial(adding_page, "nats"), entered))
async def add() -> Response:
    values = await entered()
    try:
        values, suggested = _filled(values, await _said(values))
        view, _ = await auth.services().forwarding.targets.add(
            "nats",
            values.url,
            name=values.name,
            suggested=suggested,
            ca=values.ca,
            selection=values.selection,
            hub=values.hub,
            begin="beginning" if values.begin == "beginning" else "now",
            identity=values.identity,
            partition=_partition(values.partition),
            mqtt=values.of_kind("nats"),
            by=auth.actor(),
        )
    except BadParameter as error:
        return await adding_page("nats", values, fault_of("nats", values, error))
    return redirect_to(f"/site/targets/{view.target.id}?done=target-added")


async def _said(values: Values) -> TargetFile | None:
    """Return what the centre or the chosen file says; None if neither is entered.

    Raises BadParameter.
    """
    if values.centre or values.code:
        return await auth.services().forwarding.targets.of_code(values.centre, values.code)
    file: FileStorage | None = (await request.files).get("file")
    data = b"" if file is None else file.read(MAX_BYTES + 1)
    return read_target_file(data) if data else None


def _filled(values: Values, file: TargetFile | None) -> tuple[Values, str]:
    """Return what was entered, with what is said in its place, and the name that is suggested."""
    if file is None:
        return values, ""
    filled = replace(
        values,
        url=file.url,
        hub=file.hub,
        partition="" if file.partition is None else str(file.partition),
        user=file.user,
        password=file.password,
        cert=file.cert,
        key=file.key,
        ca=file.ca,
    )
    return filled, file.name


def _partition(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 4):
        raise BadParameter("0 to 15 is expected", field="partition")
    return int(text)
