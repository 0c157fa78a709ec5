"""Restarting a camera (1.9): asks once."""

from __future__ import annotations

import msgspec
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.devices import DeviceView
from hub.wire.bounds import field_bounds
from hub.wire.commands import Reboot
from hub.wire.dialect import REBOOT
from hub.wire.params import check_param
from web import auth
from web.dashboard.camera.doing import have_done
from web.dashboard.camera.frame import camera, camera_page
from web.dashboard.pages import go
from web.dashboard.trouble import change_trouble
from web.dashboard.words import number_expected

blueprint = Blueprint("camera_reboot", __name__, url_prefix="/cameras/<int:did>/reboot")

_DELAY = field_bounds(Reboot)["delay_ms"]


@blueprint.get("")
async def ask_to_reboot(did: int) -> Response:
    await auth.require_role("admin")
    return await _page(camera(did), str(REBOOT.example.delay_ms))


@blueprint.post("")
async def reboot(did: int) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    device, hub = camera(did), auth.services()
    delay = (await request.form).get("delay_ms", "").strip()
    try:
        param = check_param(REBOOT, msgspec.json.encode({"delay_ms": delay}))
    except BadParameter:
        return await _page(device, delay, fault=number_expected(_DELAY), status=400)
    trouble = await have_done(
        device, me, "device.reboot", lambda: hub.commands.reboot(device.did, param.delay_ms)
    )
    if trouble is not None:
        return await _page(device, delay, fault=change_trouble(trouble), status=trouble.status)
    return go(f"/cameras/{did}?done=rebooting")


async def _page(device: DeviceView, delay: str, *, fault: str = "", status: int = 200) -> Response:
    return await camera_page(
        "camera_reboot.html",
        device,
        tab="/reboot",
        status=status,
        delay=delay,
        bound=_DELAY,
        expected=number_expected(_DELAY),
        fault=fault,
    )
