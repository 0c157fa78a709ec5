"""Fast reading and writing of the most common WebSocket frame: a whole text message.

Nearly all traffic consists of these frames (RFC 6455). wsproto handles every kind of frame, at 15
times the cost; everything unusual or wrong is left to it.
"""

from __future__ import annotations

#: FIN and the opcode of a text message, without reserved bits.
_WHOLE_TEXT = 0x81
_MASKED = 0x80
#: The second byte holds the length, up to this value; larger values say that the length follows in
#: 2 or 8 bytes.
_MAX_SHORT_LENGTH = 125
_LENGTH_IN_2_BYTES = 126
_LENGTH_IN_8_BYTES = 127


def whole_text(data: bytes) -> str | None:
    """The text, if `data` is exactly one masked frame with a whole text message; otherwise None."""
    if len(data) < 6 or data[0] != _WHOLE_TEXT:
        return None
    size, start = data[1] - _MASKED, 6
    if size == _LENGTH_IN_2_BYTES:
        size, start = int.from_bytes(data[2:4], "big"), 8
        if size <= _MAX_SHORT_LENGTH:
            return None
    elif size == _LENGTH_IN_8_BYTES:
        return None
    if not 0 <= size == len(data) - start:
        return None
    try:
        return _unmasked(data[start:], data[start - 4 : start]).decode()
    except UnicodeDecodeError:
        return None


def text_frame(text: str) -> bytes:
    """The unmasked frame of a whole text message."""
    payload = text.encode()
    size = len(payload)
    if size <= _MAX_SHORT_LENGTH:
        return b"%c%c%b" % (_WHOLE_TEXT, size, payload)
    if size < 1 << 16:
        return b"%c%c%b%b" % (_WHOLE_TEXT, _LENGTH_IN_2_BYTES, size.to_bytes(2, "big"), payload)
    return b"%c%c%b%b" % (_WHOLE_TEXT, _LENGTH_IN_8_BYTES, size.to_bytes(8, "big"), payload)


def _unmasked(payload: bytes, mask: bytes) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    # XOR of two large integers, so that the loop over the bytes runs in C.
    number = int.from_bytes(payload, "little") ^ int.from_bytes(key, "little")
    return number.to_bytes(size, "little")
