"""Send commands to a simulated camera without a connection."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pybase64

from hub.simulator.device.actions import Action, Send
from hub.simulator.device.responder import Responder
from hub.simulator.device.state import DeviceState
from hub.simulator.drawing import people
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import make_population
from hub.wire.commands.dialect import Command
from hub.wire.commands.param_structs import PersonAdd
from hub.wire.commands.params import encode_param
from hub.wire.envelope import Request

POPULATION = make_population(7)
#: A Wednesday at noon, local time.
NOON = datetime(2025, 11, 26, 12)
WEEK = {
    "start_time": f"{NOON - timedelta(days=7):%Y-%m-%d %H:%M:%S}",
    "end_time": f"{NOON:%Y-%m-%d %H:%M:%S}",
}


def device(identity: CameraIdentity, quirks: Quirks = FAULTLESS) -> tuple[DeviceState, Responder]:
    """A camera at noon whose face library contains all known people."""
    state = DeviceState(identity, POPULATION, now=NOON.timestamp, preload_faces=True, quirks=quirks)
    return state, Responder(state, quirks)


def actions(responder: Responder, command: Command[Any, Any], **changes: Any) -> tuple[Action, ...]:
    """Send the command's example with `changes`; return what the camera does."""
    param = msgspec.structs.replace(command.example, **changes)
    return responder.respond(Request("m1", command.uri, encode_param(command, param)))


def answer(responder: Responder, command: Command[Any, Any], **changes: Any) -> dict[str, Any]:
    """Send a command as `actions` does; return the `data` of its only answer."""
    (message,) = messages(actions(responder, command, **changes))
    document = json.loads(message)
    assert document["msgid"] == "m1"
    data: dict[str, Any] = document["data"]
    return data


def messages(actions: Sequence[Action]) -> list[str | bytes]:
    """The messages that these actions send whole."""
    return [action.message for action in actions if isinstance(action, Send)]


def photo(number: int = 0) -> str:
    """A portrait of a known person, in base64."""
    return pybase64.b64encode(people.face_jpeg(POPULATION.known[number], 1)).decode()


def person(pid: str = "77", **changes: Any) -> PersonAdd:
    new = PersonAdd(pid=pid, name="孙悦", gender=2, age=30, photo=photo(), category=3, phone="1360")
    return msgspec.structs.replace(new, **changes)
