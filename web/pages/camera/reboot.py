"""Restarting a camera (1.9): asks once."""

from __future__ import annotations

from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.services.devices.views import DeviceView
from hub.wire.commands.dialect import REBOOT
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.messages import Reboot
from web import auth
from web.pages.camera.audited_action import have_done
from web.pages.camera.layout import camera, camera_page
from web.pages.device_errors import change_trouble
from web.pages.labels import number_expected
from web.pages.layout import go

blueprint = Blueprint("camera_reboot", __name__, url_prefix="/cameras/<int:did>/reboot")

_WIRE = field_specs(Reboot)["delay_ms"]
#: People wait in seconds.
_DELAY = replace(_WIRE, most=(_WIRE.most or 0) // 1000, unit="s")


@blueprint.get("")
async def ask_to_reboot(did: int) -> Response:
    await auth.require_role("admin")
    return await _page(camera(did), str(REBOOT.example.delay_ms // 1000))


@blueprint.post("")
async def reboot(did: int) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    device, hub = camera(did), auth.services()
    delay = (await request.form).get("delay", "").strip()
    milliseconds = _milliseconds(delay)
    if milliseconds is None:
        return await _page(device, delay, fault=number_expected(_DELAY), status=400)
    trouble = await have_done(
        device, me, "device.reboot", lambda: hub.commands.reboot(device.did, milliseconds)
    )
    if trouble is not None:
        return await _page(device, delay, fault=change_trouble(trouble), status=trouble.status)
    return go(f"/cameras/{did}?done=rebooting")


def _milliseconds(seconds: str) -> int | None:
    """None where that is no number of seconds that a camera can wait."""
    most = _DELAY.most or 0
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= len(str(most))):
        return None
    return int(seconds) * 1000 if int(seconds) <= most else None


async def _page(device: DeviceView, delay: str, *, fault: str = "", status: int = 200) -> Response:
    return await camera_page(
        "camera/reboot.html",
        device,
        tab="/reboot",
        status=status,
        delay=delay,
        bound=_DELAY,
        expected=number_expected(_DELAY),
        fault=fault,
    )
