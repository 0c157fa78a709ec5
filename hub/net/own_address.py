"""Whether a network address is one of this computer."""

from __future__ import annotations

import socket
from contextlib import closing

import trio


async def leads_to_us(host: str, port: int, ports: frozenset[int]) -> bool:
    """Whether a host's port is one of `ports` of this computer.

    A name that cannot be looked up now counts as another computer's.
    """
    if port not in ports:
        return False
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return False
    return any(_is_ours(family, address) for family, _, _, _, address in found)


def _is_ours(family: int, address: tuple[object, ...]) -> bool:
    """Whether a socket can be bound to an address: only those of this computer allow it."""
    with closing(socket.socket(family, socket.SOCK_DGRAM)) as tried:
        try:
            tried.bind((address[0], 0, *address[2:]))
        except OSError:
            return False
    return True
