"""Extra fields are kept as undecoded JSON that any strict reader accepts (D5)."""

from __future__ import annotations

import hashlib
import json

import msgspec
import pytest
from msgspec import Raw

from hub.errors import BadParameter
from hub.wire.extra_fields import (
    MAX_EXTRA_BYTES,
    NO_EXTRA,
    ExtraObject,
    FieldReader,
    Omitted,
    extra_object,
    omitted_of,
    to_strict_json,
)


def strictly(data: bytes) -> object:
    """Decode as a strict reader does: no NaN, no infinity, valid UTF-8."""
    assert b"\n" not in data
    return msgspec.json.decode(data)


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        (b"1", 1),
        (b"true", True),
        (b"null", None),
        (b'"text"', "text"),
        (b"0.12345678901234567", 0.12345678901234567),
        (b"-1.5e3", -1500.0),
        (b"9007199254740992", 9007199254740992),
        (b"9007199254740993", "9007199254740993"),
        (b"9223372036854775808", "9223372036854775808"),
        (b"-9223372036854775809", "-9223372036854775809"),
        (b"1e400", "1e400"),
        (b"-1E+400", "-1E+400"),
        (b"1e16", "1e16"),
        (b"9" * 5000, "9" * 5000),
        (b'"9223372036854775808"', "9223372036854775808"),
        (b'"say \\"1e400\\""', 'say "1e400"'),
        ('"研发部"'.encode(), "研发部"),
        (b'"GBK: \xb2\xbf"', "GBK: ��"),
        (b"[1,1e400,[9223372036854775808]]", [1, "1e400", ["9223372036854775808"]]),
        (b'{"a":1e400,"1e400":"1e400","b":0.0123456789012345678}', None),
        (b'[\n  1,\r\n  "two"\n]', [1, "two"]),
        (b'["\\\\",1e400,"\\""]', ["\\", "1e400", '"']),
    ],
)
def test_d5_a_strict_reader_can_read_any_extra_field(sent: bytes, kept: object) -> None:
    read = strictly(to_strict_json(Raw(sent)))
    if kept is None and sent != b"null":
        assert read == {"a": "1e400", "1e400": "1e400", "b": 0.0123456789012345678}
    else:
        assert read == kept


@pytest.mark.parametrize("unrepresentable", [b"1e400", b"9007199254740993", b"\n1"])
def test_d5_a_long_unrepresentable_value_becomes_text(unrepresentable: bytes) -> None:
    long = b"[" + b"1," * 50_000
    assert to_strict_json(Raw(long + b"1]")) == long + b"1]"
    sent = long + unrepresentable + b"]"
    assert msgspec.json.decode(to_strict_json(Raw(sent))) == sent.decode()


def test_d8_feature_is_dropped() -> None:
    assert extra_object([("feature", Raw(b"[1,2]"))]) == ExtraObject(NO_EXTRA)
    kept = extra_object([("a", Raw(b"1")), ("feature", Raw(b"[1,2]")), ("研", Raw(b'"x"'))])
    assert json.loads(bytes(kept.json)) == {"a": 1, "研": "x"}


def members_of(extra: ExtraObject) -> dict[str, object]:
    members = strictly(bytes(extra.json))
    assert isinstance(members, dict)
    return members


def test_d5_a_field_that_is_too_long_is_replaced_by_its_size_and_digest() -> None:
    long = b'"' + b"A" * MAX_EXTRA_BYTES + b'"'
    kept = extra_object([("a", Raw(b"1")), ("photo", Raw(long)), ("b", Raw(b"[2]"))])
    digest = hashlib.sha256(long).hexdigest()
    assert members_of(kept) == {
        "a": 1,
        "photo": {"omitted_bytes": len(long), "sha256": digest},
        "b": [2],
    }
    assert kept.omitted == ("photo",)
    marker = msgspec.json.encode(members_of(kept)["photo"])
    assert omitted_of(Raw(marker)) == Omitted(len(long), digest)


@pytest.mark.parametrize("value", [b"1", b'{"omitted_bytes":1}', b'{"omitted_bytes":"x"}', b"[]"])
def test_other_values_are_no_omitted_field(value: bytes) -> None:
    assert omitted_of(Raw(value)) is None


