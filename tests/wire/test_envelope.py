"""D1: request and response frames, decoded tolerantly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Raw

from hub.errors import BadParameter, DeviceNotRegistered
from hub.wire import envelope
from hub.wire.envelope import BadFrame, Request, Response
from hub.wire.session import ConnectResult, decode_keepalive


def decode(data: str | bytes) -> Request | Response:
    return envelope.decode_frame(data, max_depth=64)


def request(data: str | bytes) -> Request:
    frame = decode(data)
    assert isinstance(frame, Request)
    return frame


def response(data: str | bytes) -> Response:
    frame = decode(data)
    assert isinstance(frame, Response)
    return frame


def test_d1_a_frame_whose_data_has_param_is_a_request() -> None:
    frame = request('{"msgid":"a1","token":"t","data":{"uri":"/heartbeat","param":{"did":"1"}}}')
    assert (frame.msgid, frame.uri, frame.token) == ("a1", "/heartbeat", "t")
    assert bytes(frame.param) == b'{"did":"1"}'


def test_d1_a_frame_whose_data_has_code_is_a_response() -> None:
    frame = response(
        '{"msgid":"a1","data":{"uri":"/x","code":0,"msg":"OK","result":[{"day":1}],"param":{}}}'
    )
    assert (frame.msgid, frame.uri, frame.code, frame.msg) == ("a1", "/x", 0, "OK")
    assert frame.result is not None
    assert bytes(frame.result) == b'[{"day":1}]'
    assert response('{"msgid":"a1","data":{"code":"200"}}') == Response("a1", "/", 200)


@pytest.mark.parametrize("data", [str, lambda text: text.encode()])
def test_d1_a_binary_message_is_decoded_like_text(data: type[str]) -> None:
    frame = request(data('{"msgid":"a1","data":{"uri":"/connect","param":{}}}'))
    assert frame.uri == "/connect"


@pytest.mark.parametrize("uri", ["ivp/x", "/ivp/x", " /ivp/x", "/ivp/x ", "//ivp/x", " ivp/ x"])
def test_d1_the_uri_with_or_without_slash_and_with_stray_blanks_means_the_same(uri: str) -> None:
    assert request(json.dumps({"msgid": "1", "data": {"uri": uri, "param": {}}})).uri == "/ivp/x"


def test_d1_a_msgid_that_is_a_number_is_echoed_as_text() -> None:
    frame = request('{"msgid":1673420964575,"data":{"uri":"/x","param":{}},"token":12}')
    assert (frame.msgid, frame.token) == ("1673420964575", "12")


@pytest.mark.parametrize("token", ['"' + "t" * 5000 + '"', "9" * 4000], ids=["text", "digits"])
def test_an_overlong_token_is_replaced_by_an_unknown_one(token: str) -> None:
    data = f'{{"msgid":"1","token":{token},"data":{{"uri":"/x","param":{{}}}}}}'
    assert request(data).token == envelope.OVERLONG_TOKEN


@pytest.mark.parametrize("token", ['""', "null", '" "'])
def test_an_empty_token_is_none(token: str) -> None:
    data = f'{{"msgid":"1","token":{token},"data":{{"uri":"/x","param":{{}}}}}}'
    assert request(data).token is None


def test_d1_keys_with_blanks_are_accepted() -> None:
    frame = request(
        '{"msgid ":"a1"," token":"t","data ":{" uri":"/heartbeat","param ":{"did ":"7"}}}'
    )
    assert (frame.msgid, frame.uri, frame.token) == ("a1", "/heartbeat", "t")
    assert decode_keepalive(frame.param).did == "7"


def test_1_3_the_documented_heartbeat_is_accepted() -> None:
    frame = request(
        """{
        "msgid ": "adfdgwrt245356",
        "token":"adf4453456ghhjgsf23546y",
        "data": {
            "uri":"/heartbeat",
            "param": {"did":"1234512", "sn":"Y3C122AP1234512", "ip":"192.168.100.168"}
        }}"""
    )
    assert frame.msgid == "adfdgwrt245356"
    param = decode_keepalive(frame.param)
    assert (param.did, param.sn, param.ip) == ("1234512", "Y3C122AP1234512", "192.168.100.168")


def test_d1_keys_are_matched_exactly_first() -> None:
    frame = request('{"msgid":"a1","msgid ":"a2","data":{"uri":"/x","param":{"did":1,"did ":2}}}')
    assert frame.msgid == "a1"
    assert decode_keepalive(frame.param).did == "1"


@pytest.mark.parametrize(
    ("data", "msgid", "said"),
    [
        ("", "", "not JSON"),
        ("hello", "", "not JSON"),
        ('{"msgid":"a1","data":{"uri"："/connect","param":{}}}', "", "not JSON"),
        ('{"msgid":"a1","data":{"uri":"/connect","param":{},}}', "", "not JSON"),
        ('{"msgid":"a1" "data":{"uri":"/connect","param":{}}}', "", "not JSON"),
        (b'\xef\xbb\xbf{"msgid":"a1","data":{"uri":"/x","param":{}}}', "", "not JSON"),
        (b'{"msgid":"\xff","data":{"uri":"/x","param":{}}}', "", "UTF-8"),
        ("[]", "", "an object is expected"),
        ("{}", "", "msgid: is required"),
        ('{"msgid":"a1"}', "a1", "data: is required"),
        ('{"msgid":7,"data":[]}', "7", "data: an object is expected"),
        ('{"msgid ":"a1","data":{}}', "a1", "msgid: is required"),
        ('{"msgid":"a1","data":{}}', "a1", "data: param"),
        ('{"msgid":"a1","data":{"uri":"/x"}}', "a1", "data: param"),
        ('{"msgid":"a1","data":{"param":{}}}', "a1", "data.uri: is required"),
        ('{"msgid":"a1","data":{"uri":" ","param":{}}}', "a1", "data.uri: is required"),
        ('{"msgid":"a1","data":{"uri":5,"param":{}}}', "a1", "data.uri: a text"),
        ('{"msgid":"a1","data":{"code":"fine"}}', "a1", "data.code: an integer"),
        ('{"msgid":"a1","data":{"code":null}}', "a1", "data.code: an integer"),
        ('{"msgid":"a1","data":{"code":1e400}}', "a1", "data.code: number out of range"),
        ('{"msgid":"a1","token":[],"data":{"uri":"/x","param":{}}}', "a1", "token: "),
        ('{"msgid":null,"data":{"uri":"/x","param":{}}}', "", "msgid: "),
        ('{"msgid":["a1"],"data":{"uri":"/x","param":{}}}', "", "msgid: "),
        ('{"msgid":"a1","data":{"uri":"/x","param":NaN}}', "", "not JSON"),
        ('{"msgid":"a1","data":{"param":' + "[" * 63 + "]" * 63 + "}}", "", "nested deeper"),
        ("[" * 100_000, "", "nested deeper"),
        ('{"msgid":"a1","data":{"uri":"/x","param":{}}', "", "not JSON"),
        ("{" + ",".join(f'"{at}":1' for at in range(30_000)) + "}", "", "20000 fields"),
    ],
)
def test_d1_a_frame_that_is_neither_is_420_with_its_msgid_if_readable(
    data: str | bytes, msgid: str, said: str
) -> None:
    with pytest.raises(BadFrame) as refusal:
        decode(data)
    assert (refusal.value.code, refusal.value.msgid) == (420, msgid)
    assert said in refusal.value.message


def is_read_or_refused(data: bytes) -> bool:
    try:
        decode(data)
    except BadFrame as refusal:
        refusal.message.encode()
    return True


def test_a_frame_that_is_cut_or_damaged_anywhere_is_decoded_or_refused() -> None:
    whole = '{"msgid ":"é1","token":"t","data":{"uri":"/x","code":"1","param":{"did":1}}}'.encode()
    for at in range(len(whole)):
        for put in (b"\xff", b"\\", b'"', b"[", b"}", b"9", b"\\ud800"):
            assert is_read_or_refused(whole[:at] + put + whole[at:])
            assert is_read_or_refused(whole[:at] + put + whole[at + 1 :])
        assert is_read_or_refused(whole[:at])


def test_d1_a_lone_surrogate_is_accepted() -> None:
    frame = request(r'{"msgid":"a1","data":{"uri":"/x","param":{"note":"\ud800"}}}')
    assert frame.msgid == "a1"
    assert decode('{"msgid":"\ud800","data":{"uri":"/x","param":{}}}').msgid == "?"


def test_d1_unknown_extra_fields_are_ignored() -> None:
    frame = request(
        '{"msgid":"a1","x":1e400,"data":{"uri":"/x","y":[{}],"param":{}},"z":9223372036854775808}'
    )
    assert frame == Request("a1", "/x", frame.param)


def test_a_request_to_a_device_has_the_leading_slash_and_the_token() -> None:
    text = envelope.encode_request("m1", "tok", "storage/record_set", {"file_len": 5})
    assert json.loads(text) == {
        "msgid": "m1",
        "data": {"uri": "/storage/record_set", "param": {"file_len": 5}},
        "token": "tok",
    }
    assert "token" not in json.loads(envelope.encode_request("m1", None, "/x", {}))


def test_an_answer_carries_msgid_uri_code_and_result() -> None:
    asked = Request("m1", "/connect", Raw(b"{}"))
    assert json.loads(envelope.encode_ok(asked, ConnectResult("tok", 3600, 30))) == {
        "msgid": "m1",
        "data": {
            "uri": "/connect",
            "code": 200,
            "msg": "OK",
            "result": {"token": "tok", "expire": 3600, "interval": 30},
        },
    }
    assert "result" not in json.loads(envelope.encode_ok(asked))["data"]


def test_a_refusal_carries_its_code_and_message() -> None:
    assert json.loads(envelope.encode_error("m1", "/connect", DeviceNotRegistered())) == {
        "msgid": "m1",
        "data": {"uri": "/connect", "code": 421, "msg": "device not registered"},
    }
    assert json.loads(envelope.encode_error("", "", BadParameter("no", field="sn"))) == {
        "msgid": "",
        "data": {"code": 420, "msg": "sn: no"},
    }


def test_the_hub_decodes_what_it_encodes() -> None:
    asked = request(envelope.encode_request("m1", "tok", "x", {"a": 1}))
    assert asked == Request("m1", "/x", asked.param, "tok")
    answer = response(envelope.encode_ok(asked, {"expire": 3}))
    assert (answer.msgid, answer.uri, answer.code, answer.msg) == ("m1", "/x", 200, "OK")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
#: As a device may write a key, or hardly.
KEYS = st.sampled_from(["msgid", "data", "token", "uri", "param", "code", "result", "msg"])
NEARLY = st.dictionaries(
    KEYS | KEYS.map(lambda key: f" {key} "),
    st.dictionaries(KEYS | KEYS.map(lambda key: f"{key} "), JSON, max_size=5) | JSON,
    max_size=4,
)


@given(
    msgid=st.text(),
    token=st.text(min_size=1).filter(str.strip),
    uri=st.text(st.characters(categories=["L", "N", "P"]), min_size=1).filter(
        lambda uri: uri.strip("/")
    ),
    param=st.dictionaries(st.text(max_size=5), JSON, max_size=3),
)
def test_any_request_of_the_hub_round_trips(
    msgid: str, token: str, uri: str, param: dict[str, Any]
) -> None:
    sent = envelope.encode_request(msgid, token, uri, param)
    frame = request(sent)
    assert (frame.msgid, frame.token) == (msgid, token)
    assert frame.uri == envelope.normalise_uri(uri)
    assert json.loads(bytes(frame.param)) == param


@given(data=st.binary() | st.text() | NEARLY.map(json.dumps))
@example(data=b'{"msgid":"1","data":{"code":1e400}}')
@example(data='{"msgid":"\\ud800","data":{"uri":"\\udc00","param":{}}}')
@example(data="\ud800")
def test_any_input_is_a_frame_or_raises_bad_frame(data: bytes | str) -> None:
    try:
        frame = decode(data)
    except BadFrame as error:
        answer = json.loads(envelope.encode_error(error.msgid, "", error))
        assert answer["data"]["code"] == 420
    else:
        assert frame.uri == envelope.normalise_uri(frame.uri)


@given(uri=st.text(max_size=20))
def test_a_uri_has_one_form(uri: str) -> None:
    once = envelope.normalise_uri(uri)
    assert once == envelope.normalise_uri(once) == envelope.normalise_uri(f" /{uri} ")
    assert once.startswith("/")
    assert not once.startswith("//")


@given(blanks=st.lists(st.sampled_from(["", " ", "  ", "\t"]), min_size=6, max_size=6))
def test_blanks_around_keys_change_nothing(blanks: list[str]) -> None:
    m, d, t, u, p, s = (json.dumps(blank)[1:-1] for blank in blanks)
    frame = request(
        f'{{"msgid{m}":"1","{d}data":{{"uri{u}":"/heartbeat","{p}param":{{"sn{s}":"S"}}}},'
        f'"token{t}":"t"}}'
    )
    assert (frame.msgid, frame.uri, frame.token) == ("1", "/heartbeat", "t")
    assert decode_keepalive(frame.param).sn == "S"
