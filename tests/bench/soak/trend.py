"""Memory and open files of the hub over a soak: whether they are flat."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

_SAMPLE_SECONDS = 1.0
#: The first part of a life, in which caches fill.
_WARM_UP_SHARE = 0.4
#: What may be gained after the warm-up: of the mean, and in any case.
_FLAT_SHARE = 0.10
_FLAT_KIB, _FLAT_FILES = 24 * 1024, 24
#: In a shorter time, what is gained says nothing: only the mean is judged.
_JUDGED_SECONDS = 60.0
_MOST_KIB, _MOST_FILES = 400 * 1024, 500


class Watched(Protocol):
    """A hub in a process; `starts` counts its lives."""

    starts: int

    def resources(self) -> tuple[int, int] | None:
        """The resident memory in KiB and the number of open files; None if it does not run."""


class Sample(Struct, frozen=True):
    life: int
    at: float
    kib: int
    files: int


class Trend(Struct, frozen=True):
    """A quantity over one life: its mean, and what it gained from the warm-up to the end."""

    mean: float
    gain: float
    seconds: float

    def is_flat(self, least: float, most: float) -> bool:
        if self.seconds < _JUDGED_SECONDS:
            return self.mean <= most
        return self.mean <= most and self.gain <= max(least, _FLAT_SHARE * self.mean)


class Watch:
    """Samples the hub's memory and open files every second until stopped."""

    def __init__(self, hub: Watched) -> None:
        self.samples: list[Sample] = []
        self._hub = hub
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def trends(self) -> tuple[Trend, Trend]:
        """Memory (KiB) and open files over the longest life."""
        lives: dict[int, list[Sample]] = {}
        for sample in self.samples:
            lives.setdefault(sample.life, []).append(sample)
        longest = max(lives.values(), key=len, default=[])
        warm = longest[int(len(longest) * _WARM_UP_SHARE) :]
        return (
            _trend([(one.at, one.kib) for one in warm]),
            _trend([(one.at, one.files) for one in warm]),
        )

    def _run(self) -> None:
        while not self._stopped.wait(_SAMPLE_SECONDS):
            if (found := self._hub.resources()) is not None:
                self.samples.append(Sample(self._hub.starts, time.monotonic(), *found))


def is_flat(memory: Trend, files: Trend) -> bool:
    return memory.is_flat(_FLAT_KIB, _MOST_KIB) and files.is_flat(_FLAT_FILES, _MOST_FILES)


def _trend(points: Sequence[tuple[float, float]]) -> Trend:
    """Fit a line."""
    if len(points) < 2 or (seconds := points[-1][0] - points[0][0]) <= 0:
        return Trend(points[-1][1] if points else 0.0, 0.0, 0.0)
    mean_at = sum(at for at, _ in points) / len(points)
    mean = sum(value for _, value in points) / len(points)
    spread = sum((at - mean_at) ** 2 for at, _ in points)
    slope = sum((at - mean_at) * (value - mean) for at, value in points) / spread
    return Trend(mean, slope * seconds, seconds)
