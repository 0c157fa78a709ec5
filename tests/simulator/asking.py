"""Commands as the hub would ask them of a simulated camera, without a connection."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pybase64

from hub.simulator.actions import Say, Step
from hub.simulator.device_state import DeviceState
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity
from hub.simulator.responder import Responder
from hub.simulator.scenario import drawing
from hub.simulator.scenario.population import make_cast
from hub.wire.commands.dialect import Command
from hub.wire.commands.messages import PersonAdd
from hub.wire.commands.params import encode_param
from hub.wire.envelope import Request

CAST = make_cast(7)
#: A Wednesday at noon, by the clock of this machine.
NOON = datetime(2025, 11, 26, 12)
WEEK = {
    "start_time": f"{NOON - timedelta(days=7):%Y-%m-%d %H:%M:%S}",
    "end_time": f"{NOON:%Y-%m-%d %H:%M:%S}",
}


def device(identity: CameraIdentity, quirks: Quirks = FAULTLESS) -> tuple[DeviceState, Responder]:
    """A camera at noon, in whose face library everybody of the cast is."""
    state = DeviceState(identity, CAST, now=NOON.timestamp, knows_cast=True)
    return state, Responder(state, quirks)


def steps(responder: Responder, command: Command[Any, Any], **changes: Any) -> tuple[Step, ...]:
    """What it does when it is asked as in the command's example, but for `changes`."""
    param = msgspec.structs.replace(command.example, **changes)
    return responder.answer(Request("m1", command.uri, encode_param(command, param)))


def answer(responder: Responder, command: Command[Any, Any], **changes: Any) -> dict[str, Any]:
    """The `data` of the one answer that it gives."""
    (said,) = messages(steps(responder, command, **changes))
    document = json.loads(said)
    assert document["msgid"] == "m1"
    data: dict[str, Any] = document["data"]
    return data


def messages(done: Sequence[Step]) -> list[str | bytes]:
    return [step.message for step in done if isinstance(step, Say)]


def photo(number: int = 0) -> str:
    """The portrait of one of the cast, as base64."""
    return pybase64.b64encode(drawing.face_jpeg(CAST.known[number], 1)).decode()


def person(pid: str = "77", **changes: Any) -> PersonAdd:
    new = PersonAdd(pid=pid, name="孙悦", gender=2, age=30, photo=photo(), category=3, phone="1360")
    return msgspec.structs.replace(new, **changes)
