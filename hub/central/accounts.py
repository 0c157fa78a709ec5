"""Who may do what on the servers of NATS, as a part of their configuration. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from msgspec import Struct

from hub.central.messages import TRIAL
from hub.services.forwarding.nats.address import stream_of
from hub.services.forwarding.nats.asked import asked_get, asked_subject
from hub.services.forwarding.site_state import state_subject

_HEAD = """\
# Written by "sitehub central enrol": do not edit. After a change, copy it to each server and run
# "nats-server --signal reload" there.
"""
#: The centre makes the streams, reads them, acknowledges, tries whether they take anything, and
#: forgets what hubs have told, and asks them.
_CENTRAL_PUBLISH = [
    "$JS.API.>",
    "$JS.ACK.>",
    f"sitehub.*.{TRIAL}",
    state_subject("*"),
    asked_subject("*"),
]
_CENTRAL_SUBSCRIBE = ["_INBOX.sitehub_central.>"]


class Account(Struct, frozen=True):
    """A user. `partition`: of a hub; None: the centre. `password`: "" with a certificate.

    `serial`: in the subject of its certificate; "": there is none.
    """

    name: str
    partition: int | None
    password: str = ""
    serial: str = ""


def accounts_conf(central: Account, hubs: Sequence[Account], *, with_certificates: bool) -> str:
    """Return the block `authorization`: a hub sees and sends nothing but what is its own."""
    users = "\n".join(_user(account, with_certificates) for account in (central, *hubs))
    return f"{_HEAD}authorization {{\n  users: [\n{users}\n  ]\n}}\n"


def _user(account: Account, with_certificates: bool) -> str:
    if with_certificates:
        subject = f"CN={account.name}" + (f",OU={account.serial}" if account.serial else "")
        who = f"user: {_text(subject)}"
    else:
        who = f"user: {_text(account.name)}, password: {_text(account.password)}"
    publish, subscribe = _rights(account)
    return (
        f"    {{ {who}, permissions: {{ publish: {_list(publish)}, subscribe: {_list(subscribe)} "
        "} }"
    )


def _rights(account: Account) -> tuple[list[str], list[str]]:
    if account.partition is None:
        return _CENTRAL_PUBLISH, _CENTRAL_SUBSCRIBE
    stream, subject = stream_of(account.partition), f"sitehub.{account.partition}.{account.name}"
    publish = [
        f"{subject}.>",
        f"$JS.API.STREAM.INFO.{stream}",
        f"$JS.API.DIRECT.GET.{stream}.{subject}.>",
        state_subject(account.name),
        asked_get(account.name),
    ]
    return publish, [f"_INBOX.{account.name}.>"]


def _list(subjects: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, subjects))}]"


def _text(text: str) -> str:
    return json.dumps(text)
