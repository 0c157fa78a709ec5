"""Unused memory is returned to the system while the hub runs."""

from __future__ import annotations

import ctypes

import pytest
import trio
from trio.testing import MockClock

from hub.process.memory import release_regularly


async def test_unused_memory_is_released_every_30_seconds(autojump_clock: MockClock) -> None:
    times: list[float] = []

    def trim() -> None:
        times.append(trio.current_time())

    with trio.move_on_after(100):
        await release_regularly(trim=trim)
    assert len(times) == 3


async def test_the_allocator_of_this_system_can_be_called(autojump_clock: MockClock) -> None:
    with trio.move_on_after(31) as deadline:
        await release_regularly()
    assert deadline.cancelled_caught


async def test_the_allocator_is_looked_up_once(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
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
