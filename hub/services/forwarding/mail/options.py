"""What may be entered for a target of mail, and what its mails are made of."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias
from zoneinfo import ZoneInfo

from msgspec import Struct

from hub.errors import BadParameter
from hub.services.forwarding.nats.identity import Identity
from hub.store.alarms.alarm import Alarm
from hub.store.targets.target import MailOptions, Selection, TargetKind

#: smtps:// is encrypted from the beginning, smtp:// by STARTTLS, without which nothing is sent.
PORTS = {"smtps": 465, "smtp": 587}
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


class MailFacts(Struct, frozen=True):
    """What a text says besides the alarms. `url`: of the hub, without a slash at the end.

    `language`: its code; `names`: of the cameras, by did.
    """

    site: str
    url: str
    language: str
    zone: ZoneInfo
    names: Mapping[str, str]


#: Writes a mail: its subject and its text. Without alarms, one that tries it out. Called in a
#: thread.
WriteMail: TypeAlias = Callable[[Sequence[Alarm], MailFacts], tuple[str, str]]


def write_nothing(*_: object) -> tuple[str, str]:
    """For a hub that is opened for one command, and sends nothing."""
    raise NotImplementedError


def check_mail(
    kind: TargetKind, options: MailOptions | None, selection: Selection, identity: Identity | None
) -> MailOptions | None:
    """Return what a target of this kind may have. Raises BadParameter."""
    if kind != "mail":
        if options is not None:
            raise BadParameter("only mail has this", field="mail")
        return None
    if options is None:
        raise BadParameter("a sender and recipients are expected", field="mail")
    for field, addresses in (("sender", (options.sender,)), ("recipients", options.recipients)):
        if not all(map(_ADDRESS.fullmatch, addresses)):
            raise BadParameter("addresses such as guard@example.org are expected", field=field)
    if selection.kinds or selection.dids or selection.types or not selection.alarms:
        raise BadParameter("mail tells of all alarms, and of no records", field="kinds")
    if identity is not None and not (identity.user + identity.password).isascii():
        raise BadParameter("only ASCII characters are expected", field="user")
    return options
