"""Output that the firmware commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hub.wire.uploads.firmware import Versions


def with_times(value: Any) -> Any:
    """Return `value` with its times as RFC 3339, for JSON."""
    import msgspec

    from hub.wire.times import format_rfc3339

    if isinstance(value, dict):
        return {
            name: format_rfc3339(one)
            if name.endswith("_at") and one is not None
            else with_times(one)
            for name, one in value.items()
        }
    if isinstance(value, list):
        return [with_times(one) for one in value]
    if isinstance(value, msgspec.Struct):
        return with_times(msgspec.to_builtins(value))
    return value


def versions_text(versions: Versions) -> str:
    return " ".join(f"{name}={version}" for name, version in versions.given()) or "-"
