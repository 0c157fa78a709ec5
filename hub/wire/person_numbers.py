"""The numbers by which cameras name people: the `uuid` of captures, the `pid` of 1.12 and of D8."""

from __future__ import annotations

import re

MAX_PID = 2**64 - 1
#: What cameras send for everybody whom they do not know (2.1; D8: 2^63).
STRANGERS = ("0", str(2**63))

_PID = re.compile(r"[1-9][0-9]{0,19}")


def canonical_number(text: str) -> str:
    """Return a number in the one form in which it is indexed and compared (D10).

    That is without blanks around it and without leading zeros; "0" stays. Text that is no number
    loses only its blanks.
    """
    text = text.strip()
    return (text.lstrip("0") or "0") if text.isascii() and text.isdecimal() else text


def canonical_pid(text: str) -> str | None:
    """Return the pid that a person of the register can have; None if nobody can have this one."""
    pid = canonical_number(text)
    is_pid = _PID.fullmatch(pid) and int(pid) <= MAX_PID and pid not in STRANGERS
    return pid if is_pid else None


def names_nobody(uuid: str | None) -> bool:
    """Whether a camera says with this number, or with none, that it does not know the person."""
    return canonical_number(uuid or "") in ("", *STRANGERS)
