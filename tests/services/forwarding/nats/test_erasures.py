"""NATS gets erasures on a subject of their own, and again if it lost them."""

from __future__ import annotations

import msgspec
import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.targets import TargetChange
from tests.services.forwarding.nats.conftest import HUB, STREAM, NatsForwarding
from tests.services.forwarding.test_erasures import NAME, NUMBER, add_person, erase_person
from tests.support.nats_server import Stored


async def erasures(forwarding: NatsForwarding) -> list[Stored]:
    return [one for one in await forwarding.stored() if one.kind == "erasure"]


async def test_a_stream_gets_an_erasure_after_the_records(forwarding: NatsForwarding) -> None:
    id = (await forwarding.add()).target.id
    (seq,) = await add_person(forwarding.hub)
    await forwarding.until_current(id)
    await erase_person(forwarding.hub)
    view = await forwarding.until(id, lambda view: view.cursor.erasure_number == 2)
    log = forwarding.hub.store.log_id
    first, told, _ = await forwarding.stored()
    assert first.record_seq == seq
    assert (told.subject, told.headers["Sitehub-Log"]) == (f"sitehub.3.{HUB}.erasure", log)
    number = msgspec.json.decode(told.data)["number"]
    assert told.headers["Sitehub-Erasure"] == str(number)
    assert msgspec.json.decode(told.data) == {
        "seqs": [[seq, seq]],
        "number": number,
        "log": log,
        "hub": HUB,
    }
    # The place of the records is not disturbed by it.
    (later,) = await forwarding.hub.add_faces("a")
    await forwarding.until(id, lambda view: view.cursor.seq == later)
    assert await forwarding.stored_seqs() == [seq, later]
    assert view.reason is None


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
    assert [one.kind for one in stored] == ["rec", "erasure", "erasure", "rec", "rec", "rec"]
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
            lambda view, number=number: view.cursor.erasure_number == 2 * number,  # type: ignore[misc]
        )
    for last in (await erasures(forwarding))[2:]:
        await forwarding.ask(f"STREAM.MSG.DELETE.{STREAM}", {"seq": last.seq})
    assert len(await erasures(forwarding)) == 2
    await forwarding.targets.change(id, TargetChange(name="x"), by=COMMAND_LINE)
    await forwarding.until(id, lambda view: view.about is not None)
    (later,) = await forwarding.hub.add_faces("a")
    await forwarding.until(id, lambda view: view.cursor.seq == later)
    told = [msgspec.json.decode(one.data) for one in await erasures(forwarding)]
    # Who it was is not known any more, once it was told.
    assert [one["seqs"] for one in told] == [[[1, 1]], [], [[2, 2]]]


async def test_a_stream_that_was_made_anew_gets_all_erasures(
    new_forwarding: NatsForwarding,
) -> None:
    forwarding = new_forwarding
    id = (await forwarding.add()).target.id
    (seq,) = await add_person(forwarding.hub)
    await forwarding.until_current(id)
    await erase_person(forwarding.hub)
    await forwarding.until(id, lambda view: view.cursor.erasure_number == 2)
    await forwarding.ask(f"STREAM.DELETE.{STREAM}")
    (later,) = await forwarding.hub.add_faces("a")
    await forwarding.until(id, lambda view: view.state == "waiting")
    await forwarding.until(id, lambda view: view.cursor.seq == later)
    assert [one.kind for one in await forwarding.stored()] == ["erasure", "rec", "rec"]
    assert await forwarding.stored_seqs() == [seq, later]


_SUBJECTS = "SELECT subject FROM erasure ORDER BY id"


async def subjects(forwarding: NatsForwarding) -> list[object]:
    found = await forwarding.hub.store.write(lambda c: c.execute(_SUBJECTS).fetchall())
    return [text for (text,) in found]


