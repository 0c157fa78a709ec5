"""Measure a hub whose four targets were cut off for a week, while they catch up.

    python -m tests.bench.week_behind [--records 340000] [--rounds 4] [--seconds 8]
                                        [--small-cache]

A hub with a week's records has four targets of NATS, whose server (extra `servers`) is off. In
turns, with the server off and on, cameras upload captures of 220 KB, 16 at a time and as fast as
they are taken, and 40 a second. Then the server stays on until all targets have everything. Printed
are captures per second, the latency at 40 a second, what the hub took of memory, and whether the
server has every record once. Uploads fill SQLite's page cache (64 MB of the writer and 16 of each
reader), with targets or without; with `--small-cache` it is 1 MB each, and what else grows shows.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from tests.bench import bodies
from tests.bench.hub_process import HOST, Hub, cameras_of
from tests.bench.record_sets import fill
from tests.bench.steady_load import LatencyResult, Load
from tests.bench.wrk import run_wrk
from tests.support.nats_server import NatsServer, running_nats

_TARGETS, _DEVICES, _CAPTURES = 4, 16, 40.0
_SETTINGS = {"store.keep_days": 3650}


class _Round(msgspec.Struct):
    """What uploads took: captures per second, and milliseconds at 40 a second."""

    rate: float
    p50: float
    p99: float


def main(records: int, rounds: int, seconds: float, small_cache: bool) -> None:
    with (
        TemporaryDirectory(prefix="sitehub-bench-") as folder,
        running_nats(Path(folder) / "nats") as server,
        _hub_behind(Path(folder) / "hub", server, records, small_cache) as hub,
        cameras_of(hub, _DEVICES) as cameras,
    ):
        cameras.connect()
        parts = bodies.capture_parts(int(time.time()), category=1)
        script = bodies.wrk_script(parts, bodies.CAPTURE_PATH, cameras.tokens())
        found: dict[str, list[_Round]] = {"off": [], "on": []}
        began = hub.resident_kib()
        memory = [began]
        for _ in range(rounds):
            server.kill()
            _wait_off(hub)
            found["off"].append(_upload(hub, script, cameras.tokens(), seconds))
            memory.append(hub.resident_kib())
            server.start()
            _retry(hub)
            found["on"].append(_upload(hub, script, cameras.tokens(), seconds))
            left = [one["behind"] for one in _targets(hub)]
            memory.append(hub.resident_kib())
            off, on = (kib / 1024 for kib in memory[-2:])
            print(
                f"behind by {left}, memory {off:.0f} MB with the server off, {on:.0f} on",
                flush=True,
            )
        _retry(hub)
        started, behind = time.perf_counter(), sum(one["behind"] for one in _targets(hub))
        while any(one["behind"] for one in _targets(hub)):
            memory.append(hub.resident_kib())
            time.sleep(1)
        took = time.perf_counter() - started
        _print(found)
        print(f"afterwards {behind:,} records in {took:.0f} s: {behind / took:,.0f}/s")
        print(
            f"memory: {began / 1024:.0f} MB, at most {max(memory) / 1024:.0f} MB, "
            f"{hub.resident_kib() / 1024:.0f} MB at the end"
        )
        _check(server, hub)


def _print(found: dict[str, list[_Round]]) -> None:
    print(f"{'server':8}{'captures/s':>12}{'p50 ms':>10}{'p99 ms':>10}")
    for name, rounds in found.items():
        rate, p50, p99 = (
            statistics.median(getattr(one, field) for one in rounds)
            for field in _Round.__struct_fields__
        )
        print(f"{name:8}{rate:>12.1f}{p50:>10.1f}{p99:>10.1f}")


@contextmanager
def _hub_behind(folder: Path, server: NatsServer, records: int, small_cache: bool) -> Iterator[Hub]:
    """Yield a running hub with a week's records and targets that have none of them."""
    folder.mkdir()
    program = (sys.executable, "-m", "tests.fuzz.small_cache") if small_cache else ()
    hub = Hub(folder, tls=False, devices=_DEVICES, program=program, settings=_SETTINGS)
    with closing(sqlite3.connect(hub.data / "hub.sqlite", isolation_level=None)) as connection:
        fill(connection, records)
    for number in range(_TARGETS):
        words = ("--hub", f"bench-{number}", "--partition", str(number), "--name", str(number))
        hub.run(
            "target",
            "add",
            "nats",
            "--url",
            server.url,
            *words,
            "--from",
            "beginning",
            "--no-alarms",
        )
    try:
        hub.start()
        yield hub
    finally:
        hub.close()


def _upload(hub: Hub, script: str, tokens: list[str], seconds: float) -> _Round:
    rate = run_wrk(script, hub.web_port, False, 16, seconds).rate
    load = Load(HOST, hub.web_port, False, tokens, _CAPTURES, 0, seconds)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.steady_load"],
        input=msgspec.json.encode(load) + b"\n",
        stdout=subprocess.PIPE,
        check=True,
    )
    steady = msgspec.json.decode(done.stdout, type=LatencyResult)
    return _Round(rate, steady.p50, steady.p99)


def _targets(hub: Hub) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(hub.run("target", "list", "--json"))
    return found


def _retry(hub: Hub) -> None:
    """Let the targets try at once, rather than within a minute."""
    for number in range(_TARGETS):
        hub.run("target", "retry", str(number + 1))


def _wait_off(hub: Hub) -> None:
    """Wait until all targets know that the server is off."""
    while any(one["state"] != "waiting" for one in _targets(hub)):
        time.sleep(0.2)


def _check(server: NatsServer, hub: Hub) -> None:
    """Say whether each stream has as many records as the hub."""
    status = msgspec.json.decode(hub.run("status", "--json"))
    expected = status["records"]["last_seq"]
    for number in range(_TARGETS):
        info = server.ask(f"$JS.API.STREAM.INFO.SITEHUB_{number}")
        stored = info["state"]["messages"]  # type: ignore[index]
        print(f"stream {number}: {stored:,} of {expected:,} records")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=340_000)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--small-cache", action="store_true")
    asked = parser.parse_args()
    main(asked.records, asked.rounds, asked.seconds, asked.small_cache)
