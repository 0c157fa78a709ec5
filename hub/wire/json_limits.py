"""JSON as devices send it: bounds before it is decoded, and errors that name the field.

msgspec decodes; this module says what may be decoded at all (nesting, number of fields), reads
once more what only a lone surrogate spoils, and turns msgspec's messages into the hub's.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from hub.errors import BadParameter

T = TypeVar("T")

#: Fields of one document. Real ones have some thirty; each costs memory once it is decoded.
MAX_FIELDS = 20_000
#: Commas of one document: whatever is decoded is counted by them, or is a field, or is nested.
MAX_ITEMS = 60_000

#: A JSON string. One that is never closed reaches to the end, so that no input costs O(n²).
_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)', re.DOTALL)
#: Any escape; group 1 is a pair of surrogates, group 2 a lone one.
_ESCAPE = re.compile(
    rb"\\(?:(u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_AT = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>\$?[^`]*)`)?$", re.DOTALL)
_EXPECTED = re.compile(r"^Expected `(?P<expected>[^`]+)`, got `(?P<got>[^`]+)`$")
_MISSING = re.compile(r"^Object missing required field `(?P<name>[^`]+)`$")
_LONGEST_KEY = 100
_KEY_BEFORE = re.compile(rb'"([A-Za-z0-9_]+)"\s*:\s*"\Z')
_WORDS = {
    "int": "a number",
    "float": "a number",
    "str": "a text",
    "object": "an object",
    "array": "a list",
    "bool": "true or false",
    "null": "null",
}


def check_depth(data: bytes, limit: int) -> None:
    """Refuse nesting beyond `limit`. Brackets in strings do not count.

    The exact pass runs only where there are more than `limit` opening brackets at all.
    """
    if count_to(limit, data, b"[", b"{") > limit:
        _check_depth_exactly(data, limit)


def check_fields(data: bytes) -> None:
    """Refuse a document of more than `MAX_FIELDS` fields: it would take much memory."""
    if count_to(MAX_FIELDS, data, b":") <= MAX_FIELDS:
        return
    if _STRING.sub(b"", data).count(b":") > MAX_FIELDS:
        raise BadParameter(f"more than {MAX_FIELDS} fields in one JSON document")


def check_items(data: bytes) -> None:
    """Refuse a document of more than `MAX_ITEMS` items, of lists and objects together."""
    if count_to(MAX_ITEMS, data, b",") <= MAX_ITEMS:
        return
    if _STRING.sub(b"", data).count(b",") > MAX_ITEMS:
        raise BadParameter(f"more than {MAX_ITEMS} items in one JSON document")


def decode(decoder: msgspec.json.Decoder[T], data: bytes, what: str, *, path: str = "") -> T:
    """Decode `data`, called `what` in messages; fields are named from `path` on.

    Raises BadParameter and nothing else. A lone surrogate, which JSON allows and no text can
    hold, is held as the text of its escape.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise _in_words(error, data, what, path) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        # Looked for first: the repair costs much with a flood of escapes of any other kind.
        is_repairable = _SURROGATE.search(data) is not None
        repaired = _ESCAPE.sub(_escape_lone_surrogate, data) if is_repairable else data
        if repaired == data:
            raise _in_words(error, data, what, path) from None
    return decode(decoder, repaired, what, path=path)


def count_to(limit: int, data: bytes, *needles: bytes) -> int:
    """How often the needles occur, counted no further than to `limit` + 1.

    At the speed of memchr where they are rare, as in base64; `bytes.count` is ten times slower.
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
    """Peel innermost pairs: what is left after `limit` times is nested deeper or not closed."""
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


def _in_words(error: Exception, data: bytes, what: str, path: str) -> BadParameter:
    if isinstance(error, UnicodeDecodeError):
        field = _join(path, _key_of(error.object, data))
        text = "valid UTF-8 is expected" if field else f"{what} is no valid UTF-8"
        return BadParameter(text, field=field)
    if not isinstance(error, msgspec.ValidationError):
        return BadParameter(f"{what} is no JSON: {error}", field=path)
    found = _AT.match(str(error))
    assert found is not None
    field = _join(path, found["path"] or "")
    text = found["what"]
    if expected := _EXPECTED.match(text):
        text = f"{_kinds(expected['expected'])} is expected, not {_kinds(expected['got'])}"
    elif missing := _MISSING.match(text):
        field, text = _join(field, missing["name"]), "is required"
    else:
        text = text[:1].lower() + text[1:]
    return BadParameter(text if field else f"{what}: {text}", field=field)


def _key_of(text: bytes, data: bytes) -> str:
    """The key whose value `text` is; "" where that cannot be told."""
    at = data.find(text)
    found = _KEY_BEFORE.search(data, max(0, at - _LONGEST_KEY), max(0, at))
    return found[1].decode() if found else ""


def _join(path: str, more: str) -> str:
    more = more.removeprefix("$").removeprefix(".")
    if not path or not more:
        return path or more
    return path + more if more.startswith("[") else f"{path}.{more}"


def _kinds(expected: str) -> str:
    """msgspec's `int | str | null` as "a number or a text"."""
    kinds = [kind for kind in expected.split(" | ") if kind != "null" or expected == "null"]
    return " or ".join(dict.fromkeys(_WORDS.get(kind, kind) for kind in kinds))