async def test_a_stream_hears_whose_records_are_erased_and_then_the_hub_forgets_it(
    forwarding: NatsForwarding,
) -> None:
    id = (await forwarding.add()).target.id
    await add_person(forwarding.hub)
    await forwarding.until_current(id)
    forwarding.server.kill()
    await forwarding.until(id, lambda view: view.state == "waiting")
    await erase_person(forwarding.hub)
    (kept,) = await subjects(forwarding)
    assert NUMBER in str(kept)
    assert NAME not in str(kept)
    forwarding.server.start()
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.until(id, lambda view: view.cursor.erasure_number == 2)
    told = [msgspec.json.decode(one.data) for one in await erasures(forwarding)]
    log = forwarding.hub.store.log_id
    person = {"uuids": [NUMBER], "last_seq": 1, "kept": []}
    assert told[1] == {"seqs": [], "number": 2, **person, "log": log, "hub": HUB}
    with trio.fail_after(30):
        while await subjects(forwarding) != [None]:  # noqa: ASYNC110  what happens has no event
            await trio.sleep(0.01)


async def test_who_was_erased_is_forgotten_with_the_target_that_never_heard_of_it(
    forwarding: NatsForwarding,
) -> None:
    id = (await forwarding.add()).target.id
    await add_person(forwarding.hub)
    await forwarding.until_current(id)
    forwarding.server.kill()
    await forwarding.until(id, lambda view: view.state == "waiting")
    await erase_person(forwarding.hub)
    await forwarding.targets.remove(id, by=COMMAND_LINE)
    assert await subjects(forwarding) == [None]


async def test_evidence_that_stays_is_named_so_that_it_stays_elsewhere_too(
    forwarding: NatsForwarding,
) -> None:
    id = (await forwarding.add()).target.id
    held, *_ = await add_person(forwarding.hub, 3)
    await forwarding.until_current(id)
    sql = "INSERT INTO hold_record (hold, seq) VALUES (?, ?)"
    await forwarding.hub.store.write(lambda c: c.execute(_HOLD).rowcount)
    await forwarding.hub.store.write(lambda c: c.execute(sql, (1, held)).rowcount)
    await erase_person(forwarding.hub)
    await forwarding.until(id, lambda view: view.cursor.erasure_number == 3)
    told = [msgspec.json.decode(one.data) for one in await erasures(forwarding)]
    assert [(one["seqs"], one.get("kept")) for one in told] == [([[2, 3]], None), ([], [[1, 1]])]


async def test_of_more_evidence_than_can_be_named_a_stream_hears_as_far_as_it_is(
    forwarding: NatsForwarding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hub.store.tables.erasures._MAX_LEFT", 2)
    id = (await forwarding.add()).target.id
    await add_person(forwarding.hub, 5)
    await forwarding.until_current(id)
    sql = "INSERT INTO hold_record (hold, seq) VALUES (1, ?)"
    await forwarding.hub.store.write(lambda c: c.execute(_HOLD).rowcount)
    for held in (1, 3, 5):
        await forwarding.hub.store.write(lambda c, seq=held: c.execute(sql, (seq,)).rowcount)  # type: ignore[misc]
    await erase_person(forwarding.hub)
    await forwarding.until(id, lambda view: view.cursor.erasure_number == 3)
    told = [msgspec.json.decode(one.data) for one in await erasures(forwarding)]
    seqs, person = told[:-1], told[-1]
    assert [one["seqs"] for one in seqs] == [[[2, 2], [4, 4]]]
    assert (person["kept"], person["last_seq"]) == ([[1, 1], [3, 3]], 4)


async def test_a_stream_hears_of_a_person_whom_the_hub_does_not_know(
    forwarding: NatsForwarding,
) -> None:
    id = (await forwarding.add()).target.id
    await forwarding.hub.add_faces("a")
    await forwarding.until_current(id)
    await erase_person(forwarding.hub)
    await forwarding.until(id, lambda view: view.cursor.erasure_number == 1)
    (told,) = await erasures(forwarding)
    person = {"uuids": [NUMBER], "last_seq": 1, "kept": []}
    assert msgspec.json.decode(told.data).items() >= person.items()


async def test_a_report_names_the_systems_that_are_told(forwarding: NatsForwarding) -> None:
    name = (await forwarding.add(name="Centre")).target.name
    await add_person(forwarding.hub)
    await erase_person(forwarding.hub)
    (erasure,) = await forwarding.hub.services.records.erasures.newest()
    assert erasure.report.targets == (name,)


_HOLD = """
INSERT INTO hold (source, reason, created_by, created_at, records)
VALUES ('person', '', 'x', 1, 1)
"""
