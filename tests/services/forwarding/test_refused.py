"""What a target refuses for ever is told to a person, and sent again when that person wants it."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.retries import ALARM_PLAN, WEBHOOK_PLAN, Retries
from hub.store.targets.target import DeadLetterKey, Selection
from tests.services.forwarding.conftest import (
    Forwarding,
    Received,
    Receiver,
    open_forwarding,
)
from tests.services.forwarding.test_erasures import NUMBER, add_person, erase_person
from tests.services.forwarding.test_targets import raise_alarm
from tests.support.clock import FrozenClock


class Picky:
    """Answers of a receiver that refuses messages of some types."""

    def __init__(self, receiver: Receiver, *types: str) -> None:
        self.types = set(types)
        receiver.answer = self

    def __call__(self, received: Received) -> httpx.Response:
        return httpx.Response(422 if received.body["type"] in self.types else 204)


def types(receiver: Receiver) -> list[str]:
    return [one.body["type"] for one in receiver.kept]


async def test_an_alarm_that_is_refused_is_dead_lettered_and_sent_at_retry_after_a_restart(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    picky = Picky(receiver, "alarm")
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        (seq,) = await forwarding.hub.add_faces("a")
        await raise_alarm(forwarding, seq)
        id = (await forwarding.add(selection=Selection()))[0].target.id
        await forwarding.until_current(id)
        await receiver.until(lambda: forwarding.targets.get(id).dead_letters == 1)
        (letter,) = await forwarding.targets.dead_letters(id)
        assert letter.key == DeadLetterKey("alarm", forwarding.services.records.log.log_id, seq)
        assert (str(letter.reason), types(receiver)) == ("it answered 422", ["record"])
    picky.types.clear()
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        assert forwarding.targets.get(id).dead_letters == 1
        await forwarding.targets.retry(id, by=COMMAND_LINE)
        await receiver.until(lambda: forwarding.targets.get(id).dead_letters == 0)
        assert types(receiver) == ["record", "alarm"]
        assert (receiver.kept[-1].seq, receiver.kept[-1].body["data"]["state"]) == (seq, "new")


async def test_a_later_state_of_an_alarm_takes_the_place_of_a_refused_one(
    forwarding: Forwarding,
) -> None:
    picky = Picky(forwarding.receiver, "alarm")
    seqs = await forwarding.hub.add_faces("a")
    await raise_alarm(forwarding, seqs[0])
    id = (await forwarding.add(selection=Selection()))[0].target.id
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).dead_letters == 1)
    picky.types.clear()
    await forwarding.services.alarms.raised.close(seqs, "", by=COMMAND_LINE)
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).dead_letters == 0)
    assert forwarding.receiver.kept[-1].body["data"]["state"] == "closed"


@pytest.mark.parametrize("meanwhile", [503, 410])
async def test_an_alarm_that_changed_before_retry_is_sent_once(
    forwarding: Forwarding, meanwhile: int
) -> None:
    receiver = forwarding.receiver
    picky = Picky(receiver, "alarm")
    seqs = await forwarding.hub.add_faces("a")
    await raise_alarm(forwarding, seqs[0])
    id = (await forwarding.add(selection=Selection()))[0].target.id
    await receiver.until(lambda: forwarding.targets.get(id).dead_letters == 1)
    receiver.answer = lambda received: httpx.Response(meanwhile)
    await forwarding.services.alarms.raised.close(seqs, "", by=COMMAND_LINE)
    await receiver.until(lambda: forwarding.targets.get(id).state in ("waiting", "held"))
    picky.types.clear()
    receiver.answer = picky
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.hub.add_faces("b")
    await receiver.until(lambda: len(receiver.seqs) == 2)
    assert types(receiver).count("alarm") == 1
    assert forwarding.targets.get(id).dead_letters == 0


async def test_a_gap_that_is_refused_is_dead_lettered_and_not_told_until_retry(
    forwarding: Forwarding,
) -> None:
    picky = Picky(forwarding.receiver, "gap")
    await forwarding.hub.add_faces("a", "b", "c")
    await forwarding.hub.store.write(
        lambda c: c.execute("DELETE FROM record WHERE seq <= 2").rowcount
    )
    id = (await forwarding.add())[0].target.id
    await forwarding.until_current(id)
    (letter,) = await forwarding.targets.dead_letters(id)
    assert (letter.kind, letter.seq) == ("gap", 1)
    await forwarding.hub.add_faces("d")
    view = await forwarding.until_current(id)
    assert [gap.told_at for gap in view.gaps] == [None]
    assert len([one for one in forwarding.receiver.asked if one.body["type"] == "gap"]) == 1
    picky.types.clear()
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).dead_letters == 0)
    assert forwarding.receiver.kept[-1].body["type"] == "gap"
    assert forwarding.targets.get(id).gaps[0].told_at is not None


async def test_an_erasure_that_is_refused_holds_the_target_until_it_is_taken(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    picky = Picky(receiver, "erasure")
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        seqs = await add_person(forwarding.hub)
        id = (await forwarding.add())[0].target.id
        await forwarding.until_current(id)
        await erase_person(forwarding.hub)
        await receiver.until(lambda: forwarding.targets.get(id).state == "held")
        view = forwarding.targets.get(id)
        assert str(view.reason) == "it refuses to erase records: it answered 422"
        assert view.refuses_erasure
        await forwarding.targets.retry(id, by=COMMAND_LINE)
        await receiver.until(lambda: forwarding.targets.get(id).state == "held")
        seqs += await forwarding.hub.add_faces("later")
    picky.types.clear()
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        assert forwarding.targets.get(id).refuses_erasure
        await forwarding.targets.retry(id, by=COMMAND_LINE)
        await forwarding.until_current(id)
        assert types(receiver) == ["record", "erasure", "record"]
        assert NUMBER not in receiver.kept[1].text


async def test_what_was_refused_under_an_earlier_log_is_not_sent_for_a_record_of_this_one(
    forwarding: Forwarding,
) -> None:
    picky = Picky(forwarding.receiver, "record")
    id = (await forwarding.add())[0].target.id
    await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).dead_letters == 1)
    await forwarding.hub.store.write(
        lambda c: c.execute("UPDATE parked_item SET log = 'earlier'").rowcount
    )
    picky.types.clear()
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.hub.add_faces("b")
    await forwarding.until_current(id)
    assert forwarding.receiver.seqs == [2]


async def test_what_is_refused_of_a_target_that_is_gone_is_not_kept(forwarding: Forwarding) -> None:
    id = (await forwarding.add())[0].target.id
    table = forwarding.hub.store.targets
    await forwarding.targets.remove(id, by=COMMAND_LINE)
    await table.add_gaps({id: (1, 3)}, "log", "age", 0)
    assert table.gaps(id) == ()
    assert not await forwarding.hub.store.read(
        lambda c: c.execute("SELECT * FROM target_gap").fetchall()
    )


@pytest.mark.parametrize("asked", [0.0, 3_600.0, 86_400.0])
def test_a_webhook_that_carries_alarms_is_tried_again_after_5_minutes_at_most(asked: float) -> None:
    retries = Retries(lambda: 1.0, ALARM_PLAN)
    waits = [retries.next_wait(asked) for _ in range(20)]
    assert max(waits) <= 300
    assert Retries(lambda: 0.0, WEBHOOK_PLAN).next_wait(asked) == max(5, asked)


async def test_the_plan_of_a_webhook_follows_its_choice(
    forwarding: Forwarding, clock: FrozenClock
) -> None:
    busy = httpx.Response(429, headers={"Retry-After": "7200"})
    forwarding.receiver.answer = lambda received: busy
    await forwarding.hub.add_faces("a")
    for alarms, seconds in ((True, 300), (False, 7_200)):
        id = (await forwarding.add(selection=Selection(alarms=alarms)))[0].target.id
        await forwarding.receiver.until(lambda id=id: forwarding.targets.get(id).state == "waiting")  # type: ignore[misc]
        assert forwarding.targets.get(id).next_try == clock.ms + seconds * 1000
