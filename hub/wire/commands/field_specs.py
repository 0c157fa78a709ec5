"""What the fields of a command may hold, read from its struct: for the check, forms and OpenAPI."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

import msgspec
from msgspec import Struct, inspect

from hub.wire.commands.messages import MAX_PHOTO_BYTES, MAX_PID

FieldKind = Literal["integer", "boolean", "text", "time", "pid", "photo", "object"]


class FieldSpec(Struct, frozen=True, kw_only=True):
    """What one field may hold. `least` and `most` are of a number, or of a text's length.

    `default` is what stands for a field that is not given; None where it is then not sent.
    `inner` are the fields of an object, and `type` its struct.
    """

    kind: FieldKind
    required: bool
    least: int | None = None
    most: int | None = None
    default: object = None
    unit: str = ""
    description: str = ""
    type: type[Struct] | None = None
    inner: Mapping[str, FieldSpec] = {}

    @property
    def expected(self) -> str:
        """What is allowed, in words."""
        match self.kind:
            case "integer":
                return f"an integer from {self.least} to {self.most}"
            case "boolean":
                return "true or false"
            case "time":
                return "a time as yyyy-MM-dd HH:mm:ss"
            case "pid":
                return f"a decimal number from 1 to {MAX_PID}"
            case "photo":
                return f"a JPEG of at most {MAX_PHOTO_BYTES >> 20} MB as base64"
            case "object":
                return "an object"
            case _ if self.least:
                return f"a text of {self.least} to {self.most} characters"
            case _:
                return f"a text of at most {self.most} characters"


@cache
def field_specs(param: type[Struct]) -> Mapping[str, FieldSpec]:
    """The bounds of each field of a command's param, in the order of the specification."""
    info = inspect.type_info(param)
    assert isinstance(info, inspect.StructType)
    return {field.name: _bound(field) for field in info.fields}


def optional_inner_type(kind: inspect.Type) -> inspect.Type:
    """`X | None` as X, without what is told about it."""
    return _metadata(kind).type


def _bound(field: inspect.Field) -> FieldSpec:
    kind = optional_inner_type(field.type)
    told = _metadata(field.type)
    extra = told.extra or {}
    name: FieldKind = extra.get("kind", "text")
    bound = FieldSpec(
        kind=name,
        required=field.required,
        default=None if field.default is msgspec.NODEFAULT else field.default,
        unit=extra.get("unit", ""),
        description=(told.extra_json_schema or {}).get("description", ""),
    )
    change = msgspec.structs.replace
    match kind:
        case inspect.BoolType():
            return change(bound, kind="boolean")
        case inspect.IntType():
            return change(bound, kind="integer", least=kind.ge, most=kind.le)
        case inspect.StrType():
            return change(bound, least=kind.min_length, most=kind.max_length)
        case inspect.StructType():
            return change(bound, kind="object", type=kind.cls, inner=field_specs(kind.cls))
    raise TypeError(f"{field.name}: no kind of a command's field: {kind}")


def _metadata(kind: inspect.Type) -> inspect.Metadata:
    if isinstance(kind, inspect.UnionType):
        (kind,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
    return kind if isinstance(kind, inspect.Metadata) else inspect.Metadata(kind)
