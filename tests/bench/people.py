"""Measure how fast the people of the register get onto cameras; print one line per figure.

`python -m tests.bench.people [--people N] [--cameras N] [--plain]`. The hub, the cameras and the
uploads share the machine; the cameras answer at once. Then the start of a hub with 20,000 people on
64 cameras is compared with that of an empty one.
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests.bench.hub_process import HOST, Hub, cameras_of, raise_limit_of_open_files
from tests.bench.steady_load import LatencyResult, Load

PHOTO_BYTES = 40 * 1024
_UPLOADERS = 10
_UPLOADS_PER_SECOND = 20.0
_MOST_SECONDS = 600.0
_IDLE_SECONDS = 15.0

_PERSON = """
INSERT INTO person VALUES (?, ?, ?, '', '', 1, 30, NULL, 'Gate', '', ?, 1, NULL, NULL, '', 1, ?, 0,
    0, 'bench', ?)
"""


class Options(msgspec.Struct):
    people: int
    cameras: int
    tls: bool


def fill_register(data: Path, people: int, photo_bytes: int) -> None:
    """Put people with photos into the register of a hub that does not run."""
    rng = random.Random(1)
    with closing(sqlite3.connect(data / "hub.sqlite")) as connection:
        for number in range(1, people + 1):
            name = f"Person {number}"
            values = (str(number), name, f"W{number}", 1 + number % 4, number, name.lower())
            connection.execute(_PERSON, values)
            jpeg = b"\xff\xd8\xff" + rng.randbytes(photo_bytes)
            connection.execute("INSERT INTO person_photo VALUES (?, ?)", (str(number), jpeg))
        connection.commit()


def fill_holdings(data: Path) -> None:
    """Note that each camera holds everybody."""
    with closing(sqlite3.connect(data / "hub.sqlite")) as connection:
        connection.execute(
            "INSERT INTO device_people SELECT did, 'managed', 0, 0, '', NULL, NULL FROM device"
        )
        connection.execute(
            "INSERT INTO holding SELECT did, pid, revision, NULL, NULL, NULL, '', 0, NULL "
            "FROM device, person"
        )
        connection.commit()


@contextmanager
def hub_of(options: Options, devices: int) -> Iterator[Hub]:
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        hub = Hub(Path(directory), tls=options.tls, devices=devices)
        try:
            yield hub
        finally:
            hub.close()


def uploads(hub: Hub, tokens: list[str], seconds: float) -> subprocess.Popen[bytes]:
    """Start a steady load of uploads."""
    load = Load(HOST, hub.web_port, hub.tls, tokens, _UPLOADS_PER_SECOND, 0, seconds)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.steady_load"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(load) + b"\n")
    process.stdin.close()
    return process


def latencies(process: subprocess.Popen[bytes]) -> LatencyResult:
    assert process.stdout is not None
    found = msgspec.json.decode(process.stdout.read(), type=LatencyResult)
    process.wait(15)
    return found


class MemoryWatch(threading.Thread):
    """Notes the most memory that the hub has used, in MB."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(daemon=True)
        self.most = 0.0
        self.ended = threading.Event()
        self._hub = hub

    def run(self) -> None:
        while not self.ended.wait(0.2):
            self.most = max(self.most, self._hub.resident_kib() / 1024)


def push(options: Options, *, with_uploads: bool) -> None:
    """Put everybody on all cameras, once without and once with uploads."""
    with hub_of(options, options.cameras + _UPLOADERS) as hub:
        fill_register(hub.data, options.people, PHOTO_BYTES)
        hub.start()
        with cameras_of(hub, _UPLOADERS, first=options.cameras) as uploaders:
            # Those that upload hold nobody and take nobody: they are connected, and silent.
            uploaders.connect()
            tokens = uploaders.tokens()
            before = hub.resident_kib() / 1024
            idle = latencies(uploads(hub, tokens, _IDLE_SECONDS)) if with_uploads else None
            watch = MemoryWatch(hub)
            watch.start()
            with cameras_of(hub, options.cameras) as cameras:
                load = uploads(hub, tokens, _IDLE_SECONDS) if with_uploads else None
                cpu = hub.cpu_seconds()
                cameras.start_taking_people(options.people, _MOST_SECONDS)
                taken = cameras.taken()
                cpu = hub.cpu_seconds() - cpu
            watch.ended.set()
        print(
            f"pushes: {taken.people} in {taken.seconds:.1f} s: {taken.people / taken.seconds:.0f}/s"
        )
        print(f"hub CPU per push: {cpu / max(1, taken.people) * 1e6:.0f} us")
        print(f"memory: {before:.1f} MB before, {watch.most:.1f} MB at most")
        if idle is not None and load is not None:
            busy = latencies(load)
            print(f"uploads idle: p50 {idle.p50:.1f}, p99 {idle.p99:.1f} ms, {idle.failed} failed")
            print(f"uploads busy: p50 {busy.p50:.1f}, p99 {busy.p99:.1f} ms, {busy.failed} failed")


def start(options: Options) -> None:
    """The start of an empty hub, and of one with 20,000 people on 64 cameras."""
    for people in (0, 20_000):
        with hub_of(options, 64) as hub:
            fill_register(hub.data, people, 1_000)
            fill_holdings(hub.data)
            seconds = []
            for _ in range(3):
                seconds.append(hub.start())
                time.sleep(1)
                memory = hub.resident_kib() / 1024
                hub.stop()
            print(f"start with {people} people: {min(seconds):.2f} s, {memory:.1f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1_000)
    parser.add_argument("--cameras", type=int, default=40)
    parser.add_argument("--plain", action="store_true", help="without TLS")
    parser.add_argument("--only", choices=("push", "uploads", "start"))
    words = parser.parse_args()
    options = Options(words.people, words.cameras, not words.plain)
    raise_limit_of_open_files()
    if words.only in (None, "push"):
        push(options, with_uploads=False)
    if words.only in (None, "uploads"):
        push(options, with_uploads=True)
    if words.only in (None, "start"):
        start(options)


if __name__ == "__main__":
    main()
