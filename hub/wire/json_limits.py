"""Limits of JSON documents, checked before they are decoded, and errors that name the field.

msgspec decodes. This module limits what it is given (nesting, number of fields and items), repairs
lone surrogates, and rewords msgspec's errors.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from hub.errors import BadParameter

T = TypeVar("T")

#: Fields of one document. Real ones have about thirty; each costs memory once it is decoded.
MAX_FIELDS = 20_000
#: Items of all lists and objects of one document, counted by their commas.
MAX_ITEMS = 60_000

#: A JSON string. An unclosed one extends to the end, so that no input takes quadratic time.
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
#: Any escape; group 1 is a pair of surrogates, group 2 a lone one.
_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
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


def check_depth(data: bytes, limit: int) -> None:
    """Raise BadParameter if the nesting is deeper than `limit`. Brackets in strings do not count.

    The exact pass runs only if there are more than `limit` opening brackets at all.
    """
    if count_to(limit, data, b"[", b"{") > limit:
        _check_depth_exactly(data, limit)


def check_fields(data: bytes) -> None:
    """Raise BadParameter if the document has more than `MAX_FIELDS` fields."""
    if count_to(MAX_FIELDS, data, b":") <= MAX_FIELDS:
        return
    if _STRING.sub(b"", data).count(b":") > MAX_FIELDS:
        raise BadParameter(f"more than {MAX_FIELDS} fields in one JSON document")


def check_items(data: bytes) -> None:
    """Raise BadParameter if the document has more than `MAX_ITEMS` items."""
    if count_to(MAX_ITEMS, data, b",") <= MAX_ITEMS:
        return
    if _STRING.sub(b"", data).count(b",") > MAX_ITEMS:
        raise BadParameter(f"more than {MAX_ITEMS} items in one JSON document")


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
        # Search first, because the repair is slow if there are many other escapes.
        is_repairable = _SURROGATE.search(data) is not None
        repaired = _ESCAPE.sub(_escape_lone_surrogate, data) if is_repairable else data
        if repaired == data:
            raise _bad_parameter(error, data, what, path) from None
    return decode(decoder, repaired, what, path=path)


def count_to(limit: int, data: bytes, *needles: bytes) -> int:
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


def _check_depth_exactly(data: bytes, limit: int) -> None:
    """Remove innermost pairs `limit` times; what is left is nested deeper or never closed."""
    left = _STRING.sub(b"", data).translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(limit):
        outer = left.replace(b"[]", b"")
        if len(outer) == len(left):
            break
        left = outer
    if b"[" in left:
        raise BadParameter(f"JSON is nested deeper than {limit} levels, or never closed")


def _escape_lone_surrogate(escape: re.Match[bytes]) -> bytes:
    return b"\\" + escape[0] if escape[2] else escape[0]


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
