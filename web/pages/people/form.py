"""The form for a person of the register: its fields, what was entered, and what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from hub.errors import BadParameter
from hub.services.people.validation import MAX_NOTE_LENGTH
from hub.store.people.person_rows import Person, PersonChange
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.param_structs import MAX_PID, PersonAdd
from web import language
from web.language import N_, gettext
from web.pages.camera.people.form import TABLES
from web.pages.choices import Choice
from web.pages.shown.record_cards import table_text
from web.pages.times import read_time_ms

#: The fields of 1.12 that are text, in the order of the form.
_TEXTS = {
    "department": N_("Department"),
    "work_id": N_("Work number"),
    "id_card_no": N_("ID card number"),
    "ic_card_no": N_("IC card number"),
    "phone": N_("Phone"),
}
LABELS = {
    "name": N_("Name"),
    "category": N_("List"),
    "gender": N_("Gender"),
    "age": N_("Age"),
    "birth_year": N_("Year of birth"),
    **_TEXTS,
    "valid_from": N_("Valid from"),
    "valid_until": N_("Valid until"),
    "pid": N_("Person ID"),
    "note": N_("Note"),
}
_HINTS = {
    "age": N_("Enter the age or the year of birth, not both."),
    "pid": N_("Cameras and records identify the person by this number. Leave blank to assign one."),
    "valid_from": N_("Leave blank to start immediately."),
    "valid_until": N_("The person is then removed from the cameras. Leave blank for no expiry."),
}
_EXPECTED = {
    "name": N_("A name is required, without line breaks."),
    "age": N_("A whole number from 0 to 150."),
    "birth_year": N_("A year, such as 1990."),
    "pid": N_("A whole number from 1 to 18446744073709551615 that is not in use."),
    "valid_from": N_("A date with a time."),
    "valid_until": N_("A date with a time, after the one before."),
    "category": N_("Choose one of the options."),
    "gender": N_("Choose one of the options."),
}
_TOO_LONG = N_("At most %(n)s characters, without line breaks.")
_BOUNDS = field_specs(PersonAdd)

FieldLook = Literal["text", "number", "pid", "choice", "time", "long"]
_LOOKS: dict[str, FieldLook] = {
    "category": "choice",
    "gender": "choice",
    "age": "number",
    "birth_year": "number",
    "pid": "pid",
    "valid_from": "time",
    "valid_until": "time",
    "note": "long",
}


class PersonFormField(Struct, frozen=True, kw_only=True):
    """A field as the page shows it; `fault` is empty unless its value was refused."""

    name: str
    label: str
    look: FieldLook
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
    values = {name: _as_field(name, getattr(person, name)) for name in LABELS}
    return PersonForm(values, None if person.everywhere else person.groups)


def read_form(sent: Mapping[str, str]) -> PersonForm:
    """What the browser sent."""
    values = {name: sent.get(name, "").strip() for name in LABELS}
    if sent.get("where") != "groups":
        return PersonForm(values)
    ids = (name.removeprefix("group-") for name in sent if name.startswith("group-"))
    return PersonForm(values, tuple(int(id) for id in ids if id.isascii() and id.isdecimal()))


def make_change(form: PersonForm) -> PersonChange:
    """Convert the form. Raises BadParameter that names the field."""
    values = form.values
    valid_from = read_time_ms(values["valid_from"], "valid_from")
    valid_until = read_time_ms(values["valid_until"], "valid_until")
    if form.groups == ():
        raise BadParameter("at least one group is expected", field="groups")
    return PersonChange(
        name=values["name"],
        category=_number(values, "category") or 1,  # type: ignore[arg-type]
        gender=_number(values, "gender"),  # type: ignore[arg-type]
        age=_number(values, "age"),
        birth_year=_birth_year(values),
        valid_from=valid_from,
        valid_until=valid_until,
        note=values["note"],
        everywhere=form.groups is None,
        groups=form.groups or (),
        department=values["department"],
        work_id=values["work_id"],
        id_card_no=values["id_card_no"],
        ic_card_no=values["ic_card_no"],
        phone=values["phone"],
    )


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
    if _LOOKS.get(name) == "time":
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
        for name in LABELS
        if is_new or name != "pid"
    ]


def field_of(error: BadParameter | None) -> str:
    """The field of this form that the error names, else ""."""
    name = error.field.removeprefix("param.") if error else ""
    return name if name in LABELS or name == "groups" else ""


def _form_field(name: str, value: str, *, is_wrong: bool) -> PersonFormField:
    most = _most(name)
    expected = gettext(_EXPECTED[name]) if name in _EXPECTED else gettext(_TOO_LONG) % {"n": most}
    return PersonFormField(
        name=name,
        label=gettext(LABELS[name]),
        look=_LOOKS.get(name, "text"),
        value=value,
        hint=gettext(_HINTS[name]) if name in _HINTS else "",
        expected=expected,
        fault=expected if is_wrong else "",
        most=most,
        required=name == "name",
        choices=tuple(_choices(name)),
    )


def _most(name: str) -> int:
    if name == "note":
        return MAX_NOTE_LENGTH
    if name == "pid":
        return len(str(MAX_PID))
    return (_BOUNDS[name].most or 0) if name in _BOUNDS else 0


def _choices(name: str) -> list[Choice]:
    if name not in TABLES:
        return []
    # 0 is a stranger, or not known: not of people in the register.
    options = [
        Choice(str(n), table_text(n, TABLES[name])) for n in range(1, (_BOUNDS[name].most or 0) + 1)
    ]
    return options if name == "category" else [Choice("", gettext("Not specified")), *options]
