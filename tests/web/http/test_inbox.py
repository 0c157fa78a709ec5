"""The events of one request wait for the application in a bounded window."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from web.http.inbox import Inbox


class Filled:
    """An inbox into which a peer sends parts of `size` bytes as fast as it takes them."""

    def __init__(self) -> None:
        self.inbox = Inbox(self._count_wait)
        self.waits = 0
        self.size = 0
        self.is_sent = False

    async def _count_wait(self) -> None:
        self.waits += 1

    async def send(self, count: int) -> None:
        for _ in range(count):
            await self.inbox.put(bytes(self.size), more=True)
        self.is_sent = True


@pytest.fixture
async def filled() -> Filled:
    return Filled()


async def test_a_body_waits_in_a_bounded_window(filled: Filled) -> None:
    filled.size = 200_000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(filled.send, 10)
        await wait_all_tasks_blocked()
        for _ in range(10):
            assert len(filled.inbox._events) <= 2
            await filled.inbox.receive()
            await wait_all_tasks_blocked()
    assert (filled.is_sent, filled.waits) == (True, 0)


async def test_the_number_of_small_parts_that_wait_is_limited(filled: Filled) -> None:
    filled.size = 1
    async with trio.open_nursery() as nursery:
        nursery.start_soon(filled.send, 2000)
        await wait_all_tasks_blocked()
        assert len(filled.inbox._events) < 1000
        nursery.cancel_scope.cancel()


async def test_a_body_that_the_application_does_not_receive_is_dropped(filled: Filled) -> None:
    filled.size = 200_000
    async with trio.open_nursery() as nursery:
        nursery.start_soon(filled.send, 10)
        await wait_all_tasks_blocked()
        filled.inbox.close()
    assert filled.is_sent
    assert not filled.inbox._events


async def test_after_a_disconnect_waiting_events_are_received_first(
    filled: Filled,
) -> None:
    await filled.send(1)
    filled.inbox.disconnect()
    received = [(await filled.inbox.receive())["type"] for _ in range(3)]
    assert received == ["http.request", "http.disconnect", "http.disconnect"]


async def test_the_callback_runs_when_the_application_waits(filled: Filled) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(filled.inbox.receive)
        await wait_all_tasks_blocked()
        assert filled.waits == 1
        await filled.send(1)
