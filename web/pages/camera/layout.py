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
from web.pages.layout import page
from web.pages.shown.camera_rows import camera_row
from web.pages.shown.links import of_camera
from web.pages.shown.relays import relay_link


class CameraEntry(Struct, frozen=True):
    """One page of a camera. `path` is relative to the camera's address.

    `group`: commands that the camera must know, if only later editions have them (D12). `waits`:
    the page is sent when the camera has answered. `also`: other paths whose pages belong to it.
    """

    path: str
    text: str
    role: Right
    group: CommandGroup | None = None
    waits: bool = False
    also: tuple[str, ...] = ()


class CameraLink(Struct, frozen=True):
    url: str
    text: str
    chosen: bool
    waits: bool


#: The tabs, each with its pages; a tab leads to the first one that a user may open.
TABS = (
    (
        N_("Now"),
        (
            CameraEntry("", N_("State"), "viewer", also=("/relay", "/light")),
            CameraEntry("/pan-tilt", N_("Pan and tilt"), "guard", "ptz"),
        ),
    ),
    (
        N_("What it saw"),
        (
            # Names and ID numbers of people: not for viewers.
            CameraEntry("/captures", N_("Captures on camera"), "guard"),
            CameraEntry("/recordings", N_("Recordings"), "viewer"),
            CameraEntry("/people", N_("People on camera"), "guard"),
        ),
    ),
    (
        N_("Settings"),
        (
            CameraEntry("/settings", N_("Recognition and recording"), "admin"),
            CameraEntry("/device", N_("About the camera"), "admin", "information", waits=True),
            CameraEntry("/device/image", N_("Image"), "admin", "image", waits=True),
            CameraEntry("/device/masks", N_("Privacy masks"), "admin", "image", waits=True),
            CameraEntry("/device/media", N_("Video and audio"), "admin", "media", waits=True),
            CameraEntry("/device/address", N_("IP address"), "admin", "network", waits=True),
            CameraEntry("/relay/settings", N_("Door or relay"), "admin", also=("/relay/remove",)),
        ),
    ),
    (
        N_("Service"),
        (
            CameraEntry(
                "/manage",
                N_("Manage"),
                "admin",
                also=("/name", "/identity", "/reboot", "/remove", "/unsigned", "/capabilities"),
            ),
            CameraEntry("/trace", N_("Trace"), "admin"),
        ),
    ),
)


def get_camera(did: int) -> DeviceView:
    """Return the camera. Raises NoSuchResource."""
    return auth.services().cameras.devices.get(str(did))


async def camera_page(
    template: str, device: DeviceView, *, status: int = 200, **values: object
) -> Response:
    """Render a page of one camera. Its address says to which tab it belongs."""
    me, known = auth.user(), auth.services().cameras.capabilities.of(device.did)
    here = f"/cameras/{device.did}"
    tabs = [
        (
            text,
            [
                one
                for one in entries
                if auth.reaches(me, one.role)
                if one.group is None or may_know(known, one.group)
            ],
        )
        for text, entries in TABS
    ]
    chosen = _entry_at(request.path.removeprefix(here))
    return await page(
        template,
        status=status,
        row=camera_row(device),
        search_url=of_camera(device.did),
        relay_link=relay_link(auth.services(), device.did),
        tabs=[
            CameraLink(here + below[0].path, gettext(text), chosen in below, below[0].waits)
            for text, below in tabs
            if below
        ],
        parts=[
            CameraLink(here + one.path, gettext(one.text), one is chosen, one.waits)
            for _text, below in tabs
            for one in below
            if chosen in below and len(below) > 1
        ],
        is_seen=chosen in TABS[1][1],
        replaced=request.args.get("replaced", "")[:MAX_SN_LENGTH],
        **values,
    )


def _entry_at(path: str) -> CameraEntry:
    """The entry to which a path below the camera's address belongs."""
    found = (
        (own, entry)
        for _text, entries in TABS
        for entry in entries
        for own in (entry.path, *entry.also)
        if path == own or path.startswith(f"{own}/")
    )
    return max(found, key=lambda one: len(one[0]), default=("", TABS[0][1][0]))[1]


def device_picture_url(did: str, path: str) -> str:
    """The address of a picture on a camera; `path` is as the camera gave it."""
    return f"/media/device/{did}?path={quote(path, safe='')}"
