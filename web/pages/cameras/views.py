"""The page of all cameras, with pending devices."""

from __future__ import annotations

from quart import Blueprint, Response

from web.pages.cameras.arrivals import accepted_note
from web.pages.cameras.camera_list import camera_list
from web.pages.cameras.pending_list import PendingRow, pending_list
from web.pages.layout import page

blueprint = Blueprint("cameras", __name__, url_prefix="/cameras")


async def cameras_page(refused: PendingRow | None = None, fault: str = "") -> Response:
    return await page(
        "cameras/cameras.html",
        status=400 if refused or fault else 200,
        cameras=camera_list(),
        pending=pending_list("/cameras", refused),
        accepted=accepted_note(),
        fault=fault,
    )


@blueprint.get("", role="viewer")
async def cameras() -> Response:
    return await cameras_page()


@blueprint.get("/table", role="viewer")
async def table() -> Response:
    return await page("cameras/_cameras.html", cameras=camera_list())
