"""The pages of a camera's Device tab, and which of them a camera can have (D12)."""

from __future__ import annotations

from msgspec import Struct
from quart import Response

from hub.services.devices.views import DeviceView
from hub.wire.commands.capabilities import CommandGroup, may_know
from web import auth
from web.language import N_, gettext
from web.pages.camera.layout import camera_page, get_camera
from web.pages.faults import NotHere

TAB = "/device"


class DevicePart(Struct, frozen=True):
    """One page of the tab. `path` is relative to the tab; `group`: what the camera must know."""

    path: str
    text: str
    group: CommandGroup


class PartLink(Struct, frozen=True):
    url: str
    text: str
    chosen: bool


PARTS = (
    DevicePart("", N_("About the camera"), "information"),
    DevicePart("/image", N_("Image"), "image"),
    DevicePart("/masks", N_("Privacy masks"), "image"),
    DevicePart("/media", N_("Video and audio"), "media"),
    DevicePart("/address", N_("Network address"), "network"),
)


def parts_of(did: str) -> list[DevicePart]:
    """The pages that this camera can have."""
    known = auth.services().cameras.capabilities.of(did)
    return [part for part in PARTS if may_know(known, part.group)]


def get_capable(did: int, group: CommandGroup) -> DeviceView:
    """Return the camera. Raises NoSuchResource also if it does not know the group."""
    device = get_camera(did)
    if not may_know(auth.services().cameras.capabilities.of(device.did), group):
        raise NotHere(gettext("This camera cannot do that."))
    return device


async def device_page(
    template: str, device: DeviceView, *, path: str = "", status: int = 200, **values: object
) -> Response:
    """Render a page of the tab; `path` is that of its part."""
    return await camera_page(
        template,
        device,
        tab=TAB,
        status=status,
        parts=[
            PartLink(
                f"/cameras/{device.did}{TAB}{part.path}", gettext(part.text), part.path == path
            )
            for part in parts_of(device.did)
        ],
        **values,
    )
