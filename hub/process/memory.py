"""How memory is used again: objects that refer to each other, and the heap of C.

The C allocator keeps the memory of a burst of uploads as long as a small block after it is in use.
After the first pictures from 64 cameras, that is a tenth of the process, permanently. With a heap
for each thread it would keep 3 MB more.
"""

from __future__ import annotations

import ctypes
import gc
import linecache
import sys
from collections.abc import Callable
from functools import partial

import trio

_INTERVAL_SECONDS = 30.0

#: glibc's number of the option "how many heaps".
_M_ARENA_MAX = -8

#: Python looks for reference cycles among the young objects after so many new ones, among those
#: that survived it once after so many such collections, and among all after so many of the latter.
_COLLECT_AFTER = (5_000, 5, 5)


def collect_garbage_seldom() -> None:
    """Exclude all objects that exist now from garbage collection, and collect less often.

    A full collection of them would stall every device for 40 ms, and handling a frame or a body
    creates no reference cycles. But a connection that has ended is one, and many have lived long
    enough to wait for a full collection. So there are some: without the objects that exist now one
    is short, and Python makes none before it has a quarter more to look at than at the last one.
    With what 5,000 objects leave behind, none takes long.

    Also forget the source text of the methods that attrs generated, which only debuggers show.
    """
    linecache.clearcache()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT_AFTER)
    gc.enable()


def share_one_heap() -> None:
    """Let all threads use one heap. Call it before other threads start."""
    if sys.platform == "linux":
        # glibc has it; other C libraries have one heap anyway.
        set_option = getattr(ctypes.CDLL(None), "mallopt", None)
        if set_option is not None:
            set_option(_M_ARENA_MAX, 1)


def _find_trim() -> Callable[[], object]:
    """Return the function that makes the C allocator release unused memory."""
    if sys.platform == "linux":
        # glibc has it; other C libraries release memory by themselves.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            return partial(trim, 0)
    return lambda: None


async def release_regularly(
    *,
    trim: Callable[[], object] | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Release unused memory every 30 s until cancelled; it takes about a millisecond."""
    # Look it up once: ctypes leaves reference cycles, which an idle hub never collects.
    trim = trim or _find_trim()
    task_status.started()
    while True:
        await trio.sleep(_INTERVAL_SECONDS)
        trim()
