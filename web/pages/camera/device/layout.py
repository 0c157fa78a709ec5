"""What the pages share that only cameras of later editions have (D12)."""

from __future__ import annotations

from hub.services.devices.views import DeviceView
from hub.wire.commands.capabilities import CommandGroup, may_know
from web import auth
from web.language import gettext
from web.pages.camera.layout import get_camera
from web.pages.faults import NotHere


def get_capable(did: int, group: CommandGroup) -> DeviceView:
    """Return the camera. Raises NoSuchResource also if it does not know the group."""
    device = get_camera(did)
    if not may_know(auth.services().cameras.capabilities.of(device.did), group):
        raise NotHere(
            gettext(
                "This camera does not support that. A newer firmware may: ask the vendor, or go "
                "back to the camera's page."
            )
        )
    return device
