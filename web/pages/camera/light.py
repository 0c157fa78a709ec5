"""The light of a camera at night (1.27), changed without its other settings of day and night."""

from __future__ import annotations

from typing import get_args

from msgspec.structs import replace
from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.wire.commands.edition_3_commands import SET_DAY_NIGHT
from hub.wire.commands.edition_3_params import Light
from web import auth
from web.language import gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.layout import get_camera
from web.pages.camera.light_choice import light_choice, taken_settings
from web.pages.camera.overview import overview_page
from web.pages.device_errors import describe_change_error
from web.pages.faults import NotHere
from web.pages.layout import redirect_to

blueprint = Blueprint("camera_light", __name__, url_prefix="/cameras/<int:did>/light")


@blueprint.post("", role="guard")
async def change(did: int) -> Response:
    """Send all settings of day and night as the camera last took them, with another light."""
    device, hub = get_camera(did), auth.services()
    if light_choice(device) is None:
        raise NotHere(gettext("The light of this camera cannot be set."))
    light = (await request.form).get("light", "")
    if light not in get_args(Light):
        raise BadParameter(f"one of {', '.join(get_args(Light))}", field="light")
    known = taken_settings(device)
    if known is None:
        return await overview_page(device, status=409)
    param = replace(known, smt_light_mode=light)
    error = await perform_audited(
        device,
        "device.set_light",
        lambda: hub.cameras.commands.call(device.did, SET_DAY_NIGHT, param),
    )
    if error is not None:
        fault = describe_change_error(error)
        return await overview_page(device, light_fault=fault, status=error.status)
    return redirect_to(f"/cameras/{did}?done=light-set")
