"""Errors of a device as sentences that say what to do."""

from __future__ import annotations

from hub.errors import (
    DeviceBusy,
    DeviceLeft,
    DeviceNonsense,
    DeviceOffline,
    DeviceRefused,
    DeviceSilent,
    HubError,
    NotSent,
    Unanswered,
)
from web.language import N_, gettext

#: All errors that a device can cause.
DEVICE_ERRORS = (NotSent, Unanswered, DeviceRefused, DeviceNonsense)

_SENTENCES: tuple[tuple[type[HubError], str], ...] = (
    (
        DeviceOffline,
        N_(
            "The camera is not connected, so nothing was sent. Check its power and "
            "network, and that it is not disabled."
        ),
    ),
    (
        DeviceLeft,
        N_(
            "The camera disconnected before it responded. Wait until it is back online, "
            "then try again."
        ),
    ),
    (
        DeviceBusy,
        N_("The camera is busy with other requests. Wait a moment, then try again."),
    ),
    (
        DeviceSilent,
        N_(
            "The camera did not respond in time. Try again in a minute. If it still does "
            "not respond, restart it."
        ),
    ),
    (
        DeviceNonsense,
        N_(
            "The camera's response could not be interpreted. Its firmware version may not be "
            "supported; an update may help."
        ),
    ),
)

#: The codes of chapter 四 in the answers of devices.
_REFUSALS = {
    401: N_("The camera says that its session has expired. Try again in a minute."),
    404: N_("The camera does not support this function. Newer firmware might."),
    420: N_("The camera does not accept these values. Change them, then try again."),
    426: N_("The camera does not have the requested item."),
}
_REFUSED = N_("The camera refused the request. Check its web page, or restart it, then try again.")


def describe_device_error(error: HubError) -> str:
    """One or two sentences for any of DEVICE_ERRORS, with the device's own message."""
    if isinstance(error, DeviceRefused):
        sentence = gettext(_REFUSALS.get(error.device_code, _REFUSED))
        return f"{sentence} {device_message(error.device_code, error.device_msg)}"
    return next(gettext(text) for kind, text in _SENTENCES if isinstance(error, kind))


def describe_change_error(error: HubError) -> str:
    """The sentences for a change, which may have been made even if it was not answered."""
    sentence = describe_device_error(error)
    if not isinstance(error, Unanswered):
        return sentence
    doubt = gettext("The change may have been made anyway.")
    return f"{sentence} {doubt}"


def device_message(code: int, msg: str) -> str:
    """The device's own message and code, for the manufacturer's support."""
    if msg:
        return gettext("Its message: “%(msg)s” (code %(code)s).") % {"msg": msg, "code": code}
    return gettext("Its error code: %(code)s.") % {"code": code}
