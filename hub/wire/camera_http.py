"""The camera's own HTTP interface (D12): 2.1 logs in, 2.8 switches its relay.

Edition 3 alone documents it. Cameras are read with tolerance: keys with blanks, numbers as text,
the result inside `data` or `result`, or beside the code.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import msgspec
from msgspec import Struct

from hub.errors import BadParameter, DeviceNonsense
from hub.wire import json_limits

PATH = "/cgi-bin/jvsweb.cgi"
LOGIN_URI = "/system/account/login_in"
RELAY_URI = "/access/relay_control"
#: Of one answer.
MAX_ANSWER_BYTES = 16 * 1024
OK_CODES = (0, 200)

_MAX_DEPTH = 8
_MAX_MESSAGE = 200
#: What a cookie can hold, so that a token adds no header and no other cookie.
_TOKEN = re.compile(r"[!#-+\--:<-\[\]-~]{1,256}", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,9}", re.ASCII)


class LoginAnswer(Struct, frozen=True):
    """The answer to 2.1. `must_change`: the camera still has the password it was delivered with."""

    code: int
    msg: str
    token: str = ""
    must_change: bool = False

    def __repr__(self) -> str:
        return f"LoginAnswer({self.code})"


class RelayAnswer(Struct, frozen=True):
    """The answer to 2.8."""

    code: int
    msg: str


def login_digest(username: str, password: str, uri: str = LOGIN_URI) -> str:
    """Return what 2.1 sends in place of a password. It has no nonce: it can be replayed."""
    text = f"{username}{uri}{password}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def login_target(username: str, password: str) -> str:
    """Return path and query of the GET request of 2.1."""
    param = {"username": username, "password": login_digest(username, password)}
    command = msgspec.json.encode({"uri": LOGIN_URI, "param": param}).decode()
    return f"{PATH}?cmd={quote(command, safe='')}"


def relay_body(*, on: bool, seconds: int) -> bytes:
    """Return the body of the POST request of 2.8. Off: `seconds` is sent as well."""
    param = {"channelid": 0, "enable": int(on), "duration": seconds}
    return msgspec.json.encode({"uri": RELAY_URI, "param": param})


def session_headers(token: str, username: str) -> tuple[tuple[str, str], ...]:
    """Return the headers that prove a session. Both texts have passed their checks."""
    cookie = f"Access-Token={token}; language=en; username={username}"
    return (("Access-Token", token), ("Cookie", cookie))


def read_login(body: bytes) -> LoginAnswer:
    """Read the answer to 2.1. Raises DeviceNonsense."""
    objects = _objects_of(body)
    token = _find(objects, "access_token")
    # Some answers have no code: a token is a success.
    code = _number(_find(objects, "code"), otherwise=0 if token else None)
    if code not in OK_CODES:
        return LoginAnswer(code, _message(objects))
    if not isinstance(token, str) or not _TOKEN.fullmatch(token):
        raise DeviceNonsense("the camera's answer to the login has no usable access_token")
    must_change = _number(_find(objects, "force_modify"), otherwise=0)
    return LoginAnswer(code, _message(objects), token, bool(must_change))


def read_relay(body: bytes) -> RelayAnswer:
    """Read the answer to 2.8. Raises DeviceNonsense."""
    objects = _objects_of(body)
    return RelayAnswer(_number(_find(objects, "code")), _message(objects))


def _objects_of(body: bytes) -> list[dict[str, Any]]:
    """Return an answer, and the objects inside it that may have its fields."""
    # Messages may be in another encoding; small servers add a BOM, or send the end of a C string.
    text = body.decode("utf-8", "replace").strip("\ufeff\0 \r\n\t")
    try:
        json_limits.check_limits(text.encode(), _MAX_DEPTH)
        answer = msgspec.json.decode(text)
    except (BadParameter, msgspec.MsgspecError, RecursionError) as error:
        raise DeviceNonsense("the camera's answer is not JSON") from error
    found = list(_nested(answer))
    if not found:
        raise DeviceNonsense("the camera's answer is not an object")
    return found


def _nested(value: object) -> Iterator[dict[str, Any]]:
    if not isinstance(value, dict):
        return
    fields = {key.strip(): inner for key, inner in value.items()}
    yield fields
    for name in ("data", "result", "param"):
        yield from _nested(fields.get(name))


def _find(objects: list[dict[str, Any]], name: str) -> object:
    return next((one[name] for one in objects if one.get(name) is not None), None)


def _message(objects: list[dict[str, Any]]) -> str:
    text = _find(objects, "msg")
    return text[:_MAX_MESSAGE] if isinstance(text, str) else ""


def _number(value: object, otherwise: int | None = None) -> int:
    """Return an integer, also one that is sent as text or a boolean. Raises DeviceNonsense."""
    if value is None and otherwise is not None:
        return otherwise
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return int(value)
    raise DeviceNonsense("the camera's answer has no code")
