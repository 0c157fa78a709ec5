"""Why a relay was not switched, as the checks failed one after the other."""

from __future__ import annotations

from typing import Literal

from hub.errors import HubError

#: `moved`: the camera is connected from another address. `unreachable` to `unanswered`: how far the
#: exchange got. `password` and `default-password`: of the login. The rest: the camera's answer.
RelayReason = Literal[
    "moved",
    "this-hub",
    "unreachable",
    "certificate",
    "silent",
    "unanswered",
    "redirect",
    "no-interface",
    "password",
    "password-before",
    "default-password",
    "no-relay",
    "refused",
    "nonsense",
    "unclear",
]

_TEXTS: dict[RelayReason, str] = {
    "moved": "the camera is connected from another address than that of the relay",
    "this-hub": "the address of the relay is one of this hub",
    "unreachable": "the camera's own HTTP cannot be reached; nothing was switched",
    "certificate": "the camera shows another certificate than before; nothing was sent to it",
    "silent": "the camera's own HTTP did not answer the login; nothing was switched",
    "unanswered": "the camera's own HTTP did not answer; the relay may have been switched",
    "redirect": "the camera's own HTTP leads elsewhere, and redirects are not followed",
    "no-interface": "there is no such interface at this address",
    "password": "the camera refused user name or password",
    "password-before": "the camera refused user name or password before: save the relay again",
    "default-password": "the camera still has its default password: set another one on it",
    "no-relay": "the camera has no relay, or does not support the command",
    "refused": "the camera refused to switch the relay: check its user on its own web page",
    "nonsense": "the camera's answer to the login cannot be read; nothing was switched",
    "unclear": "the camera's answer cannot be read; the relay may have been switched",
}
#: Nothing was sent that could have moved anything, and nobody answered.
_NOT_SENT = ("moved", "this-hub", "unreachable", "certificate", "password-before")


class RelayFault(HubError):
    """A relay was not switched, or may not have been. `answer`: the code or status, if any."""

    code = 502
    status = 502

    def __init__(self, reason: RelayReason, answer: str = "") -> None:
        super().__init__(_TEXTS[reason] + (f" ({answer})" if answer else ""))
        self.reason = reason
        self.answer = answer


class RelayNotReached(RelayFault):
    """The camera was not asked to log in."""

    code = 409
    status = 409


class RelayUnanswered(RelayFault):
    """The camera was asked, and did not answer in time."""

    code = 504
    status = 504


def fault(reason: RelayReason, answer: str = "") -> RelayFault:
    """Return the error for a reason."""
    if reason in _NOT_SENT:
        return RelayNotReached(reason, answer)
    if reason in ("silent", "unanswered"):
        return RelayUnanswered(reason, answer)
    return RelayFault(reason, answer)
