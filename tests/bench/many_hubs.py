"""Measure many hubs that send to one NATS server at once, and check what has arrived.

    python -m tests.bench.many_hubs [--hubs 100] [--records 2000] [--processes 1] [--spread 5]

Each hub is a sender as in the product, with a connection, records and pauses of its own; the hubs
are spread over some processes, as a process may have 20,000 open files or fewer, and a hub takes
five. The server (extra `servers`) is killed once while they send the first half. When all have sent
it, all are connected; then the server is killed again, and all come back with the second half,
within `spread` seconds. Printed are the records per second of all, how long a half took, and
whether every hub's records are there exactly once, in order.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import trio
from msgspec import Raw

from hub.services.forwarding.nats.address import PARTITIONS, stream_of
from hub.services.forwarding.nats.messages import Messages
from hub.services.forwarding.nats.sender import NatsSender
from hub.services.forwarding.retries import Retries, RetryPlan
from hub.services.forwarding.sender import RecordItem, TryLater
from hub.store.media.pictures import StoredPicture
from hub.store.targets.target import Cursor, TargetOptions, TargetSecrets
from hub.wire.uploads.records import FaceDetail, Record
from tests.support.nats_server import NatsServer, running_nats

_LOG = "0" * 32
_MAX_BATCH = 200


class _NoPictures:
    async def read(self, seq: int, name: str) -> StoredPicture | None:
        return None


class Hub:
    """Sends its records in parts of some length by chance."""

    def __init__(self, number: int, url: str, spread: float, most: int = _MAX_BATCH) -> None:
        """`most`: records of a part."""
        self.name, self.partition = f"hub-{number}", number % PARTITIONS
        options = TargetOptions(url=url, hub=self.name, partition=self.partition)
        messages = Messages(self.name, self.partition, _LOG, _NoPictures())
        self._plan = RetryPlan(waits=(0.5,), spread_seconds=spread)
        self._sender = NatsSender(options, TargetSecrets(), messages, time.time, plan=self._plan)
        self._chance = random.Random(number)
        self._least, self._most = 1, most
        self._sent = 0
        self.failures = 0

    async def send(self, count: int) -> None:
        """Send so many records."""
        retries = Retries(self._chance.random, self._plan)
        async with self._sender.running():
            await self._find(retries)
            await self._send(count, retries)

    async def run(self, count: int, halves: Halves) -> None:
        """Send so many records, the second half once all hubs have sent the first."""
        retries = Retries(self._chance.random, self._plan)
        async with self._sender.running():
            await self._find(retries)
            await self._send(count // 2, retries)
            await halves.wait_first()
            await self._send(count, retries)
            await halves.wait_second()

    async def _send(self, count: int, retries: Retries) -> None:
        while self._sent < count:
            size = min(self._chance.randint(self._least, self._most), count - self._sent)
            items = [RecordItem(_record(self._sent + 1 + place), False) for place in range(size)]
            try:
                await self._sender.send(items)
                self._sent += size
            except TryLater as failure:
                await self._wait(failure, retries)
                await self._find(retries)

    async def _find(self, retries: Retries) -> None:
        while True:
            try:
                self._sent = (await self._sender.position(Cursor(_LOG, self._sent))).seq
                return
            except TryLater as failure:
                await self._wait(failure, retries)

    async def _wait(self, failure: TryLater, retries: Retries) -> None:
        self.failures += 1
        await trio.sleep(retries.next_wait(failure.after))


class Halves:
    """Where the hubs of a process wait for each other, connected, and for the other processes."""

    def __init__(self, hubs: int) -> None:
        self._hubs = hubs
        self._first, self._second = trio.Event(), trio.Event()
        self._at_first = self._at_second = 0

    async def wait_first(self) -> None:
        self._at_first += 1
        if self._at_first == self._hubs:
            await _tell_and_wait("half")
            self._first.set()
        await self._first.wait()

    async def wait_second(self) -> None:
        self._at_second += 1
        if self._at_second == self._hubs:
            await _tell_and_wait("all")
            self._second.set()
        await self._second.wait()


async def _tell_and_wait(word: str) -> None:
    print(word, flush=True)
    await trio.to_thread.run_sync(sys.stdin.readline)


def _record(seq: int) -> Record:
    at = 1_795_600_000_000 + seq
    return Record(
        seq=seq,
        kind="face",
        did="1",
        sn="SN1",
        device_name="Gate",
        occurred_at=at,
        received_at=at,
        detail=FaceDetail(name="王芳" * 20, age=30, gender=1, uuid="1234567890"),
        extra=Raw(b"{}"),
        images=(),
    )


def main(asked: argparse.Namespace, folder: Path) -> None:
    with running_nats(folder / "nats") as server:
        began = time.perf_counter()
        with _processes(asked, server.url) as processes:
            killing = threading.Timer(3, _kill_once, [server])
            killing.start()
            _wait_for(processes, "half")
            killing.join()
            half = time.perf_counter()
            _kill_once(server)
            _go_on(processes)
            _wait_for(processes, "all")
            end = time.perf_counter()
            _go_on(processes)
            failures = sum(int(_line(process)) for process in processes)
        records = asked.hubs * asked.records
        print(f"{asked.hubs:,} hubs, {records:,} records: {records / (end - began):,.0f}/s")
        print(f"halves: {half - began:.1f} s, {end - half:.1f} s after all were cut off")
        print(f"{failures:,} failures that were tried again")
        _check(server, asked.hubs, asked.records)


@contextmanager
def _processes(asked: argparse.Namespace, url: str) -> Iterator[list[subprocess.Popen[str]]]:
    """Run the hubs in as many processes as asked."""
    each = -(-asked.hubs // asked.processes)
    processes = []
    try:
        for first in range(0, asked.hubs, each):
            words = [
                "--url",
                url,
                "--first",
                str(first),
                "--hubs",
                str(min(each, asked.hubs - first)),
            ]
            words += ["--records", str(asked.records), "--spread", str(asked.spread)]
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", "tests.bench.many_hubs", *words],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def _run_part(asked: argparse.Namespace) -> None:
    """Run the hubs of one process; print how many of their attempts failed."""
    numbers = range(asked.first, asked.first + asked.hubs)
    hubs = [Hub(number, asked.url, asked.spread) for number in numbers]
    halves = Halves(len(hubs))
    async with trio.open_nursery() as nursery:
        for hub in hubs:
            nursery.start_soon(hub.run, asked.records, halves)
    print(sum(hub.failures for hub in hubs), flush=True)


def _wait_for(processes: list[subprocess.Popen[str]], word: str) -> None:
    for process in processes:
        if (said := _line(process)) != word:
            sys.exit(f"a process of hubs said {said!r}, not {word!r}")


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def _go_on(processes: list[subprocess.Popen[str]]) -> None:
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()


def _kill_once(server: NatsServer) -> None:
    server.kill()
    server.start()


def _check(server: NatsServer, hubs: int, count: int) -> None:
    found: dict[str, list[int]] = defaultdict(list)
    for partition in range(min(hubs, PARTITIONS)):
        for stored in server.read(stream_of(partition)):
            if stored.kind == "rec":
                found[stored.subject.split(".")[2]].append(stored.record_seq)
    expected = list(range(1, count + 1))
    wrong = [name for number in range(hubs) if found[name := f"hub-{number}"] != expected]
    print(f"wrong: {', '.join(wrong)}" if wrong else "every record exactly once, in order")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hubs", type=int, default=100)
    parser.add_argument("--records", type=int, default=2_000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--spread", type=float, default=5.0)
    # What the processes of hubs are told.
    parser.add_argument("--url", default="", help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.url:
        trio.run(_run_part, arguments)
    else:
        with TemporaryDirectory() as directory:
            main(arguments, Path(directory))
