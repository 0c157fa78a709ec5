"""How a simulated camera of edition 3 upgrades its firmware, after it was told to ask (D12).

Nothing tells it how large a file is: it fetches parts until one is short.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from hub.decoders import decode_json
from hub.simulator.device.state import DeviceState
from hub.simulator.endpoint import HubAway
from hub.simulator.firmware_upgrade import UpgradeRefused
from hub.simulator.http_client import HttpClient
from hub.wire.uploads.firmware import PlainOtaAnswer, Versions, parse_version

_QUERY_PATH = "/api/v1/ota/query"
_PIECE_BYTES = 256 * 1024
_MAX_BYTES = 256 << 20
_MAX_DESCRIPTION_BYTES = 64 * 1024
_VERSION_FILE = 1


class _QueryReply(Struct):
    code: int
    data: PlainOtaAnswer | None = None


async def query(
    http_client: HttpClient, state: DeviceState, token: str | None
) -> PlainOtaAnswer | None:
    """Ask the hub for a release newer than what runs. Raises HubAway."""
    body = {"otaId": "", "sn": state.sn, "did": "", "verCode": state.ver_code}
    response = await http_client.post(_QUERY_PATH, msgspec.json.encode(body), token)
    try:
        return decode_json(response.content, _QueryReply).data
    except msgspec.MsgspecError as error:
        raise HubAway(f"{_QUERY_PATH}: {error}") from None


async def download(http_client: HttpClient, offer: PlainOtaAnswer) -> str:
    """Download all files; return the version that they install.

    The version file names it; without one, the offer does. Raises UpgradeRefused, or HubAway.
    """
    firmware = offer.ver_name
    for component in offer.component_list:
        beginning = await _download(http_client, component.url)
        if component.type == _VERSION_FILE:
            firmware = _version_in(beginning) or firmware
    return firmware


def install(state: DeviceState, firmware: str) -> bool:
    """Run this version from the next start on; False if it is not newer than what runs."""
    numbers = parse_version(firmware)
    if numbers is None or len(numbers) < 3 or numbers[2] <= state.ver_code:
        return False
    state.ver_code = numbers[2]
    state.versions = Versions(fw_ver=firmware)
    return True


async def _download(http_client: HttpClient, url: str) -> bytes:
    """Download a file, and return its beginning."""
    path, size, beginning = urlsplit(url).path, 0, b""
    while size <= _MAX_BYTES:
        response = await http_client.get_range(path, size, size + _PIECE_BYTES - 1)
        if size and response.status in (404, 416):
            # The last part was as long as a part can be; its link was used up by it.
            return beginning
        if response.status != 206:
            raise UpgradeRefused(f"the hub answered the download with status {response.status}")
        size += len(response.content)
        beginning += response.content[: _MAX_DESCRIPTION_BYTES - len(beginning)]
        if len(response.content) < _PIECE_BYTES:
            return beginning
    raise UpgradeRefused("the file is too long")


def _version_in(content: bytes) -> str:
    try:
        return decode_json(content, Versions).fw_ver or ""
    except msgspec.MsgspecError:
        return ""
