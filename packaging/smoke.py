"""Start the executable as a strange machine does, and print how it does: size, start, memory, CPU.

    python packaging/smoke.py dist/sitehub

It is copied into a directory of its own, and gets an environment without anything: no PATH, another
user (if we are root), a current directory that it may not write to, and a data directory with
blanks and Chinese characters in its path. Exit status 1 where it does not work, or is too large as
a file or in memory; a time or a share of the processor that misses its aim is marked, for a busy
machine misses them too. A MB is a million bytes.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

MOST_MB = 30.0
MOST_START_SECONDS = 1.5
MOST_RESIDENT_MB = 90.0
MOST_CPU_PERCENT = 1.0
CAMERAS = 64

_WINDOWS = sys.platform == "win32"
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.01
_STARTS = 3
#: Each camera shows itself by an upload after its connect.
_SETTLING_SECONDS = 10.0
#: Longer than a connection stays open on which nothing comes any more (web/http/connection.py).
_MEASURED_SECONDS = 80.0
_TRUSTING = ssl._create_unverified_context()


class Figure(NamedTuple):
    what: str
    value: float
    most: float
    unit: str
    #: Whether it follows from the build alone, whatever else the machine does.
    is_certain: bool = False

    @property
    def is_met(self) -> bool:
        return self.value <= self.most

    def __str__(self) -> str:
        verdict = "" if self.is_met else "   MISSED"
        return f"{self.what:<42} {self.value:8.2f} {self.unit:<4} at most {self.most:g}{verdict}"


class Site:
    """A machine of nobody's with the executable on it, and a hub that runs there."""

    def __init__(self, executable: Path, folder: Path) -> None:
        self.executable = folder / f"a copy of {executable.name}"
        self.data = folder / "现场 数据" / "data of the hub"
        self.nowhere = folder / "read-only"
        self.key_file = folder / "key.json"
        self.log_file = folder / "log"
        self.web_port, self.device_port = _free_ports()
        shutil.copy2(executable, self.executable)
        self.data.parent.mkdir()
        self.nowhere.mkdir(mode=0o555)
        self._user = _another_user()
        if self._user:
            for path in (folder, self.data.parent):
                os.chown(path, self._user["user"], self._user["group"])

    def options(self) -> dict[str, Any]:
        """An environment without anything of ours; Windows needs these two."""
        kept = {name: os.environ[name] for name in ("SYSTEMROOT", "TMP") if _WINDOWS}
        return {"env": {"PATH": "", **kept}, "cwd": self.nowhere, **self._user}

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            return subprocess.Popen([str(self.executable), *words], **self.options(), **streams)

    def tell(self, *words: str) -> str:
        """A command that ends by itself; gives what it says."""
        command = [str(self.executable), *words, "--data", str(self.data)]
        done = subprocess.run(command, **self.options(), capture_output=True, check=True)
        return done.stdout.decode()

    @contextmanager
    def hub(self) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
        """A hub that answers, and how many seconds it took to."""
        ports = (f"web.port={self.web_port}", f"devices.port={self.device_port}")
        settings = [word for setting in ports for word in ("--set", setting)]
        begin = time.monotonic()
        with _running(self.start("run", "--data", str(self.data), *settings)) as process:
            while not self._is_healthy():
                if process.poll() is not None or time.monotonic() - begin > _PATIENCE_SECONDS:
                    raise SystemExit(f"the hub did not start:\n{self.log_file.read_text('utf-8')}")
                time.sleep(_POLL_SECONDS)
            yield process, time.monotonic() - begin

    @contextmanager
    def cameras(self) -> Iterator[None]:
        """Connected, and as good as idle: their next pictures are hours away."""
        self.key_file.write_text(self.tell("apikey", "add", "smoke"))
        self.key_file.chmod(0o644)
        words = ("simulate", "--hub", "127.0.0.1", "--cameras", str(CAMERAS), "--rate", "0.0001")
        ports = ("--web-port", str(self.web_port), "--device-port", str(self.device_port))
        key = ("--apikey-file", str(self.key_file))
        with _running(self.start(*words, *ports, *key)):
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while self._online() < CAMERAS:
                if time.monotonic() > deadline:
                    raise SystemExit(f"{self._online()} of {CAMERAS} cameras came")
                time.sleep(0.2)
            yield

    def _is_healthy(self) -> bool:
        try:
            self._get("/healthz")
        except OSError:
            return False
        return True

    def _online(self) -> int:
        key = json.loads(self.key_file.read_text())
        devices = self._get(
            "/api/hub/v1/devices", Authorization=f"Bearer {key['appid']}:{key['secret']}"
        )
        return sum(device["state"] == "online" for device in devices["items"])

    def _get(self, path: str, **headers: str) -> Any:
        request = urllib.request.Request(
            f"https://127.0.0.1:{self.web_port}{path}", headers=headers
        )
        with urllib.request.urlopen(request, context=_TRUSTING, timeout=5) as answer:
            return json.load(answer)


