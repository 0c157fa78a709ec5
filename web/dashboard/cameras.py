"""Cameras: all of them, those that wait, and one camera with all that can be changed of it."""

from __future__ import annotations

from typing import cast

from msgspec import UNSET, Struct
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.carrythrough import carried_through
from hub.services.devices import DeviceChange, DeviceView, NewDevice
from web import auth
from web.dashboard.language import gettext
from web.dashboard.pages import go, page
from web.dashboard.waiting import WaitingRow, waiting_rows
from web.dashboard.words import (
    DEVICE_STATES,
    clock_offset,
    device_fault,
    device_reason,
    done_sentence,
    init_outcome,
)

blueprint = Blueprint("cameras", __name__, url_prefix="/cameras")

#: A clock this far off (s) is shown as a fault: beyond it a signature is soon refused (D2).
_CLOCK_WARNING = 60


class Row(Struct, frozen=True):
    """A camera with its codes put into words."""

    device: DeviceView
    name: str
    state_text: str
    reason: str
    clock: str
    clock_is_off: bool
    versions: str


def row(device: DeviceView) -> Row:
    versions = (device.fw_ver, device.sw_ver, device.os_ver, device.hw_ver)
    offset = device.clock_offset
    return Row(
        device=device,
        name=device.name or device.sn,
        state_text=gettext(DEVICE_STATES[device.state]),
        reason=device_reason(device),
        clock="" if offset is None else clock_offset(offset),
        clock_is_off=offset is not None and abs(offset) > _CLOCK_WARNING,
        versions=" · ".join(version for version in versions if version),
    )


def _rows() -> list[Row]:
    rows = [row(device) for device in auth.services().devices.list()]
    return sorted(rows, key=lambda one: (one.name.casefold(), one.device.did))


async def cameras_page(refused: WaitingRow | None = None, fault: str = "") -> Response:
    return await page(
        "cameras.html",
        area="cameras",
        status=400 if refused or fault else 200,
        rows=_rows(),
        waiting=waiting_rows(refused),
        has_site_key=auth.services().devices.site_key() is not None,
        back="/cameras",
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
    return await page("_cameras.html", rows=_rows())


@blueprint.get("/add")
async def show_add() -> Response:
    await auth.require_role("admin")
    return await _add_page({})


async def _add_page(values: dict[str, str], fault: str = "") -> Response:
    return await page(
        "camera_add.html",
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
        with carried_through():
            device = await hub.devices.add(
                NewDevice(
                    sn=values["sn"],
                    code=values["code"],
                    did=values["did"] or None,
                    name=values["name"],
                    key=values["key"] or None,
                )
            )
            await hub.accounts.audit(auth.actor(me), "device.add", device.did)
    except BadParameter as error:
        return await _add_page(values, device_fault(error))
    return go(f"/cameras/{device.did}?done=added")


@blueprint.get("/<int:did>")
async def camera(did: int) -> Response:
    await auth.require_role("viewer")
    return await _camera_page(auth.services().devices.get(str(did)))


async def _camera_page(
    device: DeviceView, *, fault: str = "", about: str = "", values: dict[str, str] | None = None
) -> Response:
    """`about` is the form that `fault` belongs to: "identity" or "name"."""
    return await page(
        "camera.html",
        area="cameras",
        status=400 if fault else 200,
        row=row(device),
        init_outcome=init_outcome(device.init_outcome),
        has_site_key=auth.services().devices.site_key() is not None,
        clock_skew=auth.services().config.devices.clock_skew,
        fault=fault,
        about=about,
        values=values or {},
        done=done_sentence(request.args.get("done")),
    )


@blueprint.get("/<int:did>/state")
async def camera_state(did: int) -> Response:
    """The part of a camera's page that changes by itself."""
    await auth.require_role("viewer")
    device = auth.services().devices.get(str(did))
    return await page(
        "_camera_state.html", row=row(device), init_outcome=init_outcome(device.init_outcome)
    )


async def _change(did: int, change: DeviceChange, action: str, about: str, done: str) -> Response:
    """Change a camera, note it in the audit log, and show it again."""
    hub = auth.services()
    me = await auth.require_role("admin")
    await auth.check_csrf()
    try:
        with carried_through():
            await hub.devices.change(str(did), change)
            await hub.accounts.audit(auth.actor(me), action, str(did))
    except BadParameter as error:
        values = cast("dict[str, str]", (await request.form).to_dict())
        device = hub.devices.get(str(did))
        return await _camera_page(device, fault=device_fault(error), about=about, values=values)
    return go(f"/cameras/{did}?done={done}")


@blueprint.post("/<int:did>/name")
async def rename(did: int) -> Response:
    form = await request.form
    change = DeviceChange(name=form.get("name", "").strip())
    return await _change(did, change, "device.rename", "name", "changed")


@blueprint.post("/<int:did>/identity")
async def change_identity(did: int) -> Response:
    """Serial number, code and key: an empty code or key stays as it is."""
    await auth.require_role("admin")
    form = await request.form
    code, key = form.get("code", "").strip(), form.get("key", "").strip()
    device = auth.services().devices.get(str(did))
    sn = form.get("sn", "").strip()
    change = DeviceChange(
        sn=sn if sn != device.sn else UNSET,
        code=code or UNSET,
        key=None if form.get("use_site_key") else key or UNSET,
    )
    return await _change(did, change, "device.identity", "identity", "changed")


@blueprint.post("/<int:did>/clock")
async def trust_clock(did: int) -> Response:
    form = await request.form
    change = DeviceChange(clock_trusted=form.get("trusted") == "yes")
    return await _change(did, change, "device.clock", "clock", "changed")


@blueprint.post("/<int:did>/enable")
async def enable(did: int) -> Response:
    return await _change(did, DeviceChange(enabled=True), "device.enable", "", "enabled")


@blueprint.post("/<int:did>/disable")
async def disable(did: int) -> Response:
    return await _change(did, DeviceChange(enabled=False), "device.disable", "", "disabled")


@blueprint.get("/<int:did>/remove")
async def ask_to_remove(did: int) -> Response:
    await auth.require_role("admin")
    device = auth.services().devices.get(str(did))
    return await page("camera_remove.html", area="cameras", row=row(device))


@blueprint.post("/<int:did>/remove")
async def remove(did: int) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    hub = auth.services()
    with carried_through():
        await hub.devices.remove(str(did))
        await hub.accounts.audit(auth.actor(me), "device.remove", str(did))
    return go("/cameras?done=removed")
