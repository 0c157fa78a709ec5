"""Restart a camera (1.9) after asking once."""

from __future__ import annotations

from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.services.devices.views import DeviceView
from hub.wire.commands.dialect import REBOOT
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.param_structs import Reboot
from web import auth
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.layout import camera_page, get_camera
from web.pages.device_errors import describe_change_error
from web.pages.labels import number_expected, unit_text
from web.pages.layout import redirect_to

blueprint = Blueprint("camera_reboot", __name__, url_prefix="/cameras/<int:did>/reboot")

_DELAY_MS = field_specs(Reboot)["delay_ms"]
#: The form asks for seconds, the command for milliseconds.
_DELAY_SECONDS = replace(_DELAY_MS, most=(_DELAY_MS.most or 0) // 1000, unit="s")


async def _ask_to_reboot(did: int) -> Response:
    return await _reboot_page(get_camera(did), str(REBOOT.example.delay_ms // 1000))


@blueprint.post("", role="admin", confirm=_ask_to_reboot)
async def reboot(did: int) -> Response:
    device, hub = get_camera(did), auth.services()
    delay = (await request.form).get("delay", "").strip()
    milliseconds = _parse_delay(delay)
    if milliseconds is None:
        return await _reboot_page(device, delay, fault=number_expected(_DELAY_SECONDS), status=400)
    error = await perform_audited(
        device, "device.reboot", lambda: hub.cameras.commands.reboot(device.did, milliseconds)
    )
    if error is not None:
        return await _reboot_page(
            device, delay, fault=describe_change_error(error), status=error.status
        )
    return redirect_to(f"/cameras/{did}?done=rebooting")


def _parse_delay(seconds: str) -> int | None:
    """The delay in milliseconds; None if it is not a number that cameras accept."""
    most = _DELAY_SECONDS.most or 0
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= len(str(most))):
        return None
    return int(seconds) * 1000 if int(seconds) <= most else None


async def _reboot_page(
    device: DeviceView, delay: str, *, fault: str = "", status: int = 200
) -> Response:
    return await camera_page(
        "camera/reboot.html",
        device,
        status=status,
        delay=delay,
        bound=_DELAY_SECONDS,
        unit=unit_text(_DELAY_SECONDS.unit),
        expected=number_expected(_DELAY_SECONDS),
        fault=fault,
    )
