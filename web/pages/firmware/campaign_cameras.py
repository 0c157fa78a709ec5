"""The cameras that a release may be rolled out to."""

from __future__ import annotations

from collections.abc import Collection

from msgspec import Struct

from hub.services.firmware.campaign_views import DeviceProgress
from hub.store.tables.firmware import Release
from hub.wire.uploads.firmware import Versions
from web import auth
from web.language import gettext
from web.pages.firmware.labels import too_old_sentence, versions_line
from web.pages.shown.camera_rows import CameraRow, camera_row


class CampaignCamera(Struct, frozen=True, kw_only=True):
    """A camera to select. `obstacle`: why it cannot be selected; `campaign`: the one it is in."""

    camera: CameraRow
    versions: str
    chosen: bool
    obstacle: str = ""
    campaign: int | None = None
    warning: str = ""


def campaign_cameras(release: Release, chosen: Collection[str]) -> list[CampaignCamera]:
    """Return all cameras by name; `chosen`: their dids."""
    cameras = sorted(
        auth.services().cameras.devices.list(), key=lambda one: (one.name.casefold(), one.did)
    )
    standings = auth.services().firmware.campaigns.progress_by_did()
    return [
        _make_choice(camera_row(one), release, standings.get(one.did), one.did in chosen)
        for one in cameras
    ]


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
