"""The figures of the hub, measured: `python -m tests.bench` prints a table and JSON.

A real hub in a temporary directory, and the load beside it on the same machine. Nothing is
asserted: machines differ, and are noisy. `--help` tells what can be chosen.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from tests.bench import bodies
from tests.bench.downloads import Downloaded, downloading, give_firmware
from tests.bench.enrolment import accept_to_first_capture
from tests.bench.hubprocess import HOST, cameras_of, raise_limit_of_open_files, running_hub
from tests.bench.steady import Acknowledged, Load
from tests.bench.wrk import Wrk, run_wrk, run_wrk_on_nothing

_SENDERS = 200
_CONNECTED = 1000
_ASKING = 32
#: As many as may at a time.
_DOWNLOADING = 10
_TURNS = 4
_SETTLE_SECONDS = 1.0


class Reading(msgspec.Struct):
    """One number of the table. `reach`: what the issue asks for."""

    figure: str
    tls: bool
    value: float
    unit: str
    reach: str
    note: str = ""


class CommandQueue:
    """Several runs of wrk, taken together: a busy machine is not as fast in each of them."""

    def __init__(self) -> None:
        self.runs: list[Wrk] = []
        self.downloaded: list[Downloaded] = []

    def add(self, run: Wrk) -> None:
        self.runs.append(run)

    @property
    def rate(self) -> float:
        return (
            sum(run.requests for run in self.runs)
            / sum(run.microseconds for run in self.runs)
            * 1e6
        )

    @property
    def megabytes_a_second(self) -> float:
        seconds = sum(one.seconds for one in self.downloaded)
        return sum(one.bytes for one in self.downloaded) / seconds / 1e6


class Choice(msgspec.Struct):
    tls: bool
    seconds: float


def captures(choice: Choice) -> Iterator[Reading]:
    """Durable captures a second, beside the same requests to an application that does nothing."""
    reach = ">= 650" if choice.tls else ">= 850"
    bare = {count: run_wrk_on_nothing(choice.tls, count, choice.seconds) for count in (16, 64)}
    with running_hub(tls=choice.tls, devices=_SENDERS) as hub, cameras_of(hub, _SENDERS) as cameras:
        cameras.connect()
        script = bodies.wrk_script(
            bodies.capture_parts(int(time.time())), bodies.CAPTURE_PATH, cameras.tokens()
        )
        for connections, empty in bare.items():
            before = hub.cpu_seconds()
            found = run_wrk(script, hub.web_port, choice.tls, connections, choice.seconds)
            cpu = (hub.cpu_seconds() - before) / found.requests
            yield Reading(
                f"captures/s, {connections} connections",
                choice.tls,
                found.rate,
                "/s",
                reach,
                f"{found.rate / empty.rate:.0%} of the {empty.rate:,.0f}/s of an empty application;"
                f" p99 {found.p99 / 1000:.0f} ms, {found.errors} errors,"
                f" {cpu * 1e6:,.0f} us of the hub's CPU each",
            )


def latency(choice: Choice) -> Iterator[Reading]:
    """p99 of an acknowledgement at 40 captures/s and 10 events/s from 200 devices."""
    with running_hub(tls=choice.tls, devices=_SENDERS) as hub, cameras_of(hub, _SENDERS) as cameras:
        cameras.connect()
        load = Load(
            HOST, hub.web_port, choice.tls, cameras.tokens(), 40, 10, max(choice.seconds, 10)
        )
        answer = subprocess.run(
            [sys.executable, "-m", "tests.bench.steady"],
            input=msgspec.json.encode(load) + b"\n",
            stdout=subprocess.PIPE,
            check=True,
        )
        found = msgspec.json.decode(answer.stdout, type=Acknowledged)
        yield Reading(
            "p99 of an acknowledgement",
            choice.tls,
            found.p99,
            "ms",
            "<= 19" if choice.tls else "<= 12",
            f"{found.count} uploads, {found.failed} failed, p50 {found.p50:.1f} ms,"
            f" worst {found.worst:.1f} ms",
        )


def cameras(choice: Choice) -> Iterator[Reading]:
    """A thousand cameras at once: until all are in, their heartbeats, and the memory of each."""
    with running_hub(tls=choice.tls, devices=_CONNECTED) as hub:
        time.sleep(_SETTLE_SECONDS)
        before = hub.resident_kib()
        with cameras_of(hub, _CONNECTED) as crowd:
            used = hub.cpu_seconds()
            connected = crowd.connect()
            used = hub.cpu_seconds() - used
            yield Reading(
                "1,000 connect at once, until all have a token",
                choice.tls,
                connected.seconds,
                "s",
                "<= 2.0" if choice.tls else "<= 1.0",
                f"{connected.failed} failed, {used:.2f} s of the hub's CPU",
            )
            time.sleep(_SETTLE_SECONDS)
            yield Reading(
                "memory per connected camera",
                choice.tls,
                (hub.resident_kib() - before) / _CONNECTED,
                "KiB",
                "<= 70" if choice.tls else "<= 40",
            )
            used = hub.cpu_seconds()
            beaten = crowd.beat(choice.seconds)
            used = (hub.cpu_seconds() - used) / beaten.beats
            yield Reading(
                "heartbeats/s, 1,000 connected",
                choice.tls,
                beaten.beats / beaten.seconds,
                "/s",
                ">= 4,500" if choice.tls else ">= 7,000",
                f"{used * 1e6:,.0f} us of the hub's CPU each",
            )


def commands(choice: Choice) -> Iterator[Reading]:
    """Commands a second to devices that answer at once, asked for by API."""
    with running_hub(tls=choice.tls, devices=_SENDERS) as hub, cameras_of(hub, _SENDERS) as cameras:
        cameras.connect()
        dids = [one.did for one in hub.identities]
        script = bodies.wrk_commands_script(dids, hub.bearer())
        cameras.start_answering(choice.seconds + _SETTLE_SECONDS)
        before = hub.cpu_seconds()
        found = run_wrk(script, hub.web_port, choice.tls, _ASKING, choice.seconds)
        cpu = (hub.cpu_seconds() - before) / found.requests
        cameras.answered()
        yield Reading(
            f"commands/s, {_SENDERS} devices, {_ASKING} at a time",
            choice.tls,
            found.rate,
            "/s",
            "" if choice.tls else ">= 5,000",
            f"p50 {found.p50 / 1000:.1f} ms, p99 {found.p99 / 1000:.1f} ms, {found.errors} errors,"
            f" {cpu * 1e6:,.0f} us of the hub's CPU each",
        )


def downloads(choice: Choice) -> Iterator[Reading]:
    """Captures a second while devices download firmware, beside the same without them."""
    with running_hub(tls=choice.tls, devices=_SENDERS) as hub, cameras_of(hub, _SENDERS) as cameras:
        cameras.connect()
        tokens = cameras.tokens()
        give_firmware(hub, [one.did for one in hub.identities[:_DOWNLOADING]])
        parts = bodies.capture_parts(int(time.time()))
        script = bodies.wrk_script(parts, bodies.CAPTURE_PATH, tokens)
        alone, beside = CommandQueue(), CommandQueue()
        for _ in range(_TURNS):
            alone.add(run_wrk(script, hub.web_port, choice.tls, 16, choice.seconds))
            with downloading(hub, tokens[:_DOWNLOADING]) as done:
                beside.add(run_wrk(script, hub.web_port, choice.tls, 16, choice.seconds))
            beside.downloaded += done
        yield Reading(
            f"captures/s while {_DOWNLOADING} download firmware",
            choice.tls,
            beside.rate,
            "/s",
            f">= {alone.rate * 0.9:,.0f}",
            f"{beside.rate / alone.rate - 1:+.0%} of the {alone.rate:,.0f}/s without them,"
            f" in {_TURNS} turns each; {beside.megabytes_a_second:.1f} MB/s of firmware,"
            f" {sum(one.broken for one in beside.downloaded)} downloads broken",
        )


def accept(choice: Choice) -> Iterator[Reading]:
    """From the click on "accept" to the camera's first capture on the page."""
    with running_hub(tls=choice.tls, devices=1) as hub:
        yield Reading(
            "from accept to the first capture on the page",
            choice.tls,
            accept_to_first_capture(hub) * 1000,
            "ms",
            "",
            "the camera's own time, with two signatures, is in it",
        )


