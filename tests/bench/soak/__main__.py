"""A compressed stretch of years: a hub with everything that happens to it, 60 times as fast.

64 simulated cameras with faults upload; programs follow the record log, read records and pictures;
an administrator goes from page to page; people are added and deleted at cameras; backups are made.
Meanwhile the hub is restarted, killed, switched off for hours and days, its clock is set, its
certificate is renewed, nights pass, days are dropped, its disk hangs for 40 s, and people change
whom cameras know, which plates are watched, and where records go (`changes`). See `clock` for which
clocks are fast.

At the end: is every upload that was answered 200 there, once, with its pictures (or was its day
dropped, as the log says)? Did each reader see every record? Has each change all of its effects,
or none? Is memory flat, and the number of open files? Is every line of the log explained? Exit
status 1 if not.

    python -m tests.bench.soak --minutes 30        64 cameras; the last quarter without a restart
    python -m tests.bench.soak --short             12 cameras, three minutes; part of .ci/run

It needs Linux, libfaketime and a C compiler. Everything is in a temporary directory, which stays
where it is if the verdict is bad.
"""

from __future__ import annotations

import argparse
import math
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from hub.simulator.identity import make_cameras
from tests.bench.soak import changes
from tests.bench.soak.actors import Actors, back_up
from tests.bench.soak.cameras import Plan
from tests.bench.soak.check import Found, check, read_acknowledged
from tests.bench.soak.clock import SoakClock
from tests.bench.soak.events import QUIET_SHARE, Event, events_of
from tests.bench.soak.hub import HOST, SoakHub, make_old_certificates
from tests.bench.soak.logs import LogSummary, read_log
from tests.bench.soak.trend import Trend, Watch, is_flat
from tests.e2e.faulty_disk import FLUSH, FaultyDisk, compile_library
from tests.support.ports import free_port

_RATE = 60.0
#: A Monday, soon before the hour of the nightly work, so that even a short soak has a night.
_START = datetime(2026, 3, 2, 2, 0, tzinfo=UTC).timestamp()
#: Until the certificate is due: three quarters of an hour of the site.
_RENEWAL_SECONDS = 2700
_ADMINISTRATOR = ("soak", "a soak of many days")
_BYTES_PER_UPLOAD = 15_000


class Options(Struct):
    seconds: float
    cameras: int
    rate: float
    seed: int
    backup_seconds: float


class Outcome(Struct):
    found: Found
    #: Of the last part, which no event disturbs.
    acknowledged_at_last: int
    log: LogSummary
    memory: Trend
    files: Trend
    clock_steps: int
    nights: int
    backups: tuple[int, int]
    unexpected: dict[str, int]
    refused: list[str]
    #: What does not follow from what people asked for.
    undone: list[str]
    #: Kinds of changes, and how they were answered.
    changes: list[tuple[str, str]]

    def is_good(self, hub: SoakHub) -> bool:
        return (
            self.found.is_good
            and self.acknowledged_at_last > 0
            and is_flat(self.memory, self.files)
            and not self.log.unexplained
            and not self.unexpected
            and not self.refused
            and not self.undone
            and not hub.bad_ends
            and self.backups[0] == self.backups[1]
        )


