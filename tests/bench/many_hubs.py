"""Measure many hubs that send to one NATS server at once, and check what has arrived.

    python -m tests.bench.many_hubs [--hubs 100] [--records 2000]

Each hub is a sender as in the product, with a connection, records and pauses of its own, in one
process. The server (extra `servers`) is killed once meanwhile. Printed are the records per second
of all, and whether every hub's records are there exactly once, in order.
"""

from __future__ import annotations

import argparse
import random
import time
from collections import defaultdict
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
_PLAN = RetryPlan(waits=(0.5,), spread_seconds=5.0)
_MAX_BATCH = 200


class _NoPictures:
    async def read(self, seq: int, name: str) -> StoredPicture | None:
        return None


class Hub:
    """Sends its records in parts of some length by chance."""

    def __init__(self, number: int, server: NatsServer) -> None:
        self.name, self.partition = f"hub-{number}", number % PARTITIONS
        options = TargetOptions(url=server.url, hub=self.name, partition=self.partition)
        messages = Messages(
            self.name, self.partition, _LOG, _NoPictures(), lambda alarm, record: b"{}"
        )
        self._sender = NatsSender(options, TargetSecrets(), messages, time.time, plan=_PLAN)
        self._chance = random.Random(number)
        self.failures = 0

    async def run(self, count: int) -> None:
        retries = Retries(self._chance.random, _PLAN)
        async with self._sender.running():
            sent = await self._find(0, retries)
            while sent < count:
                size = min(self._chance.randint(1, _MAX_BATCH), count - sent)
                items = [RecordItem(_record(sent + 1 + place), False) for place in range(size)]
                try:
                    await self._sender.send(items)
                    sent += size
                except TryLater as failure:
                    self.failures += 1
                    await trio.sleep(retries.next_wait(failure.after))
                    sent = await self._find(sent, retries)

    async def _find(self, sent: int, retries: Retries) -> int:
        while True:
            try:
                return (await self._sender.position(Cursor(_LOG, sent))).seq
            except TryLater as failure:
                self.failures += 1
                await trio.sleep(retries.next_wait(failure.after))


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


async def main(hubs: int, count: int, folder: Path) -> None:
    with running_nats(folder / "nats") as server:
        all_hubs = [Hub(number, server) for number in range(hubs)]
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_kill_once, server)
            for hub in all_hubs:
                nursery.start_soon(hub.run, count)
        took = time.perf_counter() - began
        failures = sum(hub.failures for hub in all_hubs)
        print(f"{hubs} hubs, {hubs * count:,} records: {hubs * count / took:,.0f}/s", end="")
        print(f", {failures} failures that were tried again")
        await trio.to_thread.run_sync(_check, server, all_hubs, count)


async def _kill_once(server: NatsServer) -> None:
    await trio.sleep(3)
    server.kill()
    await trio.to_thread.run_sync(server.start)


def _check(server: NatsServer, hubs: list[Hub], count: int) -> None:
    found: dict[str, list[int]] = defaultdict(list)
    for partition in sorted({hub.partition for hub in hubs}):
        for stored in server.read(stream_of(partition)):
            found[stored.subject.split(".")[2]].append(stored.record_seq)
    wrong = [hub.name for hub in hubs if found[hub.name] != list(range(1, count + 1))]
    print(f"wrong: {', '.join(wrong)}" if wrong else "every record exactly once, in order")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--hubs", type=int, default=100)
    parser.add_argument("--records", type=int, default=2_000)
    asked = parser.parse_args()
    with TemporaryDirectory() as directory:
        trio.run(main, asked.hubs, asked.records, Path(directory))
