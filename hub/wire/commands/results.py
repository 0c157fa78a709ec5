"""Decoding of devices' answers to commands: untrusted input, decoded as far as possible.

A result that is missing, too long or of another shape raises an error that says what is wrong. In a
list, a row without any readable field, or without a required one (time, pid), is skipped and
counted. Any other field that is unreadable counts as absent.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, inspect

from hub.decoders import json_decoder
from hub.errors import BadParameter, DeviceNonsense, DeviceNoResult
from hub.wire import json_limits
from hub.wire.commands.answers import Done
from hub.wire.commands.dialect import Command
from hub.wire.commands.field_specs import unwrapped_type
from hub.wire.extra_fields import FieldReader
from hub.wire.pictures import Picture

A = TypeVar("A", bound=Struct)

_LIST = json_decoder(list[Raw])
#: These also mean an empty list: some JSON writers cannot tell it from an empty object.
_EMPTY_LISTS = (b"null", b"{}", b'""')
#: Other names under which cameras send a list (D12).
_MISPRINTED = {"ap_list": ("aplist",), "patrolNodesList": ("patrolsList",)}
#: Results that say that there is nothing, and values of fields.
_NOTHING = (b"", b"null", b"{}", b'""', b"[]")
_NO_VALUES = (b"null", b'""', b"0")
#: A longer result says something.
_MAX_NOTHING = 4096
_OBJECT = json_decoder(dict[str, Raw])


def decode_answer(command: Command[Any, A], raw: Raw | None) -> A:
    """Decode the result of an answer whose code is one of the command's `ok_codes`.

    `raw` is part of a frame whose limits were checked. Raises DeviceNonsense, which says what is
    wrong: DeviceNoResult if the device sent nothing where something is required.
    """
    if command.answer is Done:
        return command.answer()
    data = b"" if raw is None else bytes(raw)
    try:
        return _result(command.answer, data)
    except BadParameter as error:
        fault = DeviceNoResult if _is_nothing(data) else DeviceNonsense
        raise fault(
            f"the device's answer to {command.uri} cannot be used: {error.message}"
        ) from None


def _is_nothing(data: bytes) -> bool:
    """Whether a result is empty, or an object of which each field is."""
    if data in _NOTHING or len(data) > _MAX_NOTHING:
        return data in _NOTHING
    try:
        return all(bytes(value) in _NO_VALUES for value in _OBJECT.decode(data).values())
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return False


class _AnswerField(Struct, frozen=True):
    """A field of an answer struct: its name here, its key in JSON, and its type."""

    name: str
    key: str
    required: bool
    type: inspect.Type


@cache
def _answer_fields(kind: type[Struct]) -> tuple[_AnswerField, ...]:
    info = inspect.type_info(kind)
    assert isinstance(info, inspect.StructType)
    return tuple(
        _AnswerField(field.name, field.encode_name, field.required, unwrapped_type(field.type))
        for field in info.fields
        if field.name != "unreadable"
    )


def _result(kind: type[A], data: bytes) -> A:
    if data in (b"", b"null"):
        raise BadParameter("is missing", field="result")
    lists = [
        spec.key for spec in _answer_fields(kind) if isinstance(spec.type, inspect.VarTupleType)
    ]
    if lists and data[:1] == b"[":
        # The result of 1.7 is the list itself.
        return _object(kind, FieldReader({lists[0]: Raw(data)}, "result"))
    return _object(kind, FieldReader.decode(data, "result"))


def _object(kind: type[A], fields: FieldReader) -> A:
    """Build the struct. Raises BadParameter for an unreadable required field or list."""
    values: dict[str, object] = {}
    for spec in _answer_fields(kind):
        if isinstance(spec.type, inspect.VarTupleType):
            values[spec.name], unreadable = _rows(spec, spec.type, fields)
            if "unreadable" in kind.__struct_fields__:
                values["unreadable"] = unreadable
            continue
        value = _value(spec, fields)
        if value is not None:
            values[spec.name] = value
        elif spec.required:
            raise BadParameter("is missing", field=fields.path_of(spec.key))
    return kind(**values)


def _rows(
    spec: _AnswerField, kind: inspect.VarTupleType, fields: FieldReader
) -> tuple[tuple[Struct, ...], int]:
    """The readable rows, and the number of unreadable ones."""
    assert isinstance(kind.item_type, inspect.StructType)
    name, raw = fields.path_of(spec.key), fields.raw(spec.key)
    for misprint in _MISPRINTED.get(spec.key, ()) if raw is None else ():
        raw = raw or fields.raw(misprint)
    if raw is None or bytes(raw) in _EMPTY_LISTS:
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


def _value(spec: _AnswerField, fields: FieldReader) -> object:
    """The value; None if it is absent, or unreadable and not required. Raises BadParameter."""
    try:
        match spec.type:
            case inspect.IntType(ge=least, le=most):
                return _within(fields.integer(spec.key), least, most, fields.path_of(spec.key))
            case inspect.StrType():
                return fields.text(spec.key)
            case inspect.BoolType():
                return fields.boolean(spec.key)
            case inspect.StructType(cls=inner) if inner is not Picture:
                return _nested(inner, fields, spec.key)
            case _:
                return fields.picture(spec.key, spec.name)
    except BadParameter:
        if spec.required:
            raise
        return None


def _nested(kind: type[A], fields: FieldReader, key: str) -> A | None:
    """The object; the first one if a list of them was sent. Raises BadParameter."""
    raw = fields.raw(key)
    if raw is None or bytes(raw) in _EMPTY_LISTS:
        return None
    if bytes(raw)[:1] == b"[":
        items = json_limits.decode(_LIST, bytes(raw), "the list", path=fields.path_of(key))
        if not items:
            return None
        raw = items[0]
    return _object(kind, FieldReader.decode(raw, fields.path_of(key)))


def _within(value: int | None, least: int | None, most: int | None, field: str) -> int | None:
    if value is not None and (
        (least is not None and value < least) or (most is not None and value > most)
    ):
        raise BadParameter(f"{value} is out of range", field=field)
    return value
