"""How a simulated camera upgrades its firmware: query (2.3), download, verify, install."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import msgspec
import trio
from msgspec import Struct
from msgspec.structs import asdict, replace

from hub.decoders import decode_json
from hub.simulator.device.state import DeviceState
from hub.simulator.endpoint import HubAway
from hub.simulator.http_client import HttpClient, HttpResponse
from hub.wire.uploads.firmware import OtaAnswer, OtaComponent, Versions

_QUERY_PATH = "/api/v1/ota/query"
_PIECE_BYTES = 256 * 1024
#: How many times one piece is requested before the upgrade is given up.
_MAX_ATTEMPTS = 8
_MAX_PAUSE_SECONDS = 30.0
_MAX_DESCRIPTION_BYTES = 64 * 1024
#: The types of components (2.3) that determine versions.
_DESCRIPTION, _FIRMWARE, _APP = 1, 2, 3


class UpgradeRefused(Exception):
    """Why an offered release is not installed."""


class _QueryReply(Struct):
    code: int
    data: OtaAnswer | None = None


async def query(
    http_client: HttpClient, state: DeviceState, who: dict[str, object], token: str | None
) -> OtaAnswer | None:
    """Ask the hub for a release newer than the installed one. Raises HubAway."""
    body = {"otaId": state.ota_id, **who, **msgspec.to_builtins(state.versions)}
    response = await http_client.post(_QUERY_PATH, msgspec.json.encode(body), token)
    try:
        offered = decode_json(response.content, _QueryReply).data
    except msgspec.MsgspecError as error:
        raise HubAway(f"{_QUERY_PATH}: {error}") from None
    return offered if offered is not None and offered.ver_code > state.ver_code else None


async def download(http_client: HttpClient, release: OtaAnswer) -> Versions:
    """Download and verify all files of a release; return the versions that it installs.

    Raises UpgradeRefused, or HubAway.
    """
    versions = Versions()
    for component in release.component_list:
        content = await _download(http_client, component)
        versions = _merged(versions, _versions_of(component, release.ver_name, content))
    return versions


def install(state: DeviceState, release: OtaAnswer, versions: Versions) -> None:
    state.ver_code = release.ver_code
    state.versions = _merged(state.versions, versions)


async def _download(http_client: HttpClient, component: OtaComponent) -> bytes:
    """Download a file piece by piece and verify its digests; return its beginning."""
    url = urlsplit(component.url)
    path = f"{url.path}?{url.query}" if url.query else url.path
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size, beginning = 0, b""
    while size < component.size:
        last = min(size + _PIECE_BYTES, component.size) - 1
        piece = await _download_piece(http_client, path, size, last)
        size += len(piece)
        md5.update(piece)
        sha256.update(piece)
        beginning += piece[: _MAX_DESCRIPTION_BYTES - len(beginning)]
    if (md5.hexdigest(), sha256.hexdigest()) != (component.md5, component.sha256):
        raise UpgradeRefused(f"{component.name} does not match its digests")
    return beginning


async def _download_piece(http_client: HttpClient, path: str, first: int, last: int) -> bytes:
    for attempt in range(_MAX_ATTEMPTS):
        try:
            response = await http_client.get_range(path, first, last)
        except HubAway:
            response = HttpResponse(503, b"")
        if response.status == 206 and len(response.content) == last - first + 1:
            return response.content
        if response.status not in (429, 503):
            raise UpgradeRefused(f"the hub answered the download with status {response.status}")
        await trio.sleep(min(max(2.0**attempt, response.retry_after), _MAX_PAUSE_SECONDS))
    raise UpgradeRefused(f"the download failed {_MAX_ATTEMPTS} times")


def _versions_of(component: OtaComponent, ver_name: str, content: bytes) -> Versions:
    """Return the release's version for firmware and apps; a description (JSON) may name others."""
    if component.type == _FIRMWARE:
        return Versions(fw_ver=ver_name)
    if component.type == _APP:
        return Versions(sw_ver=ver_name)
    if component.type == _DESCRIPTION:
        try:
            return decode_json(content, Versions)
        except msgspec.MsgspecError:
            return Versions()
    return Versions()


def _merged(versions: Versions, newer: Versions) -> Versions:
    return replace(versions, **{name: text for name, text in asdict(newer).items() if text})
