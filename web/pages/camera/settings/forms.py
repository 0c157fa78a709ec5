"""Settings of a camera as forms: labels, limits and values of their fields.

Limits come from the field specs of the commands (`hub.wire.commands.field_specs`); the same specs
check what a form sends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Literal

from msgspec import Raw, Struct

from hub.decoders import decode_json
from hub.errors import BadParameter
from hub.wire.commands.dialect import Command
from hub.wire.commands.field_specs import FieldSpec, field_specs
from hub.wire.commands.params import check_changes, check_fields
from web.language import gettext
from web.pages.choices import Choice
from web.pages.labels import number_expected, unit_text


class SettingLabel(Struct, frozen=True):
    """The label of a field. `name` is its name on the wire, dotted within an object."""

    name: str
    text: str
    hint: str = ""
    #: The meaning of its numbers, if they are codes.
    choices: tuple[str, ...] = ()
    #: Its values and what they mean, if they are words, or do not count from 0.
    words: tuple[tuple[str, str], ...] = ()


class SettingGroup(Struct, frozen=True):
    title: str
    labels: tuple[SettingLabel, ...]
    note: str = ""


class SettingForm(Struct, frozen=True):
    name: str
    title: str
    groups: tuple[SettingGroup, ...]
    command: Command[Any, Any]

    @property
    def bounds(self) -> dict[str, FieldSpec]:
        """The limits of each field, by its dotted name."""
        param: type[Struct] = self.command.param
        return dict(_flat_bounds(field_specs(param)))


class SettingField(Struct, frozen=True, kw_only=True):
    """One field as the page shows it. `look` is the kind of input.

    `may_be_empty`: the field is left as it is then.
    """

    name: str
    id: str
    label: str
    hint: str
    look: Literal["check", "number", "choice", "text"]
    value: str
    may_be_empty: bool
    least: int | None
    most: int | None
    unit: str
    expected: str
    choices: tuple[Choice, ...]
    fault: str


class FieldGroup(Struct, frozen=True):
    """`hidden`: what is sent with the fields and not shown, by name."""

    title: str
    fields: tuple[SettingField, ...]
    hidden: Mapping[str, str]
    note: str = ""


def field_groups(
    form: SettingForm,
    values: Mapping[str, str],
    wrong: BadParameter | None = None,
    *,
    is_change: bool = False,
    unsupported: Collection[str] = (),
) -> list[FieldGroup]:
    """The form with these values; an error is shown beside its field.

    `is_change`: each field may be left unchanged. `unsupported`: the names of fields, or of
    objects, that the camera does not have. They are not shown; those that are required are sent
    all the same.
    """
    bounds = form.bounds
    fault = wrong.field.removeprefix("param.") if wrong else ""
    hidden = {
        name
        for name in bounds
        if name != fault and (name in unsupported or name.partition(".")[0] in unsupported)
    }
    return [
        FieldGroup(
            gettext(group.title),
            tuple(
                _setting_field(
                    form,
                    label,
                    bounds[label.name],
                    values,
                    is_wrong=label.name == fault,
                    may_be_empty=is_change or not bounds[label.name].required,
                )
                for label in group.labels
                if label.name not in hidden
            ),
            {
                label.name: values.get(label.name, "")
                for label in group.labels
                if label.name in hidden and bounds[label.name].required
            },
            # What the camera does not have is left out, as soon as that is known.
            gettext(group.note) if group.note and not unsupported else "",
        )
        for group in form.groups
    ]


def _setting_field(
    form: SettingForm,
    label: SettingLabel,
    bound: FieldSpec,
    values: Mapping[str, str],
    *,
    is_wrong: bool,
    may_be_empty: bool,
) -> SettingField:
    value = values.get(label.name, "")
    choices = _options(label, bound, value, may_be_empty=may_be_empty)
    return SettingField(
        name=label.name,
        id=f"{form.name}-{label.name.replace('.', '-')}",
        label=gettext(label.text),
        hint=gettext(label.hint) if label.hint else "",
        look=_look(bound, choices),
        value=value,
        may_be_empty=may_be_empty,
        least=bound.least,
        most=bound.most,
        unit=unit_text(bound.unit),
        expected=_expected(label.name, bound, choices),
        choices=choices,
        fault=_expected(label.name, bound, choices) if is_wrong else "",
    )


def _look(
    bound: FieldSpec, choices: Sequence[Choice]
) -> Literal["check", "number", "choice", "text"]:
    if choices:
        return "choice"
    if bound.kind == "boolean":
        return "check"
    return "text" if bound.kind in ("text", "address") else "number"


def _expected(name: str, bound: FieldSpec, choices: Sequence[Choice]) -> str:
    if choices:
        return gettext("Choose one of the options.")
    if bound.kind == "text":
        return gettext("At most %(most)s characters.") % {"most": bound.most}
    if name == "mask":
        return gettext("A subnet mask, such as 255.255.255.0.")
    if bound.kind == "address":
        return gettext("An IPv4 address, such as 192.168.1.20.")
    return number_expected(bound)


def _options(
    label: SettingLabel, bound: FieldSpec, value: str, *, may_be_empty: bool
) -> tuple[Choice, ...]:
    unchanged = (Choice("", gettext("Unchanged")),) if may_be_empty else ()
    if label.words:
        known = [Choice(word, gettext(text)) for word, text in label.words]
        # A camera may have a value that nobody knows: nothing else is chosen in its place.
        is_known = value in [one.value for one in known] or may_be_empty
        return (*unchanged, *(() if is_known else (Choice("", "–"),)), *known)
    if label.choices:
        named = (Choice(str(n), gettext(text)) for n, text in enumerate(label.choices))
        return (*unchanged, *named)
    if bound.kind == "boolean" and may_be_empty:
        return (
            *unchanged,
            Choice("1", gettext("On")),
            Choice("0", gettext("Off")),
        )
    return ()


def param_values(param: Struct) -> dict[str, str]:
    """A param as form values: "1" and "0" for booleans, "" for None."""
    return dict(_flatten_values(param, ""))


def typical_values(form: SettingForm) -> dict[str, str]:
    """Values for a camera with no known settings: those of the example, "" if optional."""
    example = param_values(form.command.example)
    return {name: example[name] if bound.required else "" for name, bound in form.bounds.items()}


def _flatten_values(param: Struct, prefix: str) -> Iterator[tuple[str, str]]:
    for name in param.__struct_fields__:
        value = getattr(param, name)
        if isinstance(value, Struct):
            yield from _flatten_values(value, f"{prefix}{name}.")
        else:
            text = value if isinstance(value, str) else str(int(value or 0))
            yield prefix + name, "" if value is None else text


def _flat_bounds(
    bounds: Mapping[str, FieldSpec], prefix: str = ""
) -> Iterator[tuple[str, FieldSpec]]:
    for name, bound in bounds.items():
        if bound.kind == "object":
            yield from _flat_bounds(bound.inner, f"{prefix}{name}.")
        else:
            yield prefix + name, bound


def read_values(form: SettingForm, sent: Mapping[str, str]) -> dict[str, str]:
    """What the browser sent; it leaves out a checkbox that is not checked."""
    return {
        name: sent.get(name, "0" if bound.kind == "boolean" and bound.required else "").strip()
        for name, bound in form.bounds.items()
    }


def read_changes(form: SettingForm, sent: Mapping[str, str]) -> dict[str, str]:
    """What the browser sent of a form whose fields may be left unchanged: "" for those."""
    return {name: sent.get(name, "").strip() for name in form.bounds}


def make_param(form: SettingForm, values: Mapping[str, str]) -> Struct:
    """Check the values. Raises BadParameter that names the field."""
    param: Struct = check_fields(form.command, _nested(values))
    return param


def make_changes(form: SettingForm, values: Mapping[str, str]) -> Raw:
    """Check the values that are not "". Raises BadParameter that names the field, if any."""
    given = {name: value for name, value in values.items() if value}
    if not given:
        raise BadParameter("at least one change is expected", field="param")
    return check_changes(form.command, _nested(given))


def describe_changes(form: SettingForm, changes: Raw) -> list[str]:
    """What changes, in words: a label and its new value for each field."""
    sent = dict(_flatten(decode_json(changes, dict), ""))
    labels = [label for group in form.groups for label in group.labels if label.name in sent]
    bounds = form.bounds
    return [
        gettext("%(setting)s: %(value)s")
        % {
            "setting": gettext(label.text),
            "value": _value_text(label, bounds[label.name], sent[label.name]),
        }
        for label in labels
    ]


def _value_text(label: SettingLabel, bound: FieldSpec, value: object) -> str:
    if bound.kind == "boolean":
        return gettext("On") if value else gettext("Off")
    if label.choices and isinstance(value, int) and 0 <= value < len(label.choices):
        return gettext(label.choices[value])
    return f"{value} {unit_text(bound.unit)}".strip()


def _nested(values: Mapping[str, str]) -> dict[str, Any]:
    """The values by the names on the wire, which are dotted within an object."""
    fields: dict[str, Any] = {}
    for name, value in values.items():
        inner, (*path, last) = fields, name.split(".")
        for key in path:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return fields


def _flatten(fields: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from _flatten(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value
