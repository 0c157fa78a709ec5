"""Start a campaign: select cameras, and the one that goes first; it is asked once (D12)."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import HubError
from hub.services.firmware.campaign_views import DeviceProgress
from hub.services.firmware.campaigns import MAX_DEVICES
from hub.store.tables.firmware import Release
from hub.wire.commands.capabilities import supposed_edition
from hub.wire.uploads.firmware import Versions
from web import auth
from web.language import gettext
from web.pages.firmware.labels import describe_start_error, too_old_sentence, versions_line
from web.pages.firmware.release_holders import ReleaseHolders
from web.pages.firmware.rows import release_row
from web.pages.layout import page, redirect_to
from web.pages.shown.camera_rows import CameraRow, camera_row

blueprint = Blueprint(
    "firmware_start_campaign", __name__, url_prefix="/cameras/firmware/releases/<int:id>/give"
)


#: Cameras that a question names.
_MAX_NAMES = 20


class CampaignCamera(Struct, frozen=True, kw_only=True):
    """A camera to select. `obstacle`: why it cannot be selected; `campaign`: the one it is in."""

    camera: CameraRow
    versions: str
    chosen: bool
    obstacle: str = ""
    campaign: int | None = None
    warning: str = ""


@blueprint.get("", role="admin")
async def show(id: int) -> Response:
    # The page of a camera links here with that camera.
    return await _start_page(auth.services().firmware.releases.get(id), request.args.getlist("did"))


@blueprint.post("", role="admin")
async def start(id: int) -> Response:
    hub = auth.services()
    release = hub.firmware.releases.get(id)
    form = await request.form
    dids, first = form.getlist("did"), form.get("first", "")
    if first and first not in dids:
        fault = gettext("The camera that goes first must be one of the selected cameras.")
        return await _start_page(release, dids, first, fault)
    if dids and "confirmed" not in form:
        return await _confirm_page(release, dids[:MAX_DEVICES], first)
    try:
        campaign = await hub.firmware.campaigns.start(id, _in_order(dids, first))
        await hub.core.audit.add(auth.actor(), "campaign.start", str(campaign.id))
    except HubError as error:
        return await _start_page(release, dids, first, describe_start_error(error))
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


async def _start_page(
    release: Release, chosen: list[str], first: str = "", fault: str = ""
) -> Response:
    cameras = sorted(
        auth.services().cameras.devices.list(), key=lambda one: (one.name.casefold(), one.did)
    )
    standings, wanted = auth.services().firmware.campaigns.progress_by_did(), set(chosen)
    choices = [
        _make_choice(camera_row(one), release, standings.get(one.did), one.did in wanted)
        for one in cameras
    ]
    return await page(
        "firmware/start_campaign.html",
        status=400 if fault else 200,
        fault=fault,
        row=release_row(release, ReleaseHolders()),
        choices=choices,
        free=[one for one in choices if not one.obstacle],
        first=first,
    )


def _make_choice(
    camera: CameraRow, release: Release, standing: DeviceProgress | None, chosen: bool
) -> CampaignCamera:
    device = camera.device
    reported = Versions.of(device)
    obstacle, campaign = _find_obstacle(camera, reported, release, standing)
    return CampaignCamera(
        camera=camera,
        versions=versions_line(reported),
        chosen=chosen and not obstacle,
        obstacle=obstacle,
        campaign=campaign,
        warning=too_old_sentence(reported, release),
    )


def _find_obstacle(
    camera: CameraRow, reported: Versions, release: Release, standing: DeviceProgress | None
) -> tuple[str, int | None]:
    """Why the camera cannot be selected, and the campaign that it is in."""
    if standing is not None and not standing.campaign.has_ended:
        text = gettext("It is being updated to %(version)s.")
        return text % {"version": standing.campaign.release.ver_name}, standing.campaign.id
    if any(release.reports.given()) and reported.matches(release.reports):
        return gettext("It already has this release."), None
    if not camera.device.enabled:
        return gettext("It is disabled."), None
    return "", None
