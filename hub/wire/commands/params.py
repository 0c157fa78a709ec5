"""The params of commands: checked once against the bounds of their fields (D4), then encoded.

A param struct returned by check_fields() or check_param() is within its bounds, and is encoded
without a second check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import IPv4Address
from typing import Any, TypeVar

import msgspec
import pybase64
from msgspec import Raw, Struct

from hub.decoders import json_decoder
from hub.errors import BadParameter
from hub.wire import coercion, json_limits
from hub.wire.commands.dialect import Command
from hub.wire.commands.field_specs import FieldSpec, field_specs
from hub.wire.commands.param_structs import MAX_PHOTO_BYTES, MAX_PID
from hub.wire.pictures import picture_of_text

P = TypeVar("P", bound=Struct)

_MAX_DEPTH = 4
_PARAM = json_decoder(dict[str, object])
_RAWS = json_decoder(dict[str, Raw])
_VALUE = json_decoder(object)
_MAX_NAME_LENGTH = 64
_PID = re.compile(r"[0-9]{1,20}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
#: Control characters, and lone surrogates, which no frame can hold. Full-width blanks, which are
#: common in names, are allowed.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_BOOLEANS: dict[object, bool] = {"true": True, "1": True, "false": False, "0": False}


def check_fields(command: Command[P, Any], fields: Mapping[str, object]) -> P:
    """Return the fields as the command's param, coerced and within their bounds.

    Numbers may be given as texts and texts as numbers, booleans as 1/0 (D1); blank text counts as
    not given. Raises BadParameter, which names the field as `param.NAME`, and what is allowed.
    """
    return _checked_struct(command.param, fields, "param")


def check_param(command: Command[P, Any], raw: bytes | Raw) -> P:
    """Decode a caller's JSON and check it with check_fields(). Raises BadParameter."""
    data = bytes(raw)
    json_limits.check_limits(data, _MAX_DEPTH)
    return check_fields(command, _decode_object(data))


def encode_param(command: Command[P, Any], param: P) -> Raw:
    """Encode a checked param as JSON for the frame.

    Fields that are None are left out; booleans are written as the command writes them.
    """
    sent = to_wire(param, command.booleans)
    if command.first_page is not None:
        sent.setdefault("page_num", command.first_page)
    return Raw(msgspec.json.encode(sent))


def check_changes(command: Command[Any, Any], fields: Mapping[str, object]) -> Raw:
    """Return some fields of the command's param as JSON, each checked as check_fields() does.

    An object may have some of its fields, too. Raises BadParameter, also for blank values.
    """
    changes = _checked_changes(command.param, fields, "param", command.booleans)
    return Raw(msgspec.json.encode(changes))


def changed_param(command: Command[P, Any], known: P | None, changes: bytes | Raw) -> P | None:
    """Return a whole param: the changes if they are one, or the known param with these changes.

    `changes`: from check_changes() or encode_param(). None if they are not whole and nothing is
    known. Raises BadParameter.
    """
    fields = _decode_object(bytes(changes))
    try:
        return check_fields(command, fields)
    except BadParameter:
        if known is None:
            return None
    whole = _decode_object(bytes(encode_param(command, known)))
    return check_fields(command, merge_changes(whole, fields))


def merge_changes(fields: Mapping[str, object], changes: Mapping[str, object]) -> dict[str, object]:
    """Return the fields with the changed ones in their place, also within objects."""
    merged = {**fields, **changes}
    for name, change in changes.items():
        inner = fields.get(name)
        if isinstance(inner, Mapping) and isinstance(change, Mapping):
            merged[name] = merge_changes(inner, change)
    return merged


def _decode_object(data: bytes) -> dict[str, object]:
    try:
        return json_limits.decode(_PARAM, data, "param", path="param")
    except BadParameter:
        # msgspec does not say which untyped value is invalid: find it.
        for name, raw in json_limits.decode(_RAWS, data, "param", path="param").items():
            json_limits.decode(
                _VALUE, bytes(raw), "the value", path=f"param.{name[:_MAX_NAME_LENGTH]}"
            )
        raise


def to_wire(param: Struct, booleans: Callable[[bool], object]) -> dict[str, object]:
    """The fields as they are sent: without those that are None, booleans as `booleans` does."""
    sent: dict[str, object] = {}
    for name in param.__struct_fields__:
        value = getattr(param, name)
        if isinstance(value, Struct):
            sent[name] = to_wire(value, booleans)
        elif isinstance(value, tuple):
            sent[name] = [to_wire(item, booleans) for item in value]
        elif value is not None:
            sent[name] = booleans(value) if isinstance(value, bool) else value
    return sent


def _checked_struct(kind: type[P], fields: Mapping[str, object], path: str) -> P:
    specs = field_specs(kind)
    _check_names(specs, fields, path)
    values = {
        name: _value(spec, fields.get(name), f"{path}.{name}") for name, spec in specs.items()
    }
    _check_span(values, path)
    return kind(**values)


def _checked_changes(
    kind: type[Struct],
    fields: Mapping[str, object],
    path: str,
    booleans: Callable[[bool], object],
) -> dict[str, object]:
    specs = field_specs(kind)
    _check_names(specs, fields, path)
    changes: dict[str, object] = {}
    for name, sent in fields.items():
        spec, field = specs[name], f"{path}.{name}"
        if spec.type is not None and isinstance(sent, Mapping):
            changes[name] = _checked_changes(spec.type, sent, field, booleans)
        elif _is_blank(sent):
            raise _wrong_value(spec, field)
        else:
            value = _READERS[spec.kind](spec, sent, field)
            changes[name] = booleans(value) if isinstance(value, bool) else value
    return changes


