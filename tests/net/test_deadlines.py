"""Deadlines that one task watches: none is early, and none is late by more than a sweep."""

from __future__ import annotations

import math

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.net.deadlines import SWEEP_SECONDS, Deadlines


class Late:
    """Tells when it was found to be late; it has no deadline from then on."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired: list[float] = []

    def expire(self) -> None:
        self.expired.append(trio.current_time())
        self.deadline = math.inf


async def test_what_is_overdue_is_told_so_once_and_soon(autojump_clock: MockClock) -> None:
    deadlines = Deadlines()
    late = [Late(n / 10) for n in range(30)]
    async with deadlines.watched():
        for one in late:
            deadlines.add(one)
        await trio.sleep(4)
    for n, one in enumerate(late):
        (at,) = one.expired
        assert n / 10 <= at <= n / 10 + SWEEP_SECONDS


async def test_a_deadline_moves_by_an_assignment(mock_clock: MockClock) -> None:
    deadlines, one, other = Deadlines(), Late(10), Late(10)
    async with deadlines.watched():
        deadlines.add(one)
        deadlines.add(other)
        await wait_all_tasks_blocked()
        one.deadline = 20
        deadlines.discard(other)
        mock_clock.jump(11)
        await wait_all_tasks_blocked()
        assert (one.expired, other.expired) == ([], [])
        mock_clock.jump(10)
        await wait_all_tasks_blocked()
        assert one.expired == [21]


async def test_who_is_late_may_end_others_and_bring_new_ones(autojump_clock: MockClock) -> None:
    deadlines, born = Deadlines(), Late(1)

    class Parent(Late):
        def expire(self) -> None:
            super().expire()
            deadlines.discard(self)
            deadlines.add(born)

    async with deadlines.watched():
        deadlines.add(Parent(0))
        await trio.sleep(2)
    assert len(born.expired) == 1
