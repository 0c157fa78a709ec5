"""The cameras that knock, as the pages list them."""

from __future__ import annotations

from msgspec import Struct

from hub.services.enrolment import Waiting
from web import auth
from web.dashboard.words import waiting_reasons


class WaitingRow(Struct, frozen=True):
    waiting: Waiting
    reasons: list[str]
    #: What was entered and why it was not taken; empty at first.
    fault: str = ""
    name: str = ""
    key: str = ""
    did: str = ""


def waiting_rows(refused: WaitingRow | None = None) -> list[WaitingRow]:
    """Who knocks; the one whose acceptance was refused keeps what was entered.

    The latest to come stands first, and no further knock moves it from where somebody is typing.
    """
    waiting = sorted(auth.services().enrolment.waiting(), key=lambda one: (-one.first_seen, one.sn))
    rows = [WaitingRow(one, waiting_reasons(one)) for one in waiting]
    if refused is None:
        return rows
    return [refused if one.waiting.sn == refused.waiting.sn else one for one in rows]
