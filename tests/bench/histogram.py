"""Measure histograms of the record log: p50 and p99 of each question, at some sizes of the log.

    python -m tests.bench.histogram --records 100000 1000000 10000000 [--sets DIRECTORY]

Each question is about 30 days by the hour, unless its name says something else, and is asked of a
store in this process. *CPU* is the processor time in the median, which says more than the others on
a busy machine. *exact* tells how many answers were counted to the end and not estimated. The sets
are those of `tests.bench.search`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from hub.services.records.histogram import DAY_MS, HOUR_MS, MINUTE_MS, Histograms
from hub.store.opening import open_store
from hub.store.records.record_filter import RecordFilter
from tests.bench.record_sets import DAYS, END_MS, FREQUENT, RARE, RARE_CAMERA
from tests.bench.sized_sets import measure_sets, percentile
from tests.support.core import core_of

_ROUNDS = 60
_ROUND_SECONDS = 10.0
_MONTH = {"since": END_MS - DAYS * DAY_MS, "until": END_MS}

#: (filter, length of a bucket) by what is asked for.
_Question = Callable[[Random], tuple[RecordFilter, int]]


def _month(bucket_ms: int = HOUR_MS, **filter: Any) -> _Question:
    return lambda chance: (RecordFilter(**_MONTH, **filter), bucket_ms)


def _camera(chance: Random) -> str:
    return str(chance.randrange(1, 48))


def _some_day(chance: Random, **filter: Any) -> RecordFilter:
    until = END_MS - chance.randrange(DAYS - 1) * DAY_MS
    return RecordFilter(since=until - DAY_MS, until=until, **filter)


def _surname(chance: Random) -> str:
    return chance.choice("王李张刘陈杨黄赵吴周")


QUESTIONS: dict[str, _Question] = {
    "site": _month(),
    "site, by day": _month(DAY_MS),
    "kind": _month(kind="vehicle"),
    "strangers": _month(category=0),
    "camera": lambda c: (RecordFilter(**_MONTH, did=_camera(c)), HOUR_MS),
    "camera, type": lambda c: (RecordFilter(**_MONTH, did=_camera(c), type=3), HOUR_MS),
    "eight cameras": lambda c: (
        RecordFilter(**_MONTH, dids=tuple(str(did) for did in range(1, 9))),
        HOUR_MS,
    ),
    "a day by 5 minutes": lambda c: (_some_day(c), 5 * MINUTE_MS),
    "a day of a camera by 5 minutes": lambda c: (_some_day(c, did=_camera(c)), 5 * MINUTE_MS),
    "rare name": _month(name=RARE),
    "frequent name": _month(name=FREQUENT),
    "frequent name, rare camera": _month(name=FREQUENT, did=RARE_CAMERA),
    "surname": lambda c: (RecordFilter(**_MONTH, name=_surname(c)), HOUR_MS),
    "surname, camera": lambda c: (
        RecordFilter(**_MONTH, name=_surname(c), did=_camera(c)),
        HOUR_MS,
    ),
    "part of a plate": lambda c: (RecordFilter(**_MONTH, plate=f"{c.randrange(1000):03}"), HOUR_MS),
    "two digits of a plate": lambda c: (
        RecordFilter(**_MONTH, plate=f"{c.randrange(100):02}"),
        HOUR_MS,
    ),
    "frequent name, category": _month(name=FREQUENT, category=3),
    "without pictures": _month(has_pictures=False),
    "purple vehicles": _month(attributes=(("car_colour", ("purple",)),)),
    "black upper clothing": _month(attributes=(("upper_colour", ("black",)),)),
    "red, backpack, camera": lambda c: (
        RecordFilter(
            **_MONTH,
            did=_camera(c),
            attributes=(("upper_colour", ("red",)), ("bag", ("backpack",))),
        ),
        HOUR_MS,
    ),
}


async def measure(data_dir: Path, only: list[str]) -> None:
    site = cast(Any, SimpleNamespace(zone=lambda: ZoneInfo("Asia/Shanghai")))
    async with open_store(data_dir, now=time.time, on_records=lambda records: None) as store:
        histograms = Histograms(core_of(store, time.time, site=site))
        print(f"{'question':32} {'p50':>9} {'p99':>9} {'CPU':>9}  exact  (ms)")
        for name, question in QUESTIONS.items():
            if not only or name in only:
                await _ask(histograms, name, question)


async def _ask(histograms: Histograms, name: str, question: _Question) -> None:
    chance, exact = Random(1), 0
    times: list[float] = []
    cpu: list[float] = []
    began = time.perf_counter()
    while len(times) < _ROUNDS and (time.perf_counter() - began < _ROUND_SECONDS or not times):
        filter, bucket_ms = question(chance)
        start, start_cpu = time.perf_counter(), time.process_time()
        found = await histograms.histogram(filter, bucket_ms=bucket_ms)
        times.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000)
        exact += found.is_exact
    print(
        f"{name:32} {statistics.median(times):9.2f} {percentile(times, 99):9.2f}"
        f" {statistics.median(cpu):9.2f}  {exact}/{len(times)}",
        flush=True,
    )


if __name__ == "__main__":
    measure_sets(measure, __doc__ or "")
