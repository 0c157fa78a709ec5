"""The clocks of a soak: which are fast, and why.

| clock | rate | by | who reads it |
| --- | --- | --- | --- |
| CLOCK_REALTIME | 60 | libfaketime | days, nights, retention, tokens, certificates |
| CLOCK_BOOTTIME | 60 | `boottime.c` | how long the wall clock has been steady |
| CLOCK_MONOTONIC | 1 | | timeouts, heartbeats, pauses |

The two clocks that tell how much time has passed at the site run at the same rate: otherwise the
wall clock would seem to be set all the time, and nothing would ever go by age. The monotonic clock
is real: timeouts bound what processor, disk and network need, and those are not 60 times faster. A
TLS handshake would have to be done in 0.17 s, the end of the hub as well. So a camera sends in a
day of the site what it would send in 24 minutes, and the hub looks at its clock (every 10 s, every
60 s) once in 10 or 60 minutes of the site.

libfaketime also divides the timeouts of poll() and select(). The hub and the cameras wait with
epoll_wait() and locks, which it leaves alone.
"""

from __future__ import annotations

import os
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

from tests.e2e.faketime import find_library

_SOURCE = Path(__file__).with_name("boottime.c")


class SoakClock:
    """The wall clock of the site, as the processes with `environment` see it."""

    def __init__(self, directory: Path, *, start: float, rate: float) -> None:
        self._rate = rate
        self._file = directory / "clock"
        self._library = directory / "boottime.so"
        self._wall, self._at = start, time.monotonic()
        command = ["cc", "-shared", "-fPIC", "-O2", "-o", str(self._library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True)

    def now(self) -> float:
        return self._wall + (time.monotonic() - self._at) * self._rate

    def step(self, seconds: float) -> None:
        """Set the clock, of running processes as well."""
        self._wall, self._at = self.now() + seconds, time.monotonic()
        self.write()

    def write(self) -> None:
        """Call it right before a process starts: the clock of each begins with what is written."""
        draft = self._file.with_suffix(".draft")
        self._wall, self._at = self.now(), time.monotonic()
        moment = datetime.fromtimestamp(self._wall, UTC)
        draft.write_text(f"@{moment:%Y-%m-%d %H:%M:%S} x{self._rate:g}\n", "ascii")
        os.replace(draft, self._file)

    def environment(self) -> dict[str, str]:
        """Variables for a process that is to have this clock; it starts at once."""
        self.write()
        return {
            **os.environ,
            "LD_PRELOAD": f"{self._library} {find_library()}",
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "FAKETIME_DISABLE_SHM": "1",
            "NO_FAKE_STAT": "1",
            "SOAK_RATE": f"{self._rate:g}",
            "TZ": "UTC",
        }
