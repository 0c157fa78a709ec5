"""Request and response frames of the device WebSocket, read tolerantly (D1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from hub.decoders import json_decoder
from hub.errors import OK, BadParameter, HubError
from hub.wire import json_limits
from hub.wire.coercion import LooseNumber, LooseText, coerce_int, coerce_text

T = TypeVar("T")

#: Devices write the msgid first, so only this many bytes are searched for it.
_MSGID_SEARCH_BYTES = 4096
_MAX_URI_LENGTH = 1024
_MSGID_PATTERN = re.compile(rb'"msgid ?"\s*:\s*"([\w-]{1,64})"')


#: Replaces a token that is too long to be valid. No issued token contains a blank.
OVERLONG_TOKEN = "too long"


class Request(Struct, frozen=True):
    """A frame whose `data` has a `param`.

    `param` is undecoded JSON. `uri` has one leading slash and no blanks. `token`: None if it is
    absent or blank.
    """

    msgid: str
    uri: str
    param: Raw
    token: str | None = None


class Response(Struct, frozen=True):
    """A frame whose `data` has a `code`. Only `msgid` tells which request it answers.

    `result` is undecoded JSON; None if it is absent or null.
    """

    msgid: str
    uri: str
    code: int
    msg: str = ""
    result: Raw | None = None


class BadFrame(BadParameter):
    """A frame that is neither a request nor a response. `msgid`: empty if it is unreadable."""

    def __init__(self, message: str, *, field: str = "", msgid: str = "") -> None:
        super().__init__(message, field=field)
        self.msgid = msgid


def decode_frame(data: str | bytes, *, max_depth: int) -> Request | Response:
    """Decode one message, text or binary. Raises BadFrame and nothing else.

    `max_depth`: the deepest nesting of JSON that is accepted. Keys are matched exactly first; only
    if that fails, blanks are stripped from them: the protocol itself prints `"msgid "` (1.3).
    """
    frame = data.encode("utf-8", "replace") if isinstance(data, str) else data
    try:
        json_limits.check_limits(frame, max_depth)
    except BadParameter as error:
        raise BadFrame(error.message) from None
    try:
        return read_tolerantly(_read_frame, frame, "data", "param")
    except BadParameter as error:
        raise BadFrame(error.message, msgid=_msgid_of(frame)) from None


def guess_msgid(data: str | bytes) -> str:
    """Find what looks like the msgid of a frame that is not JSON; empty if nothing does.

    Use it only to find the hub's request that such a frame was meant to answer.
    """
    start = data[:_MSGID_SEARCH_BYTES]
    found = _MSGID_PATTERN.search(
        start.encode("utf-8", "replace") if isinstance(start, str) else start
    )
    return "" if found is None else found[1].decode()


def read_tolerantly(read: Callable[[bytes], T], data: bytes, *inner: str) -> T:
    """Call `read` with a JSON object; if it fails, retry with blanks stripped from the keys.

    `inner`: the path of nested objects whose keys are stripped too. Raises the BadParameter of the
    first call.
    """
    try:
        return read(data)
    except BadParameter as error:
        refusal = error
    try:
        return read(strip_key_blanks(data, *inner))
    except BadParameter:
        raise refusal from None


def strip_key_blanks(data: bytes, *inner: str) -> bytes:
    """Strip blanks from the keys of an object, and of those nested at the path `inner`.

    Call it with parts of a document whose limits were checked.
    """
    fields = {
        key.strip(): value for key, value in json_limits.decode(_FIELDS, data, "the frame").items()
    }
    if inner and (nested := fields.get(inner[0])) is not None and bytes(nested)[:1] == b"{":
        fields[inner[0]] = Raw(strip_key_blanks(bytes(nested), *inner[1:]))
    return msgspec.json.encode(fields)


def encode_request(msgid: str, token: str | None, uri: str, param: object) -> str:
    """Encode a request to a device. `param` is anything that msgspec encodes."""
    frame = _RequestOut(msgid, _RequestData(normalise_uri(uri), param), token or UNSET)
    return msgspec.json.encode(frame).decode()


def encode_ok(request: Request, result: object | None = None) -> str:
    """Encode an answer with code 200. `result` is anything that msgspec encodes."""
    data = _ResponseData(request.uri, OK, "OK", UNSET if result is None else result)
    return msgspec.json.encode(_ResponseOut(request.msgid, data)).decode()


def encode_error(msgid: str, uri: str, error: HubError) -> str:
    """Encode an error answer. `uri` and `msgid` are empty if they were unreadable."""
    data = _ResponseData(uri or UNSET, error.code, error.message)
    return msgspec.json.encode(_ResponseOut(msgid, data)).decode()


def normalise_uri(uri: str) -> str:
    """Rewrite the forms `ivp/x` and ` /ivp/x` as `/ivp/x` (D1)."""
    return "/" + "".join(uri.split()).lstrip("/")


class _Data(Struct):
    uri: str | None = None
    param: Raw | UnsetType = UNSET
    code: LooseNumber | UnsetType = UNSET
    msg: LooseText | float = None
    result: Raw | UnsetType = UNSET


class _Frame(Struct):
    msgid: str | int
    data: _Data
    token: LooseText = None


class _Msgid(Struct):
    msgid: str | int


class _RequestData(Struct):
    uri: str
    param: object


class _RequestOut(Struct):
    msgid: str
    data: _RequestData
    token: str | UnsetType = UNSET


class _ResponseData(Struct):
    uri: str | UnsetType
    code: int
    msg: str
    result: object = UNSET


class _ResponseOut(Struct):
    msgid: str
    data: _ResponseData


_FRAME = json_decoder(_Frame)
_MSGID = json_decoder(_Msgid)
_FIELDS = json_decoder(dict[str, Raw])


def _read_frame(frame: bytes) -> Request | Response:
    if len(frame) > json_limits.LONG_BYTES:
        frame = _without_duplicates(frame)
    sent = json_limits.decode(_FRAME, frame, "the frame")
    msgid = str(sent.msgid)
    data = sent.data
    if data.code is not UNSET:
        return _response(msgid, data)
    if data.param is UNSET:
        raise BadParameter("param (a request) or code (a response) is required", field="data")
    if not data.uri or not data.uri.strip():
        raise BadParameter("is required", field="data.uri")
    if len(data.uri) > _MAX_URI_LENGTH:
        raise BadParameter(f"at most {_MAX_URI_LENGTH} characters are allowed", field="data.uri")
    return Request(msgid, normalise_uri(data.uri), data.param, _token(sent.token))


def _without_duplicates(frame: bytes) -> bytes:
    """A long frame with the last one of each field. Raises BadParameter if a text is too long."""
    fields = json_limits.distinct_fields(frame, ("msgid", "token"), "the frame")
    data = fields.get("data")
    if data is not None and bytes(memoryview(data)[:1]) == b"{":
        inner = json_limits.distinct_fields(
            bytes(data), ("uri", "code", "msg"), "the frame", path="data"
        )
        fields["data"] = Raw(msgspec.json.encode(inner))
    return msgspec.json.encode(fields)


def _token(value: LooseText) -> str | None:
    """The token; OVERLONG_TOKEN if it is too long, so that the answer is 401 and not 420."""
    try:
        return coerce_text(value, "token")
    except BadParameter:
        return OVERLONG_TOKEN


def _response(msgid: str, data: _Data) -> Response:
    code = coerce_int(data.code, "data.code") if data.code is not UNSET else None
    if code is None:
        raise BadParameter("an integer is required", field="data.code")
    msg = "" if data.msg is None else str(data.msg)
    result = None if data.result is UNSET or bytes(data.result) == b"null" else data.result
    return Response(msgid, normalise_uri((data.uri or "")[:_MAX_URI_LENGTH]), code, msg, result)


def _msgid_of(frame: bytes) -> str:
    """The msgid of a frame that could not be decoded as a whole."""
    try:
        sent = read_tolerantly(lambda data: json_limits.decode(_MSGID, data, "the frame"), frame)
    except BadParameter:
        return ""
    return str(sent.msgid)