class Soak:
    """One run in a directory."""

    def __init__(self, directory: Path, options: Options) -> None:
        self._directory = directory
        self._options = options
        self._ports = (free_port(), free_port())
        self.hub_clock = SoakClock(_made(directory / "hub-clock"), start=_START, rate=_RATE)
        self.camera_clock = SoakClock(_made(directory / "camera-clock"), start=_START, rate=_RATE)
        volume_gb = options.rate * options.seconds * _BYTES_PER_UPLOAD / 1e9
        self._disk = FaultyDisk(compile_library(directory), directory)
        self.hub = SoakHub(
            directory,
            self.hub_clock,
            self._ports,
            (f"store.max_gb={max(0.001, volume_gb * 0.6):.4f}", "store.keep_days=3"),
            self._disk,
        )
        self._steps = 0
        self._backups = [0, 0]
        self._acknowledged = directory / "acknowledged"
        self._acknowledged_before = 0

    def run(self) -> Outcome:
        hub, options = self.hub, self._options
        enrolled = make_cameras(options.cameras + changes.CAMERAS, options.seed)
        enrolled = hub.enrol(self._directory, enrolled)
        cameras, others = enrolled[: options.cameras], enrolled[options.cameras :]
        hub.add_administrator(*_ADMINISTRATOR)
        key = hub.add_api_key()
        actors = Actors(hub, key, [one.did or "" for one in cameras], options.seed)
        make_old_certificates(
            self._directory, self.hub_clock.now(), _RATE, self._ports, _RENEWAL_SECONDS
        )
        hub.start()
        site_cameras = changes.SiteCameras(hub, others, self.camera_clock.now)
        people = changes.Changes(hub, key, site_cameras, options.seed)
        watch = Watch(hub)
        file = str(self._acknowledged)
        plan = Plan(HOST, *self._ports, list(cameras), options.rate, options.seed, file)
        refused = self._directory / "refused"
        with refused.open("wb") as errors:
            fleet = subprocess.Popen(
                [sys.executable, "-m", "tests.bench.soak.cameras"],
                stdin=subprocess.PIPE,
                stderr=errors,
                env=self.camera_clock.environment(),
            )
        try:
            assert fleet.stdin is not None
            fleet.stdin.write(msgspec.json.encode(plan))
            fleet.stdin.close()
            is_long = options.cameras > 32
            actors.start(
                streams=3 if is_long else 2, pages=2 if is_long else 1, api=2, login=_ADMINISTRATOR
            )
            with people.running():
                self._pass_time()
        finally:
            fleet.kill()
            fleet.wait()
        watch.stop()
        undone = people.check()
        self._let_readers_catch_up(actors)
        acknowledged = read_acknowledged(self._acknowledged)
        with actors.api_client() as api:
            found = check(
                api,
                acknowledged,
                actors.readers,
                lambda: read_log(hub.log_file).dropped,
            )
        actors.stop()
        hub.stop()
        return Outcome(
            found,
            len(acknowledged) - self._acknowledged_before,
            read_log(hub.log_file),
            *watch.trends(),
            clock_steps=self._steps,
            nights=_nights(_START, self.hub_clock.now()),
            backups=(self._backups[0], self._backups[1]),
            unexpected=dict(actors.unexpected),
            refused=refused.read_text("utf-8", "replace").splitlines(),
            undone=undone,
            changes=list(people.table()),
        )

    def _pass_time(self) -> None:
        options = self._options
        events = events_of(options.seconds, random.Random(options.seed))
        started = time.monotonic()
        next_backup = options.backup_seconds / 2
        quiet_at = options.seconds * (1 - QUIET_SHARE)
        while (passed := time.monotonic() - started) < options.seconds:
            if events and events[0].at <= passed:
                self._carry_out(events.pop(0))
            if quiet_at <= passed:
                quiet_at = math.inf
                self._acknowledged_before = len(read_acknowledged(self._acknowledged))
            if next_backup <= passed:
                next_backup += options.backup_seconds
                self._backups[1] += 1
                self._backups[0] += back_up(self.hub, self._directory / "site.backup")
            time.sleep(0.2)

    def _carry_out(self, event: Event) -> None:
        print(f"{event.at:6.0f} s  {event.kind} {event.seconds or ''}", file=sys.stderr, flush=True)
        if event.kind == "step":
            self._steps += 1
            self.hub_clock.step(event.seconds)
            return
        if event.kind == "hang":
            self._disk.hang(FLUSH, "-wal")
            time.sleep(event.seconds)
            self._disk.work()
            return
        if event.kind == "kill":
            self.hub.kill()
        else:
            self.hub.stop()
        if event.kind == "off":
            # Nobody is there for so long: neither the hub nor its cameras.
            self.hub_clock.step(event.seconds)
            self.camera_clock.step(event.seconds)
        self.hub.start()

    def _let_readers_catch_up(self, actors: Actors) -> None:
        deadline = time.monotonic() + 60
        last = -1
        while time.monotonic() < deadline:
            seqs = [reader.last for reader in actors.readers]
            if min(seqs) == max(seqs) == last:
                return
            last = max(seqs)
            time.sleep(2)


