"""A camera as the pages show it."""

from __future__ import annotations

from msgspec import Struct

from hub.services.devices.views import DeviceView
from web.pages.labels import DEVICE_STATES, clock_offset, device_reason
from web.pages.language import gettext

#: A clock this far off (s) is shown as a fault: beyond it a signature is soon refused (D2).
_CLOCK_WARNING = 60


class Row(Struct, frozen=True):
    """A camera with its codes put into words."""

    device: DeviceView
    name: str
    state_text: str
    reason: str
    clock: str
    clock_is_off: bool
    versions: str


def row(device: DeviceView) -> Row:
    versions = (device.fw_ver, device.sw_ver, device.os_ver, device.hw_ver)
    offset = device.clock_offset
    return Row(
        device=device,
        name=device.name or device.sn,
        state_text=gettext(DEVICE_STATES[device.state]),
        reason=device_reason(device),
        clock="" if offset is None else clock_offset(offset),
        clock_is_off=offset is not None and abs(offset) > _CLOCK_WARNING,
        versions=" · ".join(version for version in versions if version),
    )
