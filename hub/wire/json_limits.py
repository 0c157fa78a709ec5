"""Limits of JSON documents, checked before they are decoded, and errors that name the field.

msgspec decodes. This module limits what it is given (nesting, number of fields and items), repairs
lone surrogates, and rewords msgspec's errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import AnyStr, TypeVar

import msgspec
from msgspec import Raw

from hub.decoders import json_decoder
from hub.errors import BadParameter
from hub.wire.json_structure import is_escaped, structure_of

T = TypeVar("T")

#: Fields of one document. Real ones have about thirty; each costs memory once it is decoded.
MAX_FIELDS = 20_000
#: Items of all lists and objects of one document, counted by their commas.
MAX_ITEMS = 60_000
#: Lists and objects of one document.
MAX_NESTED = 20_000
#: How many bytes of a picture take as much time as an item, at most.
ITEM_WEIGHT = 64

#: A document that is not longer cannot weigh much, and is not looked at.
_LIGHT_BYTES = 2048
#: A longer document is always examined exactly.
LONG_BYTES = 256 * 1024
MAX_SHORT_TEXT_BYTES = 64 * 1024

_MAX_WEIGHED = 4096
_FIELDS = json_decoder(dict[str, Raw])
_SURROGATE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?P<low>\\u[dD][c-fC-F][0-9a-fA-F]{2})?"
    rb"|[c-fC-F][0-9a-fA-F]{2})"
)
#: Lone surrogates that are repaired in one document.
_MAX_REPAIRED = 500
_ERROR_AT_PATH = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>\$?[^`]*)`)?$", re.DOTALL)
_EXPECTED = re.compile(r"^Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]+)`$")
_MAX_KEY_LENGTH = 100
_KEY_BEFORE = re.compile(rb'"([A-Za-z0-9_]+)"\s*:\s*"\Z')
_TYPE_NAMES = {
    "int": "a number",
    "float": "a number",
    "str": "a text",
    "object": "an object",
    "array": "a list",
    "bool": "true or false",
    "null": "null",
}


def weight(data: bytes | str) -> int:
    """The size of a document that takes as much time as this one, but has few texts.

    For the choice between the loop and a thread. Counts every quotation mark, escaped ones too.
    What has none, such as a list of numbers, takes little time as long as it is short.
    """
    if len(data) <= _LIGHT_BYTES:
        return len(data)
    if isinstance(data, bytes):
        return len(data) + ITEM_WEIGHT * count_to(_MAX_WEIGHED, data, b'"')
    return len(data) + ITEM_WEIGHT * count_to(_MAX_WEIGHED, data, '"')


def check_limits(data: bytes, max_depth: int, max_fields: int = MAX_FIELDS) -> None:
    """Raise BadParameter if the document is nested deeper than `max_depth`, or has more fields,
    items, lists and objects, texts, escapes or bytes outside of texts than is allowed.

    Only what is outside of strings counts. The exact pass is left out for a short document that has
    few brackets, colons and commas at all.
    """
    is_flat = len(data) <= LONG_BYTES and count_to(max_depth, data, b"[", b"{") <= max_depth
    # One of so few bytes has no more colons and commas.
    if is_flat and len(data) <= max_fields:
        return
    if (
        is_flat
        and count_to(max_fields, data, b":") <= max_fields
        and count_to(MAX_ITEMS, data, b",") <= MAX_ITEMS
    ):
        return
    structure = structure_of(data)
    _check_nesting(structure, max_depth)
    if structure.count(b":") > max_fields:
        raise BadParameter(f"more than {max_fields} fields in one JSON document")
    if structure.count(b",") > MAX_ITEMS:
        raise BadParameter(f"more than {MAX_ITEMS} items in one JSON document")


def distinct_fields(
    data: bytes, short: Iterable[str], what: str, *, path: str = ""
) -> dict[str, Raw]:
    """The fields of a long document's object, undecoded, the last one of each name.

    Raises BadParameter if one of the fields `short` is a long text: decoding it as text would take
    three times as long as skipping it.
    """
    fields = decode(_FIELDS, data, what, path=path)
    for name in short:
        check_text_bytes(fields.get(name), MAX_SHORT_TEXT_BYTES, _join(path, name))
    return fields


def check_text_bytes(raw: Raw | None, limit: int, field: str) -> None:
    """Raise BadParameter if an undecoded value is a text of more than `limit` bytes."""
    if raw is not None and len(value := memoryview(raw)) > limit and bytes(value[:1]) == b'"':
        raise BadParameter(f"at most {limit} bytes are allowed", field=field)


def decode(decoder: msgspec.json.Decoder[T], data: bytes, what: str, *, path: str = "") -> T:
    """Decode `data`. Raises BadParameter and nothing else.

    Error messages call the document `what` and prefix field names with `path`. A lone surrogate,
    which JSON allows but msgspec refuses, becomes the text of its escape.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _bad_parameter(error, data, what, path) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        repaired = _repaired(data)
        if repaired == data:
            raise _bad_parameter(error, data, what, path) from None
    return decode(decoder, repaired, what, path=path)


