"""A local program without the secret sends 32 MB to the port for commands, on 16 connections."""

from __future__ import annotations

from typing import Any

import msgspec
import trio

from tests.bench.attacks.attack import Got, Site, Target

_CONNECTIONS = 16
_MEGABYTES = 32
_PAUSE_SECONDS = 0.2


def prepare(site: Site) -> dict[str, Any]:
    address = msgspec.json.decode((site.hub.data / "control.json").read_bytes())
    return {"port": address["port"]}


async def attack(target: Target, got: Got) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(_CONNECTIONS):
            nursery.start_soon(_send, target, got)


async def _send(target: Target, got: Got) -> None:
    part = b"[" * 2**20
    while True:
        try:
            async with await trio.open_tcp_stream(target.host, target.prepared["port"]) as stream:
                await stream.send_all(b'{"secret":"' + b"x" * 43 + b'","operation":')
                for _ in range(_MEGABYTES):
                    await stream.send_all(part)
                    got["MB sent"] += 1
                await stream.send_eof()
                got[(await stream.receive_some(100)).decode() or "nothing"] += 1
        except (OSError, trio.BrokenResourceError):
            got["broken off"] += 1
        await trio.sleep(_PAUSE_SECONDS)
