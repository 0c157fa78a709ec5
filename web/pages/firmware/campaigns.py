"""One campaign: progress of each camera, pause, resume and stop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from quart import Blueprint, Response

from hub.errors import BadParameter
from hub.services.firmware.campaign_views import Campaign
from web import auth
from web.pages.firmware.labels import campaign_sentence
from web.pages.firmware.rows import campaign_device_rows, campaign_row
from web.pages.layout import page, redirect_to

blueprint = Blueprint("campaign", __name__, url_prefix="/cameras/firmware/campaigns/<int:id>")

#: Cameras shown on the page; the rest is counted.
_MAX_SHOWN = 200


@blueprint.get("", role="viewer")
async def one_campaign(id: int) -> Response:
    return await _campaign_page("firmware/campaign.html", id)


@blueprint.get("/now", role="viewer")
async def now(id: int) -> Response:
    """The part of the page that is refreshed."""
    return await _campaign_page("firmware/_campaign.html", id)


async def _campaign_page(template: str, id: int) -> Response:
    campaign = auth.services().firmware.campaigns.campaign(id)
    rows = campaign_device_rows(campaign)
    return await page(
        template,
        row=campaign_row(campaign),
        campaign=campaign,
        sentence=campaign_sentence(campaign),
        devices=rows[:_MAX_SHOWN],
        more=len(rows[_MAX_SHOWN:]),
    )


@blueprint.post("/pause", role="admin")
async def pause(id: int) -> Response:
    return await _change(id, auth.services().firmware.campaigns.pause, "pause")


@blueprint.post("/resume", role="admin")
async def resume(id: int) -> Response:
    return await _change(id, auth.services().firmware.campaigns.resume, "resume")


async def _ask_to_stop(id: int) -> Response:
    return await page(
        "firmware/stop.html",
        campaign=auth.services().firmware.campaigns.campaign(id),
    )


@blueprint.post("/stop", role="admin", confirm=_ask_to_stop)
async def stop(id: int) -> Response:
    return await _change(id, auth.services().firmware.campaigns.stop, "stop")


async def _change(id: int, step: Callable[[int], Awaitable[Campaign]], action: str) -> Response:
    try:
        await step(id)
        await auth.services().core.audit.add(auth.actor(), f"campaign.{action}", str(id))
    except BadParameter:
        # It has ended in the meantime, as its page shows.
        return redirect_to(f"/cameras/firmware/campaigns/{id}")
    return redirect_to(f"/cameras/firmware/campaigns/{id}?done=campaign-{action}")
