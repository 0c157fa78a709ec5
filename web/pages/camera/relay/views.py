"""Open the door of a camera, or sound its relay, after asking once."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import (
    BadParameter,
    DeviceBusy,
    DeviceOffline,
    TooManyRequests,
    existing,
)
from hub.services.camera_functions.relays.faults import RelayFault
from hub.services.devices.views import DeviceView
from hub.store.tables.device_relays import DeviceRelay
from web import auth
from web.pages.camera.layout import camera_page, get_camera
from web.pages.layout import done_url, local_path, redirect_to
from web.pages.shown.relays import SWITCHED, describe_relay_error, switch_text

blueprint = Blueprint("camera_relay", __name__, url_prefix="/cameras/<int:did>/relay")


@blueprint.get("", role="guard")
async def ask(did: int) -> Response:
    """`next` says where the person comes from, and goes back to."""
    return await _relay_page(*_get(did), request.args.get("next"))


@blueprint.post("", role="guard")
async def switch(did: int) -> Response:
    device, relay = _get(did)
    form = await request.form
    wanted, back = form.get("switch", ""), form.get("next")
    if wanted not in SWITCHED:
        raise BadParameter("one of the buttons of the page", field="switch")
    try:
        await auth.services().cameras.relays.switch(device.did, on=wanted == "on", by=auth.actor())
    except (RelayFault, DeviceOffline, DeviceBusy, TooManyRequests) as error:
        text = describe_relay_error(error)
        return await _relay_page(device, relay, back, fault=text, status=error.status)
    return redirect_to(done_url(_back_path(device, back), SWITCHED[wanted], device.did))


def _get(did: int) -> tuple[DeviceView, DeviceRelay]:
    """Return a camera and its relay. Raises NoSuchResource, also if none is set up."""
    device = get_camera(did)
    relay = existing(auth.services().cameras.relays.get(device.did), "relay", did=device.did)
    return device, relay


def _back_path(device: DeviceView, back: str | None) -> str:
    return local_path(back or f"/cameras/{device.did}")


async def _relay_page(
    device: DeviceView,
    relay: DeviceRelay,
    back: str | None,
    *,
    fault: str = "",
    status: int = 200,
) -> Response:
    return await camera_page(
        "camera/relay/switch.html",
        device,
        status=status,
        relay=relay,
        is_within_reach=auth.services().cameras.relays.within_reach(device.did) is not None,
        switch_text=switch_text(relay),
        back=_back_path(device, back),
        fault=fault,
    )
