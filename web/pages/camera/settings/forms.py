"""The settings of 1.5 and 1.6 as forms: what each field is called, its bounds, and its value.

The bounds are the commands' own (`hub.wire.commands.field_specs`), and so is the check of what a
form sends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from msgspec import Struct

from hub.errors import BadParameter
from hub.wire.commands.dialect import SET_FACE, SET_RECORDING, Command
from hub.wire.commands.field_specs import FieldSpec, field_specs
from hub.wire.commands.params import check_fields
from web.pages.labels import number_expected
from web.pages.language import N_, gettext

SettingName = Literal["face", "recording"]


class Label(Struct, frozen=True):
    """What a field is called. `name` is its name on the wire, dotted within an object."""

    name: str
    text: str
    hint: str = ""
    #: What its numbers mean, where they stand for something.
    choices: tuple[str, ...] = ()


class Group(Struct, frozen=True):
    title: str
    labels: tuple[Label, ...]


class SettingForm(Struct, frozen=True):
    name: SettingName
    title: str
    groups: tuple[Group, ...]
    command: Command[Any, Any]

    @property
    def bounds(self) -> dict[str, FieldSpec]:
        """The bounds of each field, dotted within an object."""
        param: type[Struct] = self.command.param
        return dict(_flat_bounds(field_specs(param)))


FACE = SettingForm(
    "face",
    N_("Faces and people"),
    (
        Group(
            N_("Detection"),
            (
                Label("enable", N_("Detect faces and people")),
                Label(
                    "threshold",
                    N_("Detection threshold"),
                    N_("Lower values find more faces, but also more false ones."),
                ),
                Label("mini_face", N_("Minimum face size"), N_("In pixels.")),
                Label("mini_human", N_("Minimum person size"), N_("In pixels.")),
                Label("quality_face", N_("Minimum face quality")),
                Label("quality_human", N_("Minimum person quality")),
            ),
        ),
        Group(
            N_("Recognition"),
            (
                Label(
                    "reg_threshold",
                    N_("Recognition threshold"),
                    N_("How similar a face must be to count as a known person."),
                ),
                Label("server_enable", N_("Face server")),
            ),
        ),
        Group(
            N_("Shown in the camera's video"),
            (
                Label("show_face", N_("Frames around faces")),
                Label("show_human", N_("Frames around people")),
            ),
        ),
        Group(
            N_("Sent to the hub"),
            (
                Label("push_face", N_("Face picture")),
                Label("push_bg", N_("Scene picture")),
                Label("push_stranger", N_("Include strangers")),
            ),
        ),
        Group(
            N_("Audio prompts"),
            (
                Label("play_audio", N_("Play audio prompts")),
                Label("play_audio_stranger", N_("For strangers")),
                Label("play_audio_white", N_("For the whitelist")),
                Label("play_audio_black", N_("For the blacklist")),
                Label("play_audio_vip", N_("For VIPs")),
                Label("play_audio_friend", N_("For visitors")),
            ),
        ),
        Group(
            N_("Alarm output"),
            (
                Label(
                    "alarm_out.interval",
                    N_("Minimum time between alarms"),
                    N_("The output is not triggered again during this time."),
                ),
                Label("alarm_out.alarm_push", N_("Send alarms to the hub")),
            ),
        ),
    ),
    SET_FACE,
)

RECORDING = SettingForm(
    "recording",
    N_("Recording"),
    (
        Group(
            N_("When to record"),
            (
                Label("normal_record", N_("Manual recording")),
                Label("alarm_record", N_("On alarm")),
                Label("disconnect_record", N_("While the network is down")),
            ),
        ),
        Group(
            N_("Pre-recording"),
            (
                Label("pre_record.enable", N_("Record before an alarm")),
                Label("pre_record.duration", N_("Pre-recording time")),
            ),
        ),
        Group(
            N_("Files"),
            (
                Label("file_len", N_("File length")),
                Label(
                    "strategy",
                    N_("When the storage card is full"),
                    choices=(N_("Overwrite the oldest files"), N_("Stop recording")),
                ),
                Label("audio_enable", N_("Record audio")),
                Label("face_server_enable", N_("Face server")),
            ),
        ),
    ),
    SET_RECORDING,
)


class Choice(Struct, frozen=True):
    value: str
    text: str


class Field(Struct, frozen=True, kw_only=True):
    """One field as the page shows it. `look`: a check, a number or a choice."""

    name: str
    id: str
    label: str
    hint: str
    look: Literal["check", "number", "choice"]
    value: str
    least: int | None
    most: int | None
    unit: str
    expected: str
    choices: tuple[Choice, ...]
    fault: str


class ShownGroup(Struct, frozen=True):
    title: str
    fields: tuple[Field, ...]


def shown_groups(
    form: SettingForm, values: Mapping[str, str], wrong: BadParameter | None = None
) -> list[ShownGroup]:
    """The form with these values; what is wrong of them is told beside its field."""
    bounds = form.bounds
    fault = wrong.field.removeprefix("param.") if wrong else ""
    return [
        ShownGroup(
            gettext(group.title),
            tuple(
                _field(form, label, bounds[label.name], values, is_wrong=label.name == fault)
                for label in group.labels
            ),
        )
        for group in form.groups
    ]


def _field(
    form: SettingForm, label: Label, bound: FieldSpec, values: Mapping[str, str], *, is_wrong: bool
) -> Field:
    choices = _choices(label, bound)
    expected = gettext("Choose one of the options.") if choices else number_expected(bound)
    return Field(
        name=label.name,
        id=f"{form.name}-{label.name.replace('.', '-')}",
        label=gettext(label.text),
        hint=gettext(label.hint) if label.hint else "",
        look="choice" if choices else "check" if bound.kind == "boolean" else "number",
        value=values.get(label.name, ""),
        least=bound.least,
        most=bound.most,
        unit=bound.unit,
        expected=expected,
        choices=choices,
        fault=expected if is_wrong else "",
    )


def _choices(label: Label, bound: FieldSpec) -> tuple[Choice, ...]:
    if label.choices:
        return tuple(Choice(str(n), gettext(text)) for n, text in enumerate(label.choices))
    if bound.kind == "boolean" and not bound.required:
        # What is not sent stays as it is on the camera.
        return (
            Choice("", gettext("Unchanged")),
            Choice("1", gettext("On")),
            Choice("0", gettext("Off")),
        )
    return ()


def values_of(param: Struct) -> dict[str, str]:
    """A param as its form holds it: "1" and "0" for what is on and off, nothing for None."""
    return dict(_flat_values(param, ""))


def suggested_values(form: SettingForm) -> dict[str, str]:
    """For a camera that took none yet: the example's values; what need not be sent stays as is."""
    example = values_of(form.command.example)
    return {name: example[name] if bound.required else "" for name, bound in form.bounds.items()}


