"""A person (1.12) as a form: what its fields are called, what they may hold, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from hub.errors import BadParameter
from hub.wire import code_tables
from hub.wire.commands.dialect import PERSON_ADD
from hub.wire.commands.field_specs import FieldSpec, field_specs
from hub.wire.commands.messages import MAX_PID, PersonAdd
from hub.wire.commands.params import check_fields
from web.pages.labels import number_expected
from web.pages.language import N_, gettext
from web.pages.live.record_cards import TableName, table_text

#: In the order in which one is asked for them; the photo has a field of its own.
LABELS = {
    "name": N_("Name"),
    "pid": N_("Person ID"),
    "category": N_("List"),
    "gender": N_("Gender"),
    "age": N_("Age"),
    "department": N_("Department"),
    "work_id": N_("Work number"),
    "id_card_no": N_("ID card number"),
    "ic_card_no": N_("IC card number"),
    "phone": N_("Phone"),
}

#: Those whose numbers stand for something.
TABLES: dict[str, TableName] = {
    "category": code_tables.category_name,
    "gender": code_tables.gender_name,
}

_HINTS = {
    "pid": N_(
        "The camera identifies the person by this ID. Choose one that is not in use on it yet."
    )
}
_BOUNDS = field_specs(PersonAdd)


class Choice(Struct, frozen=True):
    value: str
    text: str


class Field(Struct, frozen=True, kw_only=True):
    """`least` and `most` are of a number, or of a text's length."""

    name: str
    label: str
    hint: str
    look: Literal["text", "number", "pid", "choice"]
    value: str
    required: bool
    least: int
    most: int
    expected: str
    choices: tuple[Choice, ...]
    fault: str


def shown_fields(values: Mapping[str, str], wrong: BadParameter | None = None) -> list[Field]:
    """The form with these values; what is wrong of them is told beside its field."""
    fault = wrong.field.removeprefix("param.") if wrong else ""
    return [
        _field(name, label, values.get(name, ""), is_wrong=name == fault)
        for name, label in LABELS.items()
    ]


def _field(name: str, label: str, value: str, *, is_wrong: bool) -> Field:
    bound = _BOUNDS[name]
    choices = _choices(name, TABLES[name]) if name in TABLES else ()
    expected = gettext("Choose one of the options.") if choices else _expected(bound)
    return Field(
        name=name,
        label=gettext(label),
        hint=gettext(_HINTS.get(name, "")) if name in _HINTS else "",
        look="choice" if choices else _look(bound),
        value=value,
        required=bound.required,
        least=bound.least or 0,
        most=len(str(MAX_PID)) if bound.kind == "pid" else bound.most or 0,
        expected=expected,
        choices=choices,
        fault=expected if is_wrong else "",
    )


def _look(bound: FieldSpec) -> Literal["text", "number", "pid"]:
    match bound.kind:
        case "integer":
            return "number"
        case "pid":
            return "pid"
    return "text"


def _expected(bound: FieldSpec) -> str:
    match bound.kind:
        case "integer":
            return number_expected(bound)
        case "pid":
            return number_expected(msgspec.structs.replace(bound, least=1, most=MAX_PID))
    if bound.required:
        return gettext("1 to %(n)s characters, without line breaks.") % {"n": bound.most}
    return gettext("At most %(n)s characters, without line breaks.") % {"n": bound.most}


def category_choices() -> tuple[Choice, ...]:
    """The lists that a person may stand on."""
    return _choices("category", code_tables.category_name)


def _choices(name: str, text: TableName) -> tuple[Choice, ...]:
    bound = _BOUNDS[name]
    numbers = range(bound.least or 0, (bound.most or 0) + 1)
    return tuple(Choice(str(n), table_text(n, text)) for n in numbers)


def values_sent(sent: Mapping[str, str]) -> dict[str, str]:
    """What a browser sent, as far as it is of the form."""
    return {name: sent.get(name, "").strip() for name in LABELS}


def param_of(values: Mapping[str, str], photo: str) -> PersonAdd:
    """The values as the command's param. Raises BadParameter that names the field."""
    return check_fields(PERSON_ADD, {**values, "photo": photo})
