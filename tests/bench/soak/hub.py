"""The hub of a soak: a real process under the fast clock, started, stopped and killed."""

from __future__ import annotations

import csv
import http.client
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hub.simulator.identity import CameraIdentity
from tests.bench.soak.clock import SoakClock
from tests.e2e.faulty_disk import FaultyDisk
from tests.support.new_data import make_data

HOST = "127.0.0.1"
_START_SECONDS = 180.0
#: For a very busy machine. The hub itself ends within its bound, and a forced end is not good.
_STOP_SECONDS = 60.0
_CERTIFICATE_DAYS = 367


class SoakHub:
    """`starts`, `stops` and `kills` count; `lives` are the times of its starts (monotonic)."""

    def __init__(
        self,
        directory: Path,
        clock: SoakClock,
        ports: tuple[int, int],
        settings: Sequence[str],
        disk: FaultyDisk | None = None,
    ) -> None:
        self._disk = disk
        self.data = directory / "data"
        make_data(self.data)
        self.log_file = directory / "hub.log"
        self.web_port, self.device_port = ports
        self.url = f"https://{HOST}:{self.web_port}"
        self.starts = self.stops = self.kills = 0
        #: Ends with a status other than 0 after SIGTERM.
        self.bad_ends: list[int] = []
        self._clock = clock
        self._settings = (
            f"web.bind={HOST}",
            f"devices.bind={HOST}",
            f"web.port={self.web_port}",
            f"devices.port={self.device_port}",
            "store.min_free_gb=0",
            "devices.token_ttl=86400",
            "devices.clock_skew=900",
            "site.timezone=UTC",
            *settings,
        )
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return None if self.process is None else self.process.pid

    def start(self) -> None:
        """Start it, and wait until /healthz answers: what it answers is not asked."""
        options = [word for setting in self._settings for word in ("--set", setting)]
        command = [sys.executable, "-m", "hub", "run", "--data", str(self.data), *options]
        environment = self._clock.environment()
        if self._disk is not None:
            preload = f"{environment['LD_PRELOAD']} {self._disk.environment['LD_PRELOAD']}"
            environment |= {**self._disk.environment, "LD_PRELOAD": preload}
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.DEVNULL, stderr=log, env=environment
            )
        self.starts += 1
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the hub did not start:\n{self.log_file.read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.send_signal(signal.SIGTERM)
            status = process.wait(_STOP_SECONDS)
            self.stops += 1
            if status:
                self.bad_ends.append(status)

    def kill(self) -> None:
        process, self.process = self.process, None
        if process is not None:
            process.kill()
            process.wait()
            self.kills += 1

    def run(self, *words: str, stdin: bytes = b"", check: bool = True) -> bytes:
        """Run a command of the hub; return what it wrote to stdout."""
        command = [sys.executable, "-m", "hub", *words, "--data", str(self.data)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, timeout=120, env=self._clock.environment()
        )
        if check and done.returncode:
            raise RuntimeError(f"sitehub {' '.join(words)}: {done.stderr.decode()}")
        return done.stdout if done.returncode == 0 else b""

    def enrol(self, directory: Path, cameras: Sequence[CameraIdentity]) -> list[CameraIdentity]:
        """Enrol the cameras; return them with their dids. The hub need not run."""
        table = directory / "cameras.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("sn", "code", "did", "name", "key"))
            for camera in cameras:
                key = directory / f"{camera.sn}.pem"
                key.write_text(camera.public_pem(), encoding="ascii")
                writer.writerow((camera.sn, camera.code, "", camera.name, str(key)))
        self.run("device", "import", str(table))
        dids = {one["sn"]: one["did"] for one in json.loads(self.run("device", "list", "--json"))}
        return [msgspec.structs.replace(one, did=dids[one.sn]) for one in cameras]

    def add_api_key(self) -> str:
        """Add an API key; return the value of the Authorization header."""
        key = json.loads(self.run("apikey", "add", "soak", "--targets"))
        return f"Bearer {key['appid']}:{key['secret']}"

    def add_administrator(self, name: str, password: str) -> None:
        words = ("user", "add", name, "--role", "admin", "--password-stdin")
        self.run(*words, stdin=password.encode())

    def resources(self) -> tuple[int, int] | None:
        """The resident memory in KiB and the number of open files; None if it does not run."""
        try:
            status = Path(f"/proc/{self.pid}/status").read_text()
            files = len(os.listdir(f"/proc/{self.pid}/fd"))
        except OSError:
            return None
        lines = [line for line in status.splitlines() if line.startswith("VmRSS:")]
        return (int(lines[0].split()[1]), files) if lines else None

    def _answers(self) -> bool:
        connection = http.client.HTTPSConnection(
            HOST, self.web_port, context=ssl._create_unverified_context(), timeout=5
        )
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status in (200, 503)
        except OSError:
            return False
        finally:
            connection.close()


def make_old_certificates(
    directory: Path, start: float, rate: float, ports: tuple[int, int], soon_seconds: float
) -> None:
    """Put certificates into `data` that are due to be renewed `soon_seconds` after `start`.

    They are made by a hub in a folder of its own, whose clock is a year behind.
    """
    other = directory / "a year ago"
    other.mkdir()
    clock = SoakClock(other, start=start + soon_seconds - _CERTIFICATE_DAYS * 86_400, rate=rate)
    hub = SoakHub(other, clock, ports, ())
    hub.start()
    hub.stop()
    shutil.rmtree(directory / "data" / "tls", ignore_errors=True)
    shutil.copytree(hub.data / "tls", directory / "data" / "tls")
    shutil.rmtree(other)
