"""Attack a real hub, and measure what its neighbours notice; print one table line per attack.

A hub runs in a temporary directory, with 30 cameras (heartbeats, captures, reconnects), a health
check and a signed-in page as its neighbours. They are measured without the attack and with it.
Nothing is asserted, since machines differ; compare lines of one machine, such as those of the
program before a change (--sitehub) and after it. Only loopback is attacked. Needs Linux.
"""

from __future__ import annotations

import argparse
import pkgutil
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import msgspec

from tests.bench import attacks
from tests.bench.attacks.attack import Site, Target, load
from tests.bench.attacks.neighbours import Met, Neighbourhood, Results
from tests.bench.hub_process import (
    HOST,
    Hub,
    cameras_of,
    raise_limit_of_open_files,
    running_hub,
)

_NEIGHBOURS = 30
_HELPERS = {"__main__", "attack", "client", "neighbours", "slow_reader"}
_PAGE_ADDRESS = "127.0.2.1"
_SAMPLE_SECONDS = 0.1


def names() -> list[str]:
    found = {module.name for module in pkgutil.iter_modules(attacks.__path__)}
    return sorted(found - _HELPERS)


class Usage:
    """Samples the hub's resident memory and descriptors."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._stopped = threading.Event()
        self.before_mb = hub.resident_kib() / 1024
        self.files_before = hub.open_files()
        self.peak_mb, self.files = self.before_mb, self.files_before
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            try:
                self.peak_mb = max(self.peak_mb, self._hub.resident_kib() / 1024)
                self.files = max(self.files, self._hub.open_files())
            except OSError:  # The hub has ended: the neighbours show it.
                return


@contextmanager
def neighbours_of(hub: Hub) -> Iterator[subprocess.Popen[bytes]]:
    hood = Neighbourhood(hub.plan(_NEIGHBOURS), hub.web_port, _signed_in(hub))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.attacks.neighbours"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(msgspec.json.encode(hood) + b"\n")
        process.stdin.flush()
        process.stdout.readline()
        yield process
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def run(name: str, *, program: list[str], tls: bool, seconds: float) -> str:
    """Run one attack; return its line."""
    module = load(name)
    own = getattr(module, "CAMERAS", 0)
    settings = {"devices.max_connections_per_address": 512, **getattr(module, "SETTINGS", {})}
    with running_hub(tls=tls, devices=_NEIGHBOURS + own, program=program, settings=settings) as hub:
        plan = hub.plan(_NEIGHBOURS + own)
        plan.cameras = plan.cameras[_NEIGHBOURS:]
        tokens = _tokens(hub, own)
        prepared = module.prepare(Site(hub, plan, tokens)) if hasattr(module, "prepare") else {}
        target = Target(hub.web_port, tls, plan, tokens, prepared, seconds)
        with neighbours_of(hub) as process:
            calm = _measure(process, seconds)
            usage = Usage(hub)
            attacker = _start_attacker(name, target)
            stormy = _measure(process, seconds)
            got = _end_attacker(attacker, seconds)
            usage.stop()
    return _line(name, got, calm, stormy, usage)


def _measure(process: subprocess.Popen[bytes], seconds: float) -> Results:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"%f\n" % seconds)
    process.stdin.flush()
    return msgspec.json.decode(process.stdout.readline(), type=Results)


def _start_attacker(name: str, target: Target) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        ["nice", sys.executable, "-m", "tests.bench.attacks.attack", name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(target) + b"\n")
    process.stdin.flush()
    return process


def _end_attacker(process: subprocess.Popen[bytes], seconds: float) -> dict[str, int]:
    try:
        answer, _ = process.communicate(timeout=seconds + 30)
    except subprocess.TimeoutExpired:
        process.kill()
        answer, _ = process.communicate()
    return msgspec.json.decode(answer, type=dict[str, int]) if answer else {"attacker broke": 1}


def _tokens(hub: Hub, own: int) -> list[str]:
    """Connect the attacker's cameras once; their tokens stay valid."""
    if not own:
        return []
    with cameras_of(hub, _NEIGHBOURS + own) as cameras:
        cameras.connect()
        return cameras.tokens()[_NEIGHBOURS:]


def _signed_in(hub: Hub) -> str:
    """Sign in from the address of the page; return the Cookie header."""
    name, password = hub.administrator()
    scheme = "https" if hub.tls else "http"
    transport = httpx.HTTPTransport(verify=False, local_address=_PAGE_ADDRESS)
    with httpx.Client(base_url=f"{scheme}://{HOST}:{hub.web_port}", transport=transport) as browser:
        page = browser.get("/sign-in").text
        (token,) = set(re.findall(r'name="csrf_token" value="([^"]+)"', page))
        fields = {"name": name, "password": password, "csrf_token": token}
        answer = browser.post("/sign-in", data=fields)
        if answer.status_code not in (302, 303):
            raise SystemExit(f"sign-in: {answer.status_code}")
        return "; ".join(f"{one.name}={one.value}" for one in browser.cookies.jar)


def _line(name: str, got: dict[str, int], calm: Results, stormy: Results, usage: Usage) -> str:
    kinds = "; ".join(
        f"{kind} {_figures(calm.get(kind, Met()))} -> {_figures(stormy.get(kind, Met()))}"
        for kind in sorted({*calm, *stormy})
    )
    causes = {cause: n for met in stormy.values() for cause, n in met.causes.items()}
    text = (
        f"{name} | {', '.join(f'{key}: {count}' for key, count in sorted(got.items()))} | {kinds}"
        f" | {usage.before_mb:.0f} -> {usage.peak_mb:.0f} MB"
        f" | {usage.files_before} -> {usage.files} files"
    )
    return text + (f" | refusals: {causes}" if causes else "")


def _figures(met: Met) -> str:
    """p50/p99 in ms, and refusals of all."""
    total = len(met.times) + met.refused
    return f"{met.percentile(0.5):.0f}/{met.percentile(0.99):.0f} ms {met.refused} of {total}"


def main() -> None:
    described = "\n".join(f"  {name:24}{load(name).__doc__}" for name in names())
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.attacks",
        description=f"{__doc__}\nAttacks:\n{described}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all of them")
    parser.add_argument("--sitehub", metavar="PATH", help="the program to attack")
    parser.add_argument("--seconds", type=float, default=20, help="of each attack (default: 20)")
    parser.add_argument("--plain", action="store_true", help="without TLS")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(names()):
        parser.error(f"unknown attack: {', '.join(sorted(unknown))}")
    raise_limit_of_open_files()
    program = [arguments.sitehub] if arguments.sitehub else []
    print("attack | attacker | neighbours: p50/p99, refused, without -> with | resident | files")
    for name in arguments.names or names():
        started = time.monotonic()
        line = run(name, program=program, tls=not arguments.plain, seconds=arguments.seconds)
        print(line, flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
