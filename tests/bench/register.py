"""Measure a hub whose register holds 20,000 people, each of them on 64 cameras.

    python -m tests.bench.register

The start with and without them, and the list of people by the API.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx

from hub.store.people.person_rows import Person, next_revision, save_person, save_photo
from hub.store.sqlite.connection import connect_writer
from tests.bench.hub_process import HOST, Hub

PEOPLE = 20_000
CAMERAS = 64
_STARTS = 7
_REQUESTS = 300
_PHOTO_BYTES = 4_000
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗"
_NAMES = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超兰霞平"

_MANAGED = """
INSERT INTO device_people (did, state, must_check, deletes_first, versions)
VALUES (?, 'managed', 0, 0, '')
"""
_HOLDINGS = """
INSERT INTO holding (did, pid, revision, msg, attempts)
SELECT device.did, person.pid, person.revision, '', 0 FROM device, person
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--people", type=int, default=PEOPLE)
    people = arguments.parse_args().people
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        hub = Hub(Path(directory), tls=False, devices=CAMERAS)
        try:
            measure(hub, people)
        finally:
            hub.close()


def measure(hub: Hub, people: int) -> None:
    bearer = hub.bearer(read_only=True)
    empty = start_seconds(hub)
    fill(hub.data / "hub.sqlite", people)
    full = start_seconds(hub)
    print(f"start with an empty register          {empty:8.3f} s")
    print(f"start with {people:,} people x {CAMERAS} cameras  {full:8.3f} s")
    print(f"more                                  {full - empty:8.3f} s  (reach 0.3)")
    hub.start()
    base = f"http://{HOST}:{hub.web_port}/api/hub/v1"
    with httpx.Client(base_url=base, headers={"Authorization": bearer}, timeout=60) as client:
        for name, query, requests in (
            ("list, any page of 100", _any_page, _REQUESTS),
            ("search by a part of a name", _by_name, _REQUESTS),
            ("search that nobody matches", lambda: "q=nobody", _REQUESTS),
            ("filter: failed", lambda: "state=failed", _REQUESTS),
            ("filter: pending, nobody is", lambda: "state=pending", 3),
            ("filter: done", lambda: "state=done", 30),
        ):
            print_latency(client, name, query, requests)
    print(f"resident memory                       {hub.resident_kib() / 1024:8.1f} MB")


def start_seconds(hub: Hub) -> float:
    """The median of some starts."""
    seconds = []
    for _ in range(_STARTS):
        seconds.append(hub.start())
        hub.stop()
    return statistics.median(seconds)


def fill(database: Path, people: int) -> None:
    """Write people, and that each camera holds them, while no hub runs."""
    connection = connect_writer(database)
    connection.execute("BEGIN")
    for number in range(people):
        person = _person(number, next_revision(connection))
        save_person(connection, person)
        save_photo(connection, person.pid, random.randbytes(_PHOTO_BYTES))
    dids = connection.execute("SELECT did FROM device").fetchall()
    connection.executemany(_MANAGED, dids)
    connection.execute(_HOLDINGS)
    connection.execute("COMMIT")
    connection.close()


def _person(number: int, revision: int) -> Person:
    return Person(
        pid=str(1_000_001 + number),
        name=random.choice(_SURNAMES) + random.choice(_NAMES) + random.choice(_NAMES),
        work_id=f"W-{number:05d}",
        id_card_no=f"11010119900307{number:04d}",
        ic_card_no="",
        gender=1 + number % 2,  # type: ignore[arg-type]
        age=None,
        birth_year=1960 + number % 45,
        department=f"Department {number % 30}",
        phone=f"1380000{number:05d}",
        category=1 + number % 4,  # type: ignore[arg-type]
        everywhere=True,
        groups=(),
        valid_from=None,
        valid_until=None,
        note="",
        has_photo=True,
        revision=revision,
        created_at=0,
        changed_at=0,
        changed_by="bench",
    )


def _any_page() -> str:
    return f"after={1_000_000 + random.randrange(PEOPLE)}"


def _by_name() -> str:
    return f"q={random.choice(_SURNAMES)}{random.choice(_NAMES)}"


def print_latency(client: httpx.Client, name: str, query: Callable[[], str], requests: int) -> None:
    seconds = []
    for _ in range(requests):
        began = time.perf_counter()
        client.get(f"/people?{query()}").raise_for_status()
        seconds.append(time.perf_counter() - began)
    seconds.sort()
    last = seconds[min(len(seconds) - 1, len(seconds) * 99 // 100)]
    print(f"{name:34}p50 {statistics.median(seconds) * 1000:7.1f} ms  p99 {last * 1000:7.1f} ms")


if __name__ == "__main__":
    main()
