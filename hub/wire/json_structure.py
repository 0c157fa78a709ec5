"""What a JSON document consists of besides the insides of its strings, found in linear time.

A decoder holds the interpreter lock until it is done, so no other task runs meanwhile, not even if
it works in a thread. Its time depends on the structure of a document far more than on long strings:
1 MB of a picture takes 0.5 ms, 1 MB of empty objects 5 ms. So the structure is bounded before
anything is decoded. Each step here is short, so that a thread gives the lock away in between.
"""

from __future__ import annotations

from hub.errors import BadParameter

#: Bytes outside of strings: numbers, blanks and punctuation.
MAX_STRUCTURE_BYTES = 1024 * 1024
#: Strings, and escaped quotation marks within them.
MAX_STRINGS = 100_000
#: Escapes in strings. A camera that escapes each slash of a picture, or breaks its lines, has a
#: quarter of this in 16 MB.
MAX_ESCAPES = 512 * 1024
MAX_NAME_BYTES = 1024

_PIECE_BYTES = 1024 * 1024
#: Backslashes: a long run is skipped in long steps, since `bytes.rstrip` takes 4 ns for each.
_RUNS = tuple(b"\\" * count for count in (16_384, 512, 32, 4, 1))
_BACKSLASH = 0x5C


def structure_of(data: bytes) -> bytes:
    """The document with each string replaced by one quotation mark; an unclosed one ends it.

    Raises BadParameter beyond the limits above.
    """
    _check_escapes(data)
    find = data.find
    parts: list[bytes] = []
    after_long: list[int] = []
    marks = at = 0
    while (opening := find(b'"', at)) >= 0:
        parts.append(data[at:opening])
        closing = find(b'"', opening + 1)
        while closing > 0 and data[closing - 1] == _BACKSLASH and is_escaped(data, closing):
            marks += 1
            if marks > MAX_STRINGS:
                break
            closing = find(b'"', closing + 1)
        at = closing + 1 or len(data)
        if at - opening > MAX_NAME_BYTES:
            after_long.append(len(parts))
        marks += 1
        if marks > MAX_STRINGS:
            raise BadParameter(f"more than {MAX_STRINGS} texts in one JSON document")
    parts.append(data[at:])
    for index in after_long:
        if parts[index].lstrip()[:1] == b":":
            raise BadParameter(f"the name of a field has more than {MAX_NAME_BYTES} bytes")
    structure = b'"'.join(parts)
    if len(structure) > MAX_STRUCTURE_BYTES:
        raise BadParameter(
            f"more than {MAX_STRUCTURE_BYTES} bytes outside of texts in one JSON document"
        )
    return structure


def _check_escapes(data: bytes) -> None:
    found = 0
    at = data.find(b"\\")
    # From the first one on, in pieces: nearly all documents have none, or few.
    while 0 <= at < len(data):
        found += data.count(b"\\", at, at + _PIECE_BYTES)
        if found > MAX_ESCAPES:
            raise BadParameter(f"more than {MAX_ESCAPES} escapes in one JSON document")
        at += _PIECE_BYTES


def is_escaped(data: bytes, at: int) -> bool:
    """Whether the character at this place follows an odd number of backslashes."""
    end = at
    for run in _RUNS:
        while data.endswith(run, 0, end):
            end -= len(run)
    return (at - end) % 2 == 1
