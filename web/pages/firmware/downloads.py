"""What cameras downloaded of releases, as the page Firmware lists it."""

from __future__ import annotations

from msgspec import Struct

from hub.store.tables.downloads import Download
from web import auth
from web.pages.firmware.labels import moment, size_text
from web.pages.shown.camera_names import camera_name

#: Rows that are shown; the rest is counted.
_MAX_DOWNLOADS = 200


class DownloadRow(Struct, frozen=True):
    """`file` is its name in a release, or the start of its SHA-256."""

    download: Download
    camera: str
    file: str
    size: str
    percent: int
    began: str
    ended: str


class DownloadList(Struct, frozen=True):
    """The newest downloads; `more`: how many are not shown."""

    rows: list[DownloadRow]
    more: int


def list_downloads() -> DownloadList:
    found = auth.services().firmware.downloads.downloads()
    return DownloadList(
        [_download_row(one) for one in found[:_MAX_DOWNLOADS]], max(0, len(found) - _MAX_DOWNLOADS)
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
