"""Measure reports of a day and of a month on a log of many records, and what others notice.

    python -m tests.bench.reports DIRECTORY [--records 1000000] [--uploads 20]
        [--no-categories] [--files]

DIRECTORY is made by `tests.bench.record_sets` unless it is there. With `--no-categories`, half of
the faces have no category, from then on. A month is the whole set. While each report is made,
somebody reads the newest page of the log every 20 ms, and uploads of 220 KB are stored, so many a
second. The time of CPU is that of the report and of these. With `--files`, CSV and XLSX are made.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import trio

from hub.services.reports import reports as reports_module
from hub.services.reports.periods import Period, PeriodKind, period_of
from hub.services.reports.report import Report
from hub.services.reports.reports import Gates, ReportMaker, ReportQuery
from hub.store.db import Store
from hub.store.opening import open_store
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.devices import NewDevice
from tests.bench.record_sets import CAMERAS, DAYS, END_MS, make_records, take_categories
from tests.bench.retention import Uploads
from tests.support.core import core_of
from web.pages.reports.cells import Cells
from web.pages.reports.files import csv_of, xlsx_of

#: The set ends before midnight in UTC.
_LAST_DAY = date.fromtimestamp(END_MS / 1000 - 43_200)
_PAUSE_SECONDS, _QUIET_SECONDS = 0.02, 5.0
#: Groups of cameras, and the first and the last of each: vehicles pass the cameras 48 to 63.
_GROUPS = (("In", 48, 55), ("Out", 56, 63), ("Eight", 1, 8), ("Forty", 1, 40))


async def main(data_dir: Path, rate: float, *, with_files: bool) -> None:
    async with open_store(data_dir, now=time.time, on_records=lambda records: None) as store:
        groups = await _groups(store)
        reports, uploads = _reports(store), Uploads(store, rate)
        async with trio.open_nursery() as nursery:
            await nursery.start(reports.run)
            async with _beside(store, uploads, "nothing else"):
                await trio.sleep(_QUIET_SECONDS)
            day = _LAST_DAY - timedelta(days=1)
            gates = Gates((groups["In"],), (groups["Out"],))
            periods: tuple[PeriodKind, ...] = ("day", "month")
            for period in periods:
                for query in (
                    ReportQuery("captures", period, day),
                    ReportQuery("attendance", period, day),
                    ReportQuery("attendance", period, day, (groups["Eight"],)),
                    ReportQuery("attendance", period, day, (groups["Forty"],)),
                    ReportQuery("plates", period, day, (), gates),
                ):
                    await _measure(store, reports, uploads, query, with_files=with_files)
            nursery.cancel_scope.cancel()


async def _measure(
    store: Store, reports: ReportMaker, uploads: Uploads, query: ReportQuery, *, with_files: bool
) -> None:
    names = [store.camera_groups.get(id).name for id in query.groups]
    cameras = f" of cameras ({names[0]})" if names else ""
    async with _beside(store, uploads, f"{query.kind} of a {query.period}{cameras}"):
        report = await reports.make(query, seconds=600)
    print(f"  {sum(len(one.rows) for one in report.tables):,} rows; {_memory():.0f} MB so far")
    if with_files and query.period == "month" and not query.groups:
        await _measure_files(report)


@asynccontextmanager
async def _beside(store: Store, uploads: Uploads, what: str) -> AsyncIterator[None]:
    """Read pages and upload while the block runs, and tell how long all took."""
    noticed: list[float] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_keep_reading, store, noticed)
        if uploads.rate:
            nursery.start_soon(uploads.run)
        began, cpu = time.perf_counter(), time.process_time()
        yield
        took, used = time.perf_counter() - began, time.process_time() - cpu
        nursery.cancel_scope.cancel()
    print(f"{what}: {took:.2f} s ({used:.2f} s of CPU)")
    print(f"  newest page {_times(noticed)}; uploads {_times(uploads.seconds)}")
    uploads.seconds = []


async def _measure_files(report: Report) -> None:
    for name, write in (("csv", csv_of), ("xlsx", xlsx_of)):
        began = time.perf_counter()
        data = write(report, Cells(_zone(), {}))
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


async def _groups(store: Store) -> dict[str, int]:
    """Add the cameras, unless they are there. Return the groups by name."""
    if not store.devices.all():
        await store.devices.add(
            [
                NewDevice(sn=f"Y3CA1234891{did:04}", code="CODE0001", did=str(did))
                for did in range(1, CAMERAS + 1)
            ]
        )
    known = {group.name: group.id for group in store.camera_groups.all()}
    for name, first, last in _GROUPS:
        if name not in known:
            dids = [str(did) for did in range(first, last + 1)]
            known[name] = (await store.camera_groups.add(name, dids)).id
    return known


def _reports(store: Store) -> ReportMaker:
    """Reports of a site in UTC."""
    site = SimpleNamespace(zone=_zone, zone_name=lambda: "UTC")
    groups = SimpleNamespace(
        get=store.camera_groups.get,
        list=store.camera_groups.all,
        dids_of=lambda ids: [did for id in ids for did in store.camera_groups.get(id).dids],
    )
    people = SimpleNamespace(names=_nobody)
    unused = cast(Any, None)
    return ReportMaker(
        core_of(store, time.time, site=site), cast(Any, people), cast(Any, groups), unused
    )


def _period_of(kind: PeriodKind, day: date, zone: ZoneInfo) -> Period:
    """Return the 30 days of the set in place of a month: they are of two calendar months."""
    if kind != "month":
        return period_of(kind, day, zone)
    dates = [_LAST_DAY - timedelta(days=before) for before in reversed(range(DAYS))]
    return Period(kind, tuple(period_of("day", one, zone).days[0] for one in dates))


async def _nobody(uuids: object) -> dict[str, Any]:
    return {}


def _zone() -> ZoneInfo:
    return ZoneInfo("UTC")


def _memory() -> float:
    """Return the most memory that the process took, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _times(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    worst = ordered[int(len(ordered) * 0.99)] if ordered else 0.0
    median = statistics.median(ordered) if ordered else 0.0
    return f"p50 {median * 1000:.1f} ms, p99 {worst * 1000:.1f} ms"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--uploads", type=float, default=20.0, help="a second")
    parser.add_argument("--no-categories", action="store_true")
    parser.add_argument("--files", action="store_true")
    given = parser.parse_args()
    make_records(given.directory, given.records)
    if given.no_categories:
        take_categories(given.directory)
    print(f"{given.records:,} records, {os.cpu_count()} cores")
    reports_module.period_of = _period_of
    run = partial(main, with_files=given.files)
    trio.run(run, given.directory, given.uploads)
