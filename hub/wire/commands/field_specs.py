"""Specs of the fields of a command's param: type, bounds and default, read from its struct.

The check of a param, the forms and the API's description all use these specs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Literal

import msgspec
from msgspec import Struct, inspect

from hub.wire.commands.param_structs import MAX_PHOTO_BYTES, MAX_PID

FieldKind = Literal[
    "integer", "boolean", "text", "time", "pid", "photo", "object", "list", "choice", "address"
]


class FieldSpec(Struct, frozen=True, kw_only=True):
    """The allowed values of one field.

    `least`, `most`: bounds of a number, or of the length of a text. `default`: used if the field is
    not given; None means that it is not sent. `inner`: the fields of an object, or of each in a
    list, of which `least` and `most` count the items; `type`: its struct. `choices`: the texts that
    are allowed.
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
    choices: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """The allowed values in words, for messages: "an integer from 0 to 100"."""
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
            case "list":
                return f"a list of {self.least or 0} to {self.most} objects"
            case "choice":
                return f"one of {', '.join(self.choices)}"
            case "address":
                return "an IPv4 address"
            case _ if self.least:
                return f"a text of {self.least} to {self.most} characters"
            case _:
                return f"a text of at most {self.most} characters"


@cache
def field_specs(param: type[Struct]) -> Mapping[str, FieldSpec]:
    """The specs of the fields of a param, by name, in the order of the protocol."""
    info = inspect.type_info(param)
    assert isinstance(info, inspect.StructType)
    return {field.name: _spec(field) for field in info.fields}


def unwrapped_type(kind: inspect.Type) -> inspect.Type:
    """The type X of a field whose type is X, `X | None`, or either with metadata."""
    return _metadata(kind).type


def _spec(field: inspect.Field) -> FieldSpec:
    kind = unwrapped_type(field.type)
    metadata = _metadata(field.type)
    extra = metadata.extra or {}
    name: FieldKind = extra.get("kind", "text")
    spec = FieldSpec(
        kind=name,
        required=field.required,
        default=None if field.default is msgspec.NODEFAULT else field.default,
        unit=extra.get("unit", ""),
        description=(metadata.extra_json_schema or {}).get("description", ""),
    )
    change = msgspec.structs.replace
    match kind:
        case inspect.BoolType():
            return change(spec, kind="boolean")
        case inspect.IntType():
            return change(spec, kind="integer", least=kind.ge, most=kind.le)
        case inspect.StrType():
            return change(spec, least=kind.min_length, most=kind.max_length)
        case inspect.StructType():
            return change(spec, kind="object", type=kind.cls, inner=field_specs(kind.cls))
        case inspect.LiteralType():
            return change(spec, kind="choice", choices=tuple(map(str, kind.values)))
        case inspect.VarTupleType(item_type=inspect.StructType(cls=item)):
            least, most = kind.min_length, kind.max_length
            inner = field_specs(item)
            return change(spec, kind="list", type=item, inner=inner, least=least, most=most)
    raise TypeError(f"{field.name}: unsupported field type: {kind}")


def _metadata(kind: inspect.Type) -> inspect.Metadata:
    if isinstance(kind, inspect.UnionType):
        (kind,) = (each for each in kind.types if not isinstance(each, inspect.NoneType))
    return kind if isinstance(kind, inspect.Metadata) else inspect.Metadata(kind)
