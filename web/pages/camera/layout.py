"""The layout that all pages of one camera share: its name and tabs."""

from __future__ import annotations

from urllib.parse import quote

from msgspec import Struct
from quart import Response, request

from hub.services.access.rights import Right
from hub.services.devices.validation import MAX_SN_LENGTH
from hub.services.devices.views import DeviceView
from hub.wire.commands.capabilities import CommandGroup, may_know
from web import auth
from web.language import N_, gettext
from web.pages.labels import done_sentence
from web.pages.layout import page
from web.pages.shown.camera_rows import camera_row
from web.pages.shown.links import of_camera
from web.pages.shown.relays import relay_link


class CameraTab(Struct, frozen=True):
    """One page of a camera. `path` is relative to the camera's address.

    `group`: commands that the camera must know, if only later editions have them (D12). `waits`:
    the page is sent when the camera has answered.
    """

    path: str
    text: str
    role: Right
    group: CommandGroup | None = None
    waits: bool = False


class CameraTabLink(Struct, frozen=True):
    url: str
    text: str
    chosen: bool
    waits: bool


_TABS = (
    CameraTab("", N_("Overview"), "viewer"),
    CameraTab("/settings", N_("Settings"), "admin"),
    CameraTab("/device", N_("Device"), "admin", "information", waits=True),
    CameraTab("/pan-tilt", N_("Pan and tilt"), "guard", "ptz"),
    CameraTab("/light", N_("Light at night"), "guard", "image"),
    CameraTab("/recordings", N_("Recordings"), "viewer"),
    # Names and ID numbers of people: not for viewers.
    CameraTab("/captures", N_("Captures on camera"), "guard"),
    CameraTab("/people", N_("People"), "guard"),
    CameraTab("/search", N_("Search by photo"), "guard"),
    CameraTab("/trace", N_("Trace"), "admin"),
    CameraTab("/manage", N_("Manage"), "admin"),
)


def get_camera(did: int) -> DeviceView:
    """Return the camera. Raises NoSuchResource."""
    return auth.services().cameras.devices.get(str(did))


async def camera_page(
    template: str, device: DeviceView, *, tab: str = "", status: int = 200, **values: object
) -> Response:
    """Render a page of one camera. `tab` is the path of the tab that it belongs to."""
    me, known = await auth.current_user(), auth.services().cameras.capabilities.of(device.did)
    tabs = [
        one
        for one in _TABS
        if me is not None and auth.reaches(me, one.role)
        if one.group is None or may_know(known, one.group)
    ]
    return await page(
        template,
        status=status,
        row=camera_row(device),
        search_url=of_camera(device.did),
        relay_link=relay_link(device.did),
        tabs=[
            CameraTabLink(
                f"/cameras/{device.did}{one.path}", gettext(one.text), one.path == tab, one.waits
            )
            for one in tabs
        ],
        may_wait=any(one.waits for one in tabs),
        done=done_sentence(request.args.get("done")),
        replaced=request.args.get("replaced", "")[:MAX_SN_LENGTH],
        **values,
    )


def device_picture_url(did: str, path: str) -> str:
    """The address of a picture on a camera; `path` is as the camera gave it."""
    return f"/media/device/{did}?path={quote(path, safe='')}"
