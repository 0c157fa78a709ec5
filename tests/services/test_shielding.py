"""A change is completed although its client hangs up, but not while it waits for its input."""

from __future__ import annotations

import trio
from trio.testing import MockClock

from hub.services.shielding import shielded


async def test_a_change_is_completed_although_it_is_cancelled(autojump_clock: MockClock) -> None:
    with trio.CancelScope() as client:
        client.cancel()
        with shielded():
            await trio.sleep(1)
    assert trio.current_time() >= 1


async def test_it_stays_suspended_until_the_outermost_block_ends(
    autojump_clock: MockClock,
) -> None:
    started = trio.current_time()
    with trio.move_on_after(5) as client, shielded() as shield, shield.suspended():
        with shield.suspended():
            await trio.sleep(1)
        await trio.sleep(60)
    assert client.cancelled_caught
    assert trio.current_time() - started == 5
