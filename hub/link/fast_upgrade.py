"""Fast reading and answering of the most common WebSocket upgrade.

Cameras send the same few headers at each connect (RFC 6455, 4.2.1). wsproto, with h11 below it,
reads and answers every upgrade, at many times the cost; everything unusual or wrong is left to it.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wsproto.utilities import generate_accept_token

from hub.net.http_syntax import FIELDS

_REQUEST_LINE = re.compile(rb"GET (/[\x21-\x7e]*) HTTP/1\.1")
#: A name or an address, perhaps with a port; wsproto would decode an international name.
_HOST = re.compile(rb"(?!.*xn--)[0-9A-Za-z.:\[\]-]{1,63}", re.IGNORECASE)
_KEY = re.compile(rb"[0-9A-Za-z+/]{22}==")
_EXPECTED = {
    b"host": _HOST,
    b"sec-websocket-key": _KEY,
    b"sec-websocket-version": re.compile(rb"13"),
    b"upgrade": re.compile(rb"websocket", re.IGNORECASE),
    b"connection": re.compile(rb"(?:keep-alive, ?)?upgrade", re.IGNORECASE),
}
#: With one of these, more has to be decided than whether it is an upgrade.
_UNUSUAL = {b"origin", b"content-length", b"transfer-encoding", b"expect"}
_ANSWER = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: %b\r\n\r\n"
)


class Upgrade(NamedTuple):
    """A request for a WebSocket, and the answer that accepts it."""

    path: str
    host: str
    answer: bytes


def read_upgrade(data: bytes) -> Upgrade | None:
    """The upgrade, if `data` is exactly a usual one.

    No extension or subprotocol is accepted, whatever is offered.
    """
    end = data.find(b"\r\n")
    line = _REQUEST_LINE.fullmatch(data, 0, end)
    if line is None or FIELDS.fullmatch(data, end) is None:
        return None
    found: dict[bytes, bytes] = {}
    for field in data[end + 2 : -4].split(b"\r\n"):
        name, _, value = field.partition(b":")
        name = name.lower()
        if name in _UNUSUAL or name in found:
            return None
        if (expected := _EXPECTED.get(name)) is not None:
            found[name] = value = value.strip()
            if expected.fullmatch(value) is None:
                return None
    if len(found) != len(_EXPECTED):
        return None
    answer = _ANSWER % generate_accept_token(found[b"sec-websocket-key"])
    return Upgrade(line[1].decode(), found[b"host"].decode(), answer)
