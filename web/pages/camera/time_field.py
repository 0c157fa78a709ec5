"""A time as a browser's field has it, and as devices take it (1.10)."""

from __future__ import annotations

import re
from datetime import datetime

#: Browsers leave out the seconds where they are zero.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?", re.ASCII)


def field_time(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S}"


def sent_time(text: str) -> str:
    """What is no time is left as it is, for the check of the param to refuse."""
    found = _TIME.fullmatch(text)
    return f"{found[1]} {found[2]}{found[3] or ':00'}" if found else text
