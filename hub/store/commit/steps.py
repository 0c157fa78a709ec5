"""Long work in short writes, between which the writer is left to others.

A step works for a few milliseconds, and longer on a disk whose commits take long: most of a write's
time would be its commit otherwise, and the work would never end. The pauses follow the load; work
that would not be over in time has shorter ones.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from functools import partial
from time import perf_counter

import trio
from msgspec import Struct

from hub.store.commit.group_commit import GroupCommit

#: (connection, start) -> where the next step starts, None at the end.
Step = Callable[[sqlite3.Connection, int], int | None]

#: A write works this long at least, and this long at most.
_MIN_SECONDS, _MAX_SECONDS = 0.005, 0.25
#: It works for this share of what it costs beyond that, its wait and its commit: usually, and when
#: the work is late, which makes the groups of others take at most twice as long.
_SHARE, _LATE_SHARE = 0.25, 1.0
#: So many writes are looked at for what one costs beyond its work; the quickest counts.
_WRITES = 5
#: After each write the writer is left to others for so many times as long as it took: while they
#: store records, and while nobody does.
_PAUSES, _QUIET_PAUSES = 7.0, 0.5
_MAX_PAUSE_SECONDS = 1.0
#: Work whose end is known is to be over within this time.
_WHOLE_SECONDS = 1800.0


class _Done(Struct, frozen=True):
    """Where to continue, None at the end; and how long the write worked, without its commit."""

    at: int | None
    seconds: float


async def in_steps(writer: GroupCommit, step: Step, start: int, end: int | None = None) -> None:
    """Repeat a step until it returns None, in short writes with pauses.

    With `end`, where about the last step ends, the work is over in half an hour if the disk can do
    that while it spends as much time on others.

    Raises CannotStoreNow.
    """
    pace = _Pace(start, end)
    at: int | None = start
    while at is not None:
        began, last_seq = trio.current_time(), writer.last_seq
        done = await writer.write(partial(_repeat, step, at, pace.seconds))
        if (at := done.at) is not None:
            took, is_quiet = trio.current_time() - began, writer.last_seq == last_seq
            await trio.sleep(pace.pause(at, took, done.seconds, is_quiet=is_quiet))


def _repeat(step: Step, start: int, seconds: float, connection: sqlite3.Connection) -> _Done:
    """Repeat a step until its time is over."""
    began = perf_counter()
    at = step(connection, start)
    while at is not None and perf_counter() < began + seconds:
        at = step(connection, at)
    return _Done(at, perf_counter() - began)


class _Pace:
    """How long the next write works (`seconds`), and how long the writer is left to others."""

    def __init__(self, start: int, end: int | None) -> None:
        self.seconds = _MIN_SECONDS
        self._start = start
        self._end = end
        self._began = trio.current_time()
        self._beyond: deque[float] = deque(maxlen=_WRITES)

    def pause(self, at: int, took: float, worked: float, *, is_quiet: bool) -> float:
        """Return the pause after a write that took so long, and set `seconds` for the next one."""
        self._beyond.append(max(took - worked, 0.0))
        usual = min((_QUIET_PAUSES if is_quiet else _PAUSES) * took, _MAX_PAUSE_SECONDS)
        pause = max(min(usual, self._spare(at)), 0.0)
        share = _SHARE if pause else _LATE_SHARE
        self.seconds = min(max(share * min(self._beyond), _MIN_SECONDS), _MAX_SECONDS)
        return pause

    def _spare(self, at: int) -> float:
        """Return by how many seconds the work is ahead of its time; less than 0: it is late."""
        if self._end is None or self._end <= self._start:
            return _MAX_PAUSE_SECONDS
        part = (at - self._start) / (self._end - self._start)
        return self._began + part * _WHOLE_SECONDS - trio.current_time()
