"""Start a campaign: select cameras, and the one that goes first; it is asked once (D12)."""

from __future__ import annotations

from quart import Blueprint, Response, request

from hub.errors import HubError
from hub.services.firmware.campaigns import MAX_DEVICES
from hub.store.tables.firmware import Release
from hub.wire.commands.capabilities import supposed_edition
from web import auth
from web.language import gettext
from web.pages.firmware.labels import describe_start_error
from web.pages.firmware.release_holders import ReleaseHolders
from web.pages.firmware.releases import release_page
from web.pages.firmware.rows import release_row
from web.pages.layout import page, redirect_to

blueprint = Blueprint(
    "firmware_start_campaign", __name__, url_prefix="/cameras/firmware/releases/<int:id>/give"
)


#: Cameras that a question names.
_MAX_NAMES = 20


@blueprint.post("", role="admin")
async def start(id: int) -> Response:
    hub = auth.services()
    release = hub.firmware.releases.get(id)
    form = await request.form
    dids, first = form.getlist("did"), form.get("first", "")
    if first and first not in dids:
        fault = gettext("The camera that goes first must be one of the selected cameras.")
        return await release_page(release, dids, first, fault)
    if dids and "confirmed" not in form:
        return await _confirm_page(release, dids[:MAX_DEVICES], first)
    try:
        campaign = await hub.firmware.campaigns.start(id, _in_order(dids, first))
        await hub.core.audit.add(auth.actor(), "campaign.start", str(campaign.id))
    except HubError as error:
        return await release_page(release, dids, first, describe_start_error(error))
    return redirect_to(f"/cameras/firmware/campaigns/{campaign.id}?done=campaign-started")


async def _confirm_page(release: Release, dids: list[str], first: str) -> Response:
    """Ask before cameras get other firmware."""
    hub = auth.services()
    known = {one.did: one.name or one.sn for one in hub.cameras.devices.list()}
    names = [known.get(did, did) for did in dids]
    editions = {supposed_edition(hub.cameras.capabilities.of(did)) for did in dids if did in known}
    return await page(
        "firmware/confirm_campaign.html",
        row=release_row(release, ReleaseHolders()),
        dids=dids,
        first=first,
        names=names[:_MAX_NAMES],
        more=max(0, len(names) - _MAX_NAMES),
        differ=len(editions) > 1,
    )


def _in_order(dids: list[str], first: str) -> list[str]:
    """The first camera, then those online: an offline one would hold up all others."""
    online = {one.did for one in auth.services().cameras.devices.list() if one.state == "online"}
    return sorted(dids, key=lambda did: (did != first, did not in online))
