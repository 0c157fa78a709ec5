"""Headers of messages as NATS carries them: a first line, and a line for each. Pure."""

from __future__ import annotations

_PROTOCOL = b"NATS/1.0"
STATUS, DESCRIPTION = "Status", "Description"


def headers_of(block: bytes) -> dict[str, str]:
    """Return the headers in a block, whatever it is: who sends a message can write anything there.

    `Status` and `Description` are from the first line alone, where a server says what became of a
    request. What is no header is left out, and what is no UTF-8 is replaced.
    """
    first, *lines = block.split(b"\r\n")
    found = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            found[_text(name)] = _text(value)
    found.pop(STATUS, None)
    found.pop(DESCRIPTION, None)
    status, _, description = _text(first.removeprefix(_PROTOCOL)).partition(" ")
    if status.isascii() and status.isdecimal():
        found[STATUS] = status
        found[DESCRIPTION] = description
    return found


def _text(part: bytes) -> str:
    return part.strip().decode("utf-8", "replace")
