from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.wire.redaction import format_size, redact_frame, redact_text, redact_uri
from tests.support.exchanges import (
    EXCHANGES,
    PHONE,
    PHOTO,
    SECRETS,
    TOKEN,
    Exchange,
    answer_of,
    request_of,
)

#: Fifteen characters that are shown as three: what stands behind them comes near.
MASKED = "token=abcdefgh "


def leaks(text: str) -> list[str]:
    return [secret for secret in SECRETS if secret in text]


def both(exchange: Exchange) -> list[str]:
    return [request_of(exchange, "m1"), answer_of(exchange, "m1")]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[one.uri for one in EXCHANGES])
def test_no_secret_of_any_frame_is_shown(exchange: Exchange) -> None:
    for frame in both(exchange):
        for sent in (frame, frame.encode()):
            assert leaks(redact_frame(sent)) == []


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[one.uri for one in EXCHANGES])
def test_no_secret_of_an_invalid_frame_is_shown(exchange: Exchange) -> None:
    for frame in both(exchange):
        invalid = [
            frame[:-1],
            frame.replace('"data": ', "data: "),
            frame.replace('": "', '"："'),
            frame.replace('"', "'"),
            frame.replace('"', ""),
            frame.replace('": ', '" '),
            frame.replace(", ", " "),
            frame.replace("{", "").replace("}", ""),
            "\ufeff" + frame,
            frame + frame,
            frame.replace(":", "="),
        ]
        invalid += [frame[:cut] for cut in range(10, min(len(frame), 2000), 37)]
        for text in invalid:
            assert leaks(redact_frame(text)) == [], text[:300]


@pytest.mark.parametrize("exchange", EXCHANGES, ids=[one.uri for one in EXCHANGES])
def test_no_secret_is_shown_of_json_that_is_formatted_differently(exchange: Exchange) -> None:
    for frame in both(exchange):
        value = json.loads(frame)
        twice = {"msgid": "1", "data": {"uri": "/x", "param": json.dumps(value)}}
        for text in (
            json.dumps(value),
            json.dumps(value, indent=4),
            json.dumps(twice),
            json.dumps({"msgid": "1", "data": {"uri": "/x", "code": 420, "msg": frame}}),
            json.dumps([[[value]]]),
            frame.replace('"token"', '"tok\\u0065n"').replace('"phone"', '" Phone "'),
        ):
            assert leaks(redact_frame(text)) == [], text[:300]


def test_fields_that_installers_need_are_shown() -> None:
    (connect, heartbeat) = (EXCHANGES[0], EXCHANGES[2])
    assert redact_frame(request_of(connect, "m1")) == (
        '{"msgid": "m1", "data": {"uri": "/connect", "param": {"sn": "Y3CA12348912345", '
        '"ts": 1658029108, "sign": "***", "did": "1234512", "ip": "192.168.100.168"}}}'
    )
    assert redact_frame(answer_of(connect, "m1")) == (
        '{"msgid": "m1", "data": {"uri": "/connect", "code": 200, "msg": "OK", '
        '"result": {"token": "***", "expire": 3600, "interval": 30}}}'
    )
    assert '"token": "***", "data": {"uri": "/heartbeat"' in redact_frame(
        request_of(heartbeat, "m1")
    )


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ({"sign": ""}, {"sign": ""}),
        ({"token": None}, {"token": None}),
        ({"secret": {"a": "b"}}, {"secret": "***"}),
        ({"device_code": "AB12CD34"}, {"device_code": "***"}),
        ({"data": {"code": "200"}}, {"data": {"code": "200"}}),
        ({"data": {"code": "AB12CD34"}}, {"data": {"code": "***"}}),
        ({"data": {"code": 12345678}}, {"data": {"code": "***"}}),
        ({"code": "1234"}, {"code": "***"}),
        ({"verCode": 453523}, {"verCode": 453523}),
        ({"id_card_no": "11010519491231002X"}, {"id_card_no": "***002X"}),
        ({"id_card_no": ""}, {"id_card_no": ""}),
        ({"work_id": 10091}, {"work_id": "***91"}),
        ({"workId": "77"}, {"workId": "***"}),
        ({"phone": [13612345678]}, {"phone": ["***5678"]}),
        ({"note": "call 13612345678 now"}, {"note": "call ***5678 now"}),
        ({"contact": 13612345678}, {"contact": "***5678"}),
        ({"pid": "18446744073709551615"}, {"pid": "18446744073709551615"}),
        ({"time": 1666781577816}, {"time": 1666781577816}),
        ({"uri": "/x?token=abc"}, {"uri": "/x?token=***"}),
        ({"a": "wss://hub/c/AbCdEfGhIjKlMnOpQrStUv"}, {"a": "wss://hub/c/***"}),
        ({"a": "ws://h.lan:80//c//--A1--3-5-7-9-B---Q--X"}, {"a": "ws://h.lan:80//c//***"}),
        ({"photo": "data/facelib/19017.jpg"}, {"photo": "data/facelib/19017.jpg"}),
        ({"photo": "QUJD"}, {"photo": "[4 B]"}),
        ({"photo": PHOTO}, {"photo": "[80 KB]"}),
        ({"unheard_of": PHOTO[:40]}, {"unheard_of": "***"}),
        ({"list": [1, 2, 3, 4, 5]}, {"list": [1, 2, 3, "[2 more]"]}),
        ({"enable": True, "n": None}, {"enable": True, "n": None}),
        ({"name": "张三"}, {"name": "张三"}),
    ],
)
def test_each_kind_of_value_is_redacted_in_its_way(value: object, seen: object) -> None:
    assert json.loads(redact_frame(json.dumps(value))) == seen


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("not json", "*** ***"),
        ('{"msgid": "7"', '{"msgid": "7"'),
        ('{"msgid" "adf4453456", "uri": "/connect"', '{"msgid" "***", "uri": "/connect"'),
        ("", ""),
        ("[" * 100_000, "[" * 600 + "…"),
        (b"\xff\xfe", "��"),
        ('{"a": 1e400}', '{"a": ***}'),
    ],
)
def test_only_words_of_the_protocol_are_shown_of_a_frame_that_is_not_json(
    text: str | bytes, seen: str
) -> None:
    assert redact_frame(text) == seen


