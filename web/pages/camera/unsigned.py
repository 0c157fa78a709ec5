"""A camera without a signature: what it is held to, what differs, its secret address (D12)."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import BadParameter, HubError
from hub.services.admission.unsigned.addresses import AnotherIsMoving
from hub.services.devices.views import DeviceView
from web import auth
from web.language import gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.layout import camera_page, get_camera
from web.pages.camera.manage import manage_page
from web.pages.camera.orders import read_order
from web.pages.device_errors import describe_change_error
from web.pages.faults import NotHere
from web.pages.layout import redirect_to

blueprint = Blueprint("camera_unsigned", __name__, url_prefix="/cameras/<int:did>/unsigned")


def _get_unsigned(did: int) -> DeviceView:
    """Return the camera. Raises NoSuchResource also if it signs."""
    device = get_camera(did)
    if device.connects != "unsigned":
        raise NotHere(gettext("This camera signs its connection requests."))
    return device


@blueprint.post("/take-over", role="admin")
async def take_over(did: int) -> Response:
    """Pin what differs, as it was shown: it may be something else by now."""
    form = await request.form
    device = _get_unsigned(did)
    shown = (form.get("address", ""), form.get("mac", ""))
    if shown != (device.suspect_address, device.suspect_mac):
        return await manage_page(device, fault=_changed_meanwhile(), about="unsigned", status=409)
    try:
        await auth.services().cameras.enrolment.approval.take_over(device.did)
    except BadParameter:
        return await manage_page(device, fault=_changed_meanwhile(), about="unsigned", status=409)
    await auth.services().core.audit.add(auth.actor(), "device.take-over", device.did)
    return redirect_to(f"/cameras/{did}/manage?done=taken-over")


@blueprint.post("/dismiss", role="admin")
async def dismiss(did: int) -> Response:
    device = _get_unsigned(did)
    await auth.services().cameras.enrolment.approval.dismiss(device.did)
    await auth.services().core.audit.add(auth.actor(), "device.dismiss", device.did)
    return redirect_to(f"/cameras/{did}/manage?done=dismissed")


async def _ask_to_give(did: int) -> Response:
    return await camera_page("camera/unsigned_address.html", _get_unsigned(did))


@blueprint.post("/address", role="admin", confirm=_ask_to_give)
async def give(did: int) -> Response:
    """Send the camera its secret address, one camera at a time."""
    order = await read_order()
    device, hub = _get_unsigned(did), auth.services()
    if not order.is_confirmed:
        return await camera_page("camera/unsigned_address.html", device)
    try:
        error = await perform_audited(
            device, "device.give-address", lambda: hub.cameras.secret_addresses.give(device.did)
        )
    except AnotherIsMoving as moving:
        text = gettext(
            "%(name)s was sent its secret address and has not reconnected through it yet. Wait for "
            "it, or withdraw its address."
        )
        return await _address_page(device, text % {"name": moving.name}, moving)
    except BadParameter as bad:
        text = gettext("The camera does not report through which address it reaches this hub.")
        return await _address_page(device, text, bad)
    if error is not None:
        return await _address_page(device, describe_change_error(error), error)
    return redirect_to(f"/cameras/{did}/manage?done=address-given")


@blueprint.post("/withdraw", role="admin")
async def withdraw(did: int) -> Response:
    device = _get_unsigned(did)
    await auth.services().cameras.secret_addresses.withdraw(device.did)
    await auth.services().core.audit.add(auth.actor(), "device.withdraw-address", device.did)
    return redirect_to(f"/cameras/{did}/manage?done=address-withdrawn")


def _changed_meanwhile() -> str:
    return gettext("The differences have changed in the meantime. Review them again.")


async def _address_page(device: DeviceView, fault: str, error: HubError) -> Response:
    return await camera_page(
        "camera/unsigned_address.html",
        device,
        status=error.status,
        fault=fault,
    )
