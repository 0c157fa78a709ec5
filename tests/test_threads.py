from __future__ import annotations

import threading

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub.threads import WorkerThreads


async def test_small_work_is_done_in_the_loop_and_large_work_in_a_thread() -> None:
    threads = WorkerThreads(inline_bytes=100)
    here = threading.get_ident()
    assert await threads.run(100, threading.get_ident) == here
    assert await threads.run(101, threading.get_ident) != here


@pytest.mark.parametrize("size", [1, 1000])
async def test_what_the_work_raises_reaches_the_caller(size: int) -> None:
    with pytest.raises(ValueError, match="no number"):
        await WorkerThreads(inline_bytes=100).run(size, lambda: int("no number"))


async def test_at_most_so_many_threads_work_at_a_time() -> None:
    threads = WorkerThreads(inline_bytes=0, threads=2)
    may_end = threading.Event()
    begun = trio.Event()
    at_work: list[int] = []
    token = trio.lowlevel.current_trio_token()

    def work() -> None:
        at_work.append(threading.get_ident())
        if len(at_work) == 2:
            token.run_sync_soon(begun.set)
        may_end.wait()

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(threads.run, 1, work)
        await begun.wait()
        await wait_all_tasks_blocked()
        assert len(at_work) == 2
        may_end.set()
    assert len(at_work) == 4
