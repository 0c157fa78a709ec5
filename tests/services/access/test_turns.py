from __future__ import annotations

import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from hub.errors import TooManyRequests
from hub.services.access.turns import (
    MAX_WAITING,
    MAX_WAITING_PER_SOURCE,
    NETWORK_BURST,
    STRANGER_BURST,
    Source,
    Turns,
)

PC = Source("ann at 10.0.0.1", True)


def stranger(number: int) -> Source:
    return Source(f"10.0.{number}.0/24", False)


class Checks:
    """Checks that each take a second, and how each ended."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self._nursery = nursery
        self.turns = Turns()
        self.done: list[Source] = []
        self.refused: list[Source] = []

    def start(self, source: Source) -> trio.CancelScope:
        scope = trio.CancelScope()
        self._nursery.start_soon(self._check, source, scope)
        return scope

    async def _check(self, source: Source, scope: trio.CancelScope) -> None:
        with scope:
            try:
                async with self.turns.turn(source):
                    await trio.sleep(1)
                self.done.append(source)
            except TooManyRequests:
                self.refused.append(source)


async def test_whoever_signed_in_before_comes_next_whatever_strangers_send(
    autojump_clock: MockClock,
) -> None:
    async with trio.open_nursery() as nursery:
        checks = Checks(nursery)
        for number in range(50):
            checks.start(stranger(number))
        await wait_all_tasks_blocked()
        assert len(checks.refused) == 50 - 1 - MAX_WAITING
        checks.start(PC)
        await trio.sleep(2.5)
        assert checks.done[1] == PC


async def test_one_source_has_a_few_places(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        checks = Checks(nursery)
        for _ in range(50):
            checks.start(stranger(1))
            checks.start(PC)
        await wait_all_tasks_blocked()
        assert checks.refused.count(stranger(1)) == 50 - MAX_WAITING_PER_SOURCE
        assert checks.refused.count(PC) == 50 - MAX_WAITING_PER_SOURCE
        checks.start(stranger(2))
        checks.start(Source("bob at 10.0.0.2", True))
        await trio.sleep(30)
        assert len(checks.done) == 2 * MAX_WAITING_PER_SOURCE + 2


async def test_the_work_for_strangers_is_bounded_per_network(autojump_clock: MockClock) -> None:
    turns = Turns()

    async def check(source: Source) -> bool:
        try:
            async with turns.turn(source):
                return True
        except TooManyRequests:
            return False

    assert [await check(stranger(1)) for _ in range(100)].count(True) == NETWORK_BURST
    assert await check(stranger(2))
    assert await check(PC)
    await trio.sleep(20)
    assert [await check(stranger(1)) for _ in range(100)].count(True) == 10


async def test_the_work_for_all_strangers_together_is_bounded(autojump_clock: MockClock) -> None:
    turns = Turns()
    done = 0
    for number in range(1000):
        try:
            async with turns.turn(stranger(number)):
                done += 1
        except TooManyRequests:
            pass
    assert done == STRANGER_BURST
    async with turns.turn(PC):
        pass


async def test_who_stops_waiting_leaves_the_turn_to_others(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        checks = Checks(nursery)
        first = checks.start(PC)
        await wait_all_tasks_blocked()
        scopes = [checks.start(stranger(number)) for number in range(3)]
        await wait_all_tasks_blocked()
        scopes[0].cancel()
        first.cancel()
        await wait_all_tasks_blocked()
        # This one has the turn by now, which ends at the same moment.
        scopes[1].cancel()
        await trio.sleep(5)
        assert checks.done == [stranger(2)]
        async with checks.turns.turn(PC):
            pass
        assert not checks.turns._taken
