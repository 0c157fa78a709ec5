"""A target that fails for an hour: it is tried again at the times of Standard Webhooks."""

from __future__ import annotations

from pathlib import Path

import httpx
import trio
from trio.testing import MockClock

from tests.services.forwarding.conftest import Received, Receiver, open_forwarding
from tests.support.clock import FrozenClock


async def test_a_target_that_fails_for_an_hour_gets_everything_afterwards(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver, mock_clock: MockClock
) -> None:
    # It runs as usual, and waits are jumped over.
    mock_clock.rate = 1.0
    began = trio.current_time()

    def answer(received: Received) -> httpx.Response:
        return httpx.Response(500 if trio.current_time() < began + 3_600 else 204)

    receiver.answer = answer
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        view, _ = await forwarding.add()
        id = view.target.id
        seqs = await forwarding.hub.add_faces("a", "b", "c")
        for tries, wait in enumerate((5, 300, 1_800, 7_200), 1):
            await receiver.until(
                lambda tries=tries: (  # type: ignore[misc]
                    len(receiver.asked) == tries and forwarding.targets.get(id).state == "waiting"
                )
            )
            view = forwarding.targets.get(id)
            assert str(view.reason) == "it answered 500"
            assert (view.next_try or 0) - clock.ms == wait * 1000
            assert not receiver.kept
            mock_clock.jump(wait)
        view = await forwarding.until_current(id)
        assert receiver.seqs == seqs
        assert (view.reason, view.dead_letters, view.gaps) == (None, 0, ())
    assert len(receiver.asked) == 4 + len(seqs)
