"""Pictures: base64 or a data URI, as it stands in the JSON, to bytes and their real type (D5)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable

import msgspec
import pybase64
from msgspec import Raw, Struct

from hub.errors import BadParameter

#: What is kept, and the extension that it is served with.
EXTENSIONS: dict[str, str] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/bmp": "bmp",
}

_DATA_URI = re.compile(rb"data:[^,]{0,200};base64,", re.IGNORECASE)
_PADDING = rb"\u003d"
_LONGEST_PADDING = 2 * len(_PADDING)
_ESCAPED_PADDING = re.compile(rb"(?:\\u003[dD]){1,2}\Z")
#: File header and the smallest of the headers that follow it.
_BMP_HEAD = 26


class Picture(Struct, frozen=True):
    """A picture as it was sent, decoded. `mime` is the real type, read from its first bytes."""

    name: str
    mime: str
    data: bytes


class Image(Struct, frozen=True):
    """A stored picture: where it is fetched from, and how long it is in bytes."""

    name: str
    mime: str
    path: str
    size: int


def decode_picture(raw: Raw | bytes, *, name: str, field: str) -> Picture | None:
    """The picture that a raw JSON value holds; None where it is null or empty.

    Raises BadParameter that names `field`.
    """
    value = memoryview(raw)
    first = bytes(value[:4])
    if first == b"null":
        return None
    if first[:1] != b'"':
        raise BadParameter("a picture as base64 text is expected", field=field)
    return picture_of_text(value[1:-1], name=name, field=field)


def picture_of_text(content: memoryview, *, name: str, field: str) -> Picture | None:
    """The picture of the inside of a JSON string, or of a body that is no JSON (D8)."""
    try:
        data = _strictly(content)
    except binascii.Error:
        data = _slowly(content, field)
    if not data:
        return None
    mime = real_type(data)
    if mime is None:
        raise BadParameter("a picture must be JPEG, PNG, WebP, GIF or BMP", field=field)
    return Picture(name, mime, data)


def real_type(data: bytes) -> str | None:
    """The type by the first bytes; what a device declares is not trusted."""
    for mime, is_of_type in _TYPES:
        if is_of_type(data):
            return mime
    return None


def _strictly(content: memoryview) -> bytes:
    """The way of nearly every picture. Only `validate=True` is both strict and fast."""
    if prefix := _DATA_URI.match(content):
        content = content[prefix.end() :]
    if padding := _ESCAPED_PADDING.search(bytes(content[-_LONGEST_PADDING:])):
        # Real cameras escape the padding and nothing else (D8): only the last quantum is copied.
        content = content[: len(content) - len(padding[0])]
        whole = len(content) // 4 * 4
        last = bytes(content[whole:]) + b"=" * (len(padding[0]) // len(_PADDING))
        return _b64decode(content[:whole]) + _b64decode(last)
    return _b64decode(content)


def _b64decode(content: memoryview | bytes) -> bytes:
    return pybase64.b64decode(content, validate=True)


def _slowly(content: memoryview, field: str) -> bytes:
    """D5: JSON-unescape, drop line breaks, pad, and decode strictly again."""
    try:
        encoded = _without_breaks(_unescape(_without_breaks(bytes(content))))
        if prefix := _DATA_URI.match(encoded):
            encoded = encoded[prefix.end() :]
        return _b64decode(encoded + b"=" * (-len(encoded) % 4))
    except (binascii.Error, msgspec.MsgspecError, UnicodeError):
        raise BadParameter("the picture is no valid base64", field=field) from None


def _unescape(content: bytes) -> bytes:
    """The inside of a JSON string without its escapes."""
    if b"\\" not in content:
        return content
    return msgspec.json.decode(b'"%b"' % content, type=str).encode("ascii")


def _without_breaks(content: bytes) -> bytes:
    return content.replace(b"\n", b"").replace(b"\r", b"")


def _is_bmp(data: bytes) -> bool:
    """The letters "BM" begin many a text too, but a bitmap's header holds what no text does."""
    head = data[:_BMP_HEAD]
    return head.startswith(b"BM") and not (head.isascii() and head.decode("ascii").isprintable())


_TYPES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("image/jpeg", lambda data: data.startswith(b"\xff\xd8\xff")),
    ("image/png", lambda data: data.startswith(b"\x89PNG\r\n\x1a\n")),
    ("image/webp", lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP"),
    ("image/gif", lambda data: data.startswith((b"GIF87a", b"GIF89a"))),
    ("image/bmp", _is_bmp),
)
