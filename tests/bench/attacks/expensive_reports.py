"""One camera reports its versions with 15 MB of escapes, again and again, on four connections."""

from __future__ import annotations

import trio

from tests.bench.attacks.attack import ATTACKER, Got, Target
from tests.bench.attacks.client import Refused, ask, request_bytes

CAMERAS = 1
_PATHS = ("/api/v1/device/report/info", "/api/v1/ota/query")
_BODY = b'{"fwVer":"' + b"\\u0041" * (15 * 1024 * 1024 // 6) + b'"}'


async def attack(target: Target, got: Got) -> None:
    async with trio.open_nursery() as nursery:
        for path in 2 * _PATHS:
            nursery.start_soon(_report, target, path, got)


async def _report(target: Target, path: str, got: Got) -> None:
    sent = request_bytes("POST", path, {"Authorization": f"Bearer {target.tokens[0]}"}, _BODY)
    while True:
        try:
            answer = await ask(target.web_port, sent, tls=target.tls, source=ATTACKER)
            got[f"answered {answer.status}"] += 1
        except (OSError, trio.BrokenResourceError, Refused):
            got["cut off"] += 1
            await trio.sleep(0.05)
