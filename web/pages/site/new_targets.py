"""Adding a target of mail, of MQTT or of NATS; a webhook is added on the page of all targets."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import asdict, replace
from quart import Blueprint, Response, request
from werkzeug.datastructures import FileStorage

from hub.errors import BadParameter
from hub.services.forwarding.target_file import MAX_BYTES, TargetFile, read_target_file
from hub.store.targets.target import TargetKind
from web import auth
from web.pages.faults import Fault
from web.pages.layout import redirect_to
from web.pages.own_password import asked
from web.pages.site.target_form import Values, adding_page, entered, fault_of

blueprint = Blueprint("site_new_targets", __name__, url_prefix="/site/targets")


async def ask(kind: TargetKind) -> Response:
    return await adding_page(kind, Values(pictures="alarms") if kind == "mail" else Values())


async def _ask_again(values: Values, fault: Fault, kind: TargetKind) -> Response:
    return await adding_page(kind, values, fault)


async def add(kind: TargetKind) -> Response:
    values, suggested = await entered(), ""
    try:
        if kind == "nats" and (said := await _said(values)) is not None:
            values, suggested = _filled(values, said), said.name
        view, _ = await auth.services().forwarding.targets.add(
            kind,
            values.url,
            name=values.name,
            suggested=suggested,
            ca=values.ca,
            selection=values.selection,
            hub=values.hub,
            begin=values.begins,
            identity=values.identity,
            partition=_partition(values.partition),
            mqtt=values.of_kind(kind),
            mail=values.mail if kind == "mail" else None,
            by=auth.actor(),
        )
    except BadParameter as error:
        return await adding_page(kind, values, fault_of(kind, values, error))
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


def _filled(values: Values, file: TargetFile) -> Values:
    """Return what was entered, with what is said in its place."""
    said = {name: value for name, value in asdict(file).items() if name not in ("kind", "name")}
    partition = "" if file.partition is None else str(file.partition)
    return replace(values, **{**said, "partition": partition})


def _partition(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 4):
        raise BadParameter("0 to 15 is expected", field="partition")
    return int(text)


for _kind in get_args(TargetKind):
    if _kind != "webhook":
        blueprint.add_url_rule(
            f"/{_kind}",
            f"ask_{_kind}",
            ask,
            methods=["GET"],
            role="admin",
            defaults={"kind": _kind},
        )
        blueprint.add_url_rule(
            f"/{_kind}",
            f"add_{_kind}",
            add,
            methods=["POST"],
            role="admin",
            password=asked(_ask_again, entered),
            defaults={"kind": _kind},
        )
