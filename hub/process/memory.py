"""Memory that nobody uses goes back to the system.

C's allocator keeps what a burst of uploads took, as long as anything small lies behind it: after
the first pictures of 64 cameras that is a tenth of the whole process, for ever.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from functools import partial

import trio

_SECONDS = 30.0


def _of_the_allocator() -> Callable[[], object]:
    """What has C's allocator give back what it can."""
    if sys.platform == "linux":
        # Of glibc; other C libraries do it by themselves.
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            return partial(trim, 0)
    return lambda: None


async def give_back(
    *,
    trim: Callable[[], object] | None = None,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Give it back again and again: a millisecond each time, where there is little."""
    # Once: a library of ctypes is garbage for the collector, which an idle hub does not call.
    trim = trim or _of_the_allocator()
    task_status.started()
    while True:
        await trio.sleep(_SECONDS)
        trim()
