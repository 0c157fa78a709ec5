"""Pictures: decoded from base64 or a data URI within JSON, with their real type (D5)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterator

import msgspec
import pybase64
from msgspec import Raw, Struct

from hub.decoders import decode_json
from hub.errors import BadParameter

#: MIME types that are accepted, and the file extension of each.
EXTENSIONS: dict[str, str] = {
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/bmp": "bmp",
}

_DATA_URI = re.compile(rb"data:[^,]{0,200};base64,", re.IGNORECASE)
_PADDING = rb"\u003d"
_MAX_PADDING_LENGTH = 2 * len(_PADDING)
_MAX_ESCAPE_LENGTH = len(_PADDING)
_PIECE_BYTES = 1024 * 1024
_ESCAPED_PADDING = re.compile(rb"(?:\\u003[dD]){1,2}\Z")
#: The file header and the smallest header that may follow it.
_BMP_HEADER_BYTES = 26


class Picture(Struct, frozen=True):
    """A decoded picture. `name` says what it shows; `mime` is the type found in its first bytes."""

    name: str
    mime: str
    data: bytes


class Image(Struct, frozen=True):
    """A stored picture: the path to fetch it from, and its size in bytes."""

    name: str
    mime: str
    path: str
    size: int


def decode_picture(raw: Raw | bytes, *, name: str, field: str) -> Picture | None:
    """Decode a JSON value that holds a picture as base64; None if it is null or empty.

    Raises BadParameter, which names `field`.
    """
    value = memoryview(raw)
    first = bytes(value[:4])
    if first == b"null":
        return None
    if first[:1] != b'"':
        raise BadParameter("a picture as base64 text is expected", field=field)
    return picture_of_text(value[1:-1], name=name, field=field)


def picture_of_text(content: memoryview, *, name: str, field: str) -> Picture | None:
    """Decode the inside of a JSON string, or a body that is a plain data URI (D8).

    Returns None if it is empty. Raises BadParameter, which names `field`.
    """
    try:
        data = _decode_strictly(content)
    except binascii.Error:
        data = _decode_tolerantly(content, field)
    if not data:
        return None
    mime = real_type(data)
    if mime is None:
        raise BadParameter("a picture must be JPEG, PNG, WebP, GIF or BMP", field=field)
    return Picture(name, mime, data)


def real_type(data: bytes) -> str | None:
    """The MIME type by the first bytes, not as declared; None if it is not accepted."""
    for mime, is_of_type in _TYPES:
        if is_of_type(data):
            return mime
    return None


def _decode_strictly(content: memoryview) -> bytes:
    """Decode the form that nearly every camera sends. Only `validate=True` is strict and fast.

    Raises binascii.Error.
    """
    if prefix := _DATA_URI.match(content):
        content = content[prefix.end() :]
    if padding := _ESCAPED_PADDING.search(bytes(content[-_MAX_PADDING_LENGTH:])):
        # Real cameras escape the padding and nothing else (D8), so only the last quantum is copied.
        content = content[: len(content) - len(padding[0])]
        whole = len(content) // 4 * 4
        last = bytes(content[whole:]) + b"=" * (len(padding[0]) // len(_PADDING))
        return _b64decode(content[:whole]) + _b64decode(last)
    return _b64decode(content)


def _b64decode(content: memoryview | bytes) -> bytes:
    return pybase64.b64decode(content, validate=True)


def _decode_tolerantly(content: memoryview, field: str) -> bytes:
    """Remove JSON escapes and line breaks, add padding, and decode strictly again (D5)."""
    try:
        encoded = _without_breaks(_unescape(_without_breaks(bytes(content))))
        if prefix := _DATA_URI.match(encoded):
            encoded = encoded[prefix.end() :]
        return _b64decode(encoded + b"=" * (-len(encoded) % 4))
    except (binascii.Error, msgspec.MsgspecError, UnicodeError):
        raise BadParameter("the picture is not valid base64", field=field) from None


def _unescape(content: bytes) -> bytes:
    """The inside of a JSON string, with its escapes decoded."""
    if b"\\" not in content:
        return content
    if b"\\\\" in content:
        raise binascii.Error("no base64 has a backslash")
    return b"".join(decode_json(b'"%b"' % piece, str).encode("ascii") for piece in _pieces(content))


def _without_breaks(content: bytes) -> bytes:
    return b"".join(piece.translate(None, b"\r\n") for piece in _pieces(content))


def _pieces(content: bytes) -> Iterator[bytes]:
    """Parts of a long text, so that a thread that works on it lets others run in between.

    No escape is split if there are no escaped backslashes.
    """
    start = 0
    while start < len(content):
        end = start + _PIECE_BYTES
        if end < len(content):
            escape = content.rfind(b"\\", end - _MAX_ESCAPE_LENGTH, end)
            end = end if escape < 0 else escape
        yield content[start:end]
        start = end


def _is_bmp(data: bytes) -> bool:
    """Text may begin with "BM" too, but only a bitmap has unprintable bytes in its header."""
    head = data[:_BMP_HEADER_BYTES]
    return head.startswith(b"BM") and not (head.isascii() and head.decode("ascii").isprintable())


_TYPES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (
    ("image/jpeg", lambda data: data.startswith(b"\xff\xd8\xff")),
    ("image/png", lambda data: data.startswith(b"\x89PNG\r\n\x1a\n")),
    ("image/webp", lambda data: data.startswith(b"RIFF") and data[8:12] == b"WEBP"),
    ("image/gif", lambda data: data.startswith((b"GIF87a", b"GIF89a"))),
    ("image/bmp", _is_bmp),
)
