"""The one frame of RFC 6455 that nearly all traffic is made of: a whole text, masked or not.

wsproto reads and writes every kind of frame, at 15 times the cost. What is the least unusual, or
wrong, is left to it.
"""

from __future__ import annotations

#: FIN and the opcode of a text; no reserved bit.
_WHOLE_TEXT = 0x81
_MASKED = 0x80
#: Lengths up to here stand in the header's second byte; else this says that two or eight follow.
_SHORT = 125
_TWO_BYTES = 126
_EIGHT_BYTES = 127


def whole_text(data: bytes) -> str | None:
    """The text, if `data` is one client's frame with a whole text in it and nothing besides."""
    if len(data) < 6 or data[0] != _WHOLE_TEXT:
        return None
    size, start = data[1] - _MASKED, 6
    if size == _TWO_BYTES:
        size, start = int.from_bytes(data[2:4], "big"), 8
        if size <= _SHORT:
            return None
    elif size == _EIGHT_BYTES:
        return None
    if not 0 <= size == len(data) - start:
        return None
    try:
        return _unmasked(data[start:], data[start - 4 : start]).decode()
    except UnicodeDecodeError:
        return None


def text_frame(text: str) -> bytes:
    """A server's frame with a whole text in it."""
    payload = text.encode()
    size = len(payload)
    if size <= _SHORT:
        return b"%c%c%b" % (_WHOLE_TEXT, size, payload)
    if size < 1 << 16:
        return b"%c%c%b%b" % (_WHOLE_TEXT, _TWO_BYTES, size.to_bytes(2, "big"), payload)
    return b"%c%c%b%b" % (_WHOLE_TEXT, _EIGHT_BYTES, size.to_bytes(8, "big"), payload)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    # As one large number: the loop over the bytes is C's.
    number = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return number.to_bytes(size, "little")
