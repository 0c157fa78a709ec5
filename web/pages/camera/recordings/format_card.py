"""Format a camera's card (1.28 of edition 3), which erases all that is on it (D12)."""

from __future__ import annotations

from quart import Blueprint, Response

from hub.services.devices.views import DeviceView
from hub.wire.commands.capabilities import may_know
from hub.wire.commands.edition_3_commands import DISK_FORMAT
from hub.wire.commands.edition_3_params import DiskFormat
from hub.wire.commands.field_specs import field_specs
from web import auth
from web.language import gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.device.layout import get_capable
from web.pages.camera.layout import camera_page
from web.pages.camera.orders import Order, name_to_type, read_order
from web.pages.device_errors import describe_change_error
from web.pages.labels import number_expected, unit_text
from web.pages.layout import redirect_to

blueprint = Blueprint("format_card", __name__, url_prefix="/cameras/<int:did>/recordings/format")

_SIZE = field_specs(DiskFormat)["video_sizeGB"]


def can_format(did: str) -> bool:
    """Whether the camera can be told to format its card, as far as is known."""
    return may_know(auth.services().cameras.capabilities.of(did), "storage")


async def _ask_to_format(did: int) -> Response:
    return await _format_page(get_capable(did, "storage"))


@blueprint.post("", role="admin", confirm=_ask_to_format)
async def format_card(did: int) -> Response:
    """Format the card, if its size for video and the camera's name were entered."""
    order = await read_order()
    device, hub = get_capable(did, "storage"), auth.services()
    size = _parse_size(order.form.get("size", ""))
    if size is None:
        return await _format_page(device, order, fault=number_expected(_SIZE), status=400)
    if not order.names(device):
        fault = gettext("This is not the camera's name. Nothing was erased.")
        return await _format_page(device, order, fault=fault, status=400)
    param = DiskFormat(video_sizeGB=size)
    error = await perform_audited(
        device,
        "device.format_card",
        lambda: hub.cameras.commands.call(device.did, DISK_FORMAT, param),
    )
    if error is not None:
        fault = describe_change_error(error)
        return await _format_page(device, order, fault=fault, status=error.status)
    return redirect_to(f"/cameras/{did}/recordings?done=card-formatted")


def _parse_size(text: str) -> int | None:
    """The size in GB; None if it is not one that cameras accept."""
    text, most = text.strip(), _SIZE.most or 0
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(most))):
        return None
    return int(text) if (_SIZE.least or 0) <= int(text) <= most else None


async def _format_page(
    device: DeviceView, order: Order | None = None, *, fault: str = "", status: int = 200
) -> Response:
    return await camera_page(
        "camera/recordings/format.html",
        device,
        status=status,
        size=order.form.get("size", "") if order else "",
        bound=_SIZE,
        unit=unit_text(_SIZE.unit),
        expected=number_expected(_SIZE),
        to_type=name_to_type(device),
        fault=fault,
    )
