"""What all pages of one camera share: its name, and the way from one of them to the others."""

from __future__ import annotations

from msgspec import Struct
from quart import Response, request

from hub.services.access.users import Role
from hub.services.devices.views import DeviceView
from web import auth
from web.pages.camera.row import row
from web.pages.labels import done_sentence
from web.pages.language import N_, gettext
from web.pages.layout import page


class Tab(Struct, frozen=True):
    """One page of a camera: `path` comes after the camera's own address."""

    path: str
    text: str
    role: Role


class TabLink(Struct, frozen=True):
    url: str
    text: str
    chosen: bool


_TABS = (
    Tab("", N_("Overview"), "viewer"),
    Tab("/settings", N_("Settings"), "admin"),
    Tab("/recordings", N_("Recordings"), "viewer"),
    # Who was seen, with names and numbers to look for: more than a viewer is to know.
    Tab("/captures", N_("Captures on camera"), "guard"),
    Tab("/people", N_("People on camera"), "guard"),
    Tab("/search", N_("Search by photo"), "guard"),
    Tab("/trace", N_("Trace"), "admin"),
    Tab("/manage", N_("Manage"), "admin"),
)


def camera(did: int) -> DeviceView:
    """Raises NoSuchResource."""
    return auth.services().devices.get(str(did))


async def camera_page(
    template: str, device: DeviceView, *, tab: str = "", status: int = 200, **values: object
) -> Response:
    """A page of one camera; `tab` is the path of the one that it is, or belongs to."""
    me = await auth.current_user()
    return await page(
        template,
        area="cameras",
        status=status,
        row=row(device),
        tabs=[
            TabLink(f"/cameras/{device.did}{one.path}", gettext(one.text), one.path == tab)
            for one in _TABS
            if me is not None and auth.reaches(me, one.role)
        ],
        done=done_sentence(request.args.get("done")),
        **values,
    )
