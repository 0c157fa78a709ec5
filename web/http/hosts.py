"""The hosts of a request: the client's address, and the one that the Host header names.

What stands behind would fail on some Host headers that name none.
"""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv6Address

from hypercorn.typing import HTTPScope, WebsocketScope

_MAX_NAME = 253
_MAX_PORT = 65_535
#: A name of labels with at most 63 letters, or an IPv6 address in brackets; maybe a port.
_HOST = re.compile(
    rb"(?:([A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?)|\[([0-9A-Fa-f:.]{2,45})\])"
    rb"(?::([0-9]{0,5}))?"
)


@lru_cache(maxsize=64)
def is_host(value: bytes) -> bool:
    """Whether `value` is empty, as HTTP allows, or a host with or without a port."""
    if not value:
        return True
    found = _HOST.fullmatch(value)
    if found is None:
        return False
    name, address, port = found.groups()
    if port and int(port) > _MAX_PORT:
        return False
    if name is not None:
        return len(name.rstrip(b".")) <= _MAX_NAME
    try:
        IPv6Address(address.decode("ascii"))
    except ValueError:
        return False
    return True


def address_of(scope: HTTPScope | WebsocketScope) -> str:
    """The IP address of the client; empty if unknown."""
    client = scope.get("client")
    return client[0] if client else ""
