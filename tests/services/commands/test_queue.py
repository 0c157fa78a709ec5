"""Command queues: order, bounds, and callers that are cancelled."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import DeviceBusy
from hub.services.commands.queue import (
    MAX_OVERTAKES,
    MAX_WAIT_SECONDS,
    MAX_WAITING,
    CommandQueue,
    CommandQueues,
)


async def acquire(queue: CommandQueue, *, gives_way: bool = False) -> None:
    if not queue.acquire_nowait():
        await queue.acquire(gives_way=gives_way)


class Callers:
    """Callers that ask one after the other, each in a task of its own.

    `holding` have a slot now; `served` got one, in this order; `busy` were refused.
    """

    def __init__(self, queue: CommandQueue, nursery: trio.Nursery) -> None:
        self.queue = queue
        self.holding: list[int] = []
        self.served: list[int] = []
        self.busy: list[int] = []
        self.scopes: dict[int, trio.CancelScope] = {}
        self._nursery = nursery

    async def ask(self, number: int, *, gives_way: bool = False) -> None:
        self._nursery.start_soon(self._acquire, number, gives_way)
        await wait_all_tasks_blocked()

    async def finish(self, number: int) -> None:
        """Release the slot of a caller."""
        self.holding.remove(number)
        self.queue.release()
        await wait_all_tasks_blocked()

    async def cancel(self, number: int) -> None:
        self.scopes[number].cancel()
        await wait_all_tasks_blocked()

    async def _acquire(self, number: int, gives_way: bool) -> None:
        with trio.CancelScope() as scope:
            self.scopes[number] = scope
            try:
                await acquire(self.queue, gives_way=gives_way)
            except DeviceBusy:
                self.busy.append(number)
            else:
                self.served.append(number)
                self.holding.append(number)


def test_a_queue_has_a_fixed_number_of_slots() -> None:
    queue = CommandQueue(2)
    assert queue.is_idle
    assert [queue.acquire_nowait() for _ in range(3)] == [True, True, False]
    queue.release()
    assert queue.acquire_nowait()
    queue.release()
    queue.release()
    assert queue.is_idle


async def test_a_free_slot_is_acquired_without_a_checkpoint() -> None:
    queue = CommandQueue(1)
    with trio.testing.assert_no_checkpoints():
        await acquire(queue)
    assert not queue.is_idle


async def test_callers_are_served_in_their_order(nursery: trio.Nursery) -> None:
    callers = Callers(CommandQueue(1), nursery)
    for number in range(5):
        await callers.ask(number)
    assert callers.holding == [0]
    for number in range(5):
        await callers.finish(number)
    assert callers.served == [0, 1, 2, 3, 4]
    assert callers.queue.is_idle


async def test_a_caller_that_gives_way_is_overtaken_by_a_bounded_number(
    nursery: trio.Nursery,
) -> None:
    callers = Callers(CommandQueue(1), nursery)
    await callers.ask(0)
    for number in (100, 101, 102):
        await callers.ask(number, gives_way=True)
    for number in range(1, MAX_OVERTAKES + 3):
        await callers.ask(number)
    for number in range(MAX_OVERTAKES + 1):
        await callers.finish(number)
    assert callers.holding == [100]
    while callers.holding:
        await callers.finish(callers.holding[0])
    first, last = range(MAX_OVERTAKES + 1), (MAX_OVERTAKES + 1, MAX_OVERTAKES + 2)
    assert callers.served == [*first, 100, *last, 101, 102]
    assert callers.queue.is_idle


async def test_callers_that_give_way_do_not_fill_the_queue_of_the_others(
    nursery: trio.Nursery,
) -> None:
    callers = Callers(CommandQueue(1), nursery)
    await callers.ask(0)
    for number in range(100, 101 + MAX_WAITING):
        await callers.ask(number, gives_way=True)
    assert callers.busy == [100 + MAX_WAITING]
    await callers.ask(1)
    await callers.cancel(100)
    await callers.finish(0)
    assert callers.holding == [1]
    nursery.cancel_scope.cancel()


async def test_a_slot_that_was_handed_on_cannot_be_taken_by_another_caller(
    nursery: trio.Nursery,
) -> None:
    callers = Callers(CommandQueue(1), nursery)
    await callers.ask(1)
    await callers.ask(2)
    callers.holding.remove(1)
    callers.queue.release()
    assert not callers.queue.acquire_nowait()
    await wait_all_tasks_blocked()
    assert callers.holding == [2]


async def test_a_cancelled_caller_leaves_the_queue_and_the_others_keep_their_order(
    nursery: trio.Nursery,
) -> None:
    callers = Callers(CommandQueue(1), nursery)
    for number in range(4):
        await callers.ask(number)
    await callers.cancel(2)
    for number in (0, 1, 3):
        await callers.finish(number)
    assert callers.served == [0, 1, 3]
    assert callers.queue.is_idle


async def test_a_slot_handed_to_a_caller_that_is_being_cancelled_goes_to_the_next(
    nursery: trio.Nursery,
) -> None:
    callers = Callers(CommandQueue(1), nursery)
    for number in range(3):
        await callers.ask(number)
    callers.scopes[1].cancel()
    await callers.finish(0)
    assert callers.holding == [2]
    await callers.finish(2)
    assert callers.queue.is_idle


async def test_a_caller_that_finds_a_full_queue_gets_device_busy(
    nursery: trio.Nursery,
) -> None:
    callers = Callers(CommandQueue(1), nursery)
    for number in range(MAX_WAITING + 2):
        await callers.ask(number)
    assert callers.busy == [MAX_WAITING + 1]
    await callers.finish(0)
    await callers.ask(1000)
    assert 1000 not in callers.busy
    nursery.cancel_scope.cancel()


async def test_a_caller_that_waited_too_long_gets_device_busy(
    nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    queue = CommandQueue(1)
    assert queue.acquire_nowait()
    with pytest.raises(DeviceBusy, match="for 25 s"):
        await queue.acquire()
    assert trio.current_time() == MAX_WAIT_SECONDS
    queue.release()
    assert queue.is_idle


@pytest.mark.parametrize("gives_way", [0, 0.5])
@pytest.mark.parametrize("seed", range(20))
async def test_no_slot_is_lost_or_given_twice_whatever_happens(
    nursery: trio.Nursery, seed: int, gives_way: float
) -> None:
    """Callers ask, finish and are cancelled at random."""
    chance = random.Random(seed)
    slots = chance.randint(1, 4)
    callers = Callers(CommandQueue(slots), nursery)
    waiting: list[int] = []
    for number in range(60):
        what = chance.choice(["ask", "ask", "finish", "cancel", "both"])
        if what == "ask":
            waiting.append(number)
            await callers.ask(number, gives_way=chance.random() < gives_way)
        if what in ("cancel", "both") and waiting:
            gone = chance.choice(waiting)
            waiting.remove(gone)
            callers.scopes[gone].cancel()
        if what in ("finish", "both") and callers.holding:
            await callers.finish(chance.choice(callers.holding))
        await wait_all_tasks_blocked()
        waiting = [one for one in waiting if one not in callers.served]
        assert len(callers.holding) <= slots
        assert not waiting or len(callers.holding) == slots
        assert gives_way or callers.served == sorted(callers.served)
    while callers.holding:
        await callers.finish(callers.holding[0])
    assert callers.queue.is_idle


async def test_a_device_has_a_queue_only_while_it_is_used(nursery: trio.Nursery) -> None:
    queues = CommandQueues()
    light = await queues.acquire("1", has_photo=False)
    photo = await queues.acquire("1", has_photo=True)
    assert len(queues) == 2
    with trio.CancelScope() as scope:
        scope.cancel()
        await queues.acquire("1", has_photo=True)
    light()
    photo()
    assert len(queues) == 0
