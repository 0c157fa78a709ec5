"""A centre in a process of its own, with real servers."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.ports import free_port

_READY_SECONDS = 60.0


class CentreProcess:
    """`sitehub central run` with `folder`, until it is killed."""

    def __init__(self, folder: Path, database: str, *more: str) -> None:
        self.port = free_port()
        self._command = [sys.executable, "-m", "hub", "central", "run", "--folder", str(folder)]
        self._command += ["--database", database, "--listen", f"127.0.0.1:{self.port}", *more]
        self._process: subprocess.Popen[bytes] | None = None
        self._log = folder / f"centre-{self.port}.log"

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """End it as a power cut does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def stop(self) -> int:
        """Ask it to end; return its exit status."""
        assert self._process is not None
        self._process.terminate()
        status = self._process.wait(30)
        self._process = None
        return status

    def wait_ready(self) -> None:
        """Wait until it is connected to both sides."""
        until = time.monotonic() + _READY_SECONDS
        while {side: (self.health() or {}).get(side) for side in ("nats", "database")} != {
            "nats": "",
            "database": "",
        }:
            if time.monotonic() > until:
                raise TimeoutError(self._log.read_text())
            time.sleep(0.05)

    def log(self) -> str:
        """Return what it has written to its log."""
        return self._log.read_text()

    def health(self) -> dict[str, str] | None:
        """Return why a side does not work, by side; None if there is no answer."""
        text = self.get("/healthz")
        return None if text is None else json.loads(text)

    def get(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                text: str = answer.read().decode()
        except urllib.error.HTTPError as error:
            text = error.read().decode()
        except OSError:
            return None
        return text

    def metric(self, name: str) -> float:
        """Return one figure, given with its labels."""
        for line in (self.get("/metrics") or "").splitlines():
            if line.startswith(f"{name} "):
                return float(line.split(" ")[1])
        return 0.0


@contextmanager
def running_centres(
    count: int, folder: Path, database: str, *more: str
) -> Iterator[list[CentreProcess]]:
    """Run so many centres that share the work."""
    centres = [CentreProcess(folder, database, *more) for _ in range(count)]
    try:
        for centre in centres:
            centre.start()
        for centre in centres:
            centre.wait_ready()
        yield centres
    finally:
        for centre in centres:
            centre.kill()
