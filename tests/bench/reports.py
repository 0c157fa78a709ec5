"""Measure reports of a day and of a month on a log of many records, and what others notice.

    python -m tests.bench.reports DIRECTORY [--records 1000000]

DIRECTORY is made by `tests.bench.record_sets` unless it is there. While each report is made,
somebody reads the newest page of the log every 20 ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import trio

from hub.services.reports.report import Report
from hub.services.reports.reports import Gates, ReportQuery, Reports
from hub.store.db import Store
from hub.store.opening import open_store
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.devices import NewDevice
from tests.bench.record_sets import CAMERAS, END_MS, make_records
from web.pages.reports.cells import Cells
from web.pages.reports.files import csv_of, xlsx_of

#: The set ends before midnight in UTC.
_LAST_DAY = date.fromtimestamp(END_MS / 1000 - 43_200)
_PAUSE_SECONDS = 0.02


async def main(data_dir: Path) -> None:
    async with open_store(data_dir, now=time.time, on_records=lambda records: None) as store:
        reports = await _reports(store)
        async with trio.open_nursery() as nursery:
            await nursery.start(reports.run)
            print(f"newest page, nothing else: {_times(await _read_pages(store, 200))}")
            for kind in ("captures", "attendance", "plates"):
                for period in ("day", "month"):
                    gates = Gates((1,), (2,)) if kind == "plates" else Gates()
                    day = _LAST_DAY - timedelta(days=1)
                    await _measure(store, reports, ReportQuery(kind, period, day, (), gates))  # type: ignore[arg-type]
            nursery.cancel_scope.cancel()


async def _measure(store: Store, reports: Reports, query: ReportQuery) -> None:
    noticed: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_reading, store, noticed)
        began, cpu = time.perf_counter(), time.process_time()
        report = await reports.make(query, seconds=600)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        nursery.cancel_scope.cancel()
    rows = sum(len(one.rows) for one in report.tables)
    print(
        f"{query.kind} of a {query.period}: {took:.2f} s ({used:.2f} s of CPU), {rows:,} rows; "
        f"newest page meanwhile {_times(noticed)}"
    )
    if query.period == "month":
        await _measure_files(report)


async def _measure_files(report: Report) -> None:
    services: Any = SimpleNamespace(
        site=SimpleNamespace(zone=_zone), devices=SimpleNamespace(list=lambda: [])
    )
    for name, write in (("csv", csv_of), ("xlsx", xlsx_of)):
        began = time.perf_counter()
        data = write(report, Cells(services))
        print(f"  {name}: {time.perf_counter() - began:.2f} s, {len(data) / 1e6:.1f} MB")


async def _keep_reading(store: Store, noticed: list[float]) -> None:
    while True:
        noticed += await _read_pages(store, 1)
        await trio.sleep(_PAUSE_SECONDS)


async def _read_pages(store: Store, count: int) -> list[float]:
    times = []
    for _ in range(count):
        began = time.perf_counter()
        await store.records.page(RecordFilter(), newest_first=True, limit=50)
        times.append(time.perf_counter() - began)
    return times


async def _reports(store: Store) -> Reports:
    """Reports of a site in UTC, whose vehicles pass the cameras 48 to 63."""
    if not store.devices.all():
        await store.devices.add(
            [
                NewDevice(sn=f"Y3CA1234891{did:04}", code="CODE0001", did=str(did))
                for did in range(1, CAMERAS + 1)
            ]
        )
        await store.camera_groups.add("In", [str(did) for did in range(48, 56)])
        await store.camera_groups.add("Out", [str(did) for did in range(56, 64)])
    site = SimpleNamespace(zone=_zone, zone_name=lambda: "UTC")
    groups = SimpleNamespace(
        get=store.camera_groups.get,
        list=store.camera_groups.all,
        dids_of=lambda ids: [did for id in ids for did in store.camera_groups.get(id).dids],
    )
    people = SimpleNamespace(names=_nobody)
    unused = cast(Any, None)
    return Reports(
        store, cast(Any, site), cast(Any, people), cast(Any, groups), unused, unused, time.time
    )


async def _nobody(uuids: object) -> dict[str, Any]:
    return {}


def _zone() -> ZoneInfo:
    return ZoneInfo("UTC")


def _times(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    worst = ordered[int(len(ordered) * 0.99)] if ordered else 0.0
    median = statistics.median(ordered) if ordered else 0.0
    return f"p50 {median * 1000:.1f} ms, p99 {worst * 1000:.1f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    given = parser.parse_args()
    make_records(given.directory, given.records)
    print(f"{given.records:,} records, {os.cpu_count()} cores")
    trio.run(main, given.directory)
