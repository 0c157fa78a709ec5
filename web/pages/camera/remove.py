"""Remove one camera after asking once; also the people on it, if it can clear them (D12)."""

from __future__ import annotations

from quart import Blueprint, Response

from hub.services.devices.views import DeviceView
from hub.wire.commands.capabilities import may_know
from web import auth
from web.language import gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.layout import camera_page, get_camera
from web.pages.camera.orders import name_to_type, read_order
from web.pages.device_errors import describe_change_error
from web.pages.layout import redirect_to

blueprint = Blueprint("camera_remove", __name__, url_prefix="/cameras/<int:did>/remove")


async def _ask_to_remove(did: int) -> Response:
    return await _remove_page(get_camera(did))


@blueprint.post("", role="admin", confirm=_ask_to_remove)
async def remove(did: int) -> Response:
    """Remove it; with its people, nothing is removed unless the camera has cleared them.

    People are cleared only if the camera's name was typed.
    """
    order = await read_order()
    device, hub = get_camera(did), auth.services()
    clears = order.form.get("clear") == "yes"
    if clears and not order.names(device):
        fault = gettext("This is not the camera's name. Nothing was erased.")
        return await _remove_page(device, fault, 400, clears=True)

    async def leave() -> None:
        await hub.cameras.devices.remove(device.did)

    if not clears:
        await leave()
    elif error := await perform_audited(
        device, "device.person_clear", lambda: hub.people.sync.clear(device.did, leave)
    ):
        nothing = gettext("The camera was not removed.")
        return await _remove_page(device, f"{nothing} {describe_change_error(error)}", error.status)
    await hub.core.audit.add(auth.actor(), "device.remove", str(did))
    return redirect_to(f"/cameras?done={'removed-cleared' if clears else 'removed'}")


async def _remove_page(
    device: DeviceView, fault: str = "", status: int = 200, *, clears: bool = False
) -> Response:
    known = auth.services().cameras.capabilities.of(device.did)
    return await camera_page(
        "camera/remove.html",
        device,
        status=status,
        fault=fault,
        can_clear=may_know(known, "people"),
        clears=clears,
        to_type=name_to_type(device),
    )
