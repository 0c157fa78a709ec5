"""Targets hear of erased records, in order, and get nothing of them afterwards."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from msgspec.structs import replace

from hub.live.feed import Change
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.erasures import erasure_items
from hub.services.forwarding.sender import ErasureItem
from hub.store.targets.erased import ErasedPage, ErasedRecord
from hub.store.targets.target import Selection
from hub.wire.uploads.records import FaceDetail
from tests.services.forwarding.conftest import Forwarding, Received, Receiver, open_forwarding
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, face

NAME, NUMBER = "Zhang Wuji", "4711"


async def add_person(hub: HubServices, times: int = 1) -> list[int]:
    upload = replace(face("", pictures=True), detail=FaceDetail(name=NAME, uuid=NUMBER))
    return [await hub.add(upload) for _ in range(times)]


async def erase_person(hub: HubServices) -> None:
    (match,) = await hub.services.records.erasures.find(number=NUMBER)
    await hub.services.records.erasures.begin(match.subject, with_held=False, by=COMMAND_LINE)
    await hub.services.records.erasures.carry_out()


def erasures(receiver: Receiver) -> list[Received]:
    return [one for one in receiver.kept if one.body["type"] == "erasure"]


def busy(received: Received) -> httpx.Response:
    return httpx.Response(503)


def fine(received: Received) -> httpx.Response:
    return httpx.Response(204)


async def test_a_target_hears_which_records_were_erased(forwarding: Forwarding) -> None:
    first = await add_person(forwarding.hub, 2)
    other = await forwarding.hub.add_faces("a")
    last = await add_person(forwarding.hub)
    view, _ = await forwarding.add()
    await forwarding.until_current(view.target.id)
    await erase_person(forwarding.hub)
    await forwarding.receiver.until(lambda: bool(erasures(forwarding.receiver)))
    (told,) = erasures(forwarding.receiver)
    log = forwarding.services.records.log.log_id
    assert told.body["data"] == {
        "seqs": [[first[0], first[1]], [last[0], last[0]]],
        "number": 3,
        "log": log,
        "hub": view.target.options.hub,
    }
    assert told.id == f"{log}-{first[0]}-erasure-3-{last[0]}"
    assert NUMBER not in told.text
    later = await forwarding.hub.add_faces("b")
    await forwarding.receiver.until(lambda: forwarding.receiver.seqs[-1:] == later)
    assert forwarding.receiver.seqs == [*first, *other, *last, *later]
    assert erasures(forwarding.receiver) == [told]


async def test_what_waits_is_not_delivered_with_its_data_after_the_erasure(
    forwarding: Forwarding,
) -> None:
    forwarding.receiver.answer = busy
    view, _ = await forwarding.add(selection=Selection(alarms=True, pictures="all"))
    (seq,) = await add_person(forwarding.hub)
    await forwarding.receiver.until(lambda: bool(forwarding.receiver.asked))
    await forwarding.hub.store.write(lambda c: c.execute(_ALARM, (seq, NUMBER)).rowcount)
    assert NAME in forwarding.receiver.asked[0].text
    await erase_person(forwarding.hub)
    forwarding.receiver.answer = fine
    await forwarding.targets.retry(view.target.id, by=COMMAND_LINE)
    await forwarding.until_current(view.target.id)
    kept = forwarding.receiver.kept
    assert [one.body["type"] for one in kept] == ["erasure", "alarm", "record"]
    assert kept[2].body["data"]["erased"] is True
    for one in kept:
        assert NAME not in one.text
        assert NUMBER not in one.text


_ALARM = """
INSERT INTO alarm (seq, kind, subject, severity, state, count, first_at, last_at, last_seq,
    heard_at, new_since, dids, detail, note)