def count_to(limit: int, data: AnyStr, *needles: AnyStr) -> int:
    """How often the needles occur, counting no further than `limit` + 1.

    Runs at the speed of memchr if they are rare, as in base64; `bytes.count` is ten times slower.
    """
    found = 0
    for needle in needles:
        at = data.find(needle)
        while at >= 0:
            found += 1
            if found > limit:
                return found
            at = data.find(needle, at + 1)
    return found


_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))


def _check_nesting(structure: bytes, limit: int) -> None:
    """Remove innermost pairs `limit` times; what is left is nested deeper or never closed."""
    left = structure.translate(_BRACKETS, _NO_BRACKETS)
    if len(left) > 2 * MAX_NESTED and not left.startswith(b"[" * (limit + 1)):
        raise BadParameter(f"more than {MAX_NESTED} lists and objects in one JSON document")
    for _ in range(limit):
        outer = left.replace(b"[]", b"")
        if len(outer) == len(left):
            break
        left = outer
    if b"[" in left:
        raise BadParameter(f"JSON is nested deeper than {limit} levels, or never closed")


def _repaired(data: bytes) -> bytes:
    """The document with the escapes of lone surrogates escaped, or as it is if there are many."""
    if b"\\u" not in data:  # a fast search; the expression would hold the interpreter lock
        return data
    parts: list[bytes] = []
    at = 0
    for surrogate in _SURROGATE.finditer(data):
        if surrogate["low"] is None and not is_escaped(data, surrogate.start()):
            parts.append(data[at : surrogate.start()])
            at = surrogate.start()
            if len(parts) > _MAX_REPAIRED:
                return data
    return b"\\".join((*parts, data[at:])) if parts else data


def _bad_parameter(error: Exception, data: bytes, what: str, path: str) -> BadParameter:
    if isinstance(error, UnicodeDecodeError):
        field = _join(path, _key_of(error.object, data))
        text = "valid UTF-8 is expected" if field else f"{what} is not valid UTF-8"
        return BadParameter(text, field=field)
    if not isinstance(error, msgspec.ValidationError):
        return BadParameter(f"{what} is not JSON: {error}", field=path)
    found = _ERROR_AT_PATH.match(str(error))
    assert found is not None
    field = _join(path, found["path"] or "")
    text = found["what"]
    if text == "Expected `int`, got `float`":
        text = "a whole number is expected"
    elif expected := _EXPECTED.match(text):
        text = f"{_in_words(expected['expected'])} is expected, not {_in_words(expected['got'])}"
    elif missing := _MISSING.match(text):
        field, text = _join(field, missing["name"]), "is required"
    else:
        text = text[:1].lower() + text[1:]
    return BadParameter(text if field else f"{what}: {text}", field=field)


def _key_of(text: bytes, data: bytes) -> str:
    """The key of the value `text`; empty if it cannot be found."""
    if len(text) > MAX_SHORT_TEXT_BYTES:
        return ""
    at = data.find(text)
    found = _KEY_BEFORE.search(data, max(0, at - _MAX_KEY_LENGTH), max(0, at))
    return found[1].decode() if found else ""


def _join(path: str, more: str) -> str:
    more = more.removeprefix("$").removeprefix(".")
    if not path or not more:
        return path or more
    return path + more if more.startswith("[") else f"{path}.{more}"


def _in_words(expected: str) -> str:
    """Reword msgspec's `int | str | null` as "a number or a text"."""
    kinds = [kind for kind in expected.split(" | ") if kind != "null" or expected == "null"]
    return " or ".join(dict.fromkeys(_TYPE_NAMES.get(kind, kind) for kind in kinds))
