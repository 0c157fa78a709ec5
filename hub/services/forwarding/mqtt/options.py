"""What a target of MQTT alone has."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.store.targets.target import TargetKind, TargetOptions


class MqttOptions(Struct, frozen=True, kw_only=True):
    """`home_assistant`: whether it is told which cameras there are; on unless it is False.

    `commands`: whether the broker may restart cameras and acknowledge alarms; off unless it is
    True. None leaves it.
    """

    home_assistant: bool | None = None
    commands: bool | None = None


def check_mqtt(kind: TargetKind, options: MqttOptions | None) -> MqttOptions:
    """Return what a target of this kind may have. Raises BadParameter."""
    options = options or MqttOptions()
    for name in MqttOptions.__struct_fields__:
        if kind != "mqtt" and getattr(options, name) is not None:
            raise BadParameter("only MQTT has this", field=name)
    return options


def with_mqtt(options: TargetOptions, changed: MqttOptions) -> TargetOptions:
    """Return the options after a change."""
    if changed.home_assistant is not None:
        options = replace(options, home_assistant=changed.home_assistant)
    if changed.commands is not None:
        options = replace(options, commands=changed.commands)
    return options


def leaves(before: TargetOptions, after: TargetOptions) -> bool:
    """Whether the other side should forget what it was told of the hub's state."""
    return before.url != after.url or (before.home_assistant and not after.home_assistant)
