"""The form for a person of the register: its fields, what was entered, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from hub.errors import BadParameter
from hub.store.people.person_fields import PERSON_FIELDS, FieldKind
from hub.store.people.person_rows import Person, PersonChange
from hub.wire.person_numbers import MAX_PID
from web import language
from web.language import N_, gettext
from web.pages.camera.people.form import TABLES
from web.pages.choices import Choice
from web.pages.shown.record_cards import table_text
from web.pages.times import read_time_ms

_FIRST = ("name", "category", "gender", "age", "birth_year", "department")
_LAST = ("valid_from", "valid_until", "pid", "note")
_OTHERS = (name for name in PERSON_FIELDS if name not in (*_FIRST, *_LAST))
#: In the order of the form.
FORM_FIELDS = {name: PERSON_FIELDS[name] for name in (*_FIRST, *_OTHERS, *_LAST)}
_TOO_LONG = N_("At most %(n)s characters, without line breaks.")


class PersonFormField(Struct, frozen=True, kw_only=True):
    """A field as the page shows it; `fault` is empty unless its value was refused."""

    name: str
    label: str
    look: FieldKind
    value: str
    hint: str
    expected: str
    fault: str
    most: int
    required: bool
    choices: tuple[Choice, ...]


class PersonForm(Struct, frozen=True):
    """What was entered, as text by field. `groups`: None means all cameras."""

    values: Mapping[str, str]
    groups: tuple[int, ...] | None = None


def empty_form(values: Mapping[str, str] | None = None) -> PersonForm:
    """The form for a new person, with what is known of them."""
    return PersonForm({"category": "1", **(values or {})})


def form_of(person: Person) -> PersonForm:
    values = {name: _as_field(name, getattr(person, name)) for name in FORM_FIELDS}
    return PersonForm(values, None if person.everywhere else person.groups)


def read_form(sent: Mapping[str, str]) -> PersonForm:
    """What the browser sent."""
    values = {name: sent.get(name, "").strip() for name in FORM_FIELDS}
    if sent.get("where") != "groups":
        return PersonForm(values)
    ids = (name.removeprefix("group-") for name in sent if name.startswith("group-"))
    return PersonForm(values, tuple(int(id) for id in ids if id.isascii() and id.isdecimal()))


def make_change(form: PersonForm) -> PersonChange:
    """Convert the form. Raises BadParameter that names the field."""
    if form.groups == ():
        raise BadParameter("at least one group is expected", field="groups")
    given = {name: _given(name, form.values) for name in FORM_FIELDS if name != "pid"}
    return PersonChange(**given, everywhere=form.groups is None, groups=form.groups or ())


def _given(name: str, values: Mapping[str, str]) -> Any:
    if name == "birth_year":
        return _birth_year(values)
    if name == "category":
        return _number(values, name) or 1
    match FORM_FIELDS[name].kind:
        case "moment":
            return read_time_ms(values[name], name)
        case "number" | "choice":
            return _number(values, name)
    return values[name]


def _birth_year(values: Mapping[str, str]) -> int | UnsetType | None:
    """UNSET next to an age, which forgets the year of birth."""
    year = _number(values, "birth_year")
    if year is not None and values["age"]:
        raise BadParameter("either an age or a year of birth is expected", field="birth_year")
    return year if year is not None or not values["age"] else UNSET


def _number(values: Mapping[str, str], name: str) -> int | None:
    text = values[name]
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 6):
        raise BadParameter("a number is expected", field=name)
    return int(text)


def _as_field(name: str, value: object) -> str:
    if value is None:
        return ""
    if FORM_FIELDS[name].kind == "moment":
        assert isinstance(value, int)
        moment = datetime.fromtimestamp(value / 1000, language.zone())
        return f"{moment:%Y-%m-%dT%H:%M}"
    return str(value)


def form_fields(
    form: PersonForm, wrong: BadParameter | None = None, *, is_new: bool
) -> list[PersonFormField]:
    """The fields with their values; an error is shown beside its field."""
    fault = field_of(wrong)
    return [
        _form_field(name, form.values.get(name, ""), is_wrong=name == fault)
        for name in FORM_FIELDS
        if is_new or name != "pid"
    ]


def field_of(error: BadParameter | None) -> str:
    """The field of this form that the error names, else ""."""
    name = error.field.removeprefix("param.") if error else ""
    return name if name in FORM_FIELDS or name == "groups" else ""


def _form_field(name: str, value: str, *, is_wrong: bool) -> PersonFormField:
    field = FORM_FIELDS[name]
    expected = gettext(field.expected or _TOO_LONG) % {"n": field.most}
    return PersonFormField(
        name=name,
        label=gettext(field.label),
        look=field.kind,
        value=value,
        hint=field.hint and gettext(field.hint),
        expected=expected,
        fault=expected if is_wrong else "",
        most=len(str(MAX_PID)) if name == "pid" else field.most,
        required=name == "name",
        choices=tuple(_choices(name)),
    )


def _choices(name: str) -> list[Choice]:
    if name not in TABLES:
        return []
    # 0 is a stranger, or not known: not of people in the register.
    options = [
        Choice(str(n), table_text(n, TABLES[name])) for n in range(1, PERSON_FIELDS[name].most + 1)
    ]
    return options if name == "category" else [Choice("", gettext("Not specified")), *options]
