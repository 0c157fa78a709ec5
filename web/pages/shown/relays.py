"""Words about doors and relays."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import DeviceBusy, HubError, TooManyRequests
from hub.services import Services
from hub.services.camera_functions.relays.faults import RelayFault, RelayReason
from hub.store.tables.device_relays import DeviceRelay
from web.language import N_, gettext
from web.pages.device_errors import describe_device_error

#: What each kind of relay is called in settings.
KINDS = {"door": N_("It opens a door"), "sounder": N_("It sounds an alarm")}
_SWITCH = {"door": N_("Open %(name)s"), "sounder": N_("Sound %(name)s")}

_FAULTS: dict[RelayReason, str] = {
    "moved": N_(
        "The camera is connected from another address than the one in the relay's settings, so "
        "nothing was sent: another device may have that address now. An administrator must "
        "enter the new address."
    ),
    "this-hub": N_("The address in the relay's settings is one of this hub. Nothing was sent."),
    "unreachable": N_(
        "The camera's own HTTP cannot be reached. Nothing was switched. Check port and HTTPS in "
        "the relay's settings, and that the network lets the hub through to it."
    ),
    "certificate": N_(
        "The camera shows another certificate than before. Nothing was sent to it. If the camera "
        "was reset or updated, an administrator can enter its password again to accept the new "
        "certificate."
    ),
    "silent": N_("The camera did not answer the login in time. Nothing was switched."),
    "unanswered": N_(
        "The camera did not answer in time. The relay may have been switched: look at it before "
        "you try again."
    ),
    "redirect": N_(
        "The camera sends the hub to another address, which it does not follow. Nothing was "
        "switched. Perhaps the camera wants HTTPS: check port and HTTPS in the relay's settings."
    ),
    "no-interface": N_(
        "What answers at this address and port does not know the camera's login. Check them in "
        "the relay's settings."
    ),
    "password": N_(
        "The camera refused the user name or password. Nothing was switched. So that the camera "
        "does not lock the account, the hub does not try again until an administrator has saved "
        "the relay's settings."
    ),
    "password-before": N_(
        "The camera refused the user name or password before, and may lock the account after "
        "further attempts, so nothing was sent. An administrator must correct the relay's "
        "settings."
    ),
    "default-password": N_(
        "The camera still has the password that it was delivered with, so anyone on the network "
        "could switch it. Nothing was switched. An administrator must set a password on the "
        "camera's own web page, then enter it in the relay's settings."
    ),
    "no-relay": N_("The camera does not know a relay. Nothing was switched."),
    "refused": N_("The camera refused to switch the relay."),
    "nonsense": N_(
        "The camera's answer to the login could not be interpreted. Nothing was switched."
    ),
    "unclear": N_(
        "The camera's answer could not be interpreted. The relay may have been switched: look at "
        "it before you try again."
    ),
}


class RelayLink(Struct, frozen=True):
    """Leads to the page that asks before a relay is switched."""

    url: str
    text: str


def relay_link(hub: Services, did: str | None) -> RelayLink | None:
    """The link to a camera's relay; None if it has none, or cannot be asked to switch it now."""
    relay = hub.cameras.relays.within_reach(did or "")
    if relay is None:
        return None
    return RelayLink(f"/cameras/{relay.did}/relay", f"{switch_text(relay)}…")


def switch_text(relay: DeviceRelay) -> str:
    """What switching a relay on does, with its name."""
    return gettext(_SWITCH[relay.kind]) % {"name": relay.name}


def describe_relay_error(error: HubError) -> str:
    """Why a relay was not switched, and what to do."""
    if isinstance(error, (DeviceBusy, TooManyRequests)):
        return gettext("It is being switched, or was only a moment ago. Wait two seconds.")
    if not isinstance(error, RelayFault):
        return describe_device_error(error)
    sentence = gettext(_FAULTS[error.reason])
    if not error.answer:
        return sentence
    answered = gettext("The camera's answer: %(answer)s.") % {"answer": error.answer}
    return f"{sentence} {answered}"
