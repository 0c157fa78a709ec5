"""The firmware overview, one release, removing it, and the list of downloads."""

from __future__ import annotations

from msgspec import Struct
from quart import Blueprint, Response

from hub.errors import BadParameter
from hub.store.tables.downloads import Download
from hub.store.tables.firmware import Release
from web import auth
from web.pages.firmware.labels import in_use_sentence, moment, size_text
from web.pages.firmware.release_holders import ReleaseHolders
from web.pages.firmware.rows import campaign_row, release_row, release_rows
from web.pages.layout import page, redirect_to
from web.pages.shown.camera_names import camera_name

blueprint = Blueprint("firmware", __name__, url_prefix="/cameras/firmware")

#: Rows shown of each list; the rest is counted.
_MAX_DOWNLOADS = 200
_MAX_HOLDERS = 200


@blueprint.get("", role="viewer")
async def overview() -> Response:
    return await _overview("firmware/overview.html")


@blueprint.get("/now", role="viewer")
async def now() -> Response:
    """The part of the page that is refreshed."""
    return await _overview("firmware/_overview.html")


async def _overview(template: str) -> Response:
    hub = auth.services()
    campaigns = [campaign_row(one) for one in hub.firmware.campaigns.outlines()]
    holders = ReleaseHolders()
    return await page(
        template,
        releases=release_rows(holders),
        running=[row for row in campaigns if not row.campaign.has_ended],
        ended=[row for row in campaigns if row.campaign.has_ended],
        cameras=holders.cameras,
    )


@blueprint.get("/releases/<int:id>", role="viewer")
async def one_release(id: int) -> Response:
    hub = auth.services()
    release = hub.firmware.releases.get(id)
    return await page(
        "firmware/release.html",
        row=release_row(release, ReleaseHolders()),
        max_holders=_MAX_HOLDERS,
        campaigns=[
            campaign_row(one) for one in hub.firmware.campaigns.outlines() if one.release.id == id
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


@blueprint.post("/releases/<int:id>/remove", role="admin", confirm=_ask_to_remove)
async def remove(id: int) -> Response:
    hub = auth.services()
    try:
        await hub.firmware.releases.remove(id)
        await hub.core.audit.add(auth.actor(), "firmware.remove", str(id))
    except BadParameter:
        return await _remove_page(hub.firmware.releases.get(id), status=400)
    return redirect_to("/cameras/firmware?done=release-removed")


class DownloadRow(Struct, frozen=True):
    """`file` is its name in a release, or the start of its SHA-256."""

    download: Download
    camera: str
    file: str
    size: str
    percent: int
    began: str
    ended: str


@blueprint.get("/downloads", role="viewer")
async def downloads() -> Response:
    found = auth.services().firmware.downloads.downloads()
    return await page(
        "firmware/downloads.html",
        rows=[_download_row(one) for one in found[:_MAX_DOWNLOADS]],
        more=max(0, len(found) - _MAX_DOWNLOADS),
    )


def _download_row(download: Download) -> DownloadRow:
    return DownloadRow(
        download=download,
        camera=camera_name(auth.services(), download.did).name,
        file=_file_name(download),
        size=size_text(download.size),
        percent=download.covered * 100 // download.size,
        began=moment(download.started_at),
        ended=moment(download.ended_at),
    )


def _file_name(download: Download) -> str:
    """The name in the newest release that existed at the time of the download."""
    for release in auth.services().firmware.releases.all():
        for component in release.components:
            if component.sha256 == download.sha256 and release.created_at <= download.started_at:
                return f"{release.ver_name} · {component.name}"
    return download.sha256[:12]
