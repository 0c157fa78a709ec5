"""The params of commands: checked once against the bounds of their fields (D4), then encoded.

A param struct that comes from check_fields() or check_param() is within its bounds, and is encoded
without a second check.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

import msgspec
import pybase64
from msgspec import Raw, Struct

from hub.errors import BadParameter
from hub.wire import coercion, json_limits
from hub.wire.commands.dialect import Command
from hub.wire.commands.field_specs import FieldSpec, field_specs
from hub.wire.commands.messages import MAX_PHOTO_BYTES, MAX_PID
from hub.wire.pictures import picture_of_text

P = TypeVar("P", bound=Struct)

_MAX_DEPTH = 4
_PARAM = msgspec.json.Decoder(dict[str, object])
_RAWS = msgspec.json.Decoder(dict[str, Raw])
_VALUE = msgspec.json.Decoder(object)
_LONGEST_NAME = 64
_PID = re.compile(r"[0-9]{1,20}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
#: With lone surrogates, which no frame can hold. Full-width blanks stand in many a name.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TRUTHS: dict[object, bool] = {"true": True, "1": True, "false": False, "0": False}


def check_fields(command: Command[P, Any], fields: Mapping[str, object]) -> P:
    """Return the fields as the command's param, coerced and within their bounds.

    Numbers may be given as texts and texts as numbers, booleans as 1/0 (D1); blank text counts as
    not given. Raises BadParameter that names the field, as `param.NAME`, and what is allowed.
    """
    return _read(command.param, fields, "param")


def check_param(command: Command[P, Any], raw: bytes | Raw) -> P:
    """Decode a caller's JSON and check it with check_fields(). Raises BadParameter."""
    data = bytes(raw)
    json_limits.check_depth(data, _MAX_DEPTH)
    json_limits.check_items(data)
    return check_fields(command, _decoded(data))


def encode_param(command: Command[P, Any], param: P) -> Raw:
    """Encode a checked param as JSON for the frame.

    Fields that are None are left out; booleans are written as the command writes them.
    """
    sent = _sent(param, command.booleans)
    if command.first_page is not None:
        sent.setdefault("page_num", command.first_page)
    return Raw(msgspec.json.encode(sent))


def _decoded(data: bytes) -> dict[str, object]:
    try:
        return json_limits.decode(_PARAM, data, "param", path="param")
    except BadParameter:
        # Values without a type of their own are not named: which one is it?
        for name, raw in json_limits.decode(_RAWS, data, "param", path="param").items():
            json_limits.decode(
                _VALUE, bytes(raw), "the value", path=f"param.{name[:_LONGEST_NAME]}"
            )
        raise


def _sent(param: Struct, booleans: Callable[[bool], object]) -> dict[str, object]:
    sent: dict[str, object] = {}
    for name in param.__struct_fields__:
        value = getattr(param, name)
        if isinstance(value, Struct):
            sent[name] = _sent(value, booleans)
        elif value is not None:
            sent[name] = booleans(value) if isinstance(value, bool) else value
    return sent


def _read(kind: type[P], given: Mapping[str, object], path: str) -> P:
    bounds = field_specs(kind)
    for name in given:
        if name not in bounds:
            known = ", ".join(bounds)
            raise BadParameter(
                f"no such field; there are {known}", field=f"{path}.{name[:_LONGEST_NAME]}"
            )
    taken = {
        name: _value(bound, given.get(name), f"{path}.{name}") for name, bound in bounds.items()
    }
    _check_span(taken, path)
    return kind(**taken)


def _value(bound: FieldSpec, sent: object, field: str) -> object:
    """The field's value, or its default where nothing is given. Blank text is nothing."""
    value = None if _is_blank(sent) else _READERS[bound.kind](bound, sent, field)
    if value is not None:
        return value
    if bound.required:
        raise BadParameter(f"is required: {bound.expected}", field=field)
    return bound.default


def _is_blank(sent: object) -> bool:
    return sent is None or (isinstance(sent, str) and not sent.strip())


def _not(bound: FieldSpec, field: str) -> BadParameter:
    return BadParameter(f"{bound.expected} is expected", field=field)


def _integer(bound: FieldSpec, sent: object, field: str) -> int | None:
    if isinstance(sent, bool) or not isinstance(sent, int | float | str):
        raise _not(bound, field)
    try:
        value = coercion.coerce_int(sent, field)
    except BadParameter:
        raise _not(bound, field) from None
    if value is None or not (bound.least or 0) <= value <= (bound.most or 0):
        raise _not(bound, field)
    return value


def _boolean(bound: FieldSpec, sent: object, field: str) -> bool:
    word = str(sent).strip().lower() if isinstance(sent, bool | int | str) else None
    value = _TRUTHS.get(word)
    if value is None:
        raise _not(bound, field)
    return value


def _text(bound: FieldSpec, sent: object, field: str) -> str | None:
    if isinstance(sent, bool) or not isinstance(sent, str | int):
        raise _not(bound, field)
    value = str(sent).strip()
    if not (bound.least or 0) <= len(value) <= (bound.most or 0):
        raise _not(bound, field)
    if _CONTROL.search(value):
        raise BadParameter("a text without control characters is expected", field=field)
    return value


def _time(bound: FieldSpec, sent: object, field: str) -> str:
    value = sent.strip() if isinstance(sent, str) else ""
    if not _TIME.fullmatch(value):
        raise _not(bound, field)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        raise BadParameter("no such date or time", field=field) from None
    return value


def _pid(bound: FieldSpec, sent: object, field: str) -> str:
    value = str(sent).strip()
    if not _PID.fullmatch(value) or not 1 <= int(value) <= MAX_PID:
        raise _not(bound, field)
    return value


def _photo(bound: FieldSpec, sent: object, field: str) -> str:
    """1.12: base64 of a JPEG, sent without the prefix that it may have come with."""
    if not isinstance(sent, str):
        raise _not(bound, field)
    content = memoryview(sent.strip().encode("utf-8", "replace"))
    try:
        picture = picture_of_text(content, name="photo", field=field)
    except BadParameter:
        picture = None
    if picture is None or picture.mime != "image/jpeg" or len(picture.data) > MAX_PHOTO_BYTES:
        raise _not(bound, field)
    return pybase64.b64encode(picture.data).decode()


def _object(bound: FieldSpec, sent: object, field: str) -> Struct:
    if not isinstance(sent, Mapping) or bound.type is None:
        raise _not(bound, field)
    return _read(bound.type, sent, field)


_READERS: dict[str, Callable[[FieldSpec, object, str], object]] = {
    "integer": _integer,
    "boolean": _boolean,
    "text": _text,
    "time": _time,
    "pid": _pid,
    "photo": _photo,
    "object": _object,
}


def _check_span(taken: Mapping[str, object], path: str) -> None:
    """Texts of the form of 1.8 sort as their times do."""
    start, end = taken.get("start_time"), taken.get("end_time")
    if isinstance(start, str) and isinstance(end, str) and start > end:
        raise BadParameter("is before start_time", field=f"{path}.end_time")
