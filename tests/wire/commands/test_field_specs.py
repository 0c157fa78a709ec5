"""The field specs (D4) that the check, the forms and the API's description share."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from hub.wire.commands.dialect import DIALECT, Command
from hub.wire.commands.field_specs import FieldSpec, field_specs
from hub.wire.commands.param_structs import (
    AlarmOut,
    FaceParam,
    PersonAdd,
    PersonList,
    Reboot,
    RecordParam,
)


def test_d4_a_number_has_bounds_and_a_unit() -> None:
    bounds = field_specs(FaceParam)
    assert (bounds["mini_human"].least, bounds["mini_human"].most) == (60, 1000)
    assert (bounds["mini_face"].least, bounds["mini_face"].most) == (30, 500)
    assert bounds["alarm_out"].inner["interval"] == FieldSpec(
        kind="integer", required=True, least=10, most=60, unit="s"
    )
    assert field_specs(RecordParam)["file_len"].unit == "min"
    assert field_specs(Reboot)["delay_ms"].unit == "ms"


def test_an_object_has_its_struct_and_the_specs_of_its_fields() -> None:
    bound = field_specs(FaceParam)["alarm_out"]
    assert (bound.kind, bound.type, list(bound.inner)) == (
        "object",
        AlarmOut,
        ["interval", "alarm_push"],
    )


def test_an_optional_field_has_its_default() -> None:
    bounds = field_specs(PersonList)
    assert (bounds["page_size"].required, bounds["page_size"].default) == (False, 32)
    assert (bounds["category"].required, bounds["category"].default) == (False, None)
    assert field_specs(FaceParam)["play_audio_vip"].default is None
    assert field_specs(PersonAdd)["work_id"].default == ""


def test_codes_are_described() -> None:
    assert field_specs(PersonAdd)["category"].description.startswith("1 whitelist, ")


def test_texts_with_a_format_have_a_kind() -> None:
    bounds = field_specs(PersonAdd)
    assert [bounds[name].kind for name in ("pid", "photo", "name")] == ["pid", "photo", "text"]
    assert (bounds["name"].least, bounds["name"].most) == (1, 128)


def flat(bounds: Any) -> list[FieldSpec]:
    return [inner for bound in bounds.values() for inner in (bound, *flat(bound.inner))]


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.section)
def test_every_number_and_text_has_bounds(command: Command[Any, Any]) -> None:
    for bound in flat(field_specs(command.param)):
        assert bound.kind != "integer" or None not in (bound.least, bound.most)
        assert bound.kind != "text" or bound.most
        assert "None" not in bound.expected


@pytest.mark.parametrize("command", DIALECT.commands, ids=lambda command: command.section)
def test_the_api_describes_every_param_by_its_struct(command: Command[Any, Any]) -> None:
    described = msgspec.json.schema(command.param)["$defs"][command.param.__name__]
    assert list(described["properties"]) == list(field_specs(command.param))
    required = [name for name, bound in field_specs(command.param).items() if bound.required]
    assert described["required"] == required