def start(choice: Choice) -> Iterator[Reading]:
    """The second start, until /healthz answers."""
    with running_hub(tls=choice.tls, devices=_SENDERS) as hub:
        hub.stop()
        yield Reading("second start until /healthz", choice.tls, hub.start(), "s", "<= 1.0")


FIGURES: dict[str, Callable[[Choice], Iterator[Reading]]] = {
    "captures": captures,
    "latency": latency,
    "cameras": cameras,
    "commands": commands,
    "accept": accept,
    "downloads": downloads,
    "start": start,
}


def _show(readings: list[Reading]) -> None:
    rows = [("figure", "", "measured", "reach", "")]
    rows += [
        (
            reading.figure,
            "TLS" if reading.tls else "plain",
            f"{reading.value:,.{0 if reading.value >= 100 else 2}f} {reading.unit}",
            reading.reach,
            reading.note,
        )
        for reading in readings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)]
        print("  ".join([*cells, row[4]]).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument(
        "figures", nargs="*", metavar="FIGURE", help=f"{', '.join(FIGURES)}; all of them by default"
    )
    parser.add_argument("--seconds", type=float, default=5, help="of each load (5)")
    parser.add_argument("--only", choices=["plain", "tls"], help="one of the two")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    unknown = set(options.figures) - set(FIGURES)
    if unknown:
        parser.error(f"unknown figure: {', '.join(unknown)}")
    raise_limit_of_open_files()
    busy = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    readings: list[Reading] = []
    for name in options.figures or FIGURES:
        if name in ("captures", "commands", "downloads") and shutil.which("wrk") is None:
            print(f"{name}: skipped, wrk is not installed", file=sys.stderr)
            continue
        for tls in (False, True):
            if options.only in (None, "tls" if tls else "plain"):
                print(f"{name}, {'TLS' if tls else 'plain'} ...", file=sys.stderr)
                readings += FIGURES[name](Choice(tls, options.seconds))
    _show(readings)
    report = {
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": busy,
        "readings": readings,
    }
    text = msgspec.json.format(msgspec.json.encode(report))
    print(text.decode())
    if options.json:
        options.json.write_bytes(text)


if __name__ == "__main__":
    main()
