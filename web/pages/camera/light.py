"""The light of a camera at night (1.27), changed without its other settings of day and night."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.services.devices.views import DeviceView
from hub.wire.commands.capabilities import may_know
from hub.wire.commands.edition_3_commands import SET_DAY_NIGHT
from hub.wire.commands.edition_3_params import DayNightSet, Light
from web import auth
from web.language import N_, gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.layout import camera_page, get_camera
from web.pages.choices import Choice
from web.pages.device_errors import describe_change_error
from web.pages.faults import NotHere
from web.pages.layout import redirect_to

blueprint = Blueprint("camera_light", __name__, url_prefix="/cameras/<int:did>/light")

_TEXTS: dict[Light, str] = {
    "AutoWhite": N_("White light"),
    "AutoIR": N_("Infrared"),
    "AlwaysClose": N_("Off"),
}


@blueprint.get("", role="guard")
async def show(did: int) -> Response:
    return await _light_page(_get_camera(did))


@blueprint.post("", role="guard")
async def change(did: int) -> Response:
    """Send all settings of day and night as the camera last took them, with another light."""
    device, hub = _get_camera(did), auth.services()
    light = (await request.form).get("light", "")
    if light not in get_args(Light):
        raise BadParameter(f"one of {', '.join(get_args(Light))}", field="light")
    known = _taken(device)
    if known is None:
        return await _light_page(device, status=409)
    param = replace(known, smt_light_mode=light)
    error = await perform_audited(
        device,
        "device.set_light",
        lambda: hub.cameras.commands.call(device.did, SET_DAY_NIGHT, param),
    )
    if error is not None:
        return await _light_page(device, describe_change_error(error), error.status)
    return redirect_to(f"/cameras/{did}/light?done=light-set")


def _get_camera(did: int) -> DeviceView:
    """Return the camera. Raises NoSuchResource also if its light cannot be set."""
    device = get_camera(did)
    if not may_know(auth.services().cameras.capabilities.of(device.did), "image"):
        raise NotHere(gettext("The light of this camera cannot be set."))
    return device


def _taken(device: DeviceView) -> DayNightSet | None:
    """The settings that the camera last took: it is not asked, because nothing reads them."""
    known = auth.services().cameras.commands.kept_setting(device.did, SET_DAY_NIGHT)
    return known.taken if known else None


async def _light_page(device: DeviceView, fault: str = "", status: int = 200) -> Response:
    known = _taken(device)
    return await camera_page(
        "camera/light.html",
        device,
        status=status,
        fault=fault,
        is_known=known is not None,
        choices=[
            Choice(value, gettext(text), known is not None and known.smt_light_mode == value)
            for value, text in _TEXTS.items()
        ],
    )
