"""A target that catches up makes way for uploads, and for nothing else."""

from __future__ import annotations

import pytest
import trio

from hub.services.forwarding.backpressure import backoff_for_uploads
from hub.store.db import Store
from tests.services.forwarding.conftest import Forwarding


@pytest.mark.parametrize("waiting", [0, 1, 3])
def test_nothing_waits_while_uploads_are_stored_at_once(waiting: int) -> None:
    assert backoff_for_uploads(200, waiting) == 0


@pytest.mark.parametrize("records", [1, 200])
def test_a_target_takes_a_small_part_of_a_busy_hub(records: int) -> None:
    costs = 0.002 + records * 0.00006
    assert costs / backoff_for_uploads(records, 16) < 0.025


async def test_records_go_on_after_a_pause_while_uploads_wait(
    forwarding: Forwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[float] = []
    answer = forwarding.receiver.answer

    def note(received: object) -> object:
        times.append(trio.current_time())
        return answer(received)  # type: ignore[arg-type]

    forwarding.receiver.answer = note  # type: ignore[assignment]
    seqs = await forwarding.hub.add_faces("a", "b")
    monkeypatch.setattr(Store, "queue_fill", (16, 0))
    await forwarding.add()
    await forwarding.receiver.until(lambda: forwarding.receiver.seqs == seqs)
    assert times[1] - times[0] >= backoff_for_uploads(1, 16)
