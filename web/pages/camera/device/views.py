"""What a camera says that it is, and how it is connected (1.30 and 1.36 of edition 3, D12)."""

from __future__ import annotations

from typing import Any

import trio
from msgspec import Struct
from quart import Blueprint, Response, request

from hub.errors import HubError
from hub.services.camera_functions.readings import CameraReading
from hub.wire.commands.dialect import Command
from hub.wire.commands.edition_3_answers import DeviceInformation, Ethernet, Interfaces, Wifi
from hub.wire.commands.edition_3_commands import GET_INFO, GET_INTERFACES
from web import auth
from web.language import gettext
from web.pages.camera.device.layout import get_capable
from web.pages.camera.layout import camera_page
from web.pages.device_errors import describe_device_error

blueprint = Blueprint("camera_device", __name__, url_prefix="/cameras/<int:did>/device")

_MAX_TEXT = 100
#: What cameras write where there is no network.
_NO_NAMES = ("", "null")


class Fact(Struct, frozen=True):
    name: str
    value: str
    is_code: bool = False


class FactGroup(Struct, frozen=True):
    """Facts from one answer. `read_at`: UNIX milliseconds; `fault`: why there is none just now."""

    title: str
    facts: list[Fact]
    read_at: int | None
    fault: str


@blueprint.get("", role="admin")
async def show(did: int) -> Response:
    device, anew = get_capable(did, "information"), "again" in request.args
    found: dict[str, CameraReading[Any]] = {}

    async def read(command: Command[Any, Any]) -> None:
        found[command.name] = await auth.services().cameras.readings.read(
            device.did, command, anew=anew
        )

    async with trio.open_nursery() as nursery:
        nursery.start_soon(read, GET_INFO)
        nursery.start_soon(read, GET_INTERFACES)
    return await camera_page(
        "camera/device/about.html",
        device,
        groups=[
            _group(gettext("Camera"), found[GET_INFO.name], _information),
            _group(gettext("Network"), found[GET_INTERFACES.name], _network),
        ],
    )


def _group(title: str, reading: CameraReading[Any], facts: Any) -> FactGroup:
    shown = [] if reading.value is None else [fact for fact in facts(reading.value) if fact.value]
    return FactGroup(title, shown, reading.read_at, reading_fault(reading.error))


def reading_fault(error: HubError | None) -> str:
    """Why a camera did not answer just now; "" if it did."""
    return describe_device_error(error) if error is not None else ""


def _information(info: DeviceInformation) -> list[Fact]:
    return [
        Fact(gettext("Model"), _text(info.model)),
        Fact(gettext("Firmware"), _text(info.firmware), is_code=True),
        Fact(gettext("Hardware"), _text(info.hardware)),
        Fact(gettext("Chip"), _text(info.type)),
        Fact(gettext("Recognition software"), _text(info.algorithm)),
        Fact(gettext("Serial number"), _text(info.sn), is_code=True),
        Fact(gettext("Hardware number"), _text(info.devid), is_code=True),
        Fact(gettext("Language"), _text(info.syslanguage)),
    ]


def _network(found: Interfaces) -> list[Fact]:
    wired, wifi = found.eth or Ethernet(), found.wifi or Wifi()
    facts = [
        Fact(gettext("Network adapter in use"), _text(found.iface), is_code=True),
        Fact(gettext("Wired IP address"), _text(wired.addr), is_code=True),
        Fact(gettext("Address assignment"), _origin(wired.dhcp)),
        Fact(gettext("Subnet mask"), _text(wired.mask), is_code=True),
        Fact(gettext("Gateway"), _text(wired.gateway), is_code=True),
        Fact(gettext("DNS server"), _text(wired.dns), is_code=True),
        Fact(gettext("MAC address"), _text(wired.mac), is_code=True),
    ]
    name = _text(wifi.name)
    if name.lower() in _NO_NAMES:
        facts.append(Fact(gettext("Wi-Fi"), gettext("not connected")))
    else:
        facts.append(Fact(gettext("Wi-Fi"), name))
        facts.append(Fact(gettext("Wi-Fi signal"), _signal(wifi.quality)))
    if found.mobile is not None and found.mobile.quality:
        facts.append(Fact(gettext("Mobile network signal"), _signal(found.mobile.quality)))
    return facts


def _origin(dhcp: bool | None) -> str:
    if dhcp is None:
        return ""
    return gettext("DHCP") if dhcp else gettext("static, set on the camera")


def _signal(quality: int | None) -> str:
    return f"{quality} %" if quality is not None and 0 <= quality <= 100 else ""


def _text(value: str | None) -> str:
    """A text of a camera, as far as it can be shown."""
    shown = "".join(letter for letter in (value or "")[:_MAX_TEXT] if letter.isprintable())
    return shown.strip()
