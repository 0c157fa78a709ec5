"""Threads share a heap, unused memory is returned, and what has ended is not kept."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from hub.process.memory import release_regularly

pytestmark = pytest.mark.jumping_clock


async def test_unused_memory_is_released_every_30_seconds() -> None:
    times: list[float] = []

    def trim() -> None:
        times.append(trio.current_time())

    with trio.move_on_after(100):
        await release_regularly(trim=trim)
    assert len(times) == 3


async def test_the_allocator_of_this_system_can_be_called() -> None:
    with trio.move_on_after(31) as deadline:
        await release_regularly()
    assert deadline.cancelled_caught


async def test_the_allocator_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lookup would leave some KB to the garbage collector."""
    asked: list[str | None] = []
    library = ctypes.CDLL

    def looked_up(name: str | None) -> ctypes.CDLL:
        asked.append(name)
        return library(name)

    monkeypatch.setattr(ctypes, "CDLL", looked_up)
    with trio.move_on_after(100):
        await release_regularly()
    assert len(asked) <= 1


#: Prints how many heaps glibc has after two threads allocated memory at the same time.
_COUNT_HEAPS = """
import ctypes, sys, threading
from hub.process.memory import share_one_heap
if sys.argv[1] == "shared":
    share_one_heap()
both = threading.Barrier(2)
def allocate():
    both.wait()
    held = [bytes(50_000) for _ in range(20)]
    both.wait()
threads = [threading.Thread(target=allocate) for _ in range(2)]
[thread.start() for thread in threads], [thread.join() for thread in threads]
c = ctypes.CDLL(None)
c.fopen.restype = ctypes.c_void_p
file = ctypes.c_void_p(c.fopen(sys.argv[2].encode(), b"w"))
c.malloc_info(0, file), c.fclose(file)
print(open(sys.argv[2]).read().count("<heap nr="))
"""


@pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None) if sys.platform == "linux" else None, "malloc_info"),
    reason="only glibc has a heap for each thread",
)
def test_threads_share_one_heap(tmp_path: Path) -> None:
    def heaps(kind: str) -> int:
        command = [sys.executable, "-c", _COUNT_HEAPS, kind, str(tmp_path / kind)]
        return int(subprocess.run(command, capture_output=True, check=True).stdout)

    assert heaps("shared") == 1
    assert heaps("own") > 1


#: Opens and ends connections, 50 at a time, each of a few hundred objects that refer to each other.
#: Prints how many had ended and were still in memory, at the most.
_END_CONNECTIONS = """
import collections
from hub.process.memory import collect_garbage_seldom

class Part:
    pass

class Connection(Part):
    freed = 0
    def __del__(self):
        Connection.freed += 1

collect_garbage_seldom()
open, kept = collections.deque(), []
for number in range(12_000):
    connection = Connection()
    connection.parts = [Part() for _ in range(300)]
    for part in connection.parts:
        part.connection = connection
    open.append(connection)
    if len(open) > 50:
        open.popleft()
    kept.append(number + 1 - Connection.freed - len(open))
print(max(kept))
"""


def test_connections_that_have_ended_do_not_pile_up() -> None:
    done = subprocess.run([sys.executable, "-c", _END_CONNECTIONS], capture_output=True, check=True)
    assert int(done.stdout) < 1_000
