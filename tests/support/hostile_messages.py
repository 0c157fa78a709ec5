"""Messages that cost as much as possible to handle: each shape of JSON in each place of a message.

A *shape* fills a number of bytes with one kind of content, either the inside of a text or a whole
value. A *place* is a message with a hole, and the functions that the hub calls with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC
from functools import partial
from typing import Any

from msgspec import Struct

from hub.errors import HubError
from hub.link.dispatch import MAX_PARAM_BYTES
from hub.wire.commands import dialect
from hub.wire.commands.results import decode_answer
from hub.wire.envelope import Request, decode_frame, guess_msgid
from hub.wire.redaction import redact_frame
from hub.wire.session import decode_connect, decode_keepalive, find_sn
from hub.wire.uploads import bodies
from hub.wire.uploads.firmware import decode_ota_query

KB = 1024
DEPTH = 64

#: The bytes that are repeated inside a text.
TEXTS = {
    "plain": b"A",
    "line breaks": b"\\n",
    "escaped slashes": b"AAA\\/",
    "escaped letters": b"\\u0041",
    "escaped ideographs": b"\\u4e2d",
    "surrogate pairs": b"\\ud83d\\ude00",
    "lone surrogates": b"\\ud800",
    "rare surrogates": b"A" * 4096 + b"\\ud800",
    "escaped quotes": b'\\"',
    "rare escaped quotes": b"A" * 64 + b'\\"',
    "backslashes": b"\\\\",
    "runs of backslashes": b"\\" * 800 + b'"',
    "bad escapes": b"\\x",
    "two bytes": "é".encode(),
    "three bytes": "中".encode(),
    "four bytes": "😀".encode(),
    "mixed bytes": "aé".encode(),
    "no UTF-8": b"\xff",
    "cut UTF-8": b"\xe4\xb8",
    "GBK": "张三".encode("gbk"),
    "words": b"a b ",
    "blanks": b" ",
    "full-width blanks": "\u3000".encode(),
    "digits": b"1",
    "raw line breaks": b"A\n",
    "zero bytes": b"\0",
    "brackets": b"[{",
    "closing brackets": b"]}",
    "colons": b":,",
    "padding": b"=",
    "secrets": b"token=a1 ",
    "numbers of phones": b"13812345678 ",
    "paths": b"a/b.jpg",
    "JSON within JSON": b'{\\"a\\":[1]},',
    "long runs": b"a1" * 300 + b" ",
}

#: The bytes that are repeated in a list, and what they begin and end with.
VALUES = {
    "numbers": (b"[", b"1,", b"1]"),
    "fractions": (b"[", b"0.25,", b"1]"),
    "long fractions": (b"[", b"0.12345678901234567890123,", b"1]"),
    "exponents": (b"[", b"1e5,", b"1]"),
    "signs": (b"[", b"-1,", b"1]"),
    "long numbers": (b"[", b"1" * 4000 + b",", b"1]"),
    "one number": (b"", b"1", b"1"),
    "one fraction": (b"0.", b"1", b"1"),
    "one exponent": (b"1e", b"1", b"1"),
    "nulls": (b"[", b"null,", b"1]"),
    "truths": (b"[", b"true,", b"1]"),
    "empty texts": (b"[", b'"",', b"1]"),
    "short texts": (b"[", b'"ab",', b"1]"),
    "short escapes": (b"[", b'"\\n",', b"1]"),
    "texts of 1 KB": (b"[", b'"%b",' % (b"A" * KB), b"1]"),
    "empty lists": (b"[", b"[],", b"1]"),
    "empty objects": (b"[", b"{},", b"1]"),
    "small objects": (b"[", b'{"a":1},', b"1]"),
    "rows": (b"[", b'{"pid":"1","name":"a","time":"2021-10-03 10:30:00"},', b"1]"),
    "deep lists": (b"[", b"[" * 50 + b"]" * 50 + b",", b"1]"),
    "deep objects": (b"[", b'{"a":' * 50 + b"1" + b"}" * 50 + b",", b"1]"),
    "too deep": (b"", b"[", b""),
    "never closed objects": (b"", b'{"a":', b""),
    "closing only": (b"", b"]", b""),
    "one name": (b"{", b'"a":1,', b'"a":1}'),
    "one name of a picture": (b"{", b'"face_data":"",', b'"a":1}'),
    "one name of a person": (b"{", b'"name":"%b",' % (b"A" * 4000), b'"a":1}'),
    "blank names": (b"{", b'" sn ":1,', b'"a":1}'),
    "long names": (b"{", b'"%b":1,' % (b"a" * KB), b'"a":1}'),
    "escaped names": (b"{", b'"\\u0061":1,', b'"a":1}'),
    "spaces": (b"", b" ", b"1"),
    "spaces in a list": (b"[", b" 1 ,", b"1]"),
    "line breaks outside": (b"", b"\r\n", b"1"),
    "an open text": (b'"', b"A", b""),
    "an open escape": (b'"', b"\\\\", b"\\"),
    "quotes": (b"", b'"', b""),
    "one long name": (b'{"', b"a", b'":1}'),
    "letters": (b"", b"x", b""),
}


class Place(Struct, frozen=True):
    """A message with a hole between `before` and `after`.

    `handle`: what decodes it, in a thread if it is heavy. `at_once`: what the loop does with it in
    any case. `largest`: the limit of such messages in KB.
    """

    before: bytes
    after: bytes
    handle: Callable[[bytes], object]
    largest: int
    at_once: Callable[[bytes], object] = len


def _frame(data: bytes) -> None:
    frame = decode_frame(data, max_depth=DEPTH)
    if isinstance(frame, Request):
        if len(memoryview(frame.param)) > MAX_PARAM_BYTES:
            return
        for read in (find_sn, decode_connect, decode_keepalive):
            _ignoring_errors(read, frame.param)
    else:
        for command in (dialect.PERSON_LIST, dialect.FILE_READ, dialect.RECORD_BY_MONTH):
            _ignoring_errors(partial(decode_answer, command), frame.result)


def _see_frame(data: bytes) -> None:
    """What the link does with each message besides: keep it in the trace, look for its msgid."""
    redact_frame(data)
    guess_msgid(data)


def _ignoring_errors(read: Callable[[Any], object], data: Any) -> None:
    with suppress(HubError):
        read(data)


def _limited(decode: Callable[..., object], **how: object) -> Callable[[bytes], object]:
    return partial(decode, **{"max_depth": DEPTH, **how})


_FRAMES = {
    "msgid": (b'{"msgid":', b',"data":{"code":0}}'),
    "token": (b'{"msgid":"1","token":', b',"data":{"uri":"/heartbeat","param":{}}}'),
    "uri of a request": (b'{"msgid":"1","data":{"param":{},"uri":', b"}}"),
    "uri of an answer": (b'{"msgid":"1","data":{"code":0,"uri":', b"}}"),
    "msg": (b'{"msgid":"1","data":{"code":0,"msg":', b"}}"),
    "code": (b'{"msgid":"1","data":{"code":', b"}}"),
    "result": (b'{"msgid":"1","data":{"code":0,"result":', b"}}"),
    "list": (b'{"msgid":"1","data":{"code":0,"result":{"total":1,"list":', b"}}}"),
    "file": (b'{"msgid":"1","data":{"code":0,"result":{"path":"a","base64":', b"}}}"),
    "param": (b'{"msgid":"1","data":{"uri":"/connect","param":', b"}}"),
    "a blank name": (b'{"msgid ":"1","data":{"code":0,"result":', b"}}"),
}
_UPLOADS = {
    "face": _limited(bodies.decode_face),
    "event": _limited(bodies.decode_event, keep_unknown=False),
    "vehicle": _limited(bodies.decode_vehicle),
    "access": _limited(bodies.decode_access, zone=UTC),
}
_BODIES = {
    "name": ("face", b'{"time":1,"name":', b"}"),
    "time": ("face", b'{"time":', b"}"),
    "extra field": ("face", b'{"time":1,"more":', b"}"),
    "picture": ("face", b'{"time":1,"data":{"face_data":', b"}}"),
    "extra field of data": ("event", b'{"time":1,"type":1,"data":{"more":', b"}}"),
    "person of an event": ("event", b'{"time":1,"type":1,"pid":', b"}"),
    "plate": ("vehicle", b'{"time":1,"data":{"plate":{"id":', b"}}}"),
    "place of a plate": ("vehicle", b'{"time":1,"data":{"plate":{"plate_loc":', b"}}}"),
    "accesses": ("access", b'{"sn":"1","data":', b"}"),
    "field of an access": ("access", b'{"data":[{"accessTime":"1","rid":', b"}]}"),
    "whole body": ("face", b"", b""),
}
_REPORTS = {"versions": bodies.decode_device_info, "firmware query": decode_ota_query}


def _connect_places() -> Iterator[tuple[str, Place]]:
    """Fields of the requests that devices send, which are short."""
    for field in ("sn", "sign", "did", "ip", "ts"):
        before = b'{"msgid":"1","data":{"uri":"/connect","param":{"sn":"1","ts":1,"%b":'
        before %= field.encode()
        yield f"connect, {field}", Place(before, b"}}}", _frame, 64, _see_frame)


def places() -> dict[str, Place]:
    """Every place by its name."""
    found = dict(_connect_places())
    for name, (before, after) in _FRAMES.items():
        found[f"frame, {name}"] = Place(before, after, _frame, 8 * KB, _see_frame)
    for name, (path, before, after) in _BODIES.items():
        found[f"{path}, {name}"] = Place(before, after, _UPLOADS[path], 16 * KB)
    for name, report in _REPORTS.items():
        found[name] = Place(b'{"fwVer":', b"}", _limited(report), 64)
    found["lone picture"] = Place(b"", b"", bodies.decode_base64img, 16 * KB)
    return found


def contents() -> dict[str, tuple[bytes, bytes, bytes]]:
    """Every shape by its name: what it begins with, what is repeated, and what it ends with."""
    return {name: (b'"', unit, b'"') for name, unit in TEXTS.items()} | VALUES


def message(place: Place, shape: tuple[bytes, bytes, bytes], size: int) -> bytes:
    """The message of about `size` bytes with this shape in the hole."""
    begin, unit, end = shape
    room = size - len(place.before) - len(place.after) - len(begin) - len(end)
    return b"".join((place.before, begin, unit * (room // len(unit)), end, place.after))
