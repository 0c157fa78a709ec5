"""A camera as pages show it, with codes turned into text."""

from __future__ import annotations

from msgspec import Struct

from hub.services.devices.views import DeviceView
from web.pages.labels import DEVICE_STATES, clock_offset, device_reason
from web.pages.language import gettext

#: Warn when a clock is this far off (s), before signatures are refused (D2).
_CLOCK_WARNING = 60


class CameraRow(Struct, frozen=True):
    """A camera with its codes turned into text."""

    device: DeviceView
    name: str
    state_text: str
    reason: str
    clock: str
    clock_is_off: bool
    versions: str


def camera_row(device: DeviceView) -> CameraRow:
    versions = (device.fw_ver, device.sw_ver, device.os_ver, device.hw_ver)
    offset = device.clock_offset
    return CameraRow(
        device=device,
        name=device.name or device.sn,
        state_text=gettext(DEVICE_STATES[device.state]),
        reason=device_reason(device),
        clock="" if offset is None else clock_offset(offset),
        clock_is_off=offset is not None and abs(offset) > _CLOCK_WARNING,
        versions=" · ".join(version for version in versions if version),
    )
