"""Measure how fast one hub brings its log to NATS, and what that costs.

    python -m tests.bench.forwarding [--records 20000] [--faces 3000] [--week 340000]

A store of records of about 1 KB, one of records with a face of 15 KB, and a week of a site's
records without pictures are forwarded to a real server (extra `servers`), at 0 and 50 ms of round
trip: a proxy in a process of its own delays what passes. *CPU* is that of the hub's process, per
record, with the reading of the log; *memory* is by how much it has grown meanwhile.
"""

from __future__ import annotations

import argparse
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import trio
from msgspec import Raw, Struct

from hub.live.feed import Feed
from hub.services.forwarding.forwarder import Forwarder
from hub.services.forwarding.nats.messages import Messages
from hub.services.forwarding.nats.sender import NatsSender
from hub.store.commit.record_batch import RecordBatch
from hub.store.db import Store
from hub.store.opening import open_store
from hub.store.targets.target import (
    Cursor,
    NewTarget,
    Selection,
    TargetOptions,
    TargetSecrets,
)
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import FaceDetail, Record
from tests.bench.record_sets import make_records
from tests.support.nats_server import running_nats

_ROUND_TRIPS = (0, 50)
_PADDING = "x" * 600
_FACE_BYTES = 15_000
_GROUP = 100


class _Figures(Struct, frozen=True):
    rate: float
    cpu_seconds: float
    grown_bytes: int


def main(records: int, faces: int, week: int) -> None:
    print(f"{'':14}{'round trip':>12}{'records/s':>12}{'CPU µs':>10}{'memory MB':>12}")
    for name, count in (("1 KB", records), ("15 KB face", faces), ("a week", week)):
        if count:
            with TemporaryDirectory() as folder:
                if name == "a week":
                    make_records(Path(folder), count)
                trio.run(_forward, name, count, Path(folder))


async def _forward(name: str, count: int, folder: Path) -> None:
    async with open_store(folder, now=time.time, on_records=lambda records: None) as store:
        if not store.records.last_seq:
            await _fill(store, count, has_faces=name != "1 KB")
        for milliseconds in _ROUND_TRIPS:
            with (
                running_nats(folder / f"nats{milliseconds}") as server,
                _delayed(server.port, milliseconds) as port,
            ):
                found = await _measure(store, port, count, with_pictures=name != "a week")
            print(
                f"{name:14}{milliseconds:>9} ms{found.rate:>12,.0f}"
                f"{found.cpu_seconds * 1e6:>10.0f}{found.grown_bytes / 1e6:>12.1f}",
                flush=True,
            )


async def _fill(store: Store, count: int, *, has_faces: bool) -> None:
    pictures = (Picture("face", "image/jpeg", os.urandom(_FACE_BYTES)),) if has_faces else ()
    upload = CheckedUpload(
        kind="face",
        occurred_at=int(time.time() * 1000),
        detail=FaceDetail(name="王芳", age=30, gender=1, uuid="1234567890"),
        pictures=pictures,
        extra=Raw(msgspec.json.encode({"note": _PADDING})),
    )

    async def append() -> None:
        batch = RecordBatch(
            [upload],
            did="1",
            sn="SN1",
            device_name="Gate",
            digest=secrets.token_bytes(16),
            arrived_at=0,
        )
        await store.records.append(batch)

    for start in range(0, count, _GROUP):
        async with trio.open_nursery() as nursery:
            for _ in range(min(_GROUP, count - start)):
                nursery.start_soon(append)


async def _measure(store: Store, port: int, count: int, *, with_pictures: bool) -> _Figures:
    """Forward all records."""
    options = TargetOptions(
        url=f"nats://127.0.0.1:{port}",
        hub="bench",
        selection=Selection(alarms=False, pictures="all" if with_pictures else "none"),
    )
    new = NewTarget(
        kind="nats",
        name=f"{port}",
        options=options,
        created_at=0,
        cursor=Cursor(store.log_id, 0),
    )
    target = await store.targets.add(new, TargetSecrets())
    messages = Messages("bench", 0, store.log_id, store.pictures)
    sender = NatsSender(options, TargetSecrets(), messages, time.time)
    forwarder = Forwarder(target, sender, store, time.time, lambda: 0.0)
    feed: Feed[Record] = Feed()
    memory = _resident_bytes()
    began, cpu = time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        with feed.subscribe() as records:
            nursery.start_soon(forwarder.run, records)
            while forwarder.behind:  # noqa: ASYNC110  what happens has no event
                await trio.sleep(0.02)
            took, used = time.perf_counter() - began, time.process_time() - cpu
            grown = _resident_bytes() - memory
            nursery.cancel_scope.cancel()
    return _Figures(count / took, used / count, grown)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def _delayed(port: int, milliseconds: int) -> Iterator[int]:
    """Yield the port through which a server answers after so many milliseconds."""
    if milliseconds == 0:
        yield port
        return
    command = [sys.executable, "-m", "tests.bench.delay_proxy", str(port), str(milliseconds / 2)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as proxy:
        assert proxy.stdout is not None
        try:
            yield int(proxy.stdout.readline())
        finally:
            proxy.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=20_000)
    parser.add_argument("--faces", type=int, default=3_000)
    parser.add_argument("--week", type=int, default=340_000)
    asked = parser.parse_args()
    main(asked.records, asked.faces, asked.week)
