"""What the buttons of presets and patrols do. Their value is `action:number[:position]`."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from msgspec import Struct

from hub.errors import BadParameter
from hub.services.devices.views import DeviceView
from hub.store.tables.users import User
from hub.wire.commands.dialect import Command
from hub.wire.commands.edition_3_commands import (
    GET_PRESETS,
    PATROL_ADD_NODE,
    PATROL_CREATE,
    PATROL_DELETE,
    PATROL_DELETE_NODE,
    PATROL_START,
    PATROL_STOP,
    PRESET_DELETE,
    PRESET_LOCATE,
    PRESET_SET,
)
from hub.wire.commands.edition_3_params import OfChannel, PatrolNodeAdd, PresetSet
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.params import check_fields
from web import auth
from web.pages.camera.audited_action import perform_audited

MOST_SECONDS = field_specs(PatrolNodeAdd)["staySeconds"].most
_MOST_NUMBER = field_specs(PresetSet)["presetno"].most or 0

_CHOICE = re.compile(r"([a-z-]{1,20})(?::([0-9]{1,4}))?(?::([0-9]{1,4}))?", re.ASCII)


class _Action(Struct, frozen=True):
    """A command, its entry in the audit log, and what the page says when it is done."""

    command: Command[Any, Any]
    audited: str
    done: str


_ACTIONS = {
    "go": _Action(PRESET_LOCATE, "device.preset_go", "preset-reached"),
    "set": _Action(PRESET_SET, "device.preset_set", "preset-set"),
    "delete": _Action(PRESET_DELETE, "device.preset_delete", "preset-deleted"),
    "start": _Action(PATROL_START, "device.patrol_start", "patrol-started"),
    "stop": _Action(PATROL_STOP, "device.patrol_stop", "patrol-stopped"),
    "create": _Action(PATROL_CREATE, "device.patrol_change", "patrol-added"),
    "drop": _Action(PATROL_DELETE, "device.patrol_change", "patrol-deleted"),
    "add-node": _Action(PATROL_ADD_NODE, "device.patrol_change", "patrol-changed"),
    "drop-node": _Action(PATROL_DELETE_NODE, "device.patrol_change", "patrol-changed"),
}


async def act(device: DeviceView, by: User, form: Mapping[str, str]) -> str:
    """Do what the form says; return the code of what was done.

    Raises BadParameter that names the field, TooManyRequests, and errors of the device.
    """
    choice = _CHOICE.fullmatch(form.get("do", ""))
    action = _ACTIONS.get(choice[1]) if choice else None
    if choice is None or action is None:
        raise BadParameter("one of the buttons of the page", field="do")
    fields = await _fields(device, action, choice[2] or "", choice[3] or "", form)
    param = check_fields(action.command, fields)
    ask: Callable[[], Awaitable[object]] = lambda: auth.services().cameras.pan_tilt.call(  # noqa: E731
        device.did, action.command, param
    )
    error = await perform_audited(device, action.audited, ask)
    if error is not None:
        raise error
    return action.done


async def _fields(
    device: DeviceView, action: _Action, number: str, position: str, form: Mapping[str, str]
) -> dict[str, object]:
    """The fields of the command's param."""
    command = action.command
    if command is PRESET_SET:
        name = form.get("name", "").strip()
        if not name:
            raise BadParameter("needed", field="name")
        wanted = form.get("number", "").strip()
        return {"name": name, "presetno": wanted or await _free_number(device)}
    if command in (PRESET_LOCATE, PRESET_DELETE):
        return {"presetno": number}
    if command in (PATROL_STOP, PATROL_CREATE):
        return {}
    if command is PATROL_ADD_NODE:
        preset, stay = (form.get(f"{name}-{number}", "") for name in ("preset", "stay"))
        return {"patrolid": number, "presetno": preset, "staySeconds": stay}
    if command is PATROL_DELETE_NODE:
        return {"patrolid": number, "presetindex": position}
    return {"patrolid": number}


async def _free_number(device: DeviceView) -> int:
    """The first number from 1 that no preset has. Raises BadParameter if there is none."""
    found = await auth.services().cameras.commands.call(device.did, GET_PRESETS, OfChannel())
    used = {preset.presetno for preset in found.presets}
    for number in range(1, _MOST_NUMBER + 1):
        if number not in used:
            return number
    raise BadParameter("all are used", field="presetno")
