"""NATS gets erasures on a subject of their own, and again if it lost them."""

from __future__ import annotations

import msgspec

from hub.services.access.audit import COMMAND_LINE
from hub.services.forwarding.targets import TargetChange
from tests.services.forwarding.nats.conftest import HUB, STREAM, NatsForwarding
from tests.services.forwarding.test_erasures import NAME, add_person, erase_person
from tests.support.nats_server import Stored


async def erasures(forwarding: NatsForwarding) -> list[Stored]:
    return [one for one in await forwarding.stored() if one.kind == "erasure"]


async def test_a_stream_gets_an_erasure_after_the_records(forwarding: NatsForwarding) -> None:
    id = (await forwarding.add()).target.id
    (seq,) = await add_person(forwarding.hub)
    await forwarding.until_current(id)
    await erase_person(forwarding.hub)
    view = await forwarding.until(id, lambda view: view.cursor.erasure_number == 1)
    log = forwarding.hub.store.log_id
    first, told = await forwarding.stored()
    assert first.record_seq == seq
    assert (told.subject, told.headers["Sitehub-Log"]) == (f"sitehub.3.{HUB}.erasure", log)
    assert told.headers["Sitehub-Erasure"] == "1"
    assert msgspec.json.decode(told.data) == {
        "seqs": [[seq, seq]],
        "number": 1,
        "log": log,
        "hub": HUB,
    }
    # The place of the records is not disturbed by it.
    (later,) = await forwarding.hub.add_faces("a")
    await forwarding.until(id, lambda view: view.cursor.seq == later)
    assert await forwarding.stored_seqs() == [seq, later]
    assert view.reason == ""


async def test_a_batch_that_waits_is_read_again_after_an_erasure(
    forwarding: NatsForwarding,
) -> None:
    id = (await forwarding.add()).target.id
    (other,) = await forwarding.hub.add_faces("a")
    await forwarding.until_current(id)
    forwarding.server.kill()
    seqs = await add_person(forwarding.hub, 3)
    await forwarding.until(id, lambda view: view.state == "waiting")
    await erase_person(forwarding.hub)
    forwarding.server.start()
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.until_current(id)
    stored = await forwarding.stored()
    assert [one.kind for one in stored] == ["rec", "erasure", "rec", "rec", "rec"]
    assert await forwarding_seqs(stored) == [other, *seqs]
    assert not any(NAME.encode() in one.data for one in stored)


async def forwarding_seqs(stored: list[Stored]) -> list[int]:
    return [one.record_seq for one in stored if one.kind == "rec"]


async def test_an_erasure_that_the_server_has_lost_is_told_again(
    new_forwarding: NatsForwarding,
) -> None:
    forwarding = new_forwarding
    id = (await forwarding.add()).target.id
    for number in (1, 2):
        await add_person(forwarding.hub)
        await forwarding.until(id, lambda view, number=number: view.cursor.seq == number)  # type: ignore[misc]
        await erase_person(forwarding.hub)
        await forwarding.until(
            id,
            lambda view, number=number: view.cursor.erasure_number == number,  # type: ignore[misc]
        )
    last = (await erasures(forwarding))[-1]
    await forwarding.ask(f"STREAM.MSG.DELETE.{STREAM}", {"seq": last.seq})
    assert len(await erasures(forwarding)) == 1
    await forwarding.targets.change(id, TargetChange(name="x"), by=COMMAND_LINE)
    await forwarding.until(id, lambda view: view.about != "")
    (later,) = await forwarding.hub.add_faces("a")
    await forwarding.until(id, lambda view: view.cursor.seq == later)
    told = [msgspec.json.decode(one.data) for one in await erasures(forwarding)]
    assert [(one["number"], one["seqs"]) for one in told] == [(1, [[1, 1]]), (2, [[2, 2]])]


async def test_a_stream_that_was_made_anew_gets_all_erasures(
    new_forwarding: NatsForwarding,
) -> None:
    forwarding = new_forwarding
    id = (await forwarding.add()).target.id
    (seq,) = await add_person(forwarding.hub)
    await forwarding.until_current(id)
    await erase_person(forwarding.hub)
    await forwarding.until(id, lambda view: view.cursor.erasure_number == 1)
    await forwarding.ask(f"STREAM.DELETE.{STREAM}")
    (later,) = await forwarding.hub.add_faces("a")
    await forwarding.until(id, lambda view: view.state == "waiting")
    await forwarding.until(id, lambda view: view.cursor.seq == later)
    assert [one.kind for one in await forwarding.stored()] == ["erasure", "rec", "rec"]
    assert await forwarding.stored_seqs() == [seq, later]
