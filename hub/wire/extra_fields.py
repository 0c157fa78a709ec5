"""Extra fields: undocumented fields that real cameras send, kept as undecoded JSON (D5, D8).

Their contents are never a reason to refuse an upload. Values that a strict JSON reader cannot
represent are kept as text: a number beyond 2^53 or the range of a double as its digits, invalid
UTF-8 with replacement characters. What is too long is replaced by its size and digest. Nothing is
decoded, so a value takes no more memory than its bytes, and a long one is not even copied.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from hub.decoders import json_decoder
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
from hub.wire.json_structure import structure_of
from hub.wire.pictures import Picture, decode_picture

T = TypeVar("T")

#: A name and its undecoded value.
ExtraField = tuple[str, Raw]

#: Not stored, wherever they are: several hundred numbers that tell a face from all others (D8), and
#: what a camera takes for somebody's race (D12).
DROPPED_FIELDS = frozenset({"feature", "race"})
NO_EXTRA = Raw(b"{}")
#: Bytes of all extra fields of one record. Real ones have a few hundred.
MAX_EXTRA_BYTES = 64 * 1024
#: The last member: how many fields are left out without their names. One of this name that was
#: sent is among them, or the object would have two.
_FURTHER = "omitted_fields"

_TEXT: msgspec.json.Decoder[LooseText] = json_decoder(LooseText)
_NUMBER: msgspec.json.Decoder[LooseNumber] = json_decoder(LooseNumber)
_BOOLEAN: msgspec.json.Decoder[bool | int | str | None] = json_decoder(bool | int | str | None)
_BOOLEANS = {"true": True, "1": True, "false": False, "0": False}
_FIELDS = json_decoder(dict[str, Raw])
_FRACTION = re.compile(rb"-?[0-9]{1,16}\.[0-9]{1,20}")
_LIST = json_decoder(list[dict[str, Raw]])
_ITEMS = json_decoder(list[Raw])
_DROPPED_KEY = re.compile(rb'"\s*(?:feature|race)\s*"')
#: A longer value is not repaired in place: if anything in it is doubtful, all of it becomes text.
_MAX_REPAIRED_BYTES = 64 << 10
#: By how much replacement characters may make a value longer.
_MAX_REPLACED_BYTES = 1 << 20
_ASCII = bytes(range(128)) + b"?" * 128
_PIECE_BYTES = 256 << 10
_UTF8 = codecs.getincrementaldecoder("utf-8")
#: For `_is_doubtful`: maps all digits to 0, E to e, and carriage return to line feed.
_DIGIT_CLASSES = bytes.maketrans(b"123456789E\r", b"000000000e\n")
_STRING_NUMBER_OR_BREAK = re.compile(
    rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    rb"|(?<![0-9.])-?[0-9]{16,}+(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?"
    rb"|(?<![0-9.])-?[0-9]++(?:\.[0-9]++)?[eE][+-]?[0-9]++"
    rb"|[\r\n]+",
    re.DOTALL,
)


def to_strict_json(raw: Raw) -> bytes:
    """The JSON value in a form that any strict reader accepts, on one line."""
    value = bytes(raw)
    if not value.isascii():
        value = _as_utf8(value)
    if value[:1] == b'"' or not _is_doubtful(value):
        return value
    if len(value) > _MAX_REPAIRED_BYTES:
        return _as_json_text(value)
    return _STRING_NUMBER_OR_BREAK.sub(_repaired, value)


class Omitted(Struct, frozen=True, forbid_unknown_fields=True):
    """In place of an extra field that is too long. Both are of its JSON value as it was sent."""

    omitted_bytes: int
    sha256: str


class ExtraObject(Struct, frozen=True):
    """A JSON object of extra fields, and the names of those that were too long to be kept."""

    json: Raw
    omitted: tuple[str, ...] = ()


_OMITTED = json_decoder(Omitted)
_OMITTED_BYTES = len(msgspec.json.encode(Omitted(2**53, "0" * 64)))


def omitted_of(raw: Raw) -> Omitted | None:
    """What was omitted, if this value stands for a field that was too long."""
    if len(memoryview(raw)) > _OMITTED_BYTES:
        return None
    try:
        return _OMITTED.decode(raw)
    except msgspec.MsgspecError:
        return None


def extra_object(fields: Iterable[ExtraField], limit: int = MAX_EXTRA_BYTES) -> ExtraObject:
    """A JSON object of extra fields, without DROPPED_FIELDS, of about `limit` bytes at most.

    A field that does not fit into what is left is replaced by Omitted. If that does not fit either,
    the field is only counted, and so is one that was sent with the name of this count.
    """
    members: list[bytes] = []
    omitted: list[str] = []
    left, further = limit, 0
    for name, value in fields:
        if name in DROPPED_FIELDS:
            continue
        key = msgspec.json.encode(name) + b":"
        kept = None if name == _FURTHER else _within(left - len(key), value)
        if kept is None:
            omitted.append(name)
            if name == _FURTHER or len(key) + _OMITTED_BYTES > left:
                further += 1
                continue
            kept = msgspec.json.encode(_omit(value))
        members.append(key + kept)
        left -= len(key) + len(kept) + 1
    if further:
        members.append(b'"%b":%d' % (_FURTHER.encode(), further))
    if not members:
        return ExtraObject(NO_EXTRA)
    return ExtraObject(Raw(b"{" + b",".join(members) + b"}"), tuple(omitted))


def tidy_keys(fields: dict[str, Raw]) -> dict[str, Raw]:
    """The fields under the names that are meant: cameras misprint some (D12).

    Blanks around a key are removed, and `jepg`, which stands for `jpeg`, is corrected. A field that
    has the name already wins.
    """
    if not any(map(_is_untidy, fields)):
        return fields
    tidied: dict[str, Raw] = {}
    for key, raw in fields.items():
        name = _tidy_key(key) if _is_untidy(key) else key
        if name == key or name not in fields:
            tidied[name] = raw
    return tidied


def _is_untidy(key: str) -> bool:
    return key[:1].isspace() or key[-1:].isspace() or "jepg" in key or key[:5] == "jpeg-"


def _tidy_key(key: str) -> str:
    key = key.strip()
    is_path = key.startswith(("jepg", "jpeg-"))
    return key.replace("jepg", "jpeg").replace("-", "_") if is_path else key


def _without_dropped(value: Raw) -> Raw:
    """The value without DROPPED_FIELDS in any of its objects; itself if it has none."""
    data = bytes(value)
    if data[:1] not in (b"{", b"[") or not _DROPPED_KEY.search(data):
        return value
    return Raw(_stripped(data))


def _stripped(data: bytes) -> bytes:
    try:
        if data[:1] == b"{":
            members = [
                b"%b:%b" % (msgspec.json.encode(key), _stripped(bytes(inner)))
                for key, inner in _FIELDS.decode(data).items()
                if key.strip() not in DROPPED_FIELDS
            ]
            return b"{%b}" % b",".join(members)
        if data[:1] == b"[":
            return b"[%b]" % b",".join([_stripped(bytes(one)) for one in _ITEMS.decode(data)])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return b"null"
    return data


def _within(limit: int, value: Raw) -> bytes | None:
    """The value as strict JSON, unless it is longer than `limit`."""
    if len(memoryview(value)) > limit:
        return None
    kept = to_strict_json(_without_dropped(value))
    return kept if len(kept) <= limit else None


def _omit(value: Raw) -> Omitted:
    digest = hashlib.sha256()
    view = memoryview(value)
    for at in range(0, len(view), _PIECE_BYTES):
        digest.update(view[at : at + _PIECE_BYTES])
    return Omitted(len(view), digest.hexdigest())


class FieldReader:
    """Reads the fields of one JSON object one by one; those left at the end are extra fields.

    Each method removes its field and returns the value, or None if it is absent, null or blank.
    Raises BadParameter, which names the field, if the value cannot be read as the method's type.
    """

    def __init__(self, raws: dict[str, Raw], path: str = "") -> None:
        """`path`: the object's path within the body, for messages."""
        self._raws = raws
        self._path = path
        #: The paths of extra fields that were too long to be put back.
        self.omitted: list[str] = []

    @classmethod
    def decode(cls, raw: Raw | bytes, path: str = "") -> FieldReader:
        """Decode one level of an object. Raises BadParameter."""
        fields = json_limits.decode(_FIELDS, bytes(raw), "the body", path=path)
        return cls(tidy_keys(fields), path)

    def has(self, *keys: str) -> bool:
        """Whether any of these fields is left."""
        return any(key in self._raws for key in keys)

    def path_of(self, key: str) -> str:
        """The path of a field, for messages."""
        return f"{self._path}.{key}" if self._path else key

    def text(self, key: str) -> str | None:
        """A string unchanged, a number as its digits: `"swVer": 1.10` is the version 1.10 (D1)."""
        raw = self._raws.get(key)
        if raw is not None and _FRACTION.fullmatch(bytes(raw)):
            return bytes(self._raws.pop(key)).decode()
        return coerce_text(self._take(key, _TEXT), self.path_of(key))

    def integer(self, key: str) -> int | None:
        """An integer within 2^53, sent as a number or as a string of digits."""
        return coerce_int(self._take(key, _NUMBER), self.path_of(key))

    def number(self, key: str) -> int | float | None:
        """A number within 2^53, sent as a number or as a string of digits."""
        return coerce_number(self._take(key, _NUMBER), self.path_of(key))

    def boolean(self, key: str) -> bool | None:
        """A boolean, also sent as 1 or 0, or as text."""
        value = self._take(key, _BOOLEAN)
        if value is None or value == "":
            return None
        known = _BOOLEANS.get(str(value).strip().lower())
        if known is None:
            raise BadParameter("true or false is expected", field=self.path_of(key))
        return known

    def scalar(self, key: str) -> LooseNumber:
        """A string or a number, unchanged."""
        value = self._take(key, _NUMBER)
        if isinstance(value, str):
            return coerce_text(value, self.path_of(key))
        return coerce_number(value, self.path_of(key))

    def picture(self, key: str, name: str) -> Picture | None:
        """A picture in base64, returned under this `name`."""
        raw = self._raws.pop(key, None)
        return None if raw is None else decode_picture(raw, name=name, field=self.path_of(key))

    def nested(self, key: str) -> FieldReader | None:
        """A reader of the object under `key`."""
        raw = self._raws.pop(key, None)
        if raw is None or bytes(memoryview(raw)[:4]) == b"null":
            return None
        return FieldReader.decode(raw, self.path_of(key))

    def nested_list(self, key: str, max_items: int) -> list[FieldReader]:
        """Readers of the objects in the list under `key`, which is required."""
        raw = self._raws.pop(key, None)
        if raw is None:
            raise BadParameter("is required", field=self.path_of(key))
        data = bytes(raw)
        # Counted before decoding: even an empty item costs memory. Real items hold few objects.
        if json_limits.count_to(max_items * 8, data, b"{") > max_items * 8:
            raise BadParameter(f"at most {max_items} items are allowed", field=self.path_of(key))
        items = json_limits.decode(_LIST, data, "the body", path=self.path_of(key))
        if len(items) > max_items:
            raise BadParameter(f"at most {max_items} items are allowed", field=self.path_of(key))
        return [FieldReader(item, f"{self.path_of(key)}[{at}]") for at, item in enumerate(items)]

    def put_back(self, key: str, extra: list[ExtraField]) -> None:
        """Keep the extra fields of the nested object `key` as an extra field of that name."""
        if extra:
            kept = extra_object(extra, MAX_EXTRA_BYTES // 4)
            self._raws[key] = kept.json
            self.omitted += [f"{self.path_of(key)}.{name}" for name in kept.omitted]

    def raw(self, key: str) -> Raw | None:
        """The undecoded value."""
        return self._raws.pop(key, None)

    def remaining(self) -> list[ExtraField]:
        """The fields that were not read."""
        return list(self._raws.items())

    def _take(self, key: str, decoder: msgspec.json.Decoder[T]) -> T | None:
        raw = self._raws.pop(key, None)
        if raw is None:
            return None
        json_limits.check_text_bytes(raw, json_limits.MAX_SHORT_TEXT_BYTES, self.path_of(key))
        return json_limits.decode(decoder, bytes(raw), "the value", path=self.path_of(key))


def _as_utf8(value: bytes) -> bytes:
    """The value with replacement characters for what is not UTF-8.

    A replacement character has three bytes. Where they would make a value much longer, each byte
    that is not ASCII becomes a question mark instead.
    """
    decoder, pieces, more = _UTF8("replace"), [], 0
    for piece in _pieces(value):
        pieces.append(decoder.decode(piece).encode())
        more += len(pieces[-1]) - len(piece)
        if more > _MAX_REPLACED_BYTES:
            return b"".join([piece.translate(_ASCII) for piece in _pieces(value)])
    return b"".join((*pieces, decoder.decode(b"", final=True).encode()))


def _as_json_text(value: bytes) -> bytes:
    """A text that contains the value, which is UTF-8."""
    decoder = _UTF8()
    pieces = [msgspec.json.encode(decoder.decode(piece))[1:-1] for piece in _pieces(value)]
    return b'"%b"' % b"".join(pieces)


def _pieces(value: bytes) -> Iterator[bytes]:
    """Parts of a long value, so that a thread that works on it lets others run in between."""
    return (value[at : at + _PIECE_BYTES] for at in range(0, len(value), _PIECE_BYTES))


def _is_doubtful(value: bytes) -> bool:
    """Whether the value may contain a long number, an exponent or a line break."""
    outside = structure_of(value) if len(value) > _MAX_REPAIRED_BYTES else value
    classes = outside.translate(_DIGIT_CLASSES)
    return b"0" * 16 in classes or b"0e" in classes or b"\n" in classes


def _repaired(token: re.Match[bytes]) -> bytes:
    value = token[0]
    if value[:1] == b'"':
        return value
    if value[:1] in b"\r\n":
        return b""
    return b'"%b"' % value if _is_too_large(value) else value


def _is_too_large(number: bytes) -> bool:
    digits = number.removeprefix(b"-")
    if digits.isdigit():
        return len(digits) > 16 or int(digits) > MAX_NUMBER
    return abs(float(number)) > MAX_NUMBER
