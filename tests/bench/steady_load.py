"""A steady load from many devices, and the latency of its acknowledgements.

Run as `python -m tests.bench.steady_load` with a `Load` on stdin; prints a `LatencyResult`. The
load is open: an upload is due at its time even if earlier ones are not acknowledged yet, and its
latency counts from then.
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
    """Uploads per second, spread over the devices with these tokens."""

    host: str
    port: int
    tls: bool
    tokens: list[str]
    captures: float
    events: float
    seconds: float


class LatencyResult(msgspec.Struct):
    """Latencies in milliseconds, of captures and events together."""

    count: int
    failed: int
    p50: float
    p99: float
    worst: float


class Sender:
    """One device's connection. It sends one upload at a time."""

    def __init__(self, stream: trio.abc.Stream, token: str) -> None:
        self._stream = stream
        self._token = token
        self._lock = trio.Lock()

    async def upload(self, path: str, body: bytes) -> bool:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer {self._token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        async with self._lock:
            await self._stream.send_all(head.encode() + body)
            answer = b""
            while b"}" not in answer:
                chunk = await self._stream.receive_some(65536)
                if not chunk:
                    return False
                answer += chunk
        return b'"code":200' in answer


async def run(load: Load) -> LatencyResult:
    senders = [Sender(await open_connection(load), token) for token in load.tokens]
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

    started = trio.current_time() + 0.2
    async with trio.open_nursery() as nursery:
        for (offset, path, body), sender in zip(due, itertools.cycle(senders)):
            nursery.start_soon(upload, sender, started + offset, path, body)
    times.sort()
    return LatencyResult(
        count=len(times),
        failed=failures,
        p50=times[len(times) // 2],
        p99=times[int(len(times) * 0.99)],
        worst=times[-1],
    )


def _schedule(load: Load) -> list[tuple[float, str, bytes]]:
    """The uploads and when each is due: at random times, as from independent devices."""
    now = int(time.time())
    parts = bodies.capture_parts(now)
    rng = random.Random(1)
    first = now % 10**8
    captures = [
        (rng.uniform(0, load.seconds), bodies.CAPTURE_PATH, bodies.capture(parts, first + n))
        for n in range(int(load.captures * load.seconds))
    ]
    events = [
        (rng.uniform(0, load.seconds), bodies.EVENT_PATH, bodies.event(now, first + n))
        for n in range(int(load.events * load.seconds))
    ]
    return sorted(captures + events)


async def open_connection(load: Load) -> trio.abc.Stream:
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
