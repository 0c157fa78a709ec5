"""The neighbours of an attacker: cameras, a health check and a signed-in page, with latencies.

Run as `python -m tests.bench.attacks.neighbours`. The first line on stdin is a `Neighbourhood`;
each further line is a number of seconds, and is answered by a line of JSON: what each kind of
neighbour met in that time. Whatever is not answered well within TIMEOUT_SECONDS counts as refused.
Each camera has an address of its own, and reconnects when it lost its connection.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import trio

from tests.bench import bodies
from tests.bench.attacks.client import CameraLink, Refused, ask, request_bytes
from tests.bench.cameras import Plan

TIMEOUT_SECONDS = 10.0
#: Seconds between two of each kind; for those of cameras, of each camera.
_BEAT_SECONDS, _CAPTURE_SECONDS, _RECONNECT_SECONDS = 1.0, 5.0, 15.0
_CHECK_SECONDS, _PAGE_SECONDS = 0.5, 1.0
_PAGE_ADDRESS, _CHECK_ADDRESS = "127.0.2.1", "127.0.2.2"
_FAULTS = (OSError, trio.BrokenResourceError, trio.ClosedResourceError, Refused, ValueError)


class Neighbourhood(msgspec.Struct):
    """`plan` names the cameras and the device port; `cookie` is of a signed-in browser."""

    plan: Plan
    web_port: int
    cookie: str


class Met(msgspec.Struct):
    """What one kind of neighbour met. Latencies in milliseconds; `causes`: of refusals."""

    times: list[float] = msgspec.field(default_factory=list)
    refused: int = 0
    causes: dict[str, int] = msgspec.field(default_factory=dict)

    def percentile(self, share: float) -> float:
        ordered = sorted(self.times)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


Results = dict[str, Met]


class Neighbours:
    def __init__(self, hood: Neighbourhood) -> None:
        plan = hood.plan
        self._hood = hood
        self._results: Results = {}
        self._links = [
            CameraLink(one, plan.key, plan.code, f"127.0.1.{number}")
            for number, one in enumerate(plan.cameras, 1)
        ]
        self._parts = bodies.capture_parts(int(time.time()))
        self._number = int(time.time()) % 10**6 * 100

    async def run(self, lines: trio.abc.ReceiveStream) -> None:
        for link in self._links:
            await link.connect(self._hood.plan.port, tls=self._hood.plan.tls)
        print("{}", flush=True)
        async with trio.open_nursery() as nursery:
            rng = random.Random(1)
            for number, link in enumerate(self._links, 1):
                nursery.start_soon(self._live, rng, link)
                nursery.start_soon(self._captures, rng, link, f"127.0.1.{number}")
            nursery.start_soon(self._repeat, rng, _CHECK_SECONDS, "health", self._check)
            nursery.start_soon(self._repeat, rng, _PAGE_SECONDS, "page", self._page)
            while line := (await lines.receive_some(100)).strip():
                self._results.clear()
                await trio.sleep(float(line))
                print(msgspec.json.encode(self._results).decode(), flush=True)
            nursery.cancel_scope.cancel()

    async def _repeat(
        self, rng: random.Random, every: float, kind: str, do: Callable[[], Awaitable[None]]
    ) -> None:
        await trio.sleep(rng.uniform(0, every))
        while True:
            due = trio.current_time() + every
            await self._timed(kind, do)
            await trio.sleep_until(max(due, trio.current_time()))

    async def _captures(self, rng: random.Random, link: CameraLink, source: str) -> None:
        async def capture() -> None:
            self._number += 1
            body = bodies.capture(self._parts, self._number)
            headers = {"Authorization": f"Bearer {link.token}", "Content-Type": "application/json"}
            await self._ask(request_bytes("POST", bodies.CAPTURE_PATH, headers, body), source)

        await self._repeat(rng, _CAPTURE_SECONDS, "capture", capture)

    async def _live(self, rng: random.Random, link: CameraLink) -> None:
        """Beat, and connect anew from time to time, or when the connection was lost."""
        reconnect_at = trio.current_time() + rng.uniform(0, _RECONNECT_SECONDS)
        await trio.sleep(rng.uniform(0, _BEAT_SECONDS))
        while True:
            due = trio.current_time() + _BEAT_SECONDS
            is_well = await self._timed("heartbeat", link.beat)
            if not is_well or trio.current_time() > reconnect_at:
                reconnect_at = trio.current_time() + _RECONNECT_SECONDS
                connect = partial(link.connect, self._hood.plan.port, tls=self._hood.plan.tls)
                await self._timed("reconnect", connect)
            await trio.sleep_until(max(due, trio.current_time()))

    async def _check(self) -> None:
        await self._ask(request_bytes("GET", "/healthz"), _CHECK_ADDRESS)

    async def _page(self) -> None:
        await self._ask(request_bytes("GET", "/", {"Cookie": self._hood.cookie}), _PAGE_ADDRESS)

    async def _ask(self, sent: bytes, source: str) -> None:
        answer = await ask(self._hood.web_port, sent, tls=self._hood.plan.tls, source=source)
        if answer.status != 200:
            raise Refused(f"status {answer.status}")

    async def _timed(self, kind: str, do: Callable[[], Awaitable[None]]) -> bool:
        started, cause = trio.current_time(), f"nothing within {TIMEOUT_SECONDS:g} s"
        with trio.move_on_after(TIMEOUT_SECONDS):
            try:
                await do()
                cause = ""
            except _FAULTS as error:
                cause = str(error)[:80] or type(error).__name__
        met = self._results.setdefault(kind, Met())
        if cause:
            met.refused += 1
            met.causes[cause] = met.causes.get(cause, 0) + 1
        else:
            met.times.append((trio.current_time() - started) * 1000)
        return not cause


async def main() -> None:
    first = msgspec.json.decode(sys.stdin.buffer.readline(), type=Neighbourhood)
    stdin = trio.lowlevel.FdStream(sys.stdin.fileno())
    await Neighbours(first).run(stdin)


if __name__ == "__main__":
    trio.run(main)
