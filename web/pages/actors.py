"""Who did something, as the audit log names them, for people."""

from __future__ import annotations

from web import auth
from web.language import N_, gettext

#: Actors that are neither a user nor an API key.
_ACTORS = {
    "command line": N_("Command line"),
    "set-up link": N_("Setup link"),
    "demo": N_("Demo"),
    "signal SIGHUP": N_("Signal (SIGHUP)"),
    "hub": N_("The hub itself"),
}


def actor_text(who: str) -> str:
    """An actor of the audit log, such as "user mei", in words."""
    if who in _ACTORS:
        return gettext(_ACTORS[who])
    kind, _, name = who.partition(" ")
    if kind == "key":
        key = auth.services().access.api_keys.get(name)
        return gettext("API key %(name)s") % {"name": key.name if key else name}
    if kind == "target":
        return gettext("Target %(name)s") % {"name": name}
    if kind == "centre":
        return gettext("Owner of many sites (request %(name)s)") % {"name": name}
    return name or who
