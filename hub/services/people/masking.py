"""Personal numbers as guards and viewers see them: the last four digits."""

from __future__ import annotations

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from hub.errors import HubError
from hub.store.people.person_rows import PERSONAL_NUMBERS, Person, last_four
from hub.wire.json_limits import check_limits
from hub.wire.redaction import is_personal_number
from hub.wire.uploads.records import EventDetail, Record

#: Of JSON within a text.
_MAX_DEPTH = 32
#: Stands for a digit that is not shown.
MASK = "*"


def masked_number(number: str) -> str:
    """Return a number with all but its last four digits masked; a short one is masked whole."""
    shown = last_four(number)
    return MASK * (len(number) - len(shown)) + shown


def masked(person: Person) -> Person:
    """Return a person whose personal numbers (ID card, IC card, phone) are masked."""
    numbers = {name: masked_number(getattr(person, name)) for name in PERSONAL_NUMBERS}
    return replace(person, **numbers)


def has_numbers(person: Person) -> bool:
    """Return whether there is anything to mask."""
    return any(getattr(person, name) for name in PERSONAL_NUMBERS)


def without_numbers(value: object, name: str = "") -> object:
    """Return decoded JSON, the value of a field with this name, with personal numbers masked.

    A personal number is whatever stands in a field that is named so, also in lists, objects, and
    JSON within a text.
    """
    is_number = is_personal_number(name)
    match value:
        case dict():
            return {key: without_numbers(v, name if is_number else key) for key, v in value.items()}
        case list():
            return [without_numbers(inner, name) for inner in value]
        case str() | int() | float() if is_number and not _is_empty(value):
            return masked_number(_as_text(value))
        case str() if (embedded := _embedded(value)) is not None and names_numbers(embedded):
            return msgspec.json.encode(without_numbers(embedded)).decode()
    return value


def names_numbers(value: object, name: str = "") -> bool:
    """Return whether `without_numbers` has anything to mask."""
    is_number = is_personal_number(name)
    match value:
        case dict():
            return any(names_numbers(v, name if is_number else key) for key, v in value.items())
        case list():
            return any(names_numbers(inner, name) for inner in value)
        case str() | int() | float() if is_number:
            return not _is_empty(value)
        case str():
            return names_numbers(_embedded(value))
    return False


def masked_record(record: Record) -> Record:
    """Return a record whose further fields (D8), and fields of an event, have numbers masked."""
    detail = record.detail
    if isinstance(detail, EventDetail):
        detail = replace(detail, data=_masked_json(detail.data))
    return replace(record, extra=_masked_json(record.extra), detail=detail)


def record_has_numbers(record: Record) -> bool:
    """Return whether `masked_record` has anything to mask."""
    detail = record.detail
    sources = (record.extra, detail.data) if isinstance(detail, EventDetail) else (record.extra,)
    return any(names_numbers(msgspec.json.decode(source)) for source in sources)


def _masked_json(raw: Raw) -> Raw:
    value = msgspec.json.decode(raw)
    return Raw(msgspec.json.encode(without_numbers(value))) if names_numbers(value) else raw


def _is_empty(value: str | int | float) -> bool:
    return isinstance(value, bool) or value in ("", 0)


def _embedded(text: str) -> object:
    """The JSON that a text is; None if it is none, or is nested too deeply."""
    if text.lstrip()[:1] not in ("{", "["):
        return None
    data = text.encode("utf-8", "replace")
    try:
        check_limits(data, _MAX_DEPTH)
        return msgspec.json.decode(data)
    except (HubError, msgspec.MsgspecError, ValueError):
        return None


def _as_text(number: str | int | float) -> str:
    is_whole = isinstance(number, float) and number.is_integer()
    return str(int(number) if is_whole else number)
