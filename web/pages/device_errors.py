"""What a device did instead of what it was asked for, as a sentence that says what to do."""

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
from web.pages.language import N_, gettext

#: Every way in which a device does not do what it is asked for.
DEVICE_ERRORS = (NotSent, Unanswered, DeviceRefused, DeviceNonsense)

_SENTENCES: tuple[tuple[type[HubError], str], ...] = (
    (
        DeviceOffline,
        N_(
            "The camera is not connected, so nothing was sent. Check its power and its network, "
            "and that it is not disabled here."
        ),
    ),
    (
        DeviceLeft,
        N_(
            "The camera's connection ended before it answered. Wait until it is back, then try "
            "again."
        ),
    ),
    (
        DeviceBusy,
        N_("The camera has been asked for too much already. Wait a moment, then try again."),
    ),
    (
        DeviceSilent,
        N_(
            "The camera did not answer in time. Try again in a minute, and restart it if it stays "
            "silent."
        ),
    ),
    (
        DeviceNonsense,
        N_(
            "The camera's answer could not be understood. Its firmware may be another one than "
            "this hub knows; an update may help."
        ),
    ),
)

#: What devices mean by the codes of chapter 四 when they refuse.
_REFUSALS = {
    401: N_("The camera refused, for it takes its connection as over. Try again in a minute."),
    404: N_("The camera does not know this function. A newer firmware may."),
    420: N_("The camera does not take these values. Change them, then try again."),
    426: N_("The camera does not have what it was asked for."),
}
_REFUSED = N_("The camera refused to do it. Look at its own page, or restart it, then try again.")


def device_trouble(error: HubError) -> str:
    """One sentence or two for any of DEVICE_ERRORS; a device's own words follow those of ours."""
    if isinstance(error, DeviceRefused):
        sentence = gettext(_REFUSALS.get(error.device_code, _REFUSED))
        return f"{sentence} {refusal(error.device_code, error.device_msg)}"
    return next(gettext(text) for kind, text in _SENTENCES if isinstance(error, kind))


def change_trouble(error: HubError) -> str:
    """The same where the device was to change something, for it may have done so unanswered."""
    sentence = device_trouble(error)
    if not isinstance(error, Unanswered):
        return sentence
    doubt = gettext("It may have done it all the same.")
    return f"{sentence} {doubt}"


def refusal(code: int, msg: str) -> str:
    """A device's own words and code, for whoever asks its maker."""
    if msg:
        return gettext("It said: “%(msg)s” (code %(code)s).") % {"msg": msg, "code": code}
    return gettext("Its code was %(code)s.") % {"code": code}