def _check_names(specs: Mapping[str, FieldSpec], fields: Mapping[str, object], path: str) -> None:
    for name in fields:
        if name not in specs:
            known = ", ".join(specs)
            raise BadParameter(
                f"no such field; known are {known}", field=f"{path}.{name[:_MAX_NAME_LENGTH]}"
            )


def _value(spec: FieldSpec, sent: object, field: str) -> object:
    """The checked value, or the default if it is absent or blank."""
    value = None if _is_blank(sent) else _READERS[spec.kind](spec, sent, field)
    if value is not None:
        return value
    if spec.required:
        raise BadParameter(f"is required: {spec.expected}", field=field)
    return spec.default


def _is_blank(sent: object) -> bool:
    return sent is None or (isinstance(sent, str) and not sent.strip())


def _wrong_value(spec: FieldSpec, field: str) -> BadParameter:
    return BadParameter(f"{spec.expected} is expected", field=field)


def _integer(spec: FieldSpec, sent: object, field: str) -> int | None:
    if isinstance(sent, bool) or not isinstance(sent, int | float | str):
        raise _wrong_value(spec, field)
    try:
        value = coercion.coerce_int(sent, field)
    except BadParameter:
        raise _wrong_value(spec, field) from None
    if value is None or not (spec.least or 0) <= value <= (spec.most or 0):
        raise _wrong_value(spec, field)
    return value


def _boolean(spec: FieldSpec, sent: object, field: str) -> bool:
    word = str(sent).strip().lower() if isinstance(sent, bool | int | str) else None
    value = _BOOLEANS.get(word)
    if value is None:
        raise _wrong_value(spec, field)
    return value


def _text(spec: FieldSpec, sent: object, field: str) -> str | None:
    if isinstance(sent, bool) or not isinstance(sent, str | int):
        raise _wrong_value(spec, field)
    value = str(sent).strip()
    if not (spec.least or 0) <= len(value) <= (spec.most or 0):
        raise _wrong_value(spec, field)
    if _CONTROL.search(value):
        raise BadParameter("a text without control characters is expected", field=field)
    return value


def _time(spec: FieldSpec, sent: object, field: str) -> str:
    value = sent.strip() if isinstance(sent, str) else ""
    if not _TIME.fullmatch(value):
        raise _wrong_value(spec, field)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise BadParameter("this date or time does not exist", field=field) from None
    return value


def _pid(spec: FieldSpec, sent: object, field: str) -> str:
    value = str(sent).strip()
    if not _PID.fullmatch(value) or not 1 <= int(value) <= MAX_PID:
        raise _wrong_value(spec, field)
    return value


def _photo(spec: FieldSpec, sent: object, field: str) -> str:
    """Base64 of a JPEG (1.12), re-encoded without a data: prefix."""
    if not isinstance(sent, str):
        raise _wrong_value(spec, field)
    content = memoryview(sent.strip().encode("utf-8", "replace"))
    try:
        picture = picture_of_text(content, name="photo", field=field)
    except BadParameter:
        picture = None
    if picture is None or picture.mime != "image/jpeg" or len(picture.data) > MAX_PHOTO_BYTES:
        raise _wrong_value(spec, field)
    return pybase64.b64encode(picture.data).decode()


def _object(spec: FieldSpec, sent: object, field: str) -> Struct:
    if not isinstance(sent, Mapping) or spec.type is None:
        raise _wrong_value(spec, field)
    return _checked_struct(spec.type, sent, field)


def _list(spec: FieldSpec, sent: object, field: str) -> tuple[Struct, ...]:
    if not isinstance(sent, list | tuple) or spec.type is None:
        raise _wrong_value(spec, field)
    if not (spec.least or 0) <= len(sent) <= (spec.most or 0):
        raise _wrong_value(spec, field)
    items: list[Struct] = []
    for at, item in enumerate(sent):
        path = f"{field}[{at}]"
        if not isinstance(item, Mapping):
            raise BadParameter("an object is expected", field=path)
        items.append(_checked_struct(spec.type, item, path))
    return tuple(items)


def _choice(spec: FieldSpec, sent: object, field: str) -> str:
    if not isinstance(sent, str) or sent.strip() not in spec.choices:
        raise _wrong_value(spec, field)
    return sent.strip()


def _address(spec: FieldSpec, sent: object, field: str) -> str:
    """An IPv4 address in the one form that every reader takes: no leading zeros."""
    try:
        return str(IPv4Address(sent.strip() if isinstance(sent, str) else ""))
    except ValueError:
        raise _wrong_value(spec, field) from None


_READERS: dict[str, Callable[[FieldSpec, object, str], object]] = {
    "integer": _integer,
    "boolean": _boolean,
    "text": _text,
    "time": _time,
    "pid": _pid,
    "photo": _photo,
    "object": _object,
    "list": _list,
    "choice": _choice,
    "address": _address,
}


def _check_span(values: Mapping[str, object], path: str) -> None:
    """Check that the range does not end before it starts. These texts sort chronologically."""
    start, end = values.get("start_time"), values.get("end_time")
    if isinstance(start, str) and isinstance(end, str) and start > end:
        raise BadParameter("is before start_time", field=f"{path}.end_time")
