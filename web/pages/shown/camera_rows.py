"""A camera as pages show it, with codes turned into text."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from hub.services.devices.overview import CameraSummary
from hub.services.devices.views import DeviceView
from web.language import gettext
from web.pages.labels import (
    DEVICE_STATES,
    clock_offset,
    device_reason,
    failed_checks,
    lockout_sentence,
)

#: Warn when a clock is this far off (s), before signatures are refused (D2).
_CLOCK_WARNING = 60


ShownState = Literal["online", "offline", "refused", "disabled"]


class RefusedAttempt(Struct, frozen=True):
    """The last connection attempt of a camera that is not let in. `at`: UNIX milliseconds.

    `checks`: those that it did not pass. `code`: of the first reason. `lockout`: that its answers
    are delayed; "" if not.
    """

    at: int
    address: str
    checks: str
    code: str
    lockout: str


class CameraRow(Struct, frozen=True):
    """A camera with its codes turned into text."""

    device: DeviceView
    name: str
    state: ShownState
    state_text: str
    reason: str
    clock: str
    clock_is_off: bool
    versions: str
    refused: RefusedAttempt | None


def shown_state(device: DeviceView | CameraSummary) -> ShownState:
    """The state, with cameras apart that try to connect and are not let in."""
    if device.state == "offline" and device.waiting is not None and device.waiting.is_refused:
        return "refused"
    return device.state


def _refused_attempt(device: DeviceView) -> RefusedAttempt | None:
    waiting = device.waiting
    if waiting is None or not waiting.is_refused:
        return None
    attempt = waiting.attempt
    return RefusedAttempt(
        at=waiting.last_seen,
        address=attempt.address,
        checks=failed_checks(waiting),
        code=waiting.reasons[0].code if waiting.reasons else "",
        lockout=lockout_sentence(waiting),
    )


def camera_row(device: DeviceView) -> CameraRow:
    state = shown_state(device)
    versions = (device.fw_ver, device.sw_ver, device.os_ver, device.hw_ver)
    offset = device.clock_offset
    return CameraRow(
        device=device,
        name=device.name or device.sn,
        state=state,
        state_text=gettext(DEVICE_STATES[state]),
        reason=device_reason(device),
        clock="" if offset is None else clock_offset(offset),
        clock_is_off=offset is not None and abs(offset) > _CLOCK_WARNING,
        versions=" · ".join(version for version in versions if version),
        refused=_refused_attempt(device),
    )
