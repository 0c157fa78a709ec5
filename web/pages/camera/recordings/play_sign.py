"""The play sign of a recording: what it sends, and where the recording is without one."""

from __future__ import annotations

from ipaddress import ip_address

import msgspec
from msgspec.structs import replace

from hub.decoders import decode_json
from hub.errors import BadParameter
from hub.services.commands.recordings import MAX_START_LENGTH, RecordingSubject
from hub.services.devices.views import DeviceView
from web.pages.times import valid_day


def own_page(device: DeviceView) -> str:
    """Return where the camera's own page is; "" if it has not told its address."""
    try:
        address = ip_address(device.ip or "")
    except ValueError:
        return ""
    return f"http://[{address}]/" if address.version == 6 else f"http://{address}/"


def play_value(subject: RecordingSubject) -> str:
    """Return what the play sign of this recording sends: as JSON, but for the camera."""
    start = subject.start[:MAX_START_LENGTH]
    return msgspec.json.encode(replace(subject, did="", start=start)).decode()


def read_play_value(did: str, text: str) -> RecordingSubject:
    """Return which recording a play sign is about. Raises BadParameter."""
    try:
        subject = decode_json(text, RecordingSubject)
    except msgspec.MsgspecError:
        raise BadParameter("a recording of the list is expected", field="recording") from None
    if valid_day(subject.day) is None:
        raise BadParameter("a day is expected", field="recording")
    return replace(subject, did=did)
