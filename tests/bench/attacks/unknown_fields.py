"""One camera sends captures with 15 MB in a field that nobody knows, on four connections."""

from __future__ import annotations

import itertools
import time

import trio

from tests.bench import bodies
from tests.bench.attacks.attack import ATTACKER, Got, Target
from tests.bench.attacks.client import Refused, ask, request_bytes

CAMERAS = 1
_CONNECTIONS = 4
_CONTENT = b"A" * (15 * 1024 * 1024)


async def attack(target: Target, got: Got) -> None:
    numbers = itertools.count()
    async with trio.open_nursery() as nursery:
        for _ in range(_CONNECTIONS):
            nursery.start_soon(_send, target, numbers, got)


async def _send(target: Target, numbers: itertools.count[int], got: Got) -> None:
    headers = {"Authorization": f"Bearer {target.tokens[0]}"}
    while True:
        body = b'{"time":%d,"number":%d,"photo":"%b"}' % (time.time(), next(numbers), _CONTENT)
        sent = request_bytes("POST", bodies.CAPTURE_PATH, headers, body)
        try:
            answer = await ask(target.web_port, sent, tls=target.tls, source=ATTACKER)
            got[f"answered {answer.status}"] += 1
        except (OSError, trio.BrokenResourceError, Refused):
            got["cut off"] += 1
            await trio.sleep(0.05)
