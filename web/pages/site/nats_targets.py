"""Adding a target of NATS: by the file that the centre has made for this hub, or by hand."""

from __future__ import annotations

from functools import partial

from msgspec.structs import replace
from quart import Blueprint, Response, request
from werkzeug.datastructures import FileStorage

from hub.errors import BadParameter
from hub.services.forwarding.target_file import MAX_BYTES, read_target_file
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
        values, suggested = _filled(values, await _file())
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
            by=auth.actor(),
        )
    except BadParameter as error:
        return await adding_page("nats", values, fault_of("nats", values, error))
    return redirect_to(f"/site/targets/{view.target.id}?done=target-added")


async def _file() -> bytes:
    """Return the chosen file, b"" if none was chosen."""
    file: FileStorage | None = (await request.files).get("file")
    return b"" if file is None else file.read(MAX_BYTES + 1)


def _filled(values: Values, data: bytes) -> tuple[Values, str]:
    """Return what was entered, with what a file says in its place, and the name that it suggests.

    Raises BadParameter.
    """
    if not data:
        return values, ""
    file = read_target_file(data)
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
