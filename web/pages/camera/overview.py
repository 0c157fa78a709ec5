"""How one camera is: its state, and what is known of it."""

from __future__ import annotations

from quart import Blueprint, Response

from web import auth
from web.pages.camera.layout import camera, camera_page
from web.pages.camera.row import row
from web.pages.firmware.rows import campaign_of
from web.pages.labels import init_outcome
from web.pages.layout import page

blueprint = Blueprint("camera", __name__, url_prefix="/cameras/<int:did>")


@blueprint.get("")
async def overview(did: int) -> Response:
    await auth.require_role("viewer")
    device = camera(did)
    return await camera_page(
        "camera/overview.html",
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
        "camera/_state.html", row=row(device), init_outcome=init_outcome(device.init_outcome)
    )


@blueprint.get("/campaign")
async def campaign(did: int) -> Response:
    """How far it is with new firmware."""
    await auth.require_role("viewer")
    return await page("camera/_campaign.html", campaign=campaign_of(camera(did).did))
