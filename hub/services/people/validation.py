"""Validation of a person's fields; each error names the field and what is allowed."""

from __future__ import annotations

import re

from msgspec import UNSET
from msgspec.structs import replace

from hub.errors import BadParameter
from hub.services.people.masking import MASK
from hub.store.people.person_fields import PERSON_FIELDS
from hub.store.people.person_rows import PERSONAL_NUMBERS, PersonChange
from hub.wire.person_numbers import MAX_PID, STRANGERS, canonical_number, canonical_pid

MAX_GROUP_NAME_LENGTH = 64
#: The beginning of the year 9000, in UNIX milliseconds: every zone can express what is before.
LATEST_TIME = 221_845_392_000_000

#: Control characters, and lone surrogates, which no frame can hold.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def checked_pid(pid: str) -> str:
    """Return a pid without leading zeros. Raises BadParameter."""
    if canonical_number(pid) in STRANGERS:
        raise BadParameter("cameras send this number for every stranger", field="pid")
    canonical = canonical_pid(pid)
    if canonical is None:
        raise BadParameter(f"a decimal number from 1 to {MAX_PID} is expected", field="pid")
    return canonical


def checked_change(change: PersonChange, year: int) -> PersonChange:
    """Return the fields to set without surrounding blanks. Raises BadParameter.

    `year`: the current one. The photo is checked elsewhere.
    """
    changed: dict[str, object] = {}
    for name, field in PERSON_FIELDS.items():
        value = getattr(change, name, UNSET)
        match field.kind:
            case "text" if value is not UNSET:
                changed[name] = _text(value, name, least=field.least, most=field.most)
            case "lines" if value is not UNSET:
                text = value.replace("\r\n", "\n")
                changed[name] = _text(text, name, most=field.most, control=_CONTROL_BUT_LINES)
            case "number" | "choice":
                most = year + 1 if name == "birth_year" else field.most
                _check_choice(value, name, field.least, most)
    for name in PERSONAL_NUMBERS:
        if MASK in str(changed.get(name, "")):
            raise BadParameter("a masked number cannot be stored", field=name)
    if isinstance(change.age, int) and isinstance(change.birth_year, int):
        raise BadParameter("either an age or a year of birth is expected", field="birth_year")
    _check_times(change)
    return replace(change, **changed)


def checked_group_name(name: str) -> str:
    """Return the name of a group without surrounding blanks. Raises BadParameter."""
    return _text(name, "name", most=MAX_GROUP_NAME_LENGTH, least=1)


def _text(
    text: str, field: str, *, most: int, least: int = 0, control: re.Pattern[str] = _CONTROL
) -> str:
    text = text.strip()
    if not least <= len(text) <= most:
        allowed = f"{least} to {most}" if least else f"at most {most}"
        raise BadParameter(f"a text of {allowed} characters is expected", field=field)
    if control.search(text):
        raise BadParameter("a text without control characters is expected", field=field)
    return text


def _check_choice(value: object, field: str, least: int, most: int) -> None:
    if isinstance(value, int) and not least <= value <= most:
        raise BadParameter(f"an integer from {least} to {most} is expected", field=field)


def _check_times(change: PersonChange) -> None:
    for field in ("valid_from", "valid_until"):
        time = getattr(change, field)
        if isinstance(time, int) and not 0 <= time < LATEST_TIME:
            raise BadParameter("a time from 1970 to 8999 is expected", field=field)
    since, until = change.valid_from, change.valid_until
    if isinstance(since, int) and isinstance(until, int) and until <= since:
        raise BadParameter("is not after valid_from", field="valid_until")
