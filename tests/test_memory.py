"""Unused memory is given back while the hub runs."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from hub.memory import give_back


async def test_unused_memory_is_given_back_again_and_again(autojump_clock: MockClock) -> None:
    times: list[float] = []

    def trim() -> None:
        times.append(trio.current_time())

    with trio.move_on_after(100):
        await give_back(trim=trim)
    assert len(times) == 3


async def test_the_system_takes_it(autojump_clock: MockClock) -> None:
    with trio.move_on_after(31):
        await give_back()
