"""One release, and removing it."""

from __future__ import annotations

from collections.abc import Sequence

from quart import Blueprint, Response, request

from hub.errors import BadParameter
from hub.store.tables.firmware import Release
from web import auth
from web.pages.firmware.campaign_cameras import campaign_cameras
from web.pages.firmware.labels import in_use_sentence
from web.pages.firmware.release_holders import ReleaseHolders
from web.pages.firmware.rows import campaign_row, release_row
from web.pages.layout import page, redirect_to

blueprint = Blueprint(
    "firmware_release", __name__, url_prefix="/cameras/firmware/releases/<int:id>"
)

#: Cameras that are named; the rest is counted.
_MAX_HOLDERS = 200


@blueprint.get("", role="viewer")
async def one_release(id: int) -> Response:
    # The page of a camera links here with that camera.
    return await release_page(
        auth.services().firmware.releases.get(id), request.args.getlist("did")
    )


async def release_page(
    release: Release, chosen: Sequence[str] = (), first: str = "", fault: str = ""
) -> Response:
    """The page of a release, on which it is rolled out. `chosen`, `first`: dids of that form."""
    may_start, hub = auth.reaches(auth.user(), "admin"), auth.services()
    choices = campaign_cameras(release, set(chosen)) if may_start else []
    return await page(
        "firmware/release.html",
        status=400 if fault else 200,
        fault=fault,
        choices=choices,
        free=[one for one in choices if not one.obstacle],
        first=first,
        is_starting=bool(chosen or fault),
        row=release_row(release, ReleaseHolders()),
        max_holders=_MAX_HOLDERS,
        campaigns=[
            campaign_row(one)
            for one in hub.firmware.campaigns.outlines()
            if one.release.id == release.id
        ],
    )


async def _ask_to_remove(id: int) -> Response:
    return await _remove_page(auth.services().firmware.releases.get(id))


async def _remove_page(release: Release, *, status: int = 200) -> Response:
    row = release_row(release, ReleaseHolders())
    return await page(
        "firmware/remove.html",
        status=status,
        row=row,
        in_use=in_use_sentence(row.running) if row.running else "",
        running=[
            one
            for one in auth.services().firmware.campaigns.outlines()
            if one.release.id == release.id and not one.has_ended
        ],
    )


@blueprint.post("/remove", role="admin", confirm=_ask_to_remove)
async def remove(id: int) -> Response:
    hub = auth.services()
    try:
        await hub.firmware.releases.remove(id)
        await hub.core.audit.add(auth.actor(), "firmware.remove", str(id))
    except BadParameter:
        return await _remove_page(hub.firmware.releases.get(id), status=400)
    return redirect_to("/cameras/firmware?done=release-removed")
