"""Values of the tables: numbers that come as strings, strings that come as numbers (D1).

Each function takes what was decoded and the field's path, gives the value or None where the field
is absent or empty, and raises BadParameter that names the field and what is allowed.
"""

from __future__ import annotations

import re
from typing import TypeVar

from hub.errors import BadParameter

T = TypeVar("T", int, float, int | float)

#: What a field may hold on the wire where the table says integer or string.
LooseText = str | int | None
LooseNumber = int | float | str | None

#: Beyond it, a reader of JSON may lose digits; no table needs more.
MAX_NUMBER = 2**53
MAX_TEXT_LENGTH = 1024

_WHOLE = re.compile(r"[+-]?[0-9]{1,16}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,16}(?:\.[0-9]{1,20})?")


def coerce_text(value: LooseText, field: str, *, longest: int = MAX_TEXT_LENGTH) -> str | None:
    """A text as it came, a number as its digits."""
    if value is None:
        return None
    if isinstance(value, int):
        if abs(value) >= 10**longest:
            raise BadParameter(f"at most {longest} characters are allowed", field=field)
        value = str(value)
    if len(value) > longest:
        raise BadParameter(f"at most {longest} characters are allowed", field=field)
    return value if value.strip() else None


def coerce_int(value: LooseNumber, field: str) -> int | None:
    """An integer of at most 2^53, from a number or its digits."""
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if not _WHOLE.fullmatch(value):
            raise BadParameter("an integer within 2^53 is expected", field=field)
        value = int(value)
    if isinstance(value, float):
        if not value.is_integer():
            raise BadParameter("an integer is expected, without a fraction", field=field)
        value = int(value)
    return _within(value, field)


def coerce_number(value: LooseNumber, field: str) -> int | float | None:
    """A number of at most 2^53, from a number or its digits."""
    if isinstance(value, str):
        value = value.strip()
        if not value:
            return None
        if not _DECIMAL.fullmatch(value):
            raise BadParameter("a number within 2^53 is expected", field=field)
        value = float(value) if "." in value else int(value)
    return _within(value, field)


def _within(value: T | None, field: str) -> T | None:
    if value is not None and abs(value) > MAX_NUMBER:
        raise BadParameter("a number within 2^53 is expected", field=field)
    return value
