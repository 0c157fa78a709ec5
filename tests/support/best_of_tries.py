"""Whether work costs at most so much processor time, on a machine that other programs use as well.

They only ever add to a cost, now and then by several times: so the least of many tries counts, and
where the whole machine is slow, what it takes for work that is always the same, by the same rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache

import msgspec
from msgspec import Raw

TRIES = 40
#: What `_usual_work` takes on the machine on which bounds are set.
_USUAL_SECONDS = 0.030
_BYTES = 4 * 1024 * 1024
_SKIP = msgspec.json.Decoder(dict[str, Raw])
_READ = msgspec.json.Decoder(dict[str, str])


class Tries:
    """Costs of the same work, until one is within the bound."""

    def __init__(self, bound: float) -> None:
        """`bound`: seconds on a usual machine."""
        self._bound = bound
        self._costs: list[float] = []
        self._usual: list[float] = []

    def go_on(self) -> bool:
        """Whether it is to be tried again."""
        return len(self._costs) < TRIES and not self.is_within_bound

    def add(self, seconds: float) -> None:
        self._costs.append(seconds)
        if seconds > self._bound:
            self._usual.append(thread_seconds_of(_usual_work))

    @property
    def is_within_bound(self) -> bool:
        return bool(self._costs) and min(self._costs) <= self._bound * self._slowness()

    def _slowness(self) -> float:
        """How many times slower this machine is than usual; at least 1."""
        return max([1.0, min(self._usual, default=0) / _USUAL_SECONDS])

    def __repr__(self) -> str:
        best = min(self._costs, default=0) * 1000
        return f"{best:.1f} ms at least, {self._slowness():.1f} times slower than usual"


def thread_seconds_of(work: Callable[[], object]) -> float:
    """The processor time of this thread."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _usual_work() -> None:
    """What messages cost: reading each byte, and memory for what is read."""
    _SKIP.decode(_numbers())
    _READ.decode(_text())


@cache
def _numbers() -> bytes:
    return b'{"a":[' + b"1," * (_BYTES // 2) + b"1]}"


@cache
def _text() -> bytes:
    return b'{"a":"' + b"A" * (2 * _BYTES) + b'"}'
