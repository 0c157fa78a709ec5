"""The tables of docs/protocol.md about later editions say what the code does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct, inspect
from msgspec.structs import replace

from hub.wire.code_tables import BOX_EVENT_TYPES, CATEGORIES, CodeName, event_name, vehicle_name
from hub.wire.commands.answers import Done
from hub.wire.commands.dialect import DIALECT, SET_FACE, SET_RECORDING, Command
from hub.wire.commands.edition_3_commands import EDITION_3, PERSON_UPDATE
from hub.wire.commands.field_specs import FieldSpec, field_specs, unwrapped_type
from hub.wire.commands.params import encode_param
from hub.wire.commands.settings import to_edition
from hub.wire.uploads import attributes, vehicle_tables

PROTOCOL = (Path(__file__).parent.parent / "docs/protocol.md").read_text("utf-8")


def section(anchor: str) -> str:
    """From an anchor to the next one."""
    return PROTOCOL.partition(f'<a id="{anchor}"></a>')[2].partition("<a id=")[0]


def shape(specs: Mapping[str, FieldSpec]) -> str:
    return ", ".join(
        f"`{name}`" + (f" {{{shape(spec.inner)}}}" if spec.inner else "")
        for name, spec in specs.items()
    )


def answer_shape(answer: type[Struct]) -> str:
    """As shape(). What is required is bold; a list says how many rows it may have."""
    info = inspect.type_info(answer)
    assert isinstance(info, inspect.StructType)
    said = []
    for field in info.fields:
        kind, name = unwrapped_type(field.type), f"`{field.encode_name}`"
        match kind:
            case inspect.VarTupleType(item_type=inspect.StructType(cls=row)):
                said.append(f"{name} [at most {kind.max_length} × {{{answer_shape(row)}}}]")
            case inspect.StructType(cls=inner):
                said.append(f"{name} {{{answer_shape(inner)}}}")
            case _ if field.name != "unreadable":
                said.append(f"**{name}**" if field.required else name)
    return ", ".join(said)


def bounds(spec: FieldSpec) -> str:
    least, most = spec.least or 0, spec.most or 0
    match spec.kind:
        case "integer" if least < 0:
            return f"−{-least} to {most}"
        case "integer":
            span = f"{least}" if least == most else f"{least:,}–{most:,}"
            return f"{span} {spec.unit}".rstrip()
        case "choice":
            return ", ".join(f"`{one}`" for one in spec.choices)
        case "list":
            return f"{least}–{most} rows"
        case "text":
            return f"{least}–{most} characters"
        case "boolean" | "object":
            return ""
        case _:
            return spec.expected


def numbers_in(cell: str) -> list[int]:
    plain = cell.replace(",", "").replace("2^31 − 1", str(2**31 - 1))
    return [int(number) for number in re.findall(r"\d+", plain)]


def fields_of(specs: Mapping[str, FieldSpec], path: str = "") -> Iterator[tuple[str, FieldSpec]]:
    for name, spec in specs.items():
        yield path + name, spec
        yield from fields_of(spec.inner, f"{path}{name}.")


@pytest.mark.parametrize("command", EDITION_3.commands, ids=lambda command: command.name)
def test_a_command_of_edition_3_has_its_row(command: Command[Any, Any]) -> None:
    param = "as [1.12](#1.12)" if command is PERSON_UPDATE else shape(field_specs(command.param))
    result = "" if command.answer is Done else answer_shape(command.answer)
    uri = f"`{command.uri}`" + (", 30 s" if command.seconds == 30 else "")
    row = f"| {command.section} | {uri} | {param or '{}'} | {result or 'none'} |"
    assert row in section("edition-3-commands").splitlines()


@pytest.mark.parametrize("command", EDITION_3.commands, ids=lambda command: command.name)
def test_the_fields_of_a_command_of_edition_3_have_their_bounds(
    command: Command[Any, Any],
) -> None:
    if command is PERSON_UPDATE:
        return
    lines = section("edition-3-fields").splitlines()
    for path, spec in fields_of(field_specs(command.param)):
        kind = spec.kind if spec.kind in ("integer", "boolean", "object", "list") else "text"
        begin = f"| `{path.rpartition('.')[2]}` | {kind} | {bounds(spec)} |"
        assert any(line.startswith(begin.replace("|  |", "| |")) for line in lines), begin


@pytest.mark.parametrize("command", EDITION_3.commands, ids=lambda command: command.name)
def test_each_field_of_an_answer_of_edition_3_is_explained(command: Command[Any, Any]) -> None:
    known = set(re.findall(r"`(\w+)`", section("edition-3-fields")))
    assert set(re.findall(r"`(\w+)`", answer_shape(command.answer))) <= known


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.name)
def test_a_command_of_edition_1_has_the_bounds_of_the_code(command: Command[Any, Any]) -> None:
    page = section("file" if command.section == "D3" else command.section)
    table = page.partition("| field of `param` |")[2].partition("\n\n")[0]
    rows = {
        cells[1].strip(" `"): cells[4]
        for line in table.splitlines()
        if len(cells := line.split("|")) > 4
    }
    later = encode_names(1)
    for path, spec in fields_of(field_specs(command.param)):
        if command is SET_FACE and path not in later:
            continue
        expected = [number for number in (spec.least, spec.most) if number is not None]
        if spec.kind in ("integer", "text"):
            assert numbers_in(rows[path]) == expected, path
        assert path in rows


def sent_to(edition: Any) -> dict[str, Any]:
    """Each choice of the face parameters, as an edition is sent it."""
    choices = {
        name: True for name, spec in field_specs(SET_FACE.param).items() if spec.kind == "boolean"
    }
    full = replace(SET_FACE.example, **choices, app_push=1, relay_interval=10)
    sent = to_edition(SET_FACE, encode_param(SET_FACE, full), edition).param
    decoded: dict[str, Any] = json.loads(bytes(sent))
    return decoded


def encode_names(edition: Any) -> set[str]:
    names = set()
    for name, value in sent_to(edition).items():
        names |= {name} | ({f"{name}.{inner}" for inner in value} if type(value) is dict else set())
    return names


def test_the_settings_of_later_editions_have_each_of_their_fields() -> None:
    table = section("edition-settings")
    parts = table.split("| field of `param` |")
    in_2, in_3 = (set(re.findall(r"`([\w.]+)`", part)) for part in parts[1:3])
    assert encode_names(2) - encode_names(1) <= in_2
    assert encode_names(3) <= in_3
    sent = to_edition(SET_RECORDING, encode_param(SET_RECORDING, SET_RECORDING.example), 3).param
    (stream,) = json.loads(bytes(sent))["record_params"]
    assert {f"record_params[].{name}" for name in stream} <= set(re.findall(r"`(\S+)`", table))


def values(table: Mapping[int, CodeName]) -> str:
    return "; ".join(f"{number} {name.en}" for number, name in table.items())


def test_the_codes_of_people_and_vehicles_are_those_of_the_code() -> None:
    lines = set(section("edition-attributes").splitlines())
    for key, one in attributes.SENT_BY_3.items():
        assert f"| `{key}` | `{one.key}` | {values(one.values)} |" in lines
    for key, one in attributes.SENT_BY_2.items():
        assert f"| `{key}`, edition 2 | `{one.key}` | {values(one.values)} |" in lines
    for groups in (attributes.RECOGNISED_AGES, attributes.CAPTURED_AGES):
        assert any(line.endswith(f"| {values(groups.values)} |") for line in lines)
    lines = set(section("edition-vehicles").splitlines())
    types = "; ".join(f"{n} {vehicle_name(kept)}" for n, kept in vehicle_tables.CAR_TYPES.items())
    for key, said in (
        ("plate_color", values(vehicle_tables.PLATE_COLOURS)),
        ("car_color", values(vehicle_tables.CAR_COLOURS)),
        ("car_type", types),
        ("car_maker", values(vehicle_tables.CAR_MAKERS)),
    ):
        assert f"| `{key}` | {said} |" in lines


def test_the_events_of_boxes_are_those_of_the_code() -> None:
    lines = section("edition-boxes").splitlines()
    for number, (kept, category) in BOX_EVENT_TYPES.items():
        who = "" if category is None else f"{category} {CATEGORIES[category].en}"
        row = f"| {number} | {kept} {event_name(kept).lower()} | {who} |"
        assert row.replace("|  |", "| |") in lines
