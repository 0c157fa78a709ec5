"""Fuzz a real hub beside neighbours who must not notice it; print a table.

Cases are made from grammars, from the corpus of what was ever found, and by changing bytes of
both. The seed decides them; how they interleave is up to the machine. What is judged: answers (no
5xx that is not documented, valid JSON, in step with the requests), the hub's log (no traceback, no
line that fuzzing does not explain), its neighbours' heartbeats and acknowledged captures, and
whether its memory and its open files are flat. Exit status 1 if anything is found.

    python -m tests.fuzz --seconds 120                     all kinds
    python -m tests.fuzz frames requests --seed 7 --rate 50
    python -m tests.fuzz --replay FILE.json ...            cases of the corpus, or of --out

It needs Linux. Everything is in a temporary directory; with --out the findings stay.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import msgspec

from tests.bench.soak.trend import Trend, Watch, is_flat
from tests.fuzz import edges, frames, heads, mutation, uploads
from tests.fuzz.case import KINDS, Case, read_case, read_corpus, write_case
from tests.fuzz.hub import USERS, FuzzHub
from tests.fuzz.judges import Findings, Found, LogReader
from tests.fuzz.neighbours import Plan, Result
from tests.fuzz.requests import Requests, describe, read_forms, read_routes
from tests.fuzz.sending import Sender

_SETTLE_SECONDS = 6.0
_LOG_SECONDS = 0.5
_CORPUS_SHARE = 0.05
#: How often a camera sends that others remove meanwhile.
_FODDER_SHARE = 0.1
#: Of a case, in the table; --out writes all of it.
_SHOWN = 400
#: The threads that send each kind, which share the rate.
_WORKERS = {"frames": 3, "uploads": 2, "requests": 3, "heads": 2, "edges": 1}

Make = Callable[[Random], Case]


class Worker:
    """Makes and sends cases of one kind, in a thread of its own and from its own address."""

    def __init__(
        self, hub: FuzzHub, kind: str, number: int, make: Make, seed: int, share: float
    ) -> None:
        """`number`: of the worker. `share`: of the rate of all."""
        self.kind = kind
        self.share = share
        self.count = 0
        self.sender = Sender(hub, f"127.0.{number + 2}.1")
        self._hub = hub
        self._make = make
        self._rng = Random(f"{kind} {number} {seed}")
        # No two threads connect as the same device: each would end the other's connection.
        self._victims = hub.victims[number % 12 :: 12]
        self._corpus = [case for case in read_corpus().values() if case.kind == kind]

    def run(self, findings: Findings, until: float, rate: float) -> None:
        started = time.monotonic()
        while (now := time.monotonic()) < until and self._hub.is_alive():
            if (ahead := self.count / rate - (now - started)) > 0:
                time.sleep(min(ahead, 0.2))
                continue
            case = self._next()
            is_fodder = self._rng.random() < _FODDER_SHARE
            victim = self._rng.choice(self._hub.fodder if is_fodder else self._victims)
            self.count += 1
            findings.sent(case)
            try:
                problems = self.sender.send(case, victim)
            except Exception as error:  # A fault of the fuzz must not end it unseen.
                problems = [f"the fuzz itself, {case.label}: {error!r}"]
            for problem in problems:
                findings.add(problem, case, self.sender.reply)
        self.sender.close()

    def _next(self) -> Case:
        if not self._corpus or self._rng.random() > _CORPUS_SHARE:
            return self._make(self._rng)
        known = self._rng.choice(self._corpus)
        if not known.data or known.kind == "requests":
            return known
        data = mutation.flip(self._rng, known.data.encode("latin-1"), most=2)
        return msgspec.structs.replace(known, data=data.decode("latin-1"), answers=None, canary="")


class Fuzz:
    """One run in a directory."""

    def __init__(self, directory: Path, kinds: Sequence[str], seed: int, *, tls: bool) -> None:
        self.hub = FuzzHub(directory, tls=tls)
        self.findings = Findings()
        self._kinds = kinds
        self._seed = seed

    def run(self, seconds: float, rate: float) -> None:
        hub = self.hub
        hub.prepare()
        hub.start()
        workers = self._workers()
        neighbours = start_neighbours(hub)
        time.sleep(2)
        self.log = LogReader(hub.log_file)
        watch = Watch(hub)
        self.first = hub.resources() or (0, 0)
        until = time.monotonic() + seconds
        threads = [
            threading.Thread(
                target=worker.run,
                args=(self.findings, until, rate * worker.share),
                daemon=True,
            )
            for worker in workers
        ]
        for thread in threads:
            thread.start()
        while time.monotonic() < until and hub.is_alive():
            time.sleep(_LOG_SECONDS)
            self._read_log()
        for thread in threads:
            thread.join(60)
        watch.stop()
        time.sleep(_SETTLE_SECONDS)
        self._read_log()
        self.last = hub.resources() or (0, 0)
        self.neighbours = end_neighbours(neighbours)
        self.workers = workers
        self.memory, self.files = watch.trends()
        self._judge_all()

    def _workers(self) -> list[Worker]:
        makers: dict[str, Make] = {
            "frames": frames.make,
            "uploads": uploads.make,
            "heads": heads.make,
            "edges": edges.make,
        }
        if "requests" in self._kinds:
            makers["requests"] = make_requests(self.hub).make
        kinds = [kind for kind in self._kinds for _ in range(_WORKERS[kind])]
        return [
            Worker(self.hub, kind, number, makers[kind], self._seed, 1 / len(kinds))
            for number, kind in enumerate(kinds)
        ]

    def _read_log(self) -> None:
        for line in self.log.read():
            self.findings.add(line)

    def _judge_all(self) -> None:
        if not self.hub.is_alive():
            self.findings.add("the hub is dead")
        elif status := self.hub.stop():
            self.findings.add(f"the hub ended with status {status}")
        for text, count in self.neighbours.failures.items():
            for _ in range(count):
                self.findings.add(f"a neighbour: {text}")
        if not is_flat(self.memory, self.files):
            self.findings.add("memory or open files are not flat")


def make_requests(hub: FuzzHub) -> Requests:
    routes = read_routes()
    with hub.client() as client:
        document = client.get("/openapi.json", headers={"Authorization": hub.bearer}).json()
    described = describe(routes, document, read_forms(hub, routes))
    keys = [one.split()[-1].partition(":")[0] for one in (hub.bearer, hub.reader)]
    return Requests(described, {hub.dids[one.sn]: one for one in hub.fodder}, (*USERS, *keys))


def start_neighbours(hub: FuzzHub) -> subprocess.Popen[bytes]:
    plan = Plan(
        hub.url,
        hub.ports["device"],
        {hub.dids[one.sn]: one for one in hub.neighbours},
        hub.session("vic")[0],
        hub.bearer,
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.fuzz.neighbours"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(plan) + b"\n")
    process.stdin.flush()
    return process


def end_neighbours(process: subprocess.Popen[bytes]) -> Result:
    output, _ = process.communicate(timeout=60)
    return msgspec.json.decode(output, type=Result)


def print_table(fuzz: Fuzz, seed: int, seconds: float) -> None:
    rows: list[tuple[str, object]] = []
    for kind in dict.fromkeys(worker.kind for worker in fuzz.workers):
        workers = [worker for worker in fuzz.workers if worker.kind == kind]
        statuses: Counter[int] = Counter()
        for worker in workers:
            statuses.update(worker.sender.statuses)
        answers = sum(worker.sender.answers for worker in workers)
        rows.append((f"cases: {kind}", f"{sum(one.count for one in workers)}, answers {answers}"))
        if statuses:
            told = ", ".join(f"{status}: {count}" for status, count in sorted(statuses.items()))
            rows.append((f"  {kind} by status", told))
    for name, times in fuzz.neighbours.times.items():
        text = f"{times.count}, p50 {times.p50:.0f} ms, p99 {times.p99:.0f} ms"
        rows.append((f"neighbours: {name}", f"{text}, worst {times.worst:.0f} ms"))
    rows.append(("neighbours: failures", sum(fuzz.neighbours.failures.values())))
    rows.append(("memory, start and end", _span(fuzz.first[0], fuzz.last[0], 1024, "MiB")))
    rows.append(("  after the warm-up", _trend(fuzz.memory, 1024, "MiB")))
    rows.append(("open files, start and end", _span(fuzz.first[1], fuzz.last[1], 1, "")))
    rows.append(("  after the warm-up", _trend(fuzz.files, 1, "")))
    rows.append(("lines of the log", f"{fuzz.log.lines}: {dict(fuzz.log.levels)}"))
    rows.append(("kinds of findings", len(fuzz.findings.by_kind)))
    print(f"seed {seed}, {seconds:.0f} s, {'TLS' if fuzz.hub.tls else 'plain'}")
    for name, value in rows:
        print(f"{name:32}{value}")
    for found in sorted(fuzz.findings.by_kind.values(), key=lambda one: -one.count):
        print(f"FOUND, {found.count} times: {found.kind}")
        if found.case is not None:
            print(f"    {msgspec.json.encode(found.case).decode()[:_SHOWN]}")


def _span(first: int, last: int, unit: int, name: str) -> str:
    return f"{first / unit:.0f} -> {last / unit:.0f} {name}".rstrip()


def _trend(trend: Trend, unit: int, name: str) -> str:
    return f"mean {trend.mean / unit:.0f}, gained {trend.gain / unit:+.1f} {name}".rstrip()


def write_findings(found: Sequence[Found], directory: Path) -> None:
    """Write the first case of each kind, and what was sent before it, for --replay."""
    directory.mkdir(parents=True, exist_ok=True)
    for number, one in enumerate(found):
        name = re.sub(r"[^\w]+", "-", one.kind).strip("-").lower()[:60]
        if one.case is not None:
            note = f"{one.kind} | {one.reply}"
            case = msgspec.structs.replace(one.case, note=note)
            write_case(case, directory / f"{number:02}-{name}.json")
        else:
            for place, case in enumerate(one.before):
                write_case(case, directory / f"{number:02}-{name}-before-{place:02}.json")


def replay(paths: Sequence[Path], *, tls: bool) -> int:
    """Send cases one at a time; print what each is judged to be. Return the exit status."""
    status = 0
    with tempfile.TemporaryDirectory(prefix="sitehub-fuzz-") as directory:
        hub = FuzzHub(Path(directory), tls=tls)
        try:
            hub.prepare()
            hub.start()
            log = LogReader(hub.log_file)
            log.read()
            for path in paths:
                sender = Sender(hub, "127.0.9.1")
                problems = sender.send(read_case(path))
                sender.close()
                time.sleep(0.3)
                problems += log.read()
                print(f"{path.name}: {'; '.join(problems) or 'good'} {sender.reply[:100]!r}")
                status |= bool(problems)
        finally:
            hub.close()
    return status


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"default: {', '.join(KINDS)}")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--rate", type=float, default=200, help="cases per second, default: 200")
    parser.add_argument(
        "--plain", action="store_true", help="no TLS on the hub's ports: more cases per second"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write what is found there")
    parser.add_argument("--replay", nargs="+", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if unknown := set(arguments.kinds) - set(KINDS):
        parser.error(f"unknown kind: {', '.join(sorted(unknown))}")
    return arguments


def main() -> int:
    arguments = _parse_arguments()
    if arguments.replay:
        return replay(arguments.replay, tls=not arguments.plain)
    directory = Path(tempfile.mkdtemp(prefix="sitehub-fuzz-"))
    fuzz = Fuzz(directory, arguments.kinds or KINDS, arguments.seed, tls=not arguments.plain)
    try:
        fuzz.run(arguments.seconds, arguments.rate)
    finally:
        fuzz.hub.close()
    print_table(fuzz, arguments.seed, arguments.seconds)
    found = list(fuzz.findings.by_kind.values())
    if found and arguments.out:
        write_findings(found, arguments.out)
        shutil.copy(fuzz.hub.log_file, arguments.out / "hub.log")
    shutil.rmtree(directory)
    print("NOT GOOD" if found else "good")
    return 1 if found else 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
