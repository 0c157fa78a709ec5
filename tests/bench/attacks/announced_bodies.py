"""Four tokens with four connections each announce bodies of 16 MB, and send nothing."""

from __future__ import annotations

import trio

from tests.bench import bodies
from tests.bench.attacks.attack import ATTACKER, Got, Target
from tests.bench.attacks.client import open_stream

CAMERAS = 4
_CONNECTIONS = 4
_ANNOUNCED = 16 * 1024 * 1024
_PAUSE_SECONDS = 0.2


async def attack(target: Target, got: Got) -> None:
    async with trio.open_nursery() as nursery:
        for token in target.tokens:
            for _ in range(_CONNECTIONS):
                nursery.start_soon(_announce, target, token, got)


async def _announce(target: Target, token: str, got: Got) -> None:
    head = (
        f"POST {bodies.CAPTURE_PATH} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {_ANNOUNCED}\r\n\r\n"
    ).encode()
    while True:
        try:
            async with await open_stream(target.web_port, tls=target.tls, source=ATTACKER) as one:
                await one.send_all(head)
                got["announced"] += 1
                answer = await one.receive_some(4096)
                got[f"answered {answer[9:12].decode('latin-1') or 'nothing'}"] += 1
        except (OSError, trio.BrokenResourceError):
            got["broken"] += 1
        await trio.sleep(_PAUSE_SECONDS)
