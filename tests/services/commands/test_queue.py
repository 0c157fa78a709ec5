"""Whose turn it is at a device: order, bounds, and callers who go."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import DeviceBusy
from hub.services.commands.queue import MOST_BEFORE, MOST_WAITING, WAIT_SECONDS, CommandQueue


async def take(turns: CommandQueue, *, gives_way: bool = False) -> None:
    if not turns.take_nowait():
        await turns.wait(gives_way=gives_way)


class Crowd:
    """Callers who come one after the other, each in a task of its own."""

    def __init__(self, turns: CommandQueue, nursery: trio.Nursery) -> None:
        self.turns = turns
        self.inside: list[int] = []
        self.came: list[int] = []
        self.busy: list[int] = []
        self.scopes: dict[int, trio.CancelScope] = {}
        self._nursery = nursery

    async def come(self, number: int, *, gives_way: bool = False) -> None:
        self._nursery.start_soon(self._take, number, gives_way)
        await wait_all_tasks_blocked()

    async def go(self, number: int) -> None:
        """One who is inside has done."""
        self.inside.remove(number)
        self.turns.end()
        await wait_all_tasks_blocked()

    async def give_up(self, number: int) -> None:
        self.scopes[number].cancel()
        await wait_all_tasks_blocked()

    async def _take(self, number: int, gives_way: bool) -> None:
        with trio.CancelScope() as scope:
            self.scopes[number] = scope
            try:
                await take(self.turns, gives_way=gives_way)
            except DeviceBusy:
                self.busy.append(number)
            else:
                self.came.append(number)
                self.inside.append(number)


def test_there_are_so_many_turns_at_once_and_no_more() -> None:
    turns = CommandQueue(2)
    assert turns.is_idle
    assert [turns.take_nowait() for _ in range(3)] == [True, True, False]
    turns.end()
    assert turns.take_nowait()
    turns.end()
    turns.end()
    assert turns.is_idle


async def test_a_turn_that_is_free_is_taken_without_giving_way() -> None:
    turns = CommandQueue(1)
    with trio.testing.assert_no_checkpoints():
        await take(turns)


async def test_who_waits_comes_in_the_order_of_asking(nursery: trio.Nursery) -> None:
    crowd = Crowd(CommandQueue(1), nursery)
    for number in range(5):
        await crowd.come(number)
    assert crowd.inside == [0]
    for number in range(5):
        await crowd.go(number)
    assert crowd.came == [0, 1, 2, 3, 4]
    assert crowd.turns.is_idle


async def test_who_gives_way_comes_behind_the_others_but_never_behind_many(
    nursery: trio.Nursery,
) -> None:
    crowd = Crowd(CommandQueue(1), nursery)
    await crowd.come(0)
    for number in (100, 101, 102):
        await crowd.come(number, gives_way=True)
    for number in range(1, MOST_BEFORE + 3):
        await crowd.come(number)
    for number in range(MOST_BEFORE + 1):
        await crowd.go(number)
    assert crowd.inside == [100]
    while crowd.inside:
        await crowd.go(crowd.inside[0])
    first, last = range(MOST_BEFORE + 1), (MOST_BEFORE + 1, MOST_BEFORE + 2)
    assert crowd.came == [*first, 100, *last, 101, 102]
    assert crowd.turns.is_idle


async def test_those_who_give_way_keep_nobody_else_out_of_the_queue(nursery: trio.Nursery) -> None:
    crowd = Crowd(CommandQueue(1), nursery)
    await crowd.come(0)
    for number in range(100, 101 + MOST_WAITING):
        await crowd.come(number, gives_way=True)
    assert crowd.busy == [100 + MOST_WAITING]
    await crowd.come(1)
    await crowd.give_up(100)
    await crowd.go(0)
    assert crowd.inside == [1]
    nursery.cancel_scope.cancel()


async def test_nobody_overtakes_one_whose_turn_has_come_and_who_does_not_run_yet(
    nursery: trio.Nursery,
) -> None:
    crowd = Crowd(CommandQueue(1), nursery)
    await crowd.come(1)
    await crowd.come(2)
    crowd.inside.remove(1)
    crowd.turns.end()
    assert not crowd.turns.take_nowait()
    await wait_all_tasks_blocked()
    assert crowd.inside == [2]


async def test_who_gives_up_leaves_the_queue_and_the_others_their_order(
    nursery: trio.Nursery,
) -> None:
    crowd = Crowd(CommandQueue(1), nursery)
    for number in range(4):
        await crowd.come(number)
    await crowd.give_up(2)
    for number in (0, 1, 3):
        await crowd.go(number)
    assert crowd.came == [0, 1, 3]
    assert crowd.turns.is_idle


async def test_a_turn_that_comes_to_one_who_gives_up_that_moment_is_the_next_ones(
    nursery: trio.Nursery,
) -> None:
    crowd = Crowd(CommandQueue(1), nursery)
    for number in range(3):
        await crowd.come(number)
    crowd.scopes[1].cancel()
    await crowd.go(0)
    assert crowd.inside == [2]
    await crowd.go(2)
    assert crowd.turns.is_idle


async def test_who_comes_when_too_many_wait_is_told_that_the_device_is_busy(
    nursery: trio.Nursery,
) -> None:
    crowd = Crowd(CommandQueue(1), nursery)
    for number in range(MOST_WAITING + 2):
        await crowd.come(number)
    assert crowd.busy == [MOST_WAITING + 1]
    await crowd.go(0)
    await crowd.come(1000)
    assert 1000 not in crowd.busy
    nursery.cancel_scope.cancel()


async def test_who_has_waited_long_enough_is_told_so_and_leaves_the_queue(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    turns = CommandQueue(1)
    assert turns.take_nowait()
    with pytest.raises(DeviceBusy, match="for 25 s"):
        await turns.wait()
    assert trio.current_time() == WAIT_SECONDS
    turns.end()
    assert turns.is_idle


@pytest.mark.parametrize("gives_way", [0, 0.5])
@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_no_turn_is_lost_and_none_is_given_twice(
    nursery: trio.Nursery, seed: int, gives_way: float
) -> None:
    """Callers come, have done and give up at random: order and number hold throughout."""
    chance = random.Random(seed)
    places = chance.randint(1, 4)
    crowd = Crowd(CommandQueue(places), nursery)
    waiting: list[int] = []
    for number in range(60):
        what = chance.choice(["come", "come", "go", "give up", "both"])
        if what == "come":
            waiting.append(number)
            await crowd.come(number, gives_way=chance.random() < gives_way)
        if what in ("give up", "both") and waiting:
            gone = chance.choice(waiting)
            waiting.remove(gone)
            crowd.scopes[gone].cancel()
        if what in ("go", "both") and crowd.inside:
            await crowd.go(chance.choice(crowd.inside))
        await wait_all_tasks_blocked()
        waiting = [one for one in waiting if one not in crowd.came]
        assert len(crowd.inside) <= places
        assert not waiting or len(crowd.inside) == places
        assert gives_way or crowd.came == sorted(crowd.came)
    while crowd.inside:
        await crowd.go(crowd.inside[0])
    assert crowd.turns.is_idle
