"""The columns of CSV files of people: their names in both languages, and what stands in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Literal

from msgspec.structs import asdict

from hub.folding import normalise
from hub.services.csv_cells import as_text, from_text
from hub.services.csv_files import fields_by_name, fold_name, is_shortened
from hub.store.people.person_fields import PERSON_FIELDS
from hub.store.people.person_rows import PERSONAL_NUMBERS, Person
from hub.wire.code_tables import CATEGORIES, GENDERS, Language, category_name, gender_name

#: The fields in the order of an export. `photo` is the name of a file in the ZIP.
_LAST = ("groups", "valid_from", "valid_until", "note", "photo")
FIELDS = (*(name for name in PERSON_FIELDS if name not in _LAST), *_LAST)
#: field -> (Chinese name, other names).
_NAMES: Mapping[str, tuple[str, Sequence[str]]] = {
    **{name: (field.column, field.others) for name, field in PERSON_FIELDS.items()},
    "groups": ("摄像机分组", ("camera groups", "group", "分组")),
    "photo": ("照片", ("picture", "photo file", "照片文件")),
    #: Written by the hub into the file of refused rows, and ignored when it is read.
    "reason": ("原因", ()),
}
#: Columns of which one must be there, to say whom a row is about.
IDENTIFYING = ("pid", "work_id", "name")
#: In the cell `groups`: on the cameras of no group; on all cameras, though groups are named beside
#: it. An empty cell: on all cameras.
NO_GROUPS = "-"
EVERYWHERE = "*"
_GROUP_SEPARATORS = re.compile(r"[;；、|]")

_NUMBERS = ("pid", "work_id", *PERSONAL_NUMBERS)
_MOMENT = re.compile(
    r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d+)?)?"
    r"\s*(Z|[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)

CellFault = Literal["shortened", "word", "number", "time"]
_MESSAGES: Mapping[CellFault, str] = {
    "shortened": "{} was shortened by a spreadsheet; format the column as text",
    "word": "{} is not known here",
    "number": "a whole number is expected, not {}",
    "time": "a date such as 2026-11-27 is expected, or 2026-11-27 08:00, not {}",
}
#: Of what stands in a cell, messages show so much.
_MAX_SHOWN = 100


class BadCell(Exception):
    """A cell cannot be used; `fault` says why."""

    def __init__(self, field: str, fault: CellFault, value: str) -> None:
        super().__init__(f"{field}: {_MESSAGES[fault].format(repr(value[:_MAX_SHOWN]))}")
        self.field = field
        self.fault = fault
        self.value = value


#: What a row says of a person, by the fields that it has a column for. Empty cells are "" or None.
#: `groups`: names, or EVERYWHERE; None is on all cameras. Times are UNIX milliseconds;
#: `valid_until` is the first moment that does not count any more.
PersonCells = Mapping[str, Any]


def column_name(field: str, language: Language) -> str:
    """Return the name of a field's column in the file that the hub writes."""
    return _NAMES[field][0] if language == "zh" else field


def field_of(name: str) -> str | None:
    """Return the field that a column is for; None if the name is not known."""
    return _FIELD_OF.get(fold_name(from_text(name)))


def read_cells(fields: Sequence[str | None], cells: Sequence[str], zone: tzinfo) -> PersonCells:
    """Return what the cells of a row say. Cells that are missing at its end are empty.

    Raises BadCell.
    """
    texts = dict.fromkeys((field for field in fields if field not in (None, "reason")), "")
    for field, cell in zip(fields, cells, strict=False):
        if field in texts:
            texts[field] = from_text(cell.strip()).strip()
    return {field: _value(field, text, zone) for field, text in texts.items()}


def written_cells(
    person: Person, groups: Mapping[int, str], zone: tzinfo, language: Language, photo: str
) -> list[str]:
    """Return the cells of FIELDS for a person, as `read_cells` reads them.

    `groups`: id -> name. `photo`: the name of its file, "" without.
    """
    values: dict[str, object] = {
        **asdict(person),
        "gender": "" if person.gender is None else gender_name(person.gender, language),
        "category": category_name(person.category, language),
        "groups": _written_groups(person, groups),
        "valid_from": _written_moment(person.valid_from, zone),
        "valid_until": _written_moment(person.valid_until, zone),
        "photo": photo,
    }
    return ["" if values[field] is None else as_text(str(values[field])) for field in FIELDS]


def _written_groups(person: Person, groups: Mapping[int, str]) -> str:
    names = [groups[id] for id in person.groups if id in groups]
    if person.everywhere:
        return "; ".join((EVERYWHERE, *names)) if names else ""
    return "; ".join(names) or NO_GROUPS


def _written_moment(ms: int | None, zone: tzinfo) -> str:
    if ms is None:
        return ""
    moment = datetime.fromtimestamp(ms / 1000, zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment.second else f"{moment:%Y-%m-%d %H:%M}"


def _value(field: str, text: str, zone: tzinfo) -> object:
    if field in _NUMBERS and is_shortened(text):
        raise BadCell(field, "shortened", text)
    match PERSON_FIELDS[field].kind if field in PERSON_FIELDS else field:
        case "choice":
            return _code(field, text)
        case "number":
            return _number(field, text)
        case "moment":
            return _moment(field, text, zone)
        case "groups":
            return _groups(text)
    return text


def _code(field: str, text: str) -> int | None:
    if not text:
        return None
    code = _WORDS[field].get(fold_name(text))
    if code is None:
        raise BadCell(field, "word", text)
    return code


def _number(field: str, text: str) -> int | None:
    if not text:
        return None
    digits = normalise("NFKC", text).removesuffix(".0")
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 10):
        raise BadCell(field, "number", text)
    return int(digits)


def _moment(field: str, text: str, zone: tzinfo) -> int | None:
    if not text:
        return None
    found = _MOMENT.fullmatch(normalise("NFKC", text))
    try:
        if found is None:
            raise ValueError
        year, month, day, hour, minute, second, offset = found.groups(default="")
        moment = datetime(int(year), int(month), int(day), tzinfo=_offset(offset, zone))
        if hour:
            moment = moment.replace(hour=int(hour), minute=int(minute), second=int(second or 0))
        elif field == "valid_until":
            moment += timedelta(days=1)  # the last day counts
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise BadCell(field, "time", text) from None


def _offset(text: str, zone: tzinfo) -> tzinfo:
    return zone if not text else datetime.strptime(text, "%z").tzinfo or zone


def _groups(text: str) -> tuple[str, ...] | None:
    names = [name.strip() for name in _GROUP_SEPARATORS.split(text)]
    found = tuple(dict.fromkeys(name for name in names if name not in ("", NO_GROUPS)))
    return found if found or NO_GROUPS in names else None


_FIELD_OF = fields_by_name(
    {field: (chinese, *others) for field, (chinese, others) in _NAMES.items()}
)
_WORDS: Mapping[str, Mapping[str, int]] = {
    "gender": {
        "m": 1,
        "f": 2,
        "男性": 1,
        "女性": 2,
        **{fold_name(str(code)): code for code in GENDERS},
        **{fold_name(word): code for code, name in GENDERS.items() for word in (name.en, name.zh)},
    },
    "category": {
        "普通": 1,
        "普通人员": 1,
        "employee": 1,
        "vip": 3,
        **{fold_name(str(code)): code for code in CATEGORIES if code},
        **{
            fold_name(word): code
            for code, name in CATEGORIES.items()
            if code
            for word in (name.en, name.zh)
        },
    },
}
