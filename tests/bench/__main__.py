"""Measure the performance of a real hub; print a table and JSON.

The hub runs in a temporary directory, and the load on the same machine. Nothing is asserted, since
machines differ and results vary from run to run. Compare only results of one machine.
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

import httpx
import msgspec
import trio

from tests.bench import bodies
from tests.bench.attacks.sign_in_flood import Browser
from tests.bench.downloads import DownloadResult, downloading, start_campaigns
from tests.bench.enrolment import accept_to_first_capture
from tests.bench.hub_process import HOST, Hub, cameras_of, raise_limit_of_open_files, running_hub
from tests.bench.steady_load import LatencyResult, Load
from tests.bench.stream_readers import Readers, reading
from tests.bench.wrk import WrkResult, run_wrk, run_wrk_on_empty_app

_DEVICES = 200
_READERS = 200
_MANY_DEVICES = 1000
_CONCURRENT_COMMANDS = 32
#: The number of downloads that the hub allows at once.
_DOWNLOADING = 10
_ROUNDS = 4
#: Short enough for the room for alarms.
_ALARM_SECONDS = 2.0
_ALARM_ROUNDS = 8
_SETTLE_SECONDS = 1.0
#: A load before the one that counts.
_WARM_SECONDS = 2.0


class Reading(msgspec.Struct):
    """One line of the table. `target` is the value to reach, as text."""

    figure: str
    tls: bool
    value: float
    unit: str
    target: str
    note: str = ""


class RepeatedRuns:
    """The sum of several runs of wrk, since the speed of a busy machine varies."""

    def __init__(self) -> None:
        self.runs: list[WrkResult] = []
        self.downloads: list[DownloadResult] = []

    def add(self, run: WrkResult) -> None:
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
        seconds = sum(one.seconds for one in self.downloads)
        return sum(one.bytes for one in self.downloads) / seconds / 1e6


class Options(msgspec.Struct):
    tls: bool
    seconds: float


def captures(options: Options) -> Iterator[Reading]:
    """Durable captures per second, compared with an application that does nothing."""
    target = ">= 650" if options.tls else ">= 850"
    bare = {count: run_wrk_on_empty_app(options.tls, count, options.seconds) for count in (16, 64)}
    with (
        running_hub(tls=options.tls, devices=_DEVICES) as hub,
        cameras_of(hub, _DEVICES) as cameras,
    ):
        cameras.connect()
        script = bodies.wrk_script(
            bodies.capture_parts(int(time.time())), bodies.CAPTURE_PATH, cameras.tokens()
        )
        for connections, empty in bare.items():
            before = hub.cpu_seconds()
            found = run_wrk(script, hub.web_port, options.tls, connections, options.seconds)
            cpu = (hub.cpu_seconds() - before) / found.requests
            yield Reading(
                f"captures/s, {connections} connections",
                options.tls,
                found.rate,
                "/s",
                target,
                f"{found.rate / empty.rate:.0%} of the {empty.rate:,.0f}/s of an empty application;"
                f" p99 {found.p99 / 1000:.0f} ms, {found.errors} errors,"
                f" {cpu * 1e6:,.0f} us of the hub's CPU each",
            )


def latency(options: Options) -> Iterator[Reading]:
    """Latency of acknowledgements (p50, p99) at 40 captures/s and 10 events/s from 200 devices."""
    with (
        running_hub(tls=options.tls, devices=_DEVICES) as hub,
        cameras_of(hub, _DEVICES) as cameras,
    ):
        cameras.connect()
        found = _acknowledged(options, hub, cameras.tokens())
        yield Reading(
            "p99 of an acknowledgement",
            options.tls,
            found.p99,
            "ms",
            "<= 19" if options.tls else "<= 12",
            f"{found.count} uploads, {found.failed} failed, p50 {found.p50:.1f} ms,"
            f" worst {found.worst:.1f} ms",
        )


def readers(options: Options) -> Iterator[Reading]:
    """The same latency while 1 and 200 programs read the stream, and as many live pages."""
    with (
        running_hub(tls=options.tls, devices=_DEVICES) as hub,
        cameras_of(hub, _DEVICES) as cameras,
    ):
        cameras.connect()
        tokens = cameras.tokens()
        browser = Browser(hub.web_port, options.tls, HOST)
        if trio.run(browser.sign_in, *hub.administrator()) != 303:
            raise SystemExit("the administrator cannot sign in")
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        streams = [
            ("/api/hub/v1/stream", {"Authorization": hub.bearer()}),
            ("/stream", {"Cookie": cookies}),
        ]
        alone = None
        for count in (1, _READERS):
            with reading(Readers(hub.web_port, options.tls, count, streams)) as wait:
                before, began = hub.cpu_seconds(), time.monotonic()
                found = _acknowledged(options, hub, tokens)
                got = wait(found.count)
                used, took = hub.cpu_seconds() - before, time.monotonic() - began
            if (got.fewest, got.most) != (found.count, found.count):
                raise SystemExit(f"of {found.count} records readers got {got}")
            alone = alone or found
            yield Reading(
                f"p99 of an acknowledgement, {count} of each stream read",
                options.tls,
                found.p99,
                "ms",
                "" if alone is found else f"<= {1.5 * alone.p99:.1f}",
                f"{found.count} uploads, {found.failed} failed, p50 {found.p50:.1f} ms,"
                f" {used / found.count * 1e3:.2f} ms of the hub's CPU for each,"
                f" {got.bytes / 1e6:.1f} MB read in {took:.1f} s",
            )


def _acknowledged(options: Options, hub: Hub, tokens: list[str]) -> LatencyResult:
    """Upload 40 captures and 10 events a second."""
    load = Load(HOST, hub.web_port, options.tls, tokens, 40, 10, max(options.seconds, 10))
    answer = subprocess.run(
        [sys.executable, "-m", "tests.bench.steady_load"],
        input=msgspec.json.encode(load) + b"\n",
        stdout=subprocess.PIPE,
        check=True,
    )
    return msgspec.json.decode(answer.stdout, type=LatencyResult)


def cameras(options: Options) -> Iterator[Reading]:
    """1,000 cameras: time to connect at once, memory per camera, heartbeats per second."""
    with running_hub(tls=options.tls, devices=_MANY_DEVICES) as hub:
        time.sleep(_SETTLE_SECONDS)
        before = hub.resident_kib()
        with cameras_of(hub, _MANY_DEVICES) as pool:
            used = hub.cpu_seconds()
            connected = pool.connect()
            used = hub.cpu_seconds() - used
            yield Reading(
                "1,000 connect at once, until all have a token",
                options.tls,
                connected.seconds,
                "s",
                "<= 2.0" if options.tls else "<= 1.0",
                f"{connected.failed} failed, {used:.2f} s of the hub's CPU",
            )
            time.sleep(_SETTLE_SECONDS)
            yield Reading(
                "memory per connected camera",
                options.tls,
                (hub.resident_kib() - before) / _MANY_DEVICES,
                "KiB",
                "<= 70" if options.tls else "<= 40",
            )
            used = hub.cpu_seconds()
            beaten = pool.beat(options.seconds)
            used = (hub.cpu_seconds() - used) / beaten.beats
            yield Reading(
                "heartbeats/s, 1,000 connected",
                options.tls,
                beaten.beats / beaten.seconds,
                "/s",
                ">= 4,500" if options.tls else ">= 7,000",
                f"{used * 1e6:,.0f} us of the hub's CPU each",
            )


def commands(options: Options) -> Iterator[Reading]:
    """Commands per second through the API, to devices that answer at once (p50, p99)."""
    with (
        running_hub(tls=options.tls, devices=_DEVICES) as hub,
        cameras_of(hub, _DEVICES) as cameras,
    ):
        cameras.connect()
        dids = [one.did for one in hub.identities]
        script = bodies.wrk_commands_script(dids, hub.bearer())
        cameras.start_answering(_WARM_SECONDS + options.seconds + _SETTLE_SECONDS)
        # The first request waits until the application is made.
        run_wrk(script, hub.web_port, options.tls, _CONCURRENT_COMMANDS, _WARM_SECONDS)
        before = hub.cpu_seconds()
        found = run_wrk(script, hub.web_port, options.tls, _CONCURRENT_COMMANDS, options.seconds)
        cpu = (hub.cpu_seconds() - before) / found.requests
        cameras.answered()
        yield Reading(
            f"commands/s, {_DEVICES} devices, {_CONCURRENT_COMMANDS} at a time",
            options.tls,
            found.rate,
            "/s",
            "" if options.tls else ">= 5,000",
            f"p50 {found.p50 / 1000:.1f} ms, p99 {found.p99 / 1000:.1f} ms, {found.errors} errors,"
            f" {cpu * 1e6:,.0f} us of the hub's CPU each",
        )


def downloads(options: Options) -> Iterator[Reading]:
    """Captures per second during firmware downloads, compared with none."""
    with (
        running_hub(tls=options.tls, devices=_DEVICES) as hub,
        cameras_of(hub, _DEVICES) as cameras,
    ):
        cameras.connect()
        tokens = cameras.tokens()
        start_campaigns(hub, [one.did for one in hub.identities[:_DOWNLOADING]])
        parts = bodies.capture_parts(int(time.time()))
        script = bodies.wrk_script(parts, bodies.CAPTURE_PATH, tokens)
        alone, beside = RepeatedRuns(), RepeatedRuns()
        for _ in range(_ROUNDS):
            alone.add(run_wrk(script, hub.web_port, options.tls, 16, options.seconds))
            with downloading(hub, tokens[:_DOWNLOADING]) as done:
                beside.add(run_wrk(script, hub.web_port, options.tls, 16, options.seconds))
            beside.downloads += done
        yield Reading(
            f"captures/s while {_DOWNLOADING} download firmware",
            options.tls,
            beside.rate,
            "/s",
            f">= {alone.rate * 0.9:,.0f}",
            f"{beside.rate / alone.rate - 1:+.0%} of the {alone.rate:,.0f}/s without them,"
            f" in {_ROUNDS} rounds each; {beside.megabytes_a_second:.1f} MB/s of firmware,"
            f" {sum(one.broken for one in beside.downloads)} downloads broken",
        )


def alarms(options: Options) -> Iterator[Reading]:
    """Captures per second that raise or repeat an alarm, compared with those that do not.

    All alarms are closed between two runs, so that no run fills the room for them.
    """
    now = int(time.time())
    seconds = min(options.seconds, _ALARM_SECONDS)
    kinds = {
        "raise no alarm": bodies.capture_parts(now),
        "repeat an alarm": bodies.capture_parts(now, category=2, uuid="1"),
        "raise a new alarm": bodies.capture_parts(now, category=2),
    }
    with (
        running_hub(tls=options.tls, devices=_DEVICES) as hub,
        cameras_of(hub, _DEVICES) as cameras,
    ):
        cameras.connect()
        tokens = cameras.tokens()
        key = hub.bearer()
        runs = {name: RepeatedRuns() for name in kinds}
        used = dict.fromkeys(kinds, 0.0)
        for _ in range(_ALARM_ROUNDS):
            for name, parts in kinds.items():
                script = bodies.wrk_script(parts, bodies.CAPTURE_PATH, tokens)
                before = hub.cpu_seconds()
                runs[name].add(run_wrk(script, hub.web_port, options.tls, 16, seconds))
                used[name] += hub.cpu_seconds() - before
                close_alarms(hub, key)
        base, *_ = runs.values()
        for name, run in runs.items():
            cpu = used[name] / sum(one.requests for one in run.runs)
            yield Reading(
                f"captures/s that {name}",
                options.tls,
                run.rate,
                "/s",
                "" if run is base else f">= {base.rate * 0.9:,.0f}",
                f"{run.rate / base.rate - 1:+.0%}, {cpu * 1e6:,.0f} us of the hub's CPU each,"
                f" in {_ALARM_ROUNDS} rounds",
            )


def close_alarms(hub: Hub, key: str) -> None:
    """Close all alarms."""
    scheme = "https" if hub.tls else "http"
    url = f"{scheme}://{HOST}:{hub.web_port}/api/hub/v1/alarms"
    headers = {"Authorization": key}
    with httpx.Client(verify=False, timeout=60, headers=headers) as client:
        while items := client.get(url, params={"state": "new", "limit": 200}).json()["items"]:
            seqs = [alarm["seq"] for alarm in items]
            client.post(f"{url}/close", json={"seqs": seqs}).raise_for_status()


def accept(options: Options) -> Iterator[Reading]:
    """Time from accepting a pending camera to its first picture on the page."""
    with running_hub(tls=options.tls, devices=1) as hub:
        yield Reading(
            "from accept to the first capture on the page",
            options.tls,
            accept_to_first_capture(hub) * 1000,
            "ms",
            "",
            "includes the camera's own time, with two signatures",
        )


def start(options: Options) -> Iterator[Reading]:
    """Time of the second start, until /healthz answers."""
    with running_hub(tls=options.tls, devices=_DEVICES) as hub:
        hub.stop()
        yield Reading("second start until /healthz", options.tls, hub.start(), "s", "<= 1.0")


FIGURES: dict[str, Callable[[Options], Iterator[Reading]]] = {
    "captures": captures,
    "latency": latency,
    "readers": readers,
    "cameras": cameras,
    "commands": commands,
    "accept": accept,
    "downloads": downloads,
    "alarms": alarms,
    "start": start,
}


def _print_table(readings: list[Reading]) -> None:
    rows = [("figure", "", "measured", "target", "")]
    rows += [
        (
            reading.figure,
            "TLS" if reading.tls else "plain",
            f"{reading.value:,.{0 if reading.value >= 100 else 2}f} {reading.unit}",
            reading.target,
            reading.note,
        )
        for reading in readings
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row[:4], widths, strict=True)]
        print("  ".join([*cells, row[4]]).rstrip())


def _parse_arguments() -> argparse.Namespace:
    figures = "\n".join(f"  {name:10}{measure.__doc__}" for name, measure in FIGURES.items())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=f"{__doc__}\nFigures:\n{figures}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("figures", nargs="*", metavar="FIGURE", help="default: all of them")
    parser.add_argument(
        "--seconds", type=float, default=5, help="duration of each load (default: 5)"
    )
    parser.add_argument("--only", choices=["plain", "tls"], help="measure with or without TLS only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the JSON to a file")
    arguments = parser.parse_args()
    if unknown := set(arguments.figures) - set(FIGURES):
        parser.error(f"unknown figure: {', '.join(sorted(unknown))}")
    return arguments


def main() -> None:
    arguments = _parse_arguments()
    raise_limit_of_open_files()
    load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    readings: list[Reading] = []
    for name in arguments.figures or FIGURES:
        if name in ("captures", "commands", "downloads", "alarms") and shutil.which("wrk") is None:
            print(f"{name}: skipped, wrk is not installed", file=sys.stderr)
            continue
        for tls in (False, True):
            if arguments.only in (None, "tls" if tls else "plain"):
                print(f"{name}, {'TLS' if tls else 'plain'} ...", file=sys.stderr)
                readings += FIGURES[name](Options(tls, arguments.seconds))
    _print_table(readings)
    report = {
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "load_before": load_before,
        "readings": readings,
    }
    text = msgspec.json.format(msgspec.json.encode(report))
    print(text.decode())
    if arguments.json:
        arguments.json.write_bytes(text)


if __name__ == "__main__":
    main()
