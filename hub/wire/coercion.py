"""Coercion of field values: devices send numbers as strings, and strings as numbers (D1).

Each function takes a decoded value and the path of its field. It returns None if the field is
absent or blank, and raises BadParameter, naming the field and what is allowed, if it is invalid.
"""

from __future__ import annotations

import re
from typing import TypeVar

from hub.errors import BadParameter

T = TypeVar("T", int, float, int | float)

#: The types that are accepted for a field that the protocol documents as a string, or a number.
LooseText = str | int | None
LooseNumber = int | float | str | None

#: A larger number may lose digits in another JSON reader; no field needs one.
MAX_NUMBER = 2**53
MAX_TEXT_LENGTH = 1024

_WHOLE = re.compile(r"[+-]?[0-9]{1,16}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,16}(?:\.[0-9]{1,20})?")


def coerce_text(value: LooseText, field: str, *, max_length: int = MAX_TEXT_LENGTH) -> str | None:
    """A string unchanged, or an integer as its digits."""
    if value is None:
        return None
    if isinstance(value, int):
        if abs(value) >= 10**max_length:
            raise BadParameter(f"at most {max_length} characters are allowed", field=field)
        value = str(value)
    if len(value) > max_length:
        raise BadParameter(f"at most {max_length} characters are allowed", field=field)
    return value if value.strip() else None


def coerce_int(value: LooseNumber, field: str) -> int | None:
    """An integer within 2^53, sent as a number or as a string of digits."""
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
    """A number within 2^53, sent as a number or as a string of digits."""
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
