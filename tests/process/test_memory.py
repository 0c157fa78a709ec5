"""Unused memory is given back while the hub runs."""

from __future__ import annotations

import ctypes

import pytest
import trio
from trio.testing import MockClock

from hub.process.memory import give_back


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


async def test_the_allocator_is_looked_up_once(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time it would leave some KB to the collector, which an idle hub does not call."""
    asked: list[str | None] = []
    library = ctypes.CDLL

    def looked_up(name: str | None) -> ctypes.CDLL:
        asked.append(name)
        return library(name)

    monkeypatch.setattr(ctypes, "CDLL", looked_up)
    with trio.move_on_after(100):
        await give_back()
    assert len(asked) <= 1
