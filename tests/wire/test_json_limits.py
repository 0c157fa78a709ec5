"""Limits of documents before they are decoded (D5), and errors that name the field."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Struct

from hub.errors import BadParameter
from hub.wire import json_limits


def nested(levels: int) -> bytes:
    return b"[" * levels + b"]" * levels


def passes(body: bytes, limit: int) -> bool:
    try:
        json_limits.check_limits(body, limit)
    except BadParameter:
        return False
    return True


@pytest.mark.parametrize("levels", [0, 1, 63, 64])
def test_nesting_up_to_the_limit_passes(levels: int) -> None:
    body = b'{"x":1}' if not levels else nested(levels)
    assert passes(body, 64)
    assert not levels or not passes(body, levels - 1)


@pytest.mark.parametrize(
    "body",
    [
        nested(65),
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b'{"a":[' * 33 + b"]}" * 33,
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'["\\"[",' + nested(64) + b"]",
    ],
)
def test_nesting_beyond_the_limit_is_420(body: bytes) -> None:
    with pytest.raises(BadParameter, match="nested deeper than 64 levels"):
        json_limits.check_limits(body, 64)


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b",".join([b"[]"] * 1000) + b"]",
        b'{"a":"' + b"[" * 1000 + b'"}',
        b'{"a":"\\"' + b"[" * 1000 + b'"}',
        b'{"a":"\\\\","b":"' + b"{" * 1000 + b'"}',
    ],
)
def test_brackets_side_by_side_or_in_strings_do_not_nest(body: bytes) -> None:
    assert passes(body, 2)
    assert not passes(body, 0)


@pytest.mark.parametrize("inside", [b"[", rb"\"[", b"[\\"])
def test_an_unclosed_string_takes_linear_time(inside: bytes) -> None:
    with pytest.raises(BadParameter, match="never closed"):
        json_limits.check_limits(b'["' + inside * 90_000, 64)


def test_fields_are_limited_not_counting_colons_in_strings() -> None:
    json_limits.check_limits(b'{"a":"' + b":" * 50_000 + b'"}', 64)
    many = b"{" + b",".join(b'"%d":1' % at for at in range(json_limits.MAX_FIELDS + 1)) + b"}"
    with pytest.raises(BadParameter, match="more than 20000 fields"):
        json_limits.check_limits(many, 64)


def test_items_are_limited_not_counting_commas_in_strings() -> None:
    json_limits.check_limits(b'["' + b"," * 100_000 + b'"]', 64)
    json_limits.check_limits(b"[" + b"1," * json_limits.MAX_ITEMS + b"1]", 64)
    with pytest.raises(BadParameter, match="more than 60000 items"):
        json_limits.check_limits(b"[" + b"1," * (json_limits.MAX_ITEMS + 1) + b"1]", 64)


class Inner(Struct):
    size: int


class Outer(Struct):
    inner: Inner
    note: str | int | None = None


OUTER = msgspec.json.Decoder(Outer)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b'{"inner":{"size":[]}}', "inner.size", "inner.size: a number is expected, not a list"),
        (b'{"inner":{"size":1.5}}', "inner.size", "inner.size: a whole number is expected"),
        (b'{"inner":{}}', "inner.size", "inner.size: is required"),
        (b"{}", "inner", "inner: is required"),
        (b'{"inner":{"size":1e400}}', "inner.size", "inner.size: number out of range"),
        (
            b'{"inner":{"size":1},"note":[]}',
            "note",
            "note: a number or a text is expected, not a list",
        ),
        (b"[]", "", "the body: an object is expected, not a list"),
        (b'{"note" : "caf\xe9"}', "note", "note: valid UTF-8 is expected"),
        (b'{"note":"a\\ncaf\xe9"}', "", "the body is not valid UTF-8"),
    ],
)
def test_a_refusal_names_the_field_and_what_is_allowed(
    body: bytes, field: str, message: str
) -> None:
    with pytest.raises(BadParameter) as refusal:
        json_limits.decode(OUTER, body, "the body")
    assert (refusal.value.field, refusal.value.message) == (field, message)


def test_a_refusal_names_the_field_from_the_outermost_object_on() -> None:
    with pytest.raises(BadParameter) as refusal:
        json_limits.decode(OUTER, b'{"inner":{"size":"x"}}', "param", path="data.param")
    assert refusal.value.field == "data.param.inner.size"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"hello", "not JSON"),
        (b'{"inner":{"size":NaN}}', "not JSON"),
        (b'\xef\xbb\xbf{"inner":{"size":1}}', "not JSON"),
        (b'{"inner":{"size":1},}', "not JSON"),
        (b'{"inner":{"size":1}}x', "not JSON"),
        ('{"note"："full-width"}'.encode(), "not JSON"),
        (b'{"inner":{"size":1},"note":"\xff"}', "note: valid UTF-8"),
        ('{"inner":{"size":1}}'.encode("utf-16"), "not JSON"),
    ],
)
def test_invalid_json_is_reported_as_not_json(body: bytes, said: str) -> None:
    with pytest.raises(BadParameter, match=said):
        json_limits.decode(OUTER, body, "the body")


@pytest.mark.parametrize(
    ("sent", "decoded"),
    [
        (rb"\ud800", r"\ud800"),
        (rb"\udc00 alone", r"\udc00 alone"),
        (rb"\ud83d\ude00", "\U0001f600"),
        (rb"\ud83d\ud83d\ude00", "\\ud83d\U0001f600"),
        (rb"\\ud800\ud800", r"\ud800\ud800"),
    ],
)
def test_a_lone_surrogate_becomes_the_text_of_its_escape(sent: bytes, decoded: str) -> None:
    outer = json_limits.decode(OUTER, b'{"inner":{"size":1},"note":"%b"}' % sent, "the body")
    assert outer.note == decoded


def test_an_overlong_escape_in_a_lone_surrogate_is_not_json() -> None:
    with pytest.raises(BadParameter, match="not JSON"):
        json_limits.decode(OUTER, rb'{"inner":{"size":1},"note":"\ud8"}', "the body")
