"""What may be entered for a target of MQTT: its address, and what it alone has."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.store.targets.target import TargetKind, TargetOptions

PORTS = {"mqtts": 8883, "mqtt": 1883}
_MAX_URL = 500


class MqttOptions(Struct, frozen=True, kw_only=True):
    """`home_assistant`: whether it is told which cameras there are; on unless it is False.

    `commands`: whether the broker may restart cameras and acknowledge alarms, or the owner behind
    a target of NATS erase people; off unless it is True. None leaves it.
    """

    home_assistant: bool | None = None
    commands: bool | None = None


def check_mqtt(kind: TargetKind, options: MqttOptions | None) -> MqttOptions:
    """Return what a target of this kind may have. Raises BadParameter."""
    options = options or MqttOptions()
    for name in MqttOptions.__struct_fields__:
        has_it = kind == "mqtt" or (kind == "nats" and name == "commands")
        if not has_it and getattr(options, name) is not None:
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


def check_broker(url: str, ports: Mapping[str, int] = PORTS) -> tuple[str, int]:
    """Return host and port of the server of a target. Raises BadParameter.

    `ports`: the ports of the schemes that it may have.
    """
    if len(url) > _MAX_URL:
        raise BadParameter(f"at most {_MAX_URL} characters are expected", field="url")
    parts = _parts(url, ports)
    if parts.username or parts.password:
        raise BadParameter(
            "leave out user name and password: they have fields of their own", field="url"
        )
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BadParameter("an address without a path", field="url")
    return parts.hostname or "", parts.port or ports[parts.scheme]


def is_encrypted(url: str) -> bool:
    """Whether the broker must prove who it is."""
    return url.startswith("mqtts://")


def _parts(url: str, ports: Mapping[str, int]) -> SplitResult:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ports and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        is_good = False
    if not is_good or not url.isascii() or any(c <= " " for c in url):
        schemes = " or ".join(f"{scheme}://" for scheme in ports)
        raise BadParameter(f"an address that begins with {schemes}", field="url")
    return parts