def test_d5_all_extra_fields_of_a_record_share_one_limit() -> None:
    third = b'"' + b"A" * (MAX_EXTRA_BYTES // 3) + b'"'
    kept = extra_object([(f"f{number}", Raw(third)) for number in range(4)])
    assert kept.omitted == ("f2", "f3")
    assert len(bytes(kept.json)) <= MAX_EXTRA_BYTES


@pytest.mark.parametrize("value", [b"1", b'"%b"' % (b"A" * 3000)])
def test_d5_many_extra_fields_are_counted_when_not_even_their_names_fit(value: bytes) -> None:
    fields = [(f"name {number} {'x' * 900}", Raw(value)) for number in range(2000)]
    kept = extra_object(fields)
    assert len(bytes(kept.json)) <= MAX_EXTRA_BYTES + 100
    members = members_of(kept)
    assert members.pop("omitted_fields") == 2000 - len(members)
    whole = [name for name, sent in members.items() if isinstance(sent, str | int)]
    assert len(kept.omitted) == 2000 - len(whole)


@pytest.mark.parametrize("sent", [[("omitted_fields", Raw(b'"mine"'))], []])
def test_d5_the_number_of_omitted_fields_is_always_that_of_the_hub(
    sent: list[tuple[str, Raw]],
) -> None:
    long = [(f"name {number} {'x' * 900}", Raw(b"1")) for number in range(100)]
    kept = extra_object([("a", Raw(b"1")), *sent, *long])
    assert bytes(kept.json).count(b'"omitted_fields":') == 1
    members = members_of(kept)
    assert members.pop("omitted_fields") == 1 + len(sent) + len(long) - len(members)
    few = extra_object([("a", Raw(b"1")), *sent])
    assert members_of(few) == {"a": 1, **({"omitted_fields": 1} if sent else {})}
    assert few.omitted == tuple(name for name, _ in sent)


def test_d5_a_value_that_its_repair_makes_too_long_is_omitted() -> None:
    sent = b"[" + b"1e400," * (MAX_EXTRA_BYTES // 7) + b"1]"
    assert len(sent) < MAX_EXTRA_BYTES
    assert extra_object([("x", Raw(sent))]).omitted == ("x",)


def test_fields_that_are_not_read_are_extra() -> None:
    fields = FieldReader.decode(b'{"a":"1","b":2,"c":"2.5","x":[1],"inner":{"y":1}}', "data")
    assert (fields.text("a"), fields.integer("b"), fields.number("c")) == ("1", 2, 2.5)
    inner = fields.nested("inner")
    assert inner is not None
    assert inner.path_of("y") == "data.inner.y"
    fields.put_back("inner", inner.remaining())
    assert fields.omitted == []
    assert {key: bytes(raw) for key, raw in fields.remaining()} == {
        "x": b"[1]",
        "inner": b'{"y":1}',
    }
    assert fields.nested("nothing") is None


@pytest.mark.parametrize("digits", ["1.10", "-0.5", "12345678901.0"])
def test_d1_a_fraction_as_text_keeps_its_digits(digits: str) -> None:
    fields = FieldReader.decode(b'{"swVer":%b,"x":1}' % digits.encode())
    assert fields.text("swVer") == digits
    assert [name for name, _ in fields.remaining()] == ["x"]


def test_of_duplicate_keys_the_last_counts() -> None:
    assert FieldReader.decode(b'{"a":1,"a":2}').integer("a") == 2


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"a":[1]}', "data.a: a number or a text is expected, not a list"),
        (b'{"a":1e400}', "data.a: number out of range"),
        (b'{"a":true}', "data.a: a number or a text is expected, not true or false"),
    ],
)
def test_a_wrong_field_is_named_with_its_path(body: bytes, message: str) -> None:
    with pytest.raises(BadParameter) as refusal:
        FieldReader.decode(body, "data").integer("a")
    assert refusal.value.message == message


def test_the_items_of_a_list_are_limited_and_named_by_index() -> None:
    fields = FieldReader.decode(b'{"data":[{"a":1},{"a":[]}]}')
    first, second = fields.nested_list("data", 2)
    assert first.integer("a") == 1
    with pytest.raises(BadParameter, match=r"data\[1\]\.a: "):
        second.integer("a")
    for many in (4, 500_000):
        with pytest.raises(BadParameter, match="data: at most 3 items"):
            FieldReader.decode(b'{"data":[' + b"{}," * many + b"{}]}").nested_list("data", 3)
    with pytest.raises(BadParameter, match=r"data\[1\]: an object is expected"):
        FieldReader.decode(b'{"data":[{},1]}').nested_list("data", 3)
    with pytest.raises(BadParameter, match="data: is required"):
        FieldReader.decode(b"{}").nested_list("data", 3)


def test_a_long_value_that_is_not_utf_8_does_not_grow() -> None:
    sent = Raw(b'"' + b"\xff" * (2 << 20) + b'"')
    assert to_strict_json(sent) == b'"' + b"?" * (2 << 20) + b'"'
