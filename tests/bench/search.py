"""Measure searches of the record log: p50 and p99 of each question, at some sizes of the log.

    python -m tests.bench.search --records 100000 1000000 10000000 [--sets DIRECTORY]

The questions are asked of a store in this process, one after another, newest first, 100 records a
page. *CPU* is the processor time of a question, which says more than the others on a busy machine.
*cut* are those that ended after 2 s with what was found so far. The sets (about 380 bytes a record)
are kept in the directory, if one is given. Then the newest page of a camera is asked for while
others ask slow questions all the time.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

import trio
from msgspec.structs import replace

from hub.store.db import Store
from hub.store.opening import open_store
from hub.store.records.record_filter import RecordFilter
from tests.bench import record_sets
from tests.bench.record_sets import DAY_MS, DAYS, END_MS, FREQUENT, RARE, RARE_CAMERA, RARE_TYPE
from tests.bench.sized_sets import measure_sets, percentile

HOUR_MS = 3_600_000
_ROUNDS = 60
_ROUND_SECONDS = 20.0
_SLOW_ASKERS = 4
_PROVINCES = "京沪粤苏浙鲁川津渝"
_SURNAMES = "王李张刘陈杨黄赵吴周"


def _face_camera(chance: Random) -> str:
    return str(chance.randrange(1, 48))


def _car_camera(chance: Random) -> str:
    return str(chance.randrange(48, 64))


def _hour(chance: Random) -> dict[str, int]:
    since = END_MS - chance.randrange(2, DAYS * 24) * HOUR_MS
    return {"since": since, "until": since + HOUR_MS}


def _digits(chance: Random, count: int) -> str:
    return "".join(chance.choice("0123456789") for _ in range(count))


def _with(filter: RecordFilter | None = None, **attributes: str) -> RecordFilter:
    return replace(
        filter or RecordFilter(),
        attributes=tuple((key, (word,)) for key, word in attributes.items()),
    )


#: By what is asked for. Parts of a plate have two, three and five characters.
QUESTIONS: dict[str, Callable[[Random], RecordFilter]] = {
    "newest": lambda c: RecordFilter(),
    "kind": lambda c: RecordFilter(kind=c.choice(("face", "vehicle", "event", "access"))),
    "camera": lambda c: RecordFilter(did=_face_camera(c)),
    "type": lambda c: RecordFilter(type=c.randrange(1, 21)),
    "rare type": lambda c: RecordFilter(type=RARE_TYPE),
    "blacklist": lambda c: RecordFilter(category=2),
    "person": lambda c: RecordFilter(uuid=f"p{record_sets.PLATES + 3 + c.randrange(5000)}"),
    "part of a plate": lambda c: RecordFilter(plate=_digits(c, 3)),
    "frequent part of a plate": lambda c: RecordFilter(plate=_digits(c, 2)),
    "whole plate": lambda c: RecordFilter(plate=_digits(c, 5)),
    "plate with ? and *": lambda c: RecordFilter(
        plate=f"{c.choice(_PROVINCES)}?{_digits(c, 1)}*88"
    ),
    "surname": lambda c: RecordFilter(name=c.choice(_SURNAMES)),
    "frequent name": lambda c: RecordFilter(name=FREQUENT),
    "rare name": lambda c: RecordFilter(name=RARE),
    "hour": lambda c: RecordFilter(**_hour(c)),
    "hour, camera": lambda c: RecordFilter(**_hour(c), did=_face_camera(c)),
    "hour, slow camera": lambda c: RecordFilter(**_hour(c), did=record_sets.SLOW_CAMERA),
    "hour, part of a plate": lambda c: RecordFilter(**_hour(c), plate=_digits(c, 2)),
    "day, camera, blacklist": lambda c: RecordFilter(
        since=END_MS - 2 * DAY_MS, until=END_MS - DAY_MS, did=_face_camera(c), category=2
    ),
    "type, camera": lambda c: RecordFilter(type=c.randrange(1, 21), did=_face_camera(c)),
    "rare type, camera": lambda c: RecordFilter(type=RARE_TYPE, did=_face_camera(c)),
    "rare type, rare camera": lambda c: RecordFilter(type=RARE_TYPE, did=RARE_CAMERA),
    "blacklist, camera": lambda c: RecordFilter(category=2, did=_face_camera(c)),
    "part of a plate, camera": lambda c: RecordFilter(plate=_digits(c, 3), did=_car_camera(c)),
    "whole plate, camera": lambda c: RecordFilter(plate=_digits(c, 5), did=_car_camera(c)),
    "part of a plate, camera of faces": lambda c: RecordFilter(
        plate=_digits(c, 2), did=_face_camera(c)
    ),
    "surname, camera": lambda c: RecordFilter(name=c.choice(_SURNAMES), did=_face_camera(c)),
    "surname, camera of cars": lambda c: RecordFilter(name=c.choice(_SURNAMES), did=_car_camera(c)),
    "frequent name, rare camera": lambda c: RecordFilter(name=FREQUENT, did=RARE_CAMERA),
    "kind, camera without": lambda c: RecordFilter(kind="vehicle", did=_face_camera(c)),
    "three cameras": lambda c: RecordFilter(dids=tuple(_face_camera(c) for _ in range(3))),
    "three cameras, type": lambda c: RecordFilter(
        dids=tuple(_face_camera(c) for _ in range(3)), type=c.randrange(1, 21)
    ),
    "two categories, camera": lambda c: RecordFilter(categories=(2, 4), did=_face_camera(c)),
    "no pictures": lambda c: RecordFilter(has_pictures=False),
    "no pictures, camera of cars": lambda c: RecordFilter(has_pictures=False, did=_car_camera(c)),
    "strangers as shown": lambda c: RecordFilter(lists=(0,)),
    "strangers as shown, camera": lambda c: RecordFilter(lists=(0,), did=_face_camera(c)),
    "blacklist as shown": lambda c: RecordFilter(lists=(2,)),
    "purple vehicle": lambda c: _with(car_colour="purple"),
    "black upper clothing": lambda c: _with(upper_colour="black"),
    "red SUV": lambda c: _with(car_colour="red", car_type="SUV"),
    "SUV, two digits of a plate": lambda c: _with(
        RecordFilter(plate=_digits(c, 2)), car_type="SUV"
    ),
    "red, backpack": lambda c: _with(upper_colour="red", bag="backpack"),
    "red, backpack, camera": lambda c: _with(
        RecordFilter(did=_face_camera(c)), upper_colour="red", bag="backpack"
    ),
    "red, backpack, hour": lambda c: _with(
        RecordFilter(**_hour(c)), upper_colour="red", bag="backpack"
    ),
    "no helmet, no such camera": lambda c: _with(RecordFilter(did="9999"), helmet="no"),
    "attributes that never meet": lambda c: _with(
        car_colour="purple", car_type="coach", car_maker="Pagani", plate_colour="green"
    ),
    "purple vehicle, camera of faces": lambda c: _with(
        RecordFilter(did=_face_camera(c)), car_colour="purple"
    ),
    "plate and face (contradiction)": lambda c: RecordFilter(plate="88", kind="face"),
    "name and plate (contradiction)": lambda c: RecordFilter(name=FREQUENT, plate="88"),
}
#: Questions that take long wherever they are asked.
_SLOW = ("no pictures, camera of cars", "kind, camera without", "two categories, camera")


async def measure(data_dir: Path, only: list[str]) -> None:
    async with open_store(data_dir, now=time.time, on_records=lambda records: None) as store:
        print(
            f"{'question':34} {'p50':>9} {'p99':>9} {'CPU p50':>9} {'p99':>9}  records   cut  (ms)"
        )
        for name, question in QUESTIONS.items():
            if not only or name in only:
                await _ask(store, name, question)
        if not only:
            await _ask_beside_others(store)


async def _ask(store: Store, name: str, question: Callable[[Random], RecordFilter]) -> None:
    chance, cut = Random(1), 0
    times: list[float] = []
    cpu: list[float] = []
    found: list[int] = []
    began = time.perf_counter()
    while len(times) < _ROUNDS and (time.perf_counter() - began < _ROUND_SECONDS or not times):
        start, start_cpu = time.perf_counter(), time.process_time()
        page = await store.records.page(question(chance), newest_first=True)
        times.append((time.perf_counter() - start) * 1000)
        cpu.append((time.process_time() - start_cpu) * 1000)
        found.append(len(page.items))
        cut += not getattr(page, "is_complete", True)
    print(
        f"{name:34} {statistics.median(times):9.2f} {percentile(times, 99):9.2f}"
        f" {statistics.median(cpu):9.2f} {percentile(cpu, 99):9.2f}"
        f"  {statistics.mean(found):7.1f} {cut:5}",
        flush=True,
    )


async def _ask_beside_others(store: Store) -> None:
    """Ask for the newest page, and for one camera's, while others ask slow questions."""
    times: list[float] = []

    async def ask_slowly(number: int) -> None:
        chance = Random(number)
        while True:
            question = QUESTIONS[_SLOW[number % len(_SLOW)]]
            await store.records.page(question(chance), newest_first=True)

    async with trio.open_nursery() as nursery:
        for number in range(_SLOW_ASKERS):
            nursery.start_soon(ask_slowly, number)
        for _ in range(200):
            start = time.perf_counter()
            await store.records.page(RecordFilter(did="5"), newest_first=True)
            times.append((time.perf_counter() - start) * 1000)
            await trio.sleep(0.02)
        nursery.cancel_scope.cancel()
    print(
        f"a camera's newest page, beside {_SLOW_ASKERS} slow questions: "
        f"p50 {statistics.median(times):.1f} ms, p99 {percentile(times, 99):.1f} ms"
    )


if __name__ == "__main__":
    measure_sets(measure, __doc__ or "")