def _flat_values(param: Struct, prefix: str) -> Iterator[tuple[str, str]]:
    for name in param.__struct_fields__:
        value = getattr(param, name)
        if isinstance(value, Struct):
            yield from _flat_values(value, f"{prefix}{name}.")
        else:
            yield prefix + name, "" if value is None else str(int(value))


def _flat_bounds(
    bounds: Mapping[str, FieldSpec], prefix: str = ""
) -> Iterator[tuple[str, FieldSpec]]:
    for name, bound in bounds.items():
        if bound.kind == "object":
            yield from _flat_bounds(bound.inner, f"{prefix}{name}.")
        else:
            yield prefix + name, bound


def values_sent(form: SettingForm, sent: Mapping[str, str]) -> dict[str, str]:
    """What a browser sent; a check that is not set is not sent at all."""
    return {
        name: sent.get(name, "0" if bound.kind == "boolean" and bound.required else "").strip()
        for name, bound in form.bounds.items()
    }


def param_of(form: SettingForm, values: Mapping[str, str]) -> Struct:
    """The values as the command's param. Raises BadParameter that names the field."""
    given: dict[str, Any] = {}
    for name, value in values.items():
        place, (*path, last) = given, name.split(".")
        for key in path:
            place = place.setdefault(key, {})
        place[last] = value
    param: Struct = check_fields(form.command, given)
    return param
