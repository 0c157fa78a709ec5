"""A wall clock that a test sets, for a hub in its own process: libfaketime, loaded before it.

Only the wall clock is wrong, as on a PC with a flat battery: the monotonic clock, by which timeouts
run, is left alone. The clock can be set while the process runs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DAY = 86_400
YEAR = 365 * DAY


class FakeClock:
    """The wall clock of the processes that are started with `environment`.

    It shows the right time until it is set. A time that is set goes on from there.
    """

    def __init__(self, file: Path) -> None:
        """`file` is written, and read by the processes whenever they ask for the time."""
        self._file = file
        self._library = find_library()
        self.set_ahead(0)

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a process that is to have this clock."""
        return {
            "LD_PRELOAD": self._library,
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            # Shared memory is left behind by a killed process, and disturbs a later one.
            "FAKETIME_DISABLE_SHM": "1",
        }

    def set_ahead(self, seconds: float) -> None:
        """Set the clock so much ahead of the right time; negative: behind it."""
        draft = self._file.with_suffix(".draft")
        draft.write_text(f"{seconds:+.0f}\n", "ascii")
        os.replace(draft, self._file)


def make_fake_clock(directory: Path) -> FakeClock:
    """Return a clock whose file is in `directory`; skip the test where there is no libfaketime."""
    if not find_library():
        pytest.skip("libfaketime is not installed: it gives the hub a wrong clock")
    return FakeClock(directory / "faketime")


def find_library() -> str:
    """Return the path of libfaketime for programs with threads; "" if it is not installed."""
    places = ("/usr/lib", "/usr/lib64", "/usr/local/lib")
    found = [
        path
        for place in places
        for pattern in ("faketime/libfaketimeMT.so.1", "*/faketime/libfaketimeMT.so.1")
        for path in Path(place).glob(pattern)
    ]
    return str(found[0]) if found else ""
