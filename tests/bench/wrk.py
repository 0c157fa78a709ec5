"""Runs wrk, the load generator for captures and commands."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from tests.bench import bodies
from tests.bench.hub_process import HOST


class WrkResult(msgspec.Struct):
    """The result that a script for wrk prints; latencies in microseconds."""

    requests: int
    microseconds: int
    errors: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / (self.microseconds / 1e6)


def run_wrk(script: str, port: int, tls: bool, connections: int, seconds: float) -> WrkResult:
    scheme = "https" if tls else "http"
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        path = Path(directory) / "load.lua"
        path.write_text(script + bodies.LUA_DONE)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", f"-s{path}"]
        # The first number of a capture: random, so that no run repeats captures of another.
        words = [f"{scheme}://{HOST}:{port}", "--", str(random.randrange(10**7))]
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    if done.returncode or "REFUSED" in done.stderr:
        raise SystemExit(f"wrk: {done.stderr or done.stdout}")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("JSON "))
    return msgspec.json.decode(line.removeprefix("JSON "), type=WrkResult)


def run_wrk_on_empty_app(tls: bool, connections: int, seconds: float) -> WrkResult:
    """Send the same captures to an application that does nothing on the same server."""
    script = bodies.wrk_script(bodies.capture_parts(int(time.time())), "/", ["none"])
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        words = [sys.executable, "-m", "tests.bench.empty_app", *([directory] if tls else [])]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                port = int(process.stdout.readline())
                return run_wrk(script, port, tls, connections, seconds)
            finally:
                process.send_signal(signal.SIGTERM)
