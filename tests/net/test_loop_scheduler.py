"""Turns at beginning work in the event loop."""

from __future__ import annotations

import trio
from trio.testing import wait_all_tasks_blocked

from hub.net.connection_slots import KnownAddresses
from hub.net.loop_scheduler import LoopScheduler

FLOOD, OTHER_FLOOD, STRANGER, CAMERA = "10.0.0.66", "10.0.0.67", "10.0.0.5", "10.0.0.8"


class Begun:
    """Who began, in order, and in which pass of the loop."""

    def __init__(self, *known: str) -> None:
        self.turns = LoopScheduler(KnownAddresses(known))
        self.order: list[str] = []
        self.passes: list[int] = []
        self._pass = 0

    async def begin(self, address: str) -> None:
        await self.turns.turn(address)
        self.order.append(address)
        self.passes.append(self._pass)

    async def run(self, *addresses: str) -> None:
        """Let all of them come in one pass, in any order, and begin."""
        async with trio.open_nursery() as counter:
            counter.start_soon(self._count)
            async with trio.open_nursery() as nursery:
                for address in addresses:
                    nursery.start_soon(self.begin, address)
            counter.cancel_scope.cancel()
        assert self.turns.is_idle

    async def _count(self) -> None:
        while True:
            await trio.lowlevel.checkpoint()
            self._pass += 1


async def test_who_is_alone_begins_in_the_next_pass() -> None:
    turns = LoopScheduler()
    with trio.fail_after(30):
        await turns.turn(STRANGER)
    assert turns.is_idle


async def test_one_address_begins_one_thing_in_a_pass() -> None:
    begun = Begun()
    await begun.run(*[FLOOD] * 10)
    assert len(set(begun.passes)) == 10


async def test_a_stranger_waits_for_one_turn_of_each_other_source() -> None:
    begun = Begun()
    await begun.run(*[FLOOD] * 50, *[OTHER_FLOOD] * 50, STRANGER)
    assert begun.order.index(STRANGER) <= 3
    assert begun.order[:20].count(FLOOD) >= 9
    assert begun.order[:20].count(OTHER_FLOOD) >= 9


async def test_the_addresses_of_one_ipv6_network_are_one_source() -> None:
    begun = Begun()
    await begun.run(*[f"2001:db8::{n}" for n in range(1, 51)], STRANGER)
    assert begun.order.index(STRANGER) <= 2


async def test_a_known_address_does_not_wait_for_strangers() -> None:
    begun = Begun(CAMERA)
    await begun.run(*[f"10.1.0.{n}" for n in range(50)], CAMERA)
    assert begun.order.index(CAMERA) <= 2


async def test_a_known_address_that_floods_delays_nobody() -> None:
    begun = Begun(CAMERA, FLOOD)
    await begun.run(*[FLOOD] * 50, CAMERA, STRANGER)
    assert begun.order.index(CAMERA) <= 4
    assert begun.order.index(STRANGER) <= 4


async def test_who_gives_up_delays_nobody() -> None:
    begun = Begun()
    with trio.CancelScope() as given_up:
        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(begun.begin, FLOOD)
            given_up.cancel()
    assert begun.order == []
    assert begun.turns.is_idle
    with trio.fail_after(30):
        await begun.turns.turn(STRANGER)


async def test_who_is_cancelled_with_the_turn_passes_it_on() -> None:
    begun = Begun()
    scopes: list[trio.CancelScope] = []

    async def begin(address: str) -> None:
        with trio.CancelScope() as scope:
            scopes.append(scope)
            await begun.begin(address)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(begin, FLOOD)
        nursery.start_soon(begin, OTHER_FLOOD)
        nursery.start_soon(begin, STRANGER)
        while len(scopes) < 3:
            await trio.lowlevel.checkpoint()
        for scope in scopes[:2]:
            scope.cancel()
        await wait_all_tasks_blocked()
    assert begun.turns.is_idle
