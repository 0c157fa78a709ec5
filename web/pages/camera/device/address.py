"""The wired address of a camera: asked once, sent, and waited for (1.37 of edition 3, D12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from quart import Blueprint, Response

from hub.errors import BadParameter, HubError
from hub.services.camera_functions.moves import MoveState
from hub.services.devices.views import DeviceView
from hub.wire.commands.edition_3_answers import Interfaces
from hub.wire.commands.edition_3_commands import GET_INTERFACES, SET_ETHERNET
from hub.wire.commands.edition_3_params import EthernetSet
from web import auth
from web.language import N_, gettext
from web.pages.camera.audited_action import perform_audited
from web.pages.camera.device.layout import get_capable
from web.pages.camera.device.views import reading_fault
from web.pages.camera.layout import camera_page
from web.pages.camera.orders import read_order
from web.pages.camera.settings.forms import (
    SettingForm,
    SettingGroup,
    SettingLabel,
    field_groups,
    make_param,
    param_values,
    read_values,
)
from web.pages.device_errors import describe_change_error
from web.pages.layout import page, redirect_to
from web.pages.shown.camera_rows import camera_row

blueprint = Blueprint("camera_address", __name__, url_prefix="/cameras/<int:did>/device/address")

FORM = SettingForm(
    "ethernet",
    N_("IP address"),
    (
        SettingGroup(
            N_("Wired network"),
            (
                SettingLabel("dhcp", N_("Get the address by DHCP")),
                SettingLabel("addr", N_("Address")),
                SettingLabel("mask", N_("Subnet mask")),
                SettingLabel("gateway", N_("Gateway")),
                SettingLabel("dns", N_("DNS server")),
            ),
        ),
    ),
    SET_ETHERNET,
)
_FAULTS = {
    "taken": N_("Another camera has this address."),
    "host": N_("No camera can have this address in this network."),
    "gateway": N_("The gateway must be another address of the same network, or 0.0.0.0."),
    "mask": N_("This is not a subnet mask."),
}


@blueprint.get("", role="admin")
async def show(did: int) -> Response:
    return await _page(get_capable(did, "network"))


@blueprint.get("/state", role="admin")
async def state(did: int) -> Response:
    """The part of the page that is refreshed when the device changes."""
    device = get_capable(did, "network")
    return await page("camera/device/_move.html", row=camera_row(device), move=_move(device))


@blueprint.post("", role="admin")
async def change(did: int) -> Response:
    """Ask whether the address is to be sent; send it if that was confirmed."""
    order = await read_order()
    device, hub = get_capable(did, "network"), auth.services()
    values = read_values(FORM, order.form)
    try:
        param = cast(EthernetSet, make_param(FORM, values))
        hub.cameras.address_moves.check(device.did, param)
    except BadParameter as error:
        return await _page(device, values, error)
    if not order.is_confirmed:
        return await camera_page("camera/device/address_confirm.html", device, values=values)
    failed = await perform_audited(
        device, "device.set_address", lambda: hub.cameras.address_moves.send(device.did, param)
    )
    if failed is not None:
        return await _page(device, values, failed)
    return redirect_to(f"/cameras/{did}/device/address")


def _move(device: DeviceView) -> MoveState | None:
    return auth.services().cameras.address_moves.state(device.did)


async def _page(
    device: DeviceView, values: Mapping[str, str] | None = None, error: HubError | None = None
) -> Response:
    reading = await auth.services().cameras.readings.read(device.did, GET_INTERFACES)
    if values is None and reading.value is not None:
        values = _values(reading.value)
    wrong = error if isinstance(error, BadParameter) else None
    return await camera_page(
        "camera/device/address.html",
        device,
        status=error.status if error else 200,
        move=_move(device),
        one={"fault": reading_fault(reading.error), "read_at": reading.read_at},
        groups=[] if values is None else field_groups(FORM, values, wrong),
        fault=_describe(error) if error else "",
    )


def _values(found: Interfaces) -> dict[str, str]:
    """The wired address as form values; nothing for what the camera did not say."""
    empty = dict.fromkeys(param_values(SET_ETHERNET.example), "")
    if found.eth is None:
        return empty
    return {
        name: value if isinstance(value, str) else str(int(value))
        for name in empty
        if (value := getattr(found.eth, name)) is not None
    }


def _describe(error: HubError) -> str:
    if not isinstance(error, BadParameter):
        return describe_change_error(error)
    wrong = N_("Nothing was sent: one value is not valid. It is marked below.")
    return gettext(_FAULTS.get(error.fault, wrong))
