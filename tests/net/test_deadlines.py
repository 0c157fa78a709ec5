"""Watched deadlines expire never early, and at most one sweep late."""

from __future__ import annotations

import math

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.net.deadlines import SWEEP_SECONDS, Deadlines


class Recorder:
    """Records when it expired, and has no deadline from then on."""

    def __init__(self, deadline: float) -> None:
        self.deadline = deadline
        self.expired: list[float] = []

    def expire(self) -> None:
        self.expired.append(trio.current_time())
        self.deadline = math.inf


async def test_each_object_expires_once_within_a_sweep(autojump_clock: MockClock) -> None:
    deadlines = Deadlines()
    recorders = [Recorder(n / 10) for n in range(30)]
    async with deadlines.watched():
        for recorder in recorders:
            deadlines.add(recorder)
        await trio.sleep(4)
    for n, recorder in enumerate(recorders):
        (at,) = recorder.expired
        assert n / 10 <= at <= n / 10 + SWEEP_SECONDS


async def test_a_deadline_moves_by_an_assignment(mock_clock: MockClock) -> None:
    deadlines, one, other = Deadlines(), Recorder(10), Recorder(10)
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


async def test_expiring_may_discard_and_add_objects(autojump_clock: MockClock) -> None:
    deadlines, added = Deadlines(), Recorder(1)

    class Parent(Recorder):
        def expire(self) -> None:
            super().expire()
            deadlines.discard(self)
            deadlines.add(added)

    async with deadlines.watched():
        deadlines.add(Parent(0))
        await trio.sleep(2)
    assert len(added.expired) == 1
