"""Records that come one by one go in batches, and nobody waits for an alarm because of that."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from hub.services.forwarding.nats import sender
from hub.store.targets.target import Selection
from tests.services.forwarding.nats.conftest import NatsForwarding
from tests.services.forwarding.nats.test_sender import event


@pytest.fixture(autouse=True)
def no_time_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is gathered goes for another reason than the time."""
    monkeypatch.setattr(sender, "GATHER_SECONDS", 3_600.0)


async def current(forwarding: NatsForwarding, *, alarms: bool = False) -> int:
    """Add a target that has the first record; return its id."""
    await forwarding.hub.add_faces("first")
    id = (await forwarding.add(selection=Selection(alarms=alarms))).target.id
    await forwarding.until_current(id)
    return id


def sent(forwarding: NatsForwarding, id: int) -> list[str]:
    """Which records went together."""
    return [one.id.partition("-")[2] for one in reversed(forwarding.targets.deliveries(id))]


async def test_records_that_come_one_by_one_go_together(new_forwarding: NatsForwarding) -> None:
    forwarding = new_forwarding
    id = await current(forwarding)
    for number in range(199):
        await forwarding.hub.add_faces(f"n{number}")
    await wait_all_tasks_blocked(0.05)
    assert sent(forwarding, id) == ["1"]
    await forwarding.hub.add_faces("last")
    await forwarding.until(id, lambda view: view.cursor.seq == 201)
    assert sent(forwarding, id) == ["1", "2-201"]


async def test_an_alarm_goes_at_once_with_what_was_gathered(
    new_forwarding: NatsForwarding,
) -> None:
    forwarding = new_forwarding
    id = await current(forwarding, alarms=True)
    await forwarding.hub.add_faces("a")
    await forwarding.hub.add_faces("b")
    seq = await forwarding.hub.add(event(3))
    await forwarding.until(id, lambda view: view.cursor.alarm_number > 0 and not view.behind)
    assert sent(forwarding, id) == ["1", "other", f"2-{seq}"]


@pytest.mark.parametrize("server", ["old"], indirect=True)
async def test_nothing_is_gathered_for_a_server_without_batches(forwarding: NatsForwarding) -> None:
    id = await current(forwarding)
    await forwarding.hub.add_faces("a")
    await forwarding.until(id, lambda view: view.cursor.seq == 2)
    assert sent(forwarding, id) == ["1", "2"]