def _another_user() -> dict[str, Any]:
    if _WINDOWS or os.geteuid() != 0:
        return {}
    import pwd

    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _free_ports() -> list[int]:
    with socket.socket() as one, socket.socket() as other:
        for each in (one, other):
            each.bind(("127.0.0.1", 0))
        return [one.getsockname()[1], other.getsockname()[1]]


@contextmanager
def _running(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        if _WINDOWS:
            process.terminate()
        else:
            process.send_signal(signal.SIGTERM)
        process.wait(_PATIENCE_SECONDS)


def _family(pid: int) -> list[int]:
    """The process that unpacks, and the hub below it."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(int(child) for child in children)]


def _resident_mb(pids: list[int]) -> float:
    """What both hold: pages that they share, as those of the C library, are counted twice."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cpu_seconds(pids: list[int]) -> float:
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _started_again(site: Site) -> Figure:
    """The fastest of a few: what makes another one slower is the machine."""
    fastest = math.inf
    for _ in range(_STARTS):
        with site.hub() as (_, seconds):
            fastest = min(fastest, seconds)
    return Figure("/healthz after a second start", fastest, MOST_START_SECONDS, "s")


def _idle(site: Site) -> Iterator[Figure]:
    with site.hub() as (process, _):
        if not Path("/proc/self/statm").exists():
            print("memory and CPU are measured on Linux alone")
            return
        pids = _family(process.pid)
        yield Figure("resident, nobody there", _resident_mb(pids), MOST_RESIDENT_MB, "MB", True)
        with site.cameras():
            time.sleep(_SETTLING_SECONDS)
            before = _cpu_seconds(pids)
            time.sleep(_MEASURED_SECONDS)
            percent = 100 * (_cpu_seconds(pids) - before) / _MEASURED_SECONDS
            whom = f"idle with {CAMERAS} cameras"
            yield Figure(f"resident, {whom}", _resident_mb(pids), MOST_RESIDENT_MB, "MB", True)
            yield Figure(f"CPU, {whom}", percent, MOST_CPU_PERCENT, "%")


def measure(executable: Path) -> Iterator[Figure]:
    """Each figure as soon as it is known."""
    yield Figure("size of the file", executable.stat().st_size / 1e6, MOST_MB, "MB", True)
    # Not below a directory that another user may not enter. On Windows the inner process of one
    # that was ended may hold its files for another moment.
    with tempfile.TemporaryDirectory(
        prefix="sitehub-smoke-", ignore_cleanup_errors=_WINDOWS
    ) as folder:
        site = Site(executable, Path(folder).resolve())
        print(f"{'version':<42} {site.tell('version').strip()}")
        with site.hub() as (_, seconds):
            # Keys and certificates are made: this is told, and has no aim.
            print(f"{'/healthz after the first start':<42} {seconds:8.2f} s")
        yield _started_again(site)
        yield from _idle(site)


def main() -> int:
    status = 0
    for figure in measure(Path(sys.argv[1]).resolve()):
        print(figure, flush=True)
        if figure.is_certain and not figure.is_met:
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
