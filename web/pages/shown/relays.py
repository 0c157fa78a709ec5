"""Words about doors and relays."""

from __future__ import annotations

from msgspec import Struct

from hub.errors import DeviceBusy, HubError, NoSuchResource, TooManyRequests, existing
from hub.services import Services
from hub.services.camera_functions.relays.faults import RelayFault, RelayReason
from hub.store.tables.device_relays import DeviceRelay
from web.language import N_, gettext
from web.pages.device_errors import describe_device_error

#: What each kind of relay is called in settings.
KINDS = {"door": N_("Opens a door"), "sounder": N_("Sounds a siren")}
_SWITCH = {"door": N_("Open %(name)s"), "sounder": N_("Sound %(name)s")}

#: What to say afterwards, by the button: see `switched_sentence`.
SWITCHED = {"on": "relay-on", "off": "relay-off"}
_SWITCHED = {
    "door": N_("The camera confirmed it: %(name)s was opened."),
    "sounder": N_("The camera confirmed it: %(name)s was switched on."),
    "relay-off": N_("The camera confirmed it: %(name)s was switched off."),
}

_FAULTS: dict[RelayReason, str] = {
    "moved": N_(
        "The camera is connected from a different address than in the relay settings, so nothing "
        "was sent: another device may have the old address now. An administrator must enter the "
        "new address."
    ),
    "this-hub": N_("The address in the relay settings belongs to this hub. Nothing was sent."),
    "unreachable": N_(
        "The hub cannot reach the camera's web interface. Nothing was switched. Check the port and "
        "HTTPS in the relay settings, and that no firewall is in between."
    ),
    "certificate": N_(
        "The camera's certificate has changed, so nothing was sent. If the camera was reset or "
        "updated, an administrator can enter its password again to accept the new certificate."
    ),
    "silent": N_("The camera did not answer the login in time. Nothing was switched."),
    "unanswered": N_(
        "The camera did not answer in time. The relay may have been switched: check it before you "
        "try again."
    ),
    "redirect": N_(
        "The camera redirected the hub to another address, so nothing was switched. If the camera "
        "requires HTTPS, turn it on in the relay settings."
    ),
    "no-interface": N_(
        "The device at this address and port has no camera login. Check both in the relay settings."
    ),
    "password": N_(
        "The camera refused the user name or password. Nothing was switched. To keep the camera "
        "from locking the account, the hub does not try again until an administrator has saved the "
        "relay settings."
    ),
    "password-before": N_(
        "The camera refused the user name or password before, and may lock the account after "
        "further attempts, so nothing was sent. An administrator must correct the relay settings."
    ),
    "default-password": N_(
        "The camera still has its factory password, so anyone on the network could switch the "
        "relay. Nothing was switched. An administrator must set a password on the camera's own web "
        "page, then enter it in the relay settings."
    ),
    "no-relay": N_("This camera has no relay. Nothing was switched."),
    "refused": N_(
        "The camera refused to switch the relay. On the camera's own web page, check that the user "
        "may switch it and that the relay is on, then try again."
    ),
    "nonsense": N_(
        "The camera's answer to the login could not be interpreted. Nothing was switched."
    ),
    "unclear": N_(
        "The camera's answer could not be interpreted. The relay may have been switched: check it "
        "before you try again."
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


def switched_sentence(hub: Services, done: str | None, did: str | None) -> str:
    """What a camera's relay was just switched to, with its name; "" if it was not."""
    if done not in SWITCHED.values() or did is None:
        return ""
    try:
        relay = existing(hub.cameras.relays.get(did), "relay", did=did)
    except NoSuchResource:
        return ""
    kind = "relay-off" if done == "relay-off" else relay.kind
    return gettext(_SWITCHED[kind]) % {"name": relay.name}


def describe_relay_error(error: HubError) -> str:
    """Why a relay was not switched, and what to do."""
    if isinstance(error, (DeviceBusy, TooManyRequests)):
        return gettext("The relay was switched a moment ago. Wait two seconds, then try again.")
    if not isinstance(error, RelayFault):
        return describe_device_error(error)
    sentence = gettext(_FAULTS[error.reason])
    if not error.answer:
        return sentence
    answered = gettext("The camera's answer: %(answer)s.") % {"answer": error.answer}
    return f"{sentence} {answered}"
