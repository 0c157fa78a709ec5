"""Measure what uploads notice while a day of records is dropped.

    python -m tests.bench.retention --set DIRECTORY/records-10000000

Works on a copy of the set. Uploads of 220 KB are stored by a store in this process, so many a
second, with nothing beside them, while the oldest day goes, and again with nothing beside them: how
long each took, when the day's space was free and when its rows were gone, the processor time of the
process, and how large the write-ahead log became.
"""

from __future__ import annotations

import argparse
import itertools
import secrets
import shutil
import statistics
import time
from contextlib import contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import trio

from hub.store.commit.record_batch import RecordBatch
from hub.store.db import Store
from hub.store.opening import open_store
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import FaceDetail
from tests.bench.search import percentile

_QUIET_SECONDS = 20.0


class Uploads:
    """Stores uploads at a steady rate; `seconds` is how long each took."""

    def __init__(self, store: Store, rate: float) -> None:
        self._store = store
        self.rate = rate
        self._numbers = itertools.count()
        self._chance = Random(1)
        self.seconds: list[float] = []

    async def run(self) -> None:
        """Upload until cancelled, at random times, as cameras do."""
        async with trio.open_nursery() as nursery:
            due = trio.current_time()
            while True:
                due += self._chance.expovariate(self.rate)
                await trio.sleep_until(due)
                nursery.start_soon(self._upload)

    async def _upload(self) -> None:
        number = next(self._numbers)
        now = int(time.time() * 1000)
        pictures = tuple(
            Picture(name, "image/jpeg", secrets.token_bytes(size))
            for name, size in (("face", 20_000), ("background", 200_000))
        )
        detail = FaceDetail(name=f"New {number % 500}", uuid=f"n{number % 500}", category=1)
        upload = CheckedUpload(kind="face", occurred_at=now, detail=detail, pictures=pictures)
        batch = RecordBatch(
            [upload],
            did=str(1 + number % 64),
            sn="SN1",
            device_name="Gate",
            digest=secrets.token_bytes(16),
            arrived_at=now,
        )
        start = time.perf_counter()
        await self._store.records.append(batch)
        self.seconds.append(time.perf_counter() - start)

    def told(self) -> str:
        """Say how long they took, and begin anew."""
        times, self.seconds = [one * 1000 for one in self.seconds], []
        return (
            f"uploads p50 {statistics.median(times):6.1f} ms, p99 {percentile(times, 99):6.1f} ms, "
            f"most {max(times):6.1f} ms"
        )


async def measure(data_dir: Path, rate: float) -> None:
    async with open_store(data_dir, now=time.time, on_records=lambda records: None) as store:
        uploads = Uploads(store, rate)
        wal = _Largest(data_dir / "hub.sqlite-wal")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(uploads.run)
            await trio.sleep(1.0)
            uploads.told()
            await trio.sleep(_QUIET_SECONDS)
            print(f"nothing beside:   {uploads.told()}", flush=True)
            nursery.start_soon(wal.run)
            day = store.retention.days()[0]
            start, cpu = time.perf_counter(), time.process_time()
            await store.retention.forget_day(day.day)
            freed = time.perf_counter() - start
            await store.retention.finish_drops()
            seconds, used = time.perf_counter() - start, time.process_time() - cpu
            print(f"while a day goes: {uploads.told()}")
            print(
                f"its space was free after {freed:.2f} s, {day.records:,} records gone in "
                f"{seconds:.1f} s, {used:.1f} s of CPU with the uploads, "
                f"WAL {wal.bytes / 1e6:.0f} MB at most",
                flush=True,
            )
            await trio.sleep(_QUIET_SECONDS)
            print(f"nothing beside:   {uploads.told()}", flush=True)
            nursery.cancel_scope.cancel()


class _Largest:
    """Watches the size of a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.bytes = 0

    async def run(self) -> None:
        while True:
            if self._path.exists():
                self.bytes = max(self.bytes, self._path.stat().st_size)
            await trio.sleep(0.05)


@contextmanager
def _copied(given: Path):  # type: ignore[no-untyped-def]
    with TemporaryDirectory(prefix="sitehub-bench-", dir=given.parent) as directory:
        yield shutil.copytree(given, Path(directory) / "data")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--set", type=Path, required=True, help="of tests.bench.record_sets")
    arguments.add_argument("--rate", type=float, default=20.0, help="uploads a second")
    given = arguments.parse_args()
    with _copied(given.set) as data_dir:
        trio.run(measure, data_dir, given.rate)


if __name__ == "__main__":
    main()
