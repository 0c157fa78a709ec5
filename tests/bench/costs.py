"""Count what the hub's loop does for a heartbeat, a command, a capture, and a connect.

    python -m tests.bench.costs

Calls of functions and system calls do not depend on the machine, and little on what else it does:
one operation follows the other, and a connect when the hub has done what follows the one before.
What another program does can only add to them, so all are counted again, up to three times, while
one has never cost as little as it has to; the exit status is 1 if one never does.
"""

from __future__ import annotations

import http.client
import os
import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Thread

import msgspec

from tests.bench import bodies
from tests.bench.cameras import CameraPool
from tests.bench.counted_hub import PORT
from tests.bench.hub_process import HOST, Hub, running_hub
from tests.support.ports import free_port

#: At most so many calls and system calls, of Python 3.11 to 3.13 the highest.
MOST = {
    "heartbeat": (195, 5),
    "command": (900, 16),
    "capture": (1015, 16),
    "connect": (2100, 34),
    "reconnect": (1900, 32),
}
#: How much more is tolerated, because of what the hub does beside it.
_TOLERATED = 1.08
_TIMES = 100
_CONNECTS = 30
_TRIES = 3
_SECONDS = 60.0
#: The hub needs less for what follows a connect. All connects together take less time than it waits
#: for the answer of a camera that says nothing.
_FOLLOWS_SECONDS = 0.05
#: After so long a camera signs another connect, and the hub has noticed that the last one ended.
_LATER_SECONDS = 1.5
_COMMAND = b'{"uri":"/person/query","param":{"pid":"1001"}}'


class Cost(msgspec.Struct, frozen=True):
    """Of one operation."""

    calls: float
    system_calls: float

    def is_within(self, most: tuple[int, int]) -> bool:
        return self.calls <= most[0] * _TOLERATED and self.system_calls <= most[1] * _TOLERATED


class _Counts:
    """Asks a counted hub."""

    def __init__(self, port: int) -> None:
        self._lines = socket.create_connection((HOST, port)).makefile("rwb", buffering=0)

    def of(self, times: int, work: Callable[[], object]) -> Cost:
        """Return what each of so many operations costs in the mean, one after the other."""
        before = self.read()
        work()
        calls, system_calls = (now - then for now, then in zip(self.read(), before, strict=True))
        return Cost(calls / times, system_calls / times)

    def read(self) -> tuple[int, int]:
        self._lines.write(b"\n")
        calls, system_calls = self._lines.readline().split()
        return int(calls), int(system_calls)


def measure(times: int = _TIMES, connects: int = _CONNECTS) -> dict[str, Cost]:
    """The costs of each operation, each done so many times."""
    with _counted_hub(connects + 1) as (hub, counts):
        # First, since a hub works on captures for a while after it has answered them.
        found = {"connect": _connect(hub, counts, connects)}
        time.sleep(_LATER_SECONDS)
        found["reconnect"] = _connect(hub, counts, connects)
        bearer = hub.bearer()
        pool = CameraPool(hub.plan(1))
        pool.connect()
        camera = pool.cameras[0]
        parts = bodies.capture_parts(int(time.time()))
        upload = _Requests(hub, bodies.CAPTURE_PATH, camera.token, b'"code":200')
        captures = [bodies.capture(parts, number) for number in range(times + 1)]
        path = f"/api/hub/v1/devices/{camera.identity.did}/commands"
        command = _Requests(hub, path, bearer.removeprefix("Bearer "), b'"pid":"1001"')
        # The first of each prepares what the others use.
        _beat(pool, 1)
        upload.send(captures[:1])
        _answer(pool, command, 1)
        found |= {
            "heartbeat": counts.of(times, lambda: _beat(pool, times)),
            "command": counts.of(times, lambda: _answer(pool, command, times)),
            "capture": counts.of(times, lambda: upload.send(captures[1:])),
        }
        return found


def _connect(hub: Hub, counts: _Counts, times: int) -> Cost:
    """Let cameras connect, each when the hub has done what follows the one before, and end.

    What the hub does by its own clocks, and what it repeats while it waits for a processor, falls
    into some of the connects: this is the cost of the cheapest tenth.
    """
    pools = [CameraPool(hub.plan(1, first=number)) for number in range(1, times + 1)]
    costs = [counts.of(1, lambda pool=pool: _connect_and_follow(pool)) for pool in pools]
    for pool in pools:
        pool.cameras[0].socket.close()
    return Cost(
        sorted(cost.calls for cost in costs)[times // 10],
        sorted(cost.system_calls for cost in costs)[times // 10],
    )


def _connect_and_follow(pool: CameraPool) -> None:
    pool.connect()
    time.sleep(_FOLLOWS_SECONDS)


@contextmanager
def _counted_hub(devices: int) -> Iterator[tuple[Hub, _Counts]]:
    port = free_port()
    os.environ[PORT] = str(port)
    program = (sys.executable, "-m", "tests.bench.counted_hub")
    settings = {"devices.max_requests_per_second": 1000}
    with running_hub(tls=False, devices=devices, program=program, settings=settings) as hub:
        yield hub, _Counts(port)


def _beat(pool: CameraPool, times: int) -> None:
    (camera,) = pool.cameras
    camera.beats = 0

    def step() -> int:
        for payload in camera.frames():
            if not camera.tells_people(payload):
                camera.beats += 1
                if camera.beats < times:
                    camera.socket.send(camera.beat)
        return selectors.EVENT_READ

    camera.step = step
    camera.socket.send(camera.beat)
    pool.drive(time.perf_counter() + _SECONDS, lambda: camera.beats == times)


def _answer(pool: CameraPool, command: _Requests, times: int) -> None:
    """Let the camera answer commands that a program sends."""
    (camera,) = pool.cameras
    camera.step = camera.on_command
    program = Thread(target=command.send, args=([_COMMAND] * times,))
    program.start()
    pool.drive(time.perf_counter() + _SECONDS, lambda: not program.is_alive())
    assert command.sent == times, "the commands were not answered"


class _Requests:
    """A program, or a camera, that sends one request after the other."""

    def __init__(self, hub: Hub, path: str, token: str, expected: bytes) -> None:
        self._connection = http.client.HTTPConnection(HOST, hub.web_port, timeout=_SECONDS)
        self._path, self._expected = path, expected
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        #: The number of requests that were answered as expected.
        self.sent = 0

    def send(self, sent: Sequence[bytes]) -> None:
        self.sent = 0
        for body in sent:
            self._connection.request("POST", self._path, body, self._headers)
            answer = self._connection.getresponse().read()
            if self._expected not in answer:
                raise SystemExit(f"{self._path} answered {answer!r}")
            self.sent += 1


def main() -> int:
    missed = set(MOST)
    for _ in range(_TRIES):
        missed &= _missed(measure())
        if not missed:
            return 0
    return 1


def _missed(costs: dict[str, Cost]) -> set[str]:
    """Print each cost; return the names of those that are higher than they may be."""
    missed = set()
    for name, cost in costs.items():
        most = MOST[name]
        if not cost.is_within(most):
            missed.add(name)
        verdict = "   MISSED" if name in missed else ""
        print(f"{name:10}{cost.calls:8.0f} calls, at most {most[0]}", end="")
        print(f"{cost.system_calls:8.1f} system calls, at most {most[1]}{verdict}", flush=True)
    return missed


if __name__ == "__main__":
    sys.exit(main())
