"""Further fields: what real cameras send beyond the tables, kept as undecoded JSON (D5, D8).

They are never a reason to refuse, whatever they hold. What a strict reader of JSON could not hold
is held as text: a number beyond 2^53 or beyond a double as its digits, wrong UTF-8 with
replacement characters. Nothing is decoded, so nothing costs more memory than it has bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

import msgspec
from msgspec import Raw

from hub.errors import BadParameter
from hub.wire import json_limits
from hub.wire.coercion import (
    MAX_NUMBER,
    LooseNumber,
    LooseText,
    coerce_int,
    coerce_number,
    coerce_text,
)
from hub.wire.pictures import Picture, decode_picture

T = TypeVar("T")

#: A name and its value as it came.
ExtraField = tuple[str, Raw]

#: Several hundred numbers with each capture, of no use to anyone (D8).
DROPPED_FIELD = "feature"
NO_EXTRA = Raw(b"{}")

_TEXT: msgspec.json.Decoder[LooseText] = msgspec.json.Decoder(LooseText)
_NUMBER: msgspec.json.Decoder[LooseNumber] = msgspec.json.Decoder(LooseNumber)
_FIELDS = msgspec.json.Decoder(dict[str, Raw])
_FRACTION = re.compile(rb"-?[0-9]{1,16}\.[0-9]{1,20}")
_LIST = msgspec.json.Decoder(list[dict[str, Raw]])
#: Longer values are looked at as a whole only: what is doubtful in them is held as text.
_LONGEST_LOOKED_INTO = 64 << 10
#: For `_is_doubtful`: all digits alike, and so exponents and line breaks.
_KINDS = bytes.maketrans(b"123456789E\r", b"000000000e\n")
_STRING_NUMBER_OR_BREAK = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    rb"|(?<![0-9.])-?[0-9]{16,}+(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
    rb"|(?<![0-9.])-?[0-9]++(?:\.[0-9]++)?[eE][+-]?[0-9]++"
    rb"|[\r\n]+",
    re.DOTALL,
)


def to_strict_json(raw: Raw) -> bytes:
    """One JSON value as any strict reader can hold it, on one line."""
    value = bytes(raw)
    if not value.isascii():
        value = value.decode("utf-8", "replace").encode()
    if value[:1] == b'"' or not _is_doubtful(value):
        return value
    if len(value) > _LONGEST_LOOKED_INTO:
        return msgspec.json.encode(value.decode())
    return _STRING_NUMBER_OR_BREAK.sub(_hold, value)


def extra_object(fields: Iterable[ExtraField]) -> Raw:
    """A JSON object of further fields."""
    members = [
        msgspec.json.encode(name) + b":" + to_strict_json(value)
        for name, value in fields
        if name != DROPPED_FIELD
    ]
    return Raw(b"{" + b",".join(members) + b"}") if members else NO_EXTRA


class FieldReader:
    """The fields of one JSON object, taken one by one; what is left in the end is further.

    `path` is the object's own place in the body, for messages.
    """

    def __init__(self, raws: dict[str, Raw], path: str = "") -> None:
        self._raws = raws
        self._path = path

    @classmethod
    def decode(cls, raw: Raw | bytes, path: str = "") -> FieldReader:
        """Decode one level of an object."""
        return cls(json_limits.decode(_FIELDS, bytes(raw), "the body", path=path), path)

    def path_of(self, key: str) -> str:
        return f"{self._path}.{key}" if self._path else key

    def text(self, key: str) -> str | None:
        """A text as it came, a number as its digits: `"swVer": 1.10` is the version 1.10 (D1)."""
        raw = self._raws.get(key)
        if raw is not None and _FRACTION.fullmatch(bytes(raw)):
            return bytes(self._raws.pop(key)).decode()
        return coerce_text(self._take(key, _TEXT), self.path_of(key))

    def integer(self, key: str) -> int | None:
        return coerce_int(self._take(key, _NUMBER), self.path_of(key))

    def number(self, key: str) -> int | float | None:
        return coerce_number(self._take(key, _NUMBER), self.path_of(key))

    def scalar(self, key: str) -> LooseNumber:
        """A text or a number as it came."""
        value = self._take(key, _NUMBER)
        if isinstance(value, str):
            return coerce_text(value, self.path_of(key))
        return coerce_number(value, self.path_of(key))

    def picture(self, key: str, name: str) -> Picture | None:
        raw = self._raws.pop(key, None)
        return None if raw is None else decode_picture(raw, name=name, field=self.path_of(key))

    def nested(self, key: str) -> FieldReader | None:
        """The object under `key`; None where it is absent or null."""
        raw = self._raws.pop(key, None)
        if raw is None or bytes(memoryview(raw)[:4]) == b"null":
            return None
        return FieldReader.decode(raw, self.path_of(key))

    def nested_list(self, key: str, most: int) -> list[FieldReader]:
        """The objects of the list under `key`."""
        raw = self._raws.pop(key, None)
        if raw is None:
            raise BadParameter("is required", field=self.path_of(key))
        data = bytes(raw)
        # Before they are decoded, for even an empty item costs memory; a real one has few objects.
        if json_limits.count_to(most * 8, data, b"{") > most * 8:
            raise BadParameter(f"at most {most} items are allowed", field=self.path_of(key))
        items = json_limits.decode(_LIST, data, "the body", path=self.path_of(key))
        if len(items) > most:
            raise BadParameter(f"at most {most} items are allowed", field=self.path_of(key))
        return [FieldReader(item, f"{self.path_of(key)}[{at}]") for at, item in enumerate(items)]

    def put_back(self, key: str, further: list[ExtraField]) -> None:
        """Let what is left of an inner object stay, under its name."""
        if further:
            self._raws[key] = extra_object(further)

    def raw(self, key: str) -> Raw | None:
        return self._raws.pop(key, None)

    def remaining(self) -> list[ExtraField]:
        return list(self._raws.items())

    def _take(self, key: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        raw = self._raws.pop(key, None)
        if raw is None:
            return None
        return json_limits.decode(decoder, bytes(raw), "the value", path=self.path_of(key))


def _is_doubtful(value: bytes) -> bool:
    """Whether there may be a long number, an exponent or a line break in it."""
    kinds = value.translate(_KINDS)
    return b"0" * 16 in kinds or b"0e" in kinds or b"\n" in kinds


def _hold(token: re.Match[bytes]) -> bytes:
    value = token[0]
    if value[:1] == b'"':
        return value
    if value[:1] in b"\r\n":
        return b""
    return b'"%b"' % value if _is_beyond(value) else value


def _is_beyond(coerce_number: bytes) -> bool:
    digits = coerce_number.removeprefix(b"-")
    if digits.isdigit():
        return len(digits) > 16 or int(digits) > MAX_NUMBER
    return abs(float(coerce_number)) > MAX_NUMBER
