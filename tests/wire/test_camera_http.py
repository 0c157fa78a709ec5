"""Logging in to a camera's own HTTP, and switching its relay (2.1, 2.8 of edition 3, D12)."""

from __future__ import annotations

import hashlib
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from hub.errors import DeviceNonsense
from hub.wire.camera_http import (
    LOGIN_URI,
    PATH,
    LoginAnswer,
    RelayAnswer,
    login_digest,
    login_target,
    read_login,
    read_relay,
    relay_body,
    session_headers,
)

TOKEN = "1795608001"


def test_the_digest_is_the_md5_of_user_name_uri_and_password() -> None:
    expected = hashlib.md5(b"operator/system/account/login_inKl9-gate").hexdigest()
    assert login_digest("operator", "Kl9-gate") == expected


def test_the_login_has_its_command_in_the_query_and_no_password() -> None:
    target = login_target("operator", "Kl9-gate&密码")
    parts = urlsplit(target)
    assert parts.path == PATH
    assert target.isascii()
    command = msgspec.json.decode(parse_qs(parts.query)["cmd"][0])
    digest = login_digest("operator", "Kl9-gate&密码")
    assert command == {"uri": LOGIN_URI, "param": {"username": "operator", "password": digest}}


def test_the_relay_gets_its_channel_its_state_and_its_seconds() -> None:
    assert msgspec.json.decode(relay_body(on=True, seconds=5)) == {
        "uri": "/access/relay_control",
        "param": {"channelid": 0, "enable": 1, "duration": 5},
    }
    assert msgspec.json.decode(relay_body(on=False, seconds=5))["param"]["enable"] == 0


def test_a_session_is_proved_by_a_header_and_a_cookie() -> None:
    assert session_headers(TOKEN, "operator") == (
        ("Access-Token", TOKEN),
        ("Cookie", f"Access-Token={TOKEN}; language=en; username=operator"),
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"uri":"/x","code":0,"msg":"ok","result":{"access_token":"1795608001","force_modify":0}}',
        b'{"data":{"code":200,"result":{"access_token":"1795608001"}}}',
        b'{"code ":"0","access_token ":"1795608001","force_modify":"0"}',
        b'{"result":{"access_token":"1795608001","passwd_rule":1,"passwd_level":2}}',
    ],
)
def test_a_login_is_read_wherever_its_fields_are(body: bytes) -> None:
    answer = read_login(body)
    assert (answer.token, answer.must_change) == (TOKEN, False)
    assert TOKEN not in repr(answer)


@pytest.mark.parametrize("value", [b"1", b'"1"', b"true"])
def test_a_password_that_was_never_set_is_told(value: bytes) -> None:
    body = b'{"code":0,"result":{"access_token":"1795608001","force_modify":%s}}' % value
    assert read_login(body).must_change


def test_what_small_servers_add_or_write_in_another_encoding_does_no_harm() -> None:
    body = b'\xef\xbb\xbf{"code":0,"msg":"\xb3\xc9\xb9\xa6"}\r\n\0'
    assert read_relay(body).code == 0


def test_a_refused_login_needs_no_token() -> None:
    assert read_login(b'{"code":401,"msg":"wrong"}') == LoginAnswer(401, "wrong")


@pytest.mark.parametrize(
    "token",
    ['"a b"', '"a;language=x"', '"a\\r\\nHost: x"', '"a\\"b"', '"密"', '"' + "a" * 257 + '"', "17"],
)
def test_a_token_that_would_add_a_cookie_or_a_header_is_not_used(token: str) -> None:
    with pytest.raises(DeviceNonsense):
        read_login(b'{"code":0,"result":{"access_token":%s}}' % token.encode())


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"0", b"\xff", b'{"code":"x"}', b'{"a":' * 500]
)
def test_what_is_no_answer_is_nonsense(body: bytes) -> None:
    for read in (read_login, read_relay):
        with pytest.raises(DeviceNonsense):
            read(body)


def test_the_relays_answer_is_its_code_and_a_bounded_message() -> None:
    assert read_relay(b'{"code":"0","msg":"success"}') == RelayAnswer(0, "success")
    assert len(read_relay(b'{"code":1,"msg":"%s"}' % (b"x" * 999)).msg) == 200
    with pytest.raises(DeviceNonsense):
        read_relay(b'{"msg":"success"}')
