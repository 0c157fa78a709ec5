"""Who has the series key guesses the security code of one camera, from thirty addresses."""

from __future__ import annotations

import time
from itertools import count

import msgspec
import trio

from hub.wire.signing import sign_connect
from tests.bench.attacks.attack import Got, Target
from tests.bench.attacks.client import load_key, open_stream
from tests.bench.cameras import UPGRADE, request

CAMERAS = 1
_ADDRESSES = 30
_CONNECTIONS = 4
_ANSWER_SECONDS = 1.0
_READ_BYTES = 65536


async def attack(target: Target, got: Got) -> None:
    guesses = count(10_000_000)
    async with trio.open_nursery() as nursery:
        for number in range(_ADDRESSES * _CONNECTIONS):
            source = f"127.0.4.{1 + number % _ADDRESSES}"
            nursery.start_soon(_guess, target, source, guesses, got)


async def _guess(target: Target, source: str, guesses: count[int], got: Got) -> None:
    """Guess on one connection after the other; one whose answer is late is left alone."""
    while True:
        try:
            stream = await open_stream(target.plan.port, tls=target.tls, source=source)
        except (OSError, trio.BrokenResourceError):
            got["refused connections"] += 1
            await trio.sleep(0.1)
            continue
        async with stream:
            try:
                await stream.send_all(UPGRADE)
                await stream.receive_some(_READ_BYTES)
                with trio.move_on_after(_ANSWER_SECONDS) as late:
                    await _guess_until_late(target, stream, guesses, got)
                got["held back"] += late.cancelled_caught
            except (OSError, trio.BrokenResourceError):
                got["cut off"] += 1


async def _guess_until_late(
    target: Target, stream: trio.abc.Stream, guesses: count[int], got: Got
) -> None:
    one = target.plan.cameras[0]
    key = load_key(target.plan.key)
    while True:
        ts = int(time.time())
        sign = sign_connect(key, sn=one.sn, code=str(next(guesses)), ts=ts)
        await stream.send_all(request("/connect", None, did=one.did, sn=one.sn, ts=ts, sign=sign))
        answer = await stream.receive_some(_READ_BYTES)
        if not answer:
            return
        start = answer.find(b"{")
        msg = msgspec.json.decode(answer[start:])["data"]["msg"]
        got["guesses looked at" if "does not match" in msg else "not looked at"] += 1
