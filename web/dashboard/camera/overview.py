"""How one camera is: its state, and what is known of it."""

from __future__ import annotations

from quart import Blueprint, Response

from web import auth
from web.dashboard.camera.frame import camera, camera_page
from web.dashboard.camera.row import row
from web.dashboard.firmware.rows import campaign_of
from web.dashboard.pages import page
from web.dashboard.words import init_outcome

blueprint = Blueprint("camera", __name__, url_prefix="/cameras/<int:did>")


@blueprint.get("")
async def overview(did: int) -> Response:
    await auth.require_role("viewer")
    device = camera(did)
    return await camera_page(
        "camera.html",
        device,
        init_outcome=init_outcome(device.init_outcome),
        campaign=campaign_of(device.did),
    )


@blueprint.get("/state")
async def state(did: int) -> Response:
    """The part of the page that changes by itself."""
    await auth.require_role("viewer")
    device = camera(did)
    return await page(
        "_camera_state.html", row=row(device), init_outcome=init_outcome(device.init_outcome)
    )


@blueprint.get("/campaign")
async def campaign(did: int) -> Response:
    """How far it is with new firmware."""
    await auth.require_role("viewer")
    return await page("_camera_campaign.html", campaign=campaign_of(camera(did).did))
