"""A steady load from many devices, and how long each upload takes to be acknowledged.

Run as `python -m tests.bench.steady` with a `Load` on stdin; gives `Acknowledged` on stdout. The
load is open: an upload is due at its time whether the hub has answered the last one or not, and
its time counts from when it was due.
"""

from __future__ import annotations

import itertools
import random
import ssl
import sys
import time

import msgspec
import trio

from tests.bench import bodies


class Load(msgspec.Struct):
    """Uploads a second, spread over the devices that have the tokens."""

    host: str
    port: int
    tls: bool
    tokens: list[str]
    captures: float
    events: float
    seconds: float


class Acknowledged(msgspec.Struct):
    """Milliseconds of the captures and events together."""

    count: int
    failed: int
    p50: float
    p99: float
    worst: float


class Sender:
    """One device's connection; its uploads wait for each other."""

    def __init__(self, stream: trio.abc.Stream, token: str) -> None:
        self._stream = stream
        self._token = token
        self._turn = trio.Lock()

    async def upload(self, path: str, body: bytes) -> bool:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        async with self._turn:
            await self._stream.send_all(head.encode() + body)
            answer = b""
            while b"}" not in answer:
                chunk = await self._stream.receive_some(65536)
                if not chunk:
                    return False
                answer += chunk
        return b'"code":200' in answer


async def run(load: Load) -> Acknowledged:
    senders = [Sender(await _open(load), token) for token in load.tokens]
    due = _schedule(load)
    times: list[float] = []
    failures = 0

    async def upload(sender: Sender, at: float, path: str, body: bytes) -> None:
        nonlocal failures
        await trio.sleep_until(at)
        if await sender.upload(path, body):
            times.append((trio.current_time() - at) * 1000)
        else:
            failures += 1

    begun = trio.current_time() + 0.2
    async with trio.open_nursery() as nursery:
        for (offset, path, body), sender in zip(due, itertools.cycle(senders)):
            nursery.start_soon(upload, sender, begun + offset, path, body)
    times.sort()
    return Acknowledged(
        count=len(times),
        failed=failures,
        p50=times[len(times) // 2],
        p99=times[int(len(times) * 0.99)],
        worst=times[-1],
    )


def _schedule(load: Load) -> list[tuple[float, str, bytes]]:
    """When each upload is due: at random, as devices that know nothing of each other do."""
    now = int(time.time())
    parts = bodies.capture_parts(now)
    chance = random.Random(1)
    first = now % 10**8
    captures = [
        (chance.uniform(0, load.seconds), bodies.CAPTURE_PATH, bodies.capture(parts, first + n))
        for n in range(int(load.captures * load.seconds))
    ]
    events = [
        (chance.uniform(0, load.seconds), bodies.EVENT_PATH, bodies.event(now, first + n))
        for n in range(int(load.events * load.seconds))
    ]
    return sorted(captures + events)


async def _open(load: Load) -> trio.abc.Stream:
    stream = await trio.open_tcp_stream(load.host, load.port)
    if not load.tls:
        return stream
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    secured = trio.SSLStream(stream, context, https_compatible=True)
    await secured.do_handshake()
    return secured


if __name__ == "__main__":
    found = trio.run(run, msgspec.json.decode(sys.stdin.buffer.readline(), type=Load))
    print(msgspec.json.encode(found).decode())