def _made(path: Path) -> Path:
    path.mkdir()
    return path


def _nights(start: float, end: float) -> int:
    """The number of times that it was 3:00 from start to end."""
    return int((end - 3 * 3600) // 86_400) - int((start - 3 * 3600) // 86_400)


def _print_table(hub: SoakHub, outcome: Outcome, options: Options) -> None:
    found, memory, files = outcome.found, outcome.memory, outcome.files
    rows = [
        ("acknowledged uploads", found.acknowledged),
        ("  in the last part, without events", outcome.acknowledged_at_last),
        ("  found, whole", found.found - found.not_whole),
        ("  dropped with their day", found.dropped),
        ("  lost", found.lost),
        ("  doubled", found.doubled),
        ("  without a picture that was sent", found.not_whole),
        ("records missed by readers of the stream", found.missed),
        ("numbers out of order in the stream", found.disorders),
        ("ends by SIGTERM / with another status than 0", f"{hub.stops} / {len(hub.bad_ends)}"),
        ("ends by kill -9", hub.kills),
        ("starts", hub.starts),
        ("steps of the running hub's clock", outcome.clock_steps),
        ("nights", outcome.nights),
        ("days dropped", len(outcome.log.dropped)),
        ("certificates renewed", outcome.log.renewals),
        ("backups by command, good / made", "{} / {}".format(*outcome.backups)),
        ("backups by themselves", outcome.log.nightly_backups),
        ("memory in the longest life", f"{memory.mean / 1024:.0f} MiB"),
        (f"  gained in its last {memory.seconds:.0f} s", f"{memory.gain / 1024:+.1f} MiB"),
        ("open files in the longest life", f"{files.mean:.0f}"),
        (f"  gained in its last {files.seconds:.0f} s", f"{files.gain:+.1f}"),
        ("flat", "yes" if is_flat(memory, files) else "NO"),
        ("lines of the log", outcome.log.lines),
        ("  unexplained", sum(outcome.log.unexplained.values())),
    ]
    print(f"seed {options.seed}, {options.cameras} cameras, {options.seconds:.0f} s")
    for name, value in rows:
        print(f"{name:48}{value:>12}")
    for text, count in outcome.log.unexplained.most_common(40):
        print(f"unexplained, {count} times: {text}")
    for text, count in outcome.unexpected.items():
        print(f"unexpected answer, {count} times: {text}")
    for name, answers in outcome.changes:
        print(f"changes of {name}: {answers}")
    for line in (outcome.undone + outcome.refused + found.examples)[:40]:
        print(line)
    for status in hub.bad_ends:
        print(f"an end with status {status}")


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=30, help="default: 30; at most 60")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true", help="two minutes with 12 cameras")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="work in this new directory")
    return parser.parse_args()


def main() -> int:
    arguments = _parse_arguments()
    if arguments.short:
        options = Options(170, 12, 3.0, arguments.seed, 80)
    else:
        options = Options(min(arguments.minutes, 60) * 60, 64, 3.0, arguments.seed, 120)
    directory: Path = arguments.keep or Path(tempfile.mkdtemp(prefix="sitehub-soak-"))
    directory.mkdir(exist_ok=True)
    soak = Soak(directory, options)
    try:
        outcome = soak.run()
    finally:
        soak.hub.kill()
    _print_table(soak.hub, outcome, options)
    is_good = outcome.is_good(soak.hub)
    print("good" if is_good else f"NOT GOOD: see {directory}")
    if is_good and arguments.keep is None:
        shutil.rmtree(directory)
    return 0 if is_good else 1


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
