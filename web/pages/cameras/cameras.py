"""Cameras: those of the site, those that wait, and adding one."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.devices.directory import NewDevice
from hub.services.shielding import shielded
from web import auth
from web.pages.cameras.camera_list import camera_list
from web.pages.cameras.waiting import WaitingRow, accepted_note, knocks
from web.pages.labels import device_fault, done_sentence
from web.pages.layout import go, page

blueprint = Blueprint("cameras", __name__, url_prefix="/cameras")


async def cameras_page(refused: WaitingRow | None = None, fault: str = "") -> Response:
    return await page(
        "cameras/cameras.html",
        area="cameras",
        status=400 if refused or fault else 200,
        cameras=camera_list(),
        knocks=knocks("/cameras", refused),
        accepted=accepted_note(),
        fault=fault,
        done=done_sentence(request.args.get("done")),
    )


@blueprint.get("")
async def cameras() -> Response:
    await auth.require_role("viewer")
    return await cameras_page()


@blueprint.get("/table")
async def table() -> Response:
    await auth.require_role("viewer")
    return await page("cameras/_cameras.html", cameras=camera_list())


@blueprint.get("/add")
async def show_add() -> Response:
    await auth.require_role("admin")
    return await _add_page({})


async def _add_page(values: dict[str, str], fault: str = "") -> Response:
    return await page(
        "cameras/add.html",
        area="cameras",
        status=400 if fault else 200,
        values=values,
        fault=fault,
        has_site_key=auth.services().devices.site_key() is not None,
    )


@blueprint.post("/add")
async def add() -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    form = await request.form
    values = {name: form.get(name, "").strip() for name in ("sn", "code", "did", "name", "key")}
    hub = auth.services()
    try:
        with shielded():
            device = await hub.devices.add(
                NewDevice(
                    sn=values["sn"],
                    code=values["code"],
                    did=values["did"] or None,
                    name=values["name"],
                    key=values["key"] or None,
                )
            )
            await hub.audit.add(auth.actor(me), "device.add", device.did)
    except BadParameter as error:
        return await _add_page(values, device_fault(error))
    return go(f"/cameras/{device.did}?done=added")
