"""What a device answers to a command: as untrusted as any input, and read as far as it can be.

A result that is missing, too long or of another shape is nonsense, and the error says what is
wrong. In a list, a row of which nothing can be read, or not what makes it one (its time, its pid),
is skipped and counted; any other field that cannot be read counts as missing.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, inspect

from hub.errors import BadParameter, DeviceNonsense
from hub.wire import json_limits
from hub.wire.commands.dialect import Command
from hub.wire.commands.field_specs import optional_inner_type
from hub.wire.commands.messages import Done
from hub.wire.extra_fields import FieldReader

A = TypeVar("A", bound=Struct)

_LIST = msgspec.json.Decoder(list[Raw])
#: What stands for an empty list too: some writers of JSON cannot tell it from an empty object.
_NO_LIST = (b"null", b"{}", b'""')


def decode_answer(command: Command[Any, A], raw: Raw | None) -> A:
    """The result of an answer whose code is one of the command's `ok_codes`.

    Raises DeviceNonsense that names what is wrong.
    """
    if command.answer is Done:
        return command.answer()
    try:
        return _result(command.answer, b"" if raw is None else bytes(raw))
    except BadParameter as error:
        raise DeviceNonsense(
            f"the device's answer to {command.uri} cannot be used: {error.message}"
        ) from None


class _Part(Struct, frozen=True):
    """A field of an answer: its name here and on the wire, and what it holds."""

    name: str
    key: str
    required: bool
    type: inspect.Type


@cache
def _parts(kind: type[Struct]) -> tuple[_Part, ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return tuple(
        _Part(field.name, field.encode_name, field.required, optional_inner_type(field.type))
        for field in info.fields
        if field.name != "unreadable"
    )


def _result(kind: type[A], data: bytes) -> A:
    if data in (b"", b"null"):
        raise BadParameter("is missing", field="result")
    json_limits.check_items(data)
    lists = [part.key for part in _parts(kind) if isinstance(part.type, inspect.VarTupleType)]
    if lists and data[:1] == b"[":
        # 1.7: the list alone is the result.
        return _object(kind, FieldReader({lists[0]: Raw(data)}, "result"))
    return _object(kind, FieldReader.decode(data, "result"))


def _object(kind: type[A], fields: FieldReader) -> A:
    """Raises BadParameter for a required field that cannot be read, and a list that is none."""
    told: dict[str, object] = {}
    for part in _parts(kind):
        if isinstance(part.type, inspect.VarTupleType):
            told[part.name], told["unreadable"] = _rows(part, part.type, fields)
            continue
        value = _value(part, fields)
        if value is not None:
            told[part.name] = value
        elif part.required:
            raise BadParameter("is missing", field=fields.path_of(part.key))
    return kind(**told)


def _rows(
    part: _Part, kind: inspect.VarTupleType, fields: FieldReader
) -> tuple[tuple[Struct, ...], int]:
    """The rows that can be read, and how many cannot."""
    assert isinstance(kind.item_type, inspect.StructType)
    name, raw = fields.path_of(part.key), fields.raw(part.key)
    if raw is None or bytes(raw) in _NO_LIST:
        return (), 0
    raws = json_limits.decode(_LIST, bytes(raw), "the list", path=name)
    if len(raws) > (kind.max_length or 0):
        raise BadParameter(f"at most {kind.max_length} rows are expected", field=name)
    rows = [row for each in raws if (row := _row(kind.item_type.cls, each, name)) is not None]
    return tuple(rows), len(raws) - len(rows)


def _row(kind: type[A], raw: Raw, path: str) -> A | None:
    try:
        row = _object(kind, FieldReader.decode(raw, path))
    except BadParameter:
        return None
    return row if any(getattr(row, name) is not None for name in row.__struct_fields__) else None


def _value(part: _Part, fields: FieldReader) -> object:
    """None where it is missing, or cannot be read and need not be there."""
    try:
        match part.type:
            case inspect.IntType(ge=least, le=most):
                return _within(fields.integer(part.key), least, most, fields.path_of(part.key))
            case inspect.StrType():
                return fields.text(part.key)
            case _:
                return fields.picture(part.key, part.name)
    except BadParameter:
        if part.required:
            raise
        return None


def _within(value: int | None, least: int | None, most: int | None, field: str) -> int | None:
    if value is not None and (
        (least is not None and value < least) or (most is not None and value > most)
    ):
        raise BadParameter(f"{value} cannot be", field=field)
    return value
