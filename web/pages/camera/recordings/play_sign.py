"""The play sign of a recording: what it sends, and where the recording is without one."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from hub.errors import BadParameter
from hub.services.commands.recordings import RecordingSubject
from hub.services.devices.views import DeviceView
from web.pages.times import valid_day


class Choice(Struct, frozen=True, forbid_unknown_fields=True):
    """What the play sign of a recording sends, as JSON: see RecordingSubject."""

    path: str
    day: str
    start: Annotated[str, Meta(max_length=32)]


def own_page(device: DeviceView) -> str:
    """Return where the camera's own page is; "" if it has not told its address."""
    try:
        address = ip_address(device.ip or "")
    except ValueError:
        return ""
    return f"http://[{address}]/" if address.version == 6 else f"http://{address}/"


def play_value(subject: RecordingSubject) -> str:
    """Return what the play sign of this recording sends."""
    choice = Choice(subject.path, subject.day, subject.start[:32])
    return msgspec.json.encode(choice).decode()


def read_play_value(did: str, text: str) -> RecordingSubject:
    """Return which recording a play sign is about. Raises BadParameter."""
    try:
        choice = msgspec.json.decode(text, type=Choice)
    except msgspec.MsgspecError:
        raise BadParameter("a recording of the list is expected", field="recording") from None
    if valid_day(choice.day) is None:
        raise BadParameter("a day is expected", field="recording")
    return RecordingSubject(did, choice.path, choice.day, choice.start)
