"""Why a target gets nothing, and what it is, in the language of the page.

The hub says it in the words of these templates (hub/services/forwarding), or passes on what another
system has said, which stays as it is where it is not known here.
"""

from __future__ import annotations

import re
from functools import cache

from web.language import N_, gettext

_TEMPLATES = (
    N_("it answered 410: this address does not exist any more"),
    N_("it answered %(status)s"),
    N_("it did not answer within %(seconds)s s"),
    N_("it did not answer in time"),
    N_("it did not acknowledge in time"),
    N_("it cannot be reached in time"),
    N_("it is not connected"),
    N_("it was interrupted"),
    N_("it refuses to erase records: %(why)s"),
    N_("it refuses everything: %(why)s"),
    N_("it refused %(count)s messages: %(why)s"),
    N_("it is larger than %(limit)s bytes"),
    N_("%(size)s bytes are more than the server takes (%(limit)s)"),
    N_("%(size)s bytes are more than the broker takes (%(limit)s)"),
    N_("it makes no sense: %(why)s"),
    N_("what it answered makes no sense"),
    N_("the address leads to this hub"),
    N_("its address cannot be read any more: enter it again"),
    N_("the hub is still starting"),
    N_("an internal error: see the log of the hub"),
    N_("its certificate is not trusted: %(why)s"),
    N_("the connection was refused: no program listens at this port"),
    N_("it closed the connection"),
    N_("its name cannot be looked up"),
    N_("its address cannot be reached from this network"),
    N_("the certificate of the authority: %(why)s"),
    N_("the certificates: %(why)s"),
    N_("another hub sends as %(name)s too: %(why)s"),
    N_("another hub sends as %(name)s too"),
    N_("another client is called %(name)s too"),
    N_("the connection broke"),
    N_("the connection was closed"),
    N_("the server closed the connection"),
    N_("the server does not use TLS"),
    N_("no stream of the server takes it: is JetStream on?"),
    N_("stream %(stream)s is missing and cannot be made: %(why)s"),
    N_("stream %(stream)s: %(why)s"),
    N_("the broker closed the connection"),
    N_("the broker ended the connection: %(why)s"),
    N_("the broker refuses it: %(why)s"),
    N_("the broker refuses a subscription: %(why)s"),
    N_("the broker refuses us: %(why)s"),
    N_("the broker does not know MQTT 5"),
    # What a target is.
    N_("NATS %(version)s, stream %(stream)s, in batches"),
    N_("NATS %(version)s, stream %(stream)s, one by one"),
    # What servers and this computer say most often.
    N_("authorization violation"),
    N_("permissions violation for %(what)s"),
    N_("maximum messages exceeded"),
    N_("maximum bytes exceeded"),
    N_("insufficient resources"),
    N_("no servers available for connection"),
    N_("All connection attempts failed"),
    N_("Connection refused"),
    N_("Connection reset by peer"),
    N_("Connect call failed %(where)s"),
    N_("Network is unreachable"),
    N_("No route to host"),
    N_("Name or service not known"),
    N_("Temporary failure in name resolution"),
    N_("certificate verify failed: %(why)s"),
)
_PLACE = re.compile(r"%\((\w+)\)s")
#: What Python puts around the words of this computer and of TLS.
_BEFORE, _AFTER = r"(?:\[[^\]]*\] )?'?", r"'?(?: \(_ssl\.c:\d+\))?"


def _pattern(template: str) -> re.Pattern[str]:
    parts = _PLACE.split(template)
    texts = (
        f"(?P<{part}>.+?)" if number % 2 else re.escape(part) for number, part in enumerate(parts)
    )
    return re.compile(_BEFORE + "".join(texts) + _AFTER, re.IGNORECASE)


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Made when a reason is first shown: it takes longer than many a page."""
    return [(template, _pattern(template)) for template in _TEMPLATES]


def target_reason(reason: str) -> str:
    """Return a reason in the language of the page, as far as it is known."""
    for template, pattern in _patterns():
        if (found := pattern.fullmatch(reason)) is not None:
            parts = {name: target_reason(part) for name, part in found.groupdict().items()}
            return gettext(template) % parts
    return reason
