"""The form for a person (1.12): labels, limits and errors of its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec
from msgspec import Struct

from hub.errors import BadParameter
from hub.store.people.person_fields import PERSON_FIELDS
from hub.wire import code_tables
from hub.wire.commands.dialect import PERSON_ADD
from hub.wire.commands.field_specs import FieldSpec, field_specs
from hub.wire.commands.param_structs import MAX_PID, PersonAdd
from hub.wire.commands.params import check_fields
from web.language import N_, gettext
from web.pages.choices import Choice
from web.pages.labels import number_expected
from web.pages.shown.record_cards import TableName, table_text

#: In the order of the form; the photo has its own field.
LABELS = {
    name: PERSON_FIELDS[name].label
    for name in (
        *("name", "pid", "category", "gender", "age"),
        *("department", "work_id", "id_card_no", "ic_card_no", "phone"),
    )
}

#: Fields whose numbers are codes, with their code tables.
TABLES: dict[str, TableName] = {
    "category": code_tables.category_name,
    "gender": code_tables.gender_name,
}

_HINTS = {
    "pid": N_("The camera identifies the person by this ID. Choose one that is not in use yet.")
}
_BOUNDS = field_specs(PersonAdd)


class PersonField(Struct, frozen=True, kw_only=True):
    """`least` and `most` limit a number, or a text's length."""

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


def person_fields(
    values: Mapping[str, str], wrong: BadParameter | None = None
) -> list[PersonField]:
    """The fields with these values; an error is shown beside its field."""
    fault = wrong.field.removeprefix("param.") if wrong else ""
    return [
        _person_field(name, label, values.get(name, ""), is_wrong=name == fault)
        for name, label in LABELS.items()
    ]


def _person_field(name: str, label: str, value: str, *, is_wrong: bool) -> PersonField:
    bound = _BOUNDS[name]
    choices = _options(name, TABLES[name]) if name in TABLES else ()
    expected = gettext("Choose one of the options.") if choices else _describe_allowed(bound)
    return PersonField(
        name=name,
        label=gettext(label),
        hint=gettext(_HINTS.get(name, "")) if name in _HINTS else "",
        look="choice" if choices else _widget(bound),
        value=value,
        required=bound.required,
        least=bound.least or 0,
        most=len(str(MAX_PID)) if bound.kind == "pid" else bound.most or 0,
        expected=expected,
        choices=choices,
        fault=expected if is_wrong else "",
    )


def _widget(bound: FieldSpec) -> Literal["text", "number", "pid"]:
    match bound.kind:
        case "integer":
            return "number"
        case "pid":
            return "pid"
    return "text"


def _describe_allowed(bound: FieldSpec) -> str:
    match bound.kind:
        case "integer":
            return number_expected(bound)
        case "pid":
            return number_expected(msgspec.structs.replace(bound, least=1, most=MAX_PID))
    if bound.required:
        return gettext("1 to %(n)s characters, without line breaks.") % {"n": bound.most}
    return gettext("At most %(n)s characters, without line breaks.") % {"n": bound.most}


def category_choices() -> tuple[Choice, ...]:
    """The lists that a person can be on."""
    return _options("category", code_tables.category_name)


def _options(name: str, text: TableName) -> tuple[Choice, ...]:
    bound = _BOUNDS[name]
    numbers = range(bound.least or 0, (bound.most or 0) + 1)
    return tuple(Choice(str(n), table_text(n, text)) for n in numbers)


def read_values(sent: Mapping[str, str]) -> dict[str, str]:
    """The values of the fields in the form that was sent."""
    return {name: sent.get(name, "").strip() for name in LABELS}


def make_param(values: Mapping[str, str], photo: str) -> PersonAdd:
    """Check the values. Raises BadParameter that names the field."""
    return check_fields(PERSON_ADD, {**values, "photo": photo})