def test_a_large_picture_is_not_decoded_to_find_its_size() -> None:
    frame = json.dumps({"data": {"photo": "QUJD" * 2_000_000}, "msgid": "9"})
    assert redact_frame(frame) == '{"data": {"photo": "[8.0 MB]"}, "msgid": "9"}'


def test_an_escaped_quotation_mark_does_not_end_a_string() -> None:
    frame = json.dumps({"msg": 'say "' + "a" * 600 + '"', "token": TOKEN, "note": "\\" * 600})
    assert json.loads(redact_frame(frame)) == {"msg": "[608 B]", "token": "***", "note": "[1.2 KB]"}


@pytest.mark.parametrize("filler", ['"', '\\"', "[1,", '{"a":', "1 ", '"\\\\'])
def test_only_the_beginning_of_a_huge_frame_is_shown(filler: str) -> None:
    text = redact_frame(filler * (4_000_000 // len(filler)))
    assert len(text) < 700


@pytest.mark.parametrize("text", ["1" * 500, "token:" * 83, "a" * 500, ("a" * 31 + ".") * 15])
@pytest.mark.parametrize("as_keys", [False, True])
def test_a_malicious_frame_is_not_slow_to_redact(text: str, as_keys: bool) -> None:
    fields = {f"{text}{n}" if as_keys else f"k{n}": text for n in range(120)}
    began = time.process_time()
    redact_frame(json.dumps(fields))
    # A few milliseconds. It was more than a second, and strangers may send many such frames.
    assert time.process_time() - began < 0.25


def test_fields_that_are_not_examined_are_counted() -> None:
    frame = json.dumps({"param": {f"f{n}": "a b " * 100 for n in range(100)}, "more": 1})
    seen = json.loads(redact_frame(frame))
    assert seen["param"]["…"] == f"[{100 - (len(seen['param']) - 1)} more]"
    assert seen["…"] == "[1 more]"


def test_a_long_text_is_not_cut_within_a_secret() -> None:
    for secret in (TOKEN, PHONE):
        for before in range(470, 512):
            assert secret[:10] not in redact_text(MASKED * 30 + " " * (before - 30 * 15) + secret)


@given(st.text(max_size=300))
def test_any_frame_can_be_redacted(text: str) -> None:
    assert len(redact_frame(text)) <= 4001
    assert len(redact_frame(f'{{"msgid": {text}')) <= 4001
    redact_frame(text.encode("utf-8", "surrogatepass"))


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=30,
    )
)
def test_a_phone_number_is_masked_in_any_field(value: object) -> None:
    frame = json.dumps({"data": {"param": [value, {"tel": PHONE}, f"call {PHONE}"]}})
    assert PHONE not in redact_frame(frame)


def test_a_uri_is_shown_without_tokens() -> None:
    path = "/api/v1/adapter/lenfocus/face/capture"
    assert redact_uri(path) == path
    assert redact_uri(f"/firmware/{TOKEN}/a.bin") == "/firmware/***/a.bin"


def test_a_text_is_masked_by_what_it_looks_like() -> None:
    assert redact_text(f"the token {TOKEN} is unknown") == "the token *** is unknown"
    assert redact_text("sign: the code does not match the signature") == (
        "sign: the code does not match the signature"
    )
    assert redact_text("Authorization: Bearer abc") == "Authorization: Bearer ***"


def test_sizes_are_readable() -> None:
    assert [format_size(n) for n in (0, 999, 1000, 9_999, 213_400, 8_400_000)] == [
        "0 B",
        "999 B",
        "1.0 KB",
        "10.0 KB",
        "213 KB",
        "8.4 MB",
    ]
