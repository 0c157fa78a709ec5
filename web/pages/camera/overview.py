"""The overview of one camera: its state and what is known about it."""

from __future__ import annotations

from quart import Blueprint, Response

from hub.services.devices.views import DeviceView
from web.pages.camera.layout import camera_page, get_camera
from web.pages.camera.light_choice import light_choice
from web.pages.camera.outages import list_outages, summarise_outages
from web.pages.firmware.rows import find_campaign
from web.pages.labels import init_outcome
from web.pages.layout import page
from web.pages.shown.camera_rows import camera_row

blueprint = Blueprint("camera", __name__, url_prefix="/cameras/<int:did>")


@blueprint.get("", role="viewer")
async def overview(did: int) -> Response:
    return await overview_page(get_camera(did))


async def overview_page(
    device: DeviceView, *, light_fault: str = "", status: int = 200
) -> Response:
    return await camera_page(
        "camera/overview.html",
        device,
        status=status,
        light=light_choice(device),
        light_fault=light_fault,
        init_outcome=init_outcome(device.init_outcome),
        campaign=find_campaign(device.did),
        outages=await summarise_outages(device.did),
        list=await list_outages(device.did),
    )


@blueprint.get("/state", role="viewer")
async def state(did: int) -> Response:
    """The part of the page that is refreshed when the device changes."""
    device = get_camera(did)
    return await page(
        "camera/_state.html", row=camera_row(device), init_outcome=init_outcome(device.init_outcome)
    )


@blueprint.get("/campaign", role="viewer")
async def campaign(did: int) -> Response:
    """The part of the page that shows the progress of a firmware campaign."""
    return await page("camera/_campaign.html", campaign=find_campaign(get_camera(did).did))
