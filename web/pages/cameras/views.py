"""The page of all cameras, with pending devices; and adding a camera."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.store.tables.devices import NewDevice
from web import auth
from web.forms.key_field import read_key
from web.pages.cameras.arrivals import accepted_note
from web.pages.cameras.camera_list import camera_list
from web.pages.cameras.pending_list import PendingRow, pending_list
from web.pages.labels import describe_field_error
from web.pages.layout import page, redirect_to

blueprint = Blueprint("cameras", __name__, url_prefix="/cameras")


async def cameras_page(refused: PendingRow | None = None, fault: str = "") -> Response:
    return await page(
        "cameras/cameras.html",
        status=400 if refused or fault else 200,
        cameras=camera_list(),
        pending=pending_list("/cameras", refused),
        accepted=accepted_note(),
        fault=fault,
    )


@blueprint.get("", role="viewer")
async def cameras() -> Response:
    return await cameras_page()


@blueprint.get("/table", role="viewer")
async def table() -> Response:
    return await page("cameras/_cameras.html", cameras=camera_list())


@blueprint.get("/add", role="admin")
async def show_add() -> Response:
    return await _add_page({})


async def _add_page(values: dict[str, str], fault: str = "") -> Response:
    return await page(
        "cameras/add.html",
        status=400 if fault else 200,
        values=values,
        fault=fault,
        has_site_key=auth.services().cameras.devices.site_key() is not None,
    )


@blueprint.post("/add", role="admin")
async def add() -> Response:
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
        return await _add_page(values, describe_field_error(error))
    return redirect_to(f"/cameras/{device.did}?done=added")
