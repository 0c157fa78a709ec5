"""wrk, the load generator for captures and commands: how it is run, and what it tells."""

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
from tests.bench.hubprocess import HOST


class Wrk(msgspec.Struct):
    """What the script for wrk tells at its end; latencies in microseconds."""

    requests: int
    microseconds: int
    errors: int
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        return self.requests / (self.microseconds / 1e6)


def run_wrk(script: str, port: int, tls: bool, connections: int, seconds: float) -> Wrk:
    scheme = "https" if tls else "http"
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        path = Path(directory) / "load.lua"
        path.write_text(script + bodies.LUA_DONE)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", f"-s{path}"]
        # Where the captures' numbers begin: so none repeats one of an earlier run.
        words = [f"{scheme}://{HOST}:{port}", "--", str(random.randrange(10**7))]
        done = subprocess.run([*command, *words], capture_output=True, text=True, check=False)
    if done.returncode or "REFUSED" in done.stderr:
        raise SystemExit(f"wrk: {done.stderr or done.stdout}")
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("JSON "))
    return msgspec.json.decode(line.removeprefix("JSON "), type=Wrk)


def run_wrk_on_nothing(tls: bool, connections: int, seconds: float) -> Wrk:
    """The same captures, sent to an application that does nothing on the same server."""
    script = bodies.wrk_script(bodies.capture_parts(int(time.time())), "/", ["none"])
    with TemporaryDirectory(prefix="sitehub-bench-") as directory:
        words = [sys.executable, "-m", "tests.bench.empty", *([directory] if tls else [])]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                port = int(process.stdout.readline())
                return run_wrk(script, port, tls, connections, seconds)
            finally:
                process.send_signal(signal.SIGTERM)