VALUES (?, 'blacklist', ?, 'critical', 'new', 1, 1, 1, 1, 1, 1, '[]', '{}', '')
"""


async def test_alarms_wait_while_records_are_being_erased(forwarding: Forwarding) -> None:
    (seq,) = await add_person(forwarding.hub)
    view, _ = await forwarding.add(selection=Selection(alarms=True))
    await forwarding.until_current(view.target.id)
    store = forwarding.hub.store
    await store.write(lambda c: c.execute("UPDATE record SET erased = 1").rowcount)
    await store.write(lambda c: c.execute(_ALARM, (seq, NUMBER)).rowcount)
    (later,) = await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: forwarding.receiver.seqs[-1:] == [later])
    await forwarding.until_current(view.target.id)
    assert [one.body["type"] for one in forwarding.receiver.kept] == ["record", "erasure", "record"]
    await store.write(lambda c: c.execute("UPDATE record SET erased = 2 WHERE erased = 1").rowcount)
    await store.alarms.reload()
    forwarding.services.core.changes.publish([Change("erasure", "1")])
    await forwarding.receiver.until(lambda: forwarding.receiver.kept[-1].body["type"] == "alarm")


async def test_what_was_refused_is_sent_again_without_its_data(forwarding: Forwarding) -> None:
    forwarding.receiver.answer = lambda received: httpx.Response(422)
    view, _ = await forwarding.add()
    (seq,) = await add_person(forwarding.hub)
    id = view.target.id
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).dead_letters == 1)
    forwarding.receiver.answer = fine
    await erase_person(forwarding.hub)
    await forwarding.receiver.until(lambda: bool(erasures(forwarding.receiver)))
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.receiver.until(lambda: forwarding.targets.get(id).dead_letters == 0)
    assert forwarding.receiver.seqs == [seq]
    assert NAME not in forwarding.receiver.kept[-1].text


async def test_an_erasure_is_told_after_a_restart_and_then_no_more(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        (seq,) = await add_person(forwarding.hub)
        view, _ = await forwarding.add()
        await forwarding.until_current(view.target.id)
        receiver.answer = busy
        await erase_person(forwarding.hub)
        await receiver.until(lambda: len(receiver.asked) == 2)
    receiver.answer = fine
    for _ in range(2):
        async with open_forwarding(tmp_path, clock, receiver) as forwarding:
            (later,) = await forwarding.hub.add_faces("a")
            await receiver.until(lambda later=later: receiver.seqs[-1:] == [later])  # type: ignore[misc]
    (told,) = erasures(receiver)
    assert told.body["data"]["seqs"] == [[seq, seq]]


async def test_what_a_target_has_under_an_earlier_log_is_named_too(
    tmp_path: Path, clock: FrozenClock, receiver: Receiver
) -> None:
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        (seq,) = await add_person(forwarding.hub)
        view, _ = await forwarding.add()
        await forwarding.until_current(view.target.id)
        old = forwarding.services.records.log.log_id
        await forwarding.hub.store.write(
            lambda c: c.execute("UPDATE record_log SET log_id = ?", ("e" * 32,)).rowcount
        )
    async with open_forwarding(tmp_path, clock, receiver) as forwarding:
        (later,) = await add_person(forwarding.hub)
        await forwarding.until_current(view.target.id)
        await erase_person(forwarding.hub)
        await receiver.until(lambda: len(erasures(receiver)) == 2)
    found = {one.body["log"]: one.body["data"]["seqs"] for one in erasures(receiver)}
    assert found == {"e" * 32: [[seq, later]], old: [[seq, seq]]}
    assert len({one.id for one in erasures(receiver)}) == 2


async def test_a_target_that_begins_now_hears_of_no_erasure_before(forwarding: Forwarding) -> None:
    await add_person(forwarding.hub)
    await erase_person(forwarding.hub)
    await forwarding.add(begin="now")
    (seq,) = await forwarding.hub.add_faces("a")
    await forwarding.receiver.until(lambda: bool(forwarding.receiver.kept))
    assert [one.body["type"] for one in forwarding.receiver.kept] == ["record"]
    assert forwarding.receiver.seqs == [seq]


@pytest.mark.parametrize(
    ("seqs", "ranges"),
    [([5], ((5, 5),)), ([7, 5, 6, 9], ((5, 7), (9, 9))), ([1, 3, 5], ((1, 1), (3, 3), (5, 5)))],
)
def test_records_that_follow_each_other_are_a_range(
    seqs: list[int], ranges: tuple[tuple[int, int], ...]
) -> None:
    items = tuple(ErasedRecord(number, "log", seq) for number, seq in enumerate(seqs, 1))
    assert erasure_items(ErasedPage(items, 9)) == [ErasureItem("log", ranges, 9)]
