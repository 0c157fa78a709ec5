"""250 connections of 50 strange addresses ask for the sign-in page again and again."""

from __future__ import annotations

import trio

from tests.bench.attacks.attack import Got, Target
from tests.bench.attacks.client import open_stream

_ADDRESSES = 50
_CONNECTIONS = 5
_READ_BYTES = 65536
_PAUSE_SECONDS = 0.2
_REQUEST = b"GET /sign-in HTTP/1.1\r\nHost: hub\r\n\r\n"


async def attack(target: Target, got: Got) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(_ADDRESSES * _CONNECTIONS):
            address = number % _ADDRESSES
            source = f"127.0.{110 + address // 10}.{address + 1}"
            nursery.start_soon(_ask, target, source, got)


async def _ask(target: Target, source: str, got: Got) -> None:
    while True:
        try:
            stream = await open_stream(target.web_port, tls=target.tls, source=source)
            async with stream:
                while True:
                    await stream.send_all(_REQUEST)
                    got[await _status(stream)] += 1
        except (OSError, trio.BrokenResourceError):
            got["broken"] += 1
        await trio.sleep(_PAUSE_SECONDS)


async def _status(stream: trio.abc.Stream) -> str:
    """Read one answer to its end; return its status."""
    received = b""
    while b"</html>" not in received:
        chunk = await stream.receive_some(_READ_BYTES)
        if not chunk:
            raise trio.BrokenResourceError
        received += chunk
    return received[9:12].decode("latin-1")
