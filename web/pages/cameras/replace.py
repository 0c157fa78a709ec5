"""Put a camera that asks to connect in the place of a broken one, chosen by name."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.services.devices.views import DeviceView
from web import auth
from web.language import gettext
from web.pages.cameras.pending_list import PendingRow, make_pending_row, read_back
from web.pages.labels import DEVICE_STATES
from web.pages.layout import page, redirect_to
from web.pages.shown.camera_rows import shown_state

blueprint = Blueprint("replace", __name__, url_prefix="/cameras/waiting")


class BrokenCamera(Struct, frozen=True):
    did: str
    name: str
    state_text: str
    chosen: bool


@blueprint.get("/<path:sn>/replace", role="admin")
async def show(sn: str) -> Response:
    waiting = auth.services().cameras.enrolment.last_attempt(sn)
    back = read_back(request.args.get("back", ""))
    if waiting is None:
        return redirect_to(back)
    return await replace_page(make_pending_row(waiting), back)


async def replace_page(row: PendingRow, back: str, *, question: str = "") -> Response:
    """The form for the camera of `row`, which leads back to `back`.

    `question`: what to ask before the chosen camera is replaced.
    """
    hub = auth.services()
    devices = sorted(hub.cameras.devices.list(), key=_sort_key)
    return await page(
        "cameras/replace.html",
        status=400 if row.fault else 200,
        question=question,
        one=row,
        back=back,
        broken=[_broken_camera(one, row) for one in devices if one.state != "online"],
        online=[_broken_camera(one, row) for one in devices if one.state == "online"],
        has_site_key=hub.cameras.devices.site_key() is not None,
    )


def _broken_camera(device: DeviceView, row: PendingRow) -> BrokenCamera:
    return BrokenCamera(
        device.did,
        device.name or device.sn,
        gettext(DEVICE_STATES[shown_state(device)]),
        device.did == row.replaces,
    )


def _sort_key(device: DeviceView) -> tuple[str, int, str]:
    return (device.name or device.sn).casefold(), len(device.did), device.did
