from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub.errors import TooManyRequests
from hub.services.access.sign_in_queue import (
    MAX_WAITING,
    MAX_WAITING_PER_NETWORK,
    MAX_WAITING_PER_SOURCE,
    NETWORK_BURST,
    NETWORK_RATE,
    STRANGER_BURST,
    STRANGER_RATE,
    Source,
    Turns,
    stranger,
)

pytestmark = pytest.mark.jumping_clock

PC = Source(("at", "ann", "10.0.0.1"))


def in_network(number: int, host: int = 1) -> Source:
    return stranger(f"10.0.{number}.{host}")


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


async def test_whoever_signed_in_before_comes_next_whatever_strangers_send() -> None:
    async with trio.open_nursery() as nursery:
        checks = Checks(nursery)
        for number in range(50):
            checks.start(in_network(number))
        await wait_all_tasks_blocked()
        assert len(checks.refused) == 50 - 1 - MAX_WAITING
        checks.start(PC)
        await trio.sleep(2.5)
        assert checks.done[1] == PC


async def test_sources_of_a_kind_come_one_after_the_other() -> None:
    async with trio.open_nursery() as nursery:
        checks = Checks(nursery)
        for _ in range(MAX_WAITING_PER_SOURCE):
            checks.start(in_network(1))
            await wait_all_tasks_blocked()
        checks.start(in_network(2))
        await trio.sleep(3.5)
        assert checks.done.index(in_network(2)) <= 2


async def test_one_source_has_a_few_places() -> None:
    async with trio.open_nursery() as nursery:
        checks = Checks(nursery)
        for _ in range(50):
            checks.start(in_network(1))
            checks.start(PC)
        await wait_all_tasks_blocked()
        assert checks.refused.count(in_network(1)) == 50 - MAX_WAITING_PER_SOURCE
        assert checks.refused.count(PC) == 50 - MAX_WAITING_PER_SOURCE
        checks.start(in_network(2))
        checks.start(Source(("at", "bob", "10.0.0.2")))
        await trio.sleep(30)
        assert len(checks.done) == 2 * MAX_WAITING_PER_SOURCE + 2


async def test_the_work_for_strangers_is_bounded_per_network() -> None:
    turns = Turns()

    async def check(source: Source) -> bool:
        try:
            async with turns.turn(source):
                return True
        except TooManyRequests:
            return False

    assert [await check(in_network(1)) for _ in range(100)].count(True) == NETWORK_BURST
    assert await check(in_network(2))
    assert await check(PC)
    await trio.sleep(20)
    assert [await check(in_network(1)) for _ in range(100)].count(True) == 10


async def test_the_work_for_all_strangers_together_is_bounded() -> None:
    turns = Turns()
    done = 0
    for number in range(1000):
        try:
            async with turns.turn(in_network(number)):
                done += 1
        except TooManyRequests:
            pass
    assert done == STRANGER_BURST
    async with turns.turn(PC):
        pass


async def test_who_stops_waiting_leaves_the_turn_to_others() -> None:
    async with trio.open_nursery() as nursery:
        checks = Checks(nursery)
        first = checks.start(PC)
        await wait_all_tasks_blocked()
        scopes = [checks.start(in_network(number)) for number in range(3)]
        await wait_all_tasks_blocked()
        scopes[0].cancel()
        first.cancel()
        await wait_all_tasks_blocked()
        # This one has the turn by now, which ends at the same moment.
        scopes[1].cancel()
        await trio.sleep(5)
        assert checks.done == [in_network(2)]
        async with checks.turns.turn(PC):
            pass
        assert not checks.turns._taken


async def test_a_pc_that_floods_does_not_shut_out_another_one_of_its_network() -> None:
    turns = Turns()

    async def check(host: int) -> bool:
        try:
            async with turns.turn(in_network(1, host)):
                return True
        except TooManyRequests:
            return False

    while await check(66):
        pass
    assert not await check(5)
    for _ in range(int(2 / NETWORK_RATE)):
        await trio.sleep(1)
        # The flood asks first each time.
        await check(66)
        if is_let_in := await check(5):
            break
    assert is_let_in


async def test_a_flood_from_many_networks_does_not_shut_out_another_one() -> None:
    turns = Turns()

    async def check(network: int) -> bool:
        try:
            async with turns.turn(in_network(network)):
                return True
        except TooManyRequests:
            return False

    flood = range(20)
    for _ in range(5):
        for network in flood:
            await check(network)
    waited = 0
    while not await check(99):
        assert waited <= (len(flood) + 1) / STRANGER_RATE
        await trio.sleep(1)
        waited += 1
        # The flood asks first each time.
        for network in flood:
            await check(network)
    assert waited > 0


async def test_a_pc_is_told_when_its_turn_comes() -> None:
    turns = Turns()
    for _ in range(NETWORK_BURST):
        async with turns.turn(in_network(1, 66)):
            pass
    with pytest.raises(TooManyRequests):
        async with turns.turn(in_network(1, 66)):
            pass
    with pytest.raises(TooManyRequests) as refusal:
        async with turns.turn(in_network(1, 5)):
            pass
    assert refusal.value.retry_after == 2 / NETWORK_RATE
    await trio.sleep(refusal.value.retry_after)
    async with turns.turn(in_network(1, 5)):
        pass


async def test_the_hosts_of_a_network_share_a_part_of_the_places() -> None:
    async with trio.open_nursery() as nursery:
        checks = Checks(nursery)
        for host in range(20):
            checks.start(in_network(1, host))
        await wait_all_tasks_blocked()
        assert len(checks.refused) == 20 - MAX_WAITING_PER_NETWORK
        checks.start(in_network(2))
        await trio.sleep(30)
        assert checks.done[-1] == in_network(2)
