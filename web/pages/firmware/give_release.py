"""Giving a release to cameras: which of them, and which one goes first."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import HubError
from hub.services.firmware.campaigns import Standing
from hub.services.firmware.releases import Release
from hub.services.shielding import shielded
from hub.wire.uploads.firmware import Versions
from web import auth
from web.pages.camera.row import Row, row
from web.pages.firmware.labels import start_fault, too_old_sentence, versions_line
from web.pages.firmware.release_holders import Holders
from web.pages.firmware.rows import release_row
from web.pages.language import gettext
from web.pages.layout import go, page

blueprint = Blueprint("firmware_give", __name__, url_prefix="/firmware/releases/<int:id>/give")


class Choice(Struct, frozen=True, kw_only=True):
    """A camera. `hindrance`: why it cannot be chosen; `campaign`: the one that holds it."""

    camera: Row
    versions: str
    chosen: bool
    hindrance: str = ""
    campaign: int | None = None
    warning: str = ""


@blueprint.get("")
async def show(id: int) -> Response:
    await auth.require_role("admin")
    return await _give_page(auth.services().releases.get(id), [])


@blueprint.post("")
async def start(id: int) -> Response:
    me = await auth.require_role("admin")
    await auth.check_csrf()
    hub = auth.services()
    release = hub.releases.get(id)
    form = await request.form
    dids, first = form.getlist("did"), form.get("first", "")
    if first and first not in dids:
        fault = gettext("The camera that goes first must be one of the selected cameras.")
        return await _give_page(release, dids, first, fault)
    try:
        with shielded():
            campaign = await hub.campaigns.start(id, _in_order(dids, first))
            await hub.audit.add(auth.actor(me), "campaign.start", str(campaign.id))
    except HubError as error:
        return await _give_page(release, dids, first, start_fault(error))
    return go(f"/firmware/campaigns/{campaign.id}?done=campaign-started")


def _in_order(dids: list[str], first: str) -> list[str]:
    """Who goes first, then those that are online: one that is not would keep all others waiting."""
    online = {one.did for one in auth.services().devices.list() if one.state == "online"}
    return sorted(dids, key=lambda did: (did != first, did not in online))


async def _give_page(
    release: Release, chosen: list[str], first: str = "", fault: str = ""
) -> Response:
    cameras = sorted(auth.services().devices.list(), key=lambda one: (one.name.casefold(), one.did))
    standings, wanted = auth.services().campaigns.standings(), set(chosen)
    choices = [
        _choice(row(one), release, standings.get(one.did), one.did in wanted) for one in cameras
    ]
    return await page(
        "firmware/give.html",
        area="firmware",
        status=400 if fault else 200,
        fault=fault,
        row=release_row(release, Holders()),
        choices=choices,
        free=[one for one in choices if not one.hindrance],
        first=first,
    )


def _choice(camera: Row, release: Release, standing: Standing | None, chosen: bool) -> Choice:
    device = camera.device
    reported = Versions.of(device)
    hindrance, campaign = _hindrance(camera, reported, release, standing)
    return Choice(
        camera=camera,
        versions=versions_line(reported),
        chosen=chosen and not hindrance,
        hindrance=hindrance,
        campaign=campaign,
        warning=too_old_sentence(reported, release),
    )


def _hindrance(
    camera: Row, reported: Versions, release: Release, standing: Standing | None
) -> tuple[str, int | None]:
    """Why it cannot be chosen, and the campaign that holds it."""
    if standing is not None and not standing.campaign.has_ended:
        text = gettext("It is being updated to %(version)s.")
        return text % {"version": standing.campaign.release.ver_name}, standing.campaign.id
    if any(release.reports.told()) and reported.hold(release.reports):
        return gettext("It already has this release."), None
    if not camera.device.enabled:
        return gettext("It is disabled."), None
    return "", None
