"""The gate of dangerous commands on pages (D12): for administrators, and asked once.

Dangerous is what erases data, or can take a camera away from the hub. docs/security.md lists these
commands, and every way in.
"""

from __future__ import annotations

from msgspec import Struct
from quart import request

from hub.services.devices.views import DeviceView


class Order(Struct, frozen=True):
    """A form that an administrator has sent. `is_confirmed`: the page has asked for it before."""

    form: dict[str, str]
    is_confirmed: bool

    def names(self, device: DeviceView) -> bool:
        """Whether the camera's name was typed: asked for where data is erased."""
        return self.form.get("typed", "").strip() == name_to_type(device)


async def read_order() -> Order:
    """Read the form of the current request."""
    form = (await request.form).to_dict()
    return Order(form, "confirmed" in form)


def name_to_type(device: DeviceView) -> str:
    return device.name or device.sn
