"""How a simulated camera upgrades itself: asks for a release (2.3), downloads, checks, installs."""

from __future__ import annotations

import hashlib
from urllib.parse import urlsplit

import msgspec
import trio
from msgspec import Struct
from msgspec.structs import asdict, replace

from hub.simulator.device_state import DeviceState
from hub.simulator.endpoint import HubAway
from hub.simulator.http_client import Content, Poster
from hub.wire.uploads.firmware import OtaAnswer, OtaComponent, Versions

_QUERY = "/api/v1/ota/query"
_PIECE = 256 * 1024
#: A piece that does not come is asked for again so often.
_ATTEMPTS = 8
_LONGEST_PAUSE = 30.0
_LONGEST_DESCRIPTION = 64 * 1024
#: The kinds of components (2.3) that bring a version along.
_DESCRIPTION, _FIRMWARE, _APP = 1, 2, 3


class NoUpgrade(Exception):
    """Why a release that was offered is not installed."""


class _Said(Struct):
    code: int
    data: OtaAnswer | None = None


async def query(
    poster: Poster, state: DeviceState, who: dict[str, object], token: str | None
) -> OtaAnswer | None:
    """The release that is newer than what is installed. Raises HubAway."""
    body = {"otaId": state.ota_id, **who, **msgspec.to_builtins(state.versions)}
    answer = await poster.ask(_QUERY, msgspec.json.encode(body), token)
    try:
        offered = msgspec.json.decode(answer.content, type=_Said).data
    except msgspec.MsgspecError as error:
        raise HubAway(f"{_QUERY}: {error}") from None
    return offered if offered is not None and offered.ver_code > state.ver_code else None


async def download(poster: Poster, release: OtaAnswer) -> Versions:
    """Download all of a release and check it; what it will report. Raises NoUpgrade, HubAway."""
    brings = Versions()
    for component in release.component_list:
        content = await _download(poster, component)
        brings = _merged(brings, _versions_of(component, release.ver_name, content))
    return brings


def install(state: DeviceState, release: OtaAnswer, brings: Versions) -> None:
    state.ver_code = release.ver_code
    state.versions = _merged(state.versions, brings)


async def _download(poster: Poster, component: OtaComponent) -> bytes:
    """Fetch one file in pieces and check it; the beginning of it. Raises NoUpgrade, HubAway."""
    url = urlsplit(component.url)
    path = f"{url.path}?{url.query}" if url.query else url.path
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    size, beginning = 0, b""
    while size < component.size:
        last = min(size + _PIECE, component.size) - 1
        piece = await _piece(poster, path, size, last)
        size += len(piece)
        md5.update(piece)
        sha256.update(piece)
        beginning += piece[: _LONGEST_DESCRIPTION - len(beginning)]
    if (md5.hexdigest(), sha256.hexdigest()) != (component.md5, component.sha256):
        raise NoUpgrade(f"{component.name} is not what its digests say")
    return beginning


async def _piece(poster: Poster, path: str, first: int, last: int) -> bytes:
    for attempt in range(_ATTEMPTS):
        try:
            got = await poster.fetch(path, first, last)
        except HubAway:
            got = Content(503, b"")
        if got.status == 206 and len(got.content) == last - first + 1:
            return got.content
        if got.status not in (429, 503):
            raise NoUpgrade(f"the download answers {got.status}")
        await trio.sleep(min(max(2.0**attempt, got.retry_after), _LONGEST_PAUSE))
    raise NoUpgrade("the download does not go on")


def _versions_of(component: OtaComponent, ver_name: str, content: bytes) -> Versions:
    """A firmware and an app have the release's version; a description in JSON may say others."""
    if component.type == _FIRMWARE:
        return Versions(fw_ver=ver_name)
    if component.type == _APP:
        return Versions(sw_ver=ver_name)
    if component.type == _DESCRIPTION:
        try:
            return msgspec.json.decode(content, type=Versions)
        except msgspec.MsgspecError:
            return Versions()
    return Versions()


def _merged(versions: Versions, newer: Versions) -> Versions:
    return replace(versions, **{name: text for name, text in asdict(newer).items() if text})
