"""Ten addresses hold 512 silent connections each at both ports, and reopen what is closed."""

from __future__ import annotations

import errno
from contextlib import suppress

import trio

from tests.bench.attacks.attack import Got, Target
from tests.bench.hub_process import HOST

_ADDRESSES, _CONNECTIONS = 10, 512
_PAUSE_SECONDS = 0.1


async def attack(target: Target, got: Got) -> None:
    async with trio.open_nursery() as nursery:
        for port in (target.web_port, target.plan.port):
            for number in range(1, _ADDRESSES + 1):
                for _ in range(_CONNECTIONS):
                    nursery.start_soon(_hold, port, f"127.0.4.{number}", got)
                    await trio.lowlevel.checkpoint()


async def _hold(port: int, source: str, got: Got) -> None:
    while True:
        with trio.socket.socket() as one, suppress(OSError):
            # A port of its own choice for each: 10 x 512 do not run out of them.
            with suppress(OSError):
                one.setsockopt(trio.socket.IPPROTO_IP, 24, 1)  # IP_BIND_ADDRESS_NO_PORT
            try:
                await one.bind((source, 0))
                await one.connect((HOST, port))
                got["opened"] += 1
                await one.recv(1)
                got["closed by the hub"] += 1
            except OSError as error:
                got[errno.errorcode.get(error.errno or 0, "error")] += 1
        await trio.sleep(_PAUSE_SECONDS)
