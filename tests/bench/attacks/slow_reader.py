"""Readers that ask for much and read slowly. No attack by itself."""

from __future__ import annotations

import trio

from tests.bench.attacks.attack import ATTACKER, Got, Target
from tests.bench.attacks.client import open_stream, request_bytes

#: How many keys an attacker has, and connections with each.
KEYS, _CONNECTIONS = 5, 50
_BYTES_A_SECOND = 9 * 1024
_STEP_SECONDS = 0.5
_PAUSE_SECONDS = 0.2


async def read_slowly(target: Target, got: Got, path: str, keys: list[str]) -> None:
    async with trio.open_nursery() as nursery:
        for key in keys * _CONNECTIONS:
            nursery.start_soon(_read, target, got, path, key)


async def _read(target: Target, got: Got, path: str, key: str) -> None:
    while True:
        try:
            stream = await open_stream(
                target.web_port, tls=target.tls, source=ATTACKER, receive_buffer=4096
            )
            async with stream:
                await stream.send_all(request_bytes("GET", path, {"Authorization": key}))
                head = await stream.receive_some(200)
                got[f"answered {head[9:12].decode('latin-1') or 'nothing'}"] += 1
                while data := await stream.receive_some(int(_BYTES_A_SECOND * _STEP_SECONDS)):
                    got["KB read"] += len(data) // 1024
                    await trio.sleep(_STEP_SECONDS)
                got["ended by the hub"] += 1
        except (OSError, trio.BrokenResourceError):
            got["broken"] += 1
        await trio.sleep(_PAUSE_SECONDS)
