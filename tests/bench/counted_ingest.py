"""Measure what counts and indexes of records cost an upload.

    python -m tests.bench.counted_ingest [--rounds 8] [--seconds 3]

Hubs take captures of 220 KB from 64 cameras in turns, 16 at a time: one without the counts and the
indexes of a camera's type, category and term, one with only the counts, one with only the indexes,
one with both. CPU is that of the hub for each capture, in the median of the rounds: a busy machine
changes it less than captures per second.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager

from tests.bench import bodies
from tests.bench.hub_process import Hub, cameras_of, running_hub
from tests.bench.wrk import run_wrk

_DEVICES = 64
_NO_COUNTS = tuple(f"DROP TRIGGER record_{name}" for name in ("counted", "uncounted", "recounted"))
_NO_INDEXES = tuple(f"DROP INDEX record_did_{name}" for name in ("type", "category", "term"))
_KINDS = {
    "neither": (*_NO_COUNTS, *_NO_INDEXES),
    "counts": _NO_INDEXES,
    "indexes": _NO_COUNTS,
    "both": (),
}


class Runs:
    """A hub of one kind, and what its rounds took."""

    def __init__(self, hub: Hub, script: str) -> None:
        self._hub = hub
        self._script = script
        #: µs of CPU for each capture, and captures per second, in each round.
        self.cpu: list[float] = []
        self.rates: list[float] = []

    def add(self, seconds: float) -> None:
        before = self._hub.cpu_seconds()
        found = run_wrk(self._script, self._hub.web_port, False, 16, seconds)
        self.cpu.append((self._hub.cpu_seconds() - before) / found.requests * 1e6)
        self.rates.append(found.rate)


@contextmanager
def hub_without(statements: Sequence[str]) -> Iterator[Runs]:
    with running_hub(tls=False, devices=_DEVICES) as hub, cameras_of(hub, _DEVICES) as cameras:
        cameras.connect()
        with closing(sqlite3.connect(hub.data / "hub.sqlite", isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)
        parts = bodies.capture_parts(int(time.time()), category=1)
        yield Runs(hub, bodies.wrk_script(parts, bodies.CAPTURE_PATH, cameras.tokens()))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=8)
    arguments.add_argument("--seconds", type=float, default=3.0)
    given = arguments.parse_args()
    with ExitStack() as stack:
        kinds = {
            name: stack.enter_context(hub_without(statements))
            for name, statements in _KINDS.items()
        }
        for number in range(given.rounds + 1):
            for runs in list(kinds.values())[:: 1 if number % 2 else -1]:
                runs.add(given.seconds)
        base = statistics.median(kinds["neither"].cpu[1:])
        for name, runs in kinds.items():
            cpu, rate = (statistics.median(one[1:]) for one in (runs.cpu, runs.rates))
            print(f"{name:8} {cpu:7.0f} µs of CPU ({cpu / base - 1:+.1%})   {rate:7.0f} captures/s")


if __name__ == "__main__":
    main()
