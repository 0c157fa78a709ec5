"""Erasing one person: choosing, carrying out, and the report."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace

from hub.errors import BadParameter, NoSuchResource
from hub.live.feed import Change
from hub.live.frame_ring import TracedUpload
from hub.services.audit import Actor
from hub.services.records import erasures
from hub.store.people.holdings import ItemResult
from hub.store.people.person_rows import PersonChange
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.device_pictures import stored_picture
from hub.store.tables.devices import NewDevice
from hub.store.tables.erasures import Subject
from hub.wire.uploads.records import FaceDetail
from tests.support.clock import FrozenClock
from tests.support.hub_services import HubServices, face
from web.live_events import open_live_events

ANN = Actor("user ann", "10.0.0.7")
WUJI = FaceDetail(name="Zhang Wuji", uuid="4711")


async def add(hub: HubServices, detail: FaceDetail = WUJI) -> int:
    return await hub.add(replace(face("", pictures=True), detail=detail))


async def test_a_person_is_found_by_number_or_by_name(hub: HubServices) -> None:
    await add(hub)
    await add(hub, FaceDetail(name="ZHANG WUJI"))
    by_number = await hub.services.records.erasures.find(number=" 4711 ")
    assert [(one.name, one.uuid, one.records) for one in by_number] == [("Zhang Wuji", "4711", 1)]
    by_name = await hub.services.records.erasures.find(name="zhang wuji")
    assert [(one.uuid, one.records) for one in by_name] == [("", 1), ("4711", 1)]
    assert await hub.services.records.erasures.find(number="4712") == []
    assert await hub.services.records.erasures.find(name="zhang") == []


async def test_a_name_means_those_without_a_number(hub: HubServices) -> None:
    await add(hub)
    with pytest.raises(NoSuchResource):
        await hub.services.records.erasures.find_subject(name="Zhang Wuji")
    await add(hub, FaceDetail(name="ZHANG WUJI"))
    by_name = await hub.services.records.erasures.find_subject(name="Zhang Wuji")
    assert by_name == Subject(names=("zhang wuji",))
    by_number = await hub.services.records.erasures.find_subject(number="4711")
    assert by_number == Subject(uuids=("4711",))
    found = await hub.services.records.erasures.find_erasable(name="Zhang Wuji")
    assert [one.subject for one in found] == [by_name, by_number]
    assert await hub.services.records.erasures.find_subject(seqs=[2, 1]) == Subject(seqs=(1, 2))


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"name": "a", "number": "1"},
        *({"number": number} for number in ("0", "000", str(2**63), f"0{2**63}")),
    ],
)
async def test_nobody_is_not_a_person(hub: HubServices, asked: dict[str, str]) -> None:
    with pytest.raises(BadParameter):
        await hub.services.records.erasures.find(**asked)


async def test_a_number_is_one_number_however_a_camera_writes_it(hub: HubServices) -> None:
    await hub.services.records.saved_searches.add("Him", "uuid=0004711", by=ANN)
    for uuid in ("4711", "0004711", " 4711", "47110"):
        await add(hub, FaceDetail(name="Zhang Wuji", uuid=uuid))
    for number in ("4711", "04711"):
        (found,) = await hub.services.records.erasures.find_erasable(number=number)
        assert found.match is not None
        assert (found.match.uuid, found.preview.records) == ("4711", 3)
    by_name = await hub.services.records.erasures.find(name="Zhang Wuji")
    assert [(one.uuid, one.records) for one in by_name] == [("4711", 3), ("47110", 1)]
    await hub.services.records.erasures.begin(found.subject, with_held=False, by=ANN)
    await hub.services.records.erasures.carry_out()
    left = (await hub.services.records.log.page(RecordFilter())).items
    assert [one.erased for one in left] == [True, True, True, False]
    assert hub.services.records.saved_searches.list() == ()


async def test_a_name_with_the_number_of_strangers_is_erased_by_name(hub: HubServices) -> None:
    for uuid in ("0", "000", str(2**63), None):
        await add(hub, FaceDetail(name="Zhang Wuji", uuid=uuid))
    for name in (None, "Zhao Min"):
        await add(hub, FaceDetail(name=name, uuid="0"))
    found = await hub.services.records.erasures.find(name="zhang wuji")
    assert [(one.name, one.uuid, one.records) for one in found] == [("Zhang Wuji", "", 4)]
    subject = await hub.services.records.erasures.find_subject(name="Zhang Wuji")
    await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
    await hub.services.records.erasures.carry_out()
    left = (await hub.services.records.log.page(RecordFilter())).items
    assert [one.erased for one in left] == [True] * 4 + [False] * 2


async def test_an_erasure_names_nobody(
    hub: HubServices, clock: FrozenClock, tmp_path: Path
) -> None:
    old = tmp_path / "hub.sqlite.before-0007"
    old.write_bytes(b"old")
    os.utime(old, (1_795_608_000, 1_795_608_000))
    await add(hub)
    with hub.services.core.changes.subscribe() as changes:
        (match,) = await hub.services.records.erasures.find(number="4711")
        begun = await hub.services.records.erasures.begin(match.subject, with_held=False, by=ANN)
        assert begun.finished_at is None
        await hub.services.records.erasures.carry_out()
        assert Change("erasure", "1") in await changes.next()
    done = await hub.services.records.erasures.get(begun.id)
    assert (done.records, done.pictures, done.finished_at) == (1, 1, clock.ms)
    assert done.report.copies == ("hub.sqlite.before-0007 (2026-11-25)",)
    assert done.report.dids == ("1",)
    assert "4711" not in repr(done)
    entries = await hub.services.core.audit.oldest()
    assert [(entry.action, entry.target) for entry in entries] == [("erasure.begin", "1 1")]


async def test_files_that_wait_to_be_imported_go_and_those_in_use_are_named(
    hub: HubServices, tmp_path: Path
) -> None:
    imports = hub.services.people.imports
    waiting = await imports.new_file(100)
    waiting.write_text("name,phone\nZhang Wuji,1380013800\n", encoding="utf-8")
    preview = await imports.stage([waiting])
    (tmp_path / "imports" / "staged").mkdir()
    for name in ("of_the_last_process.part", "staged/of_a_command"):
        (tmp_path / "imports" / name).write_text("Zhang Wuji", encoding="utf-8")
    received = await imports.new_file(100)
    received.write_text("Zhang Wuji", encoding="utf-8")
    await add(hub)
    subject = await hub.services.records.erasures.find_subject(number="4711")
    begun = await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
    await hub.services.records.erasures.carry_out()
    with pytest.raises(NoSuchResource):
        imports.get(preview.id)
    in_use = {f"imports/{received.name}", "imports/staged/of_a_command"}
    files = (path for path in (tmp_path / "imports").rglob("*") if path.is_file())
    assert {path.relative_to(tmp_path).as_posix() for path in files} == in_use
    report = (await hub.services.records.erasures.get(begun.id)).report
    assert {copy.partition(" ")[0] for copy in report.copies} == in_use


async def test_caches_are_emptied_and_readers_read_again(hub: HubServices) -> None:
    await add(hub)

    async def may_read() -> bool:
        return True

    with open_live_events(hub.services, ANN, None, may_read) as reader:
        await add(hub)
        await hub.services.cameras.devices.add(
            NewDevice(sn="SN1", code="12345678", did="1", name="Gate")
        )
        await hub.store.device_pictures.put(
            "1", "SN1", "/a.jpg", stored_picture("image/jpeg", b"a"), 0
        )
        hub.services.cameras.presence.traces.add_upload(
            "SN1", TracedUpload("POST", "/", 200, 0, "Wuji", 0.0, 9)
        )
        (match,) = await hub.services.records.erasures.find(number="4711")
        await hub.services.records.erasures.begin(match.subject, with_held=False, by=ANN)
        await hub.services.records.erasures.carry_out()
        assert await hub.store.device_pictures.get("1", "/a.jpg") is None
        assert hub.services.cameras.presence.traces.entries("SN1", "") == []
        news = await reader.next()
    assert news is not None
    (record,) = news.records
    assert (record.seq, record.erased, record.detail) == (2, True, FaceDetail())


@pytest.mark.parametrize("query", ["name=zhang+wuji", "uuid=4711", "kind=face"])
async def test_saved_searches_about_a_number_go_with_it_also_if_they_tell_its_name(
    hub: HubServices, query: str
) -> None:
    await add(hub)
    await add(hub, FaceDetail(name="", uuid="4712"))
    title = "Where is Zhang Wuji?" if query == "kind=face" else "Him"
    await hub.services.records.saved_searches.add(title, query, by=ANN)
    other = await hub.services.records.saved_searches.add("Gate", "name=Zhao+Min", by=ANN)
    for number in ("4712", "4711"):
        subject = await hub.services.records.erasures.find_subject(number=number)
        await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
        await hub.services.records.erasures.carry_out()
        left = hub.services.records.saved_searches.list()
        assert len(left) == (2 if number == "4712" else 1)
    assert left == (other,)


async def test_held_records_stay_unless_that_is_asked_for(hub: HubServices) -> None:
    await add(hub)
    await hub.services.records.holds.create([1], "police", None, by=ANN)
    subject = Subject(uuids=("4711",))
    with pytest.raises(NoSuchResource, match="held"):
        await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
    await add(hub)
    kept = await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
    assert kept.report.kept == 1
    await hub.services.records.erasures.carry_out()
    record = await hub.services.records.log.get(1)
    assert not record.erased
    await hub.services.records.erasures.begin(subject, with_held=True, by=ANN)
    await hub.services.records.erasures.carry_out()
    assert (await hub.services.records.log.get(1)).erased


async def test_records_can_be_chosen_by_hand(
    hub: HubServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(erasures, "MAX_SEQS", 2)
    await hub.add_faces("a", "b", "c")
    for seqs in ([], [1, 2, 3]):
        with pytest.raises(BadParameter, match="1 to 2 records"):
            hub.services.records.erasures.by_hand(seqs)
    subject = hub.services.records.erasures.by_hand([3, 1, 3])
    begun = await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
    assert begun.manner == "records"
    await hub.services.records.erasures.carry_out()
    assert [(await hub.services.records.log.get(seq)).erased for seq in (1, 2, 3)] == [
        True,
        False,
        True,
    ]


async def test_an_erasure_is_carried_out_in_the_background(hub: HubServices) -> None:
    await add(hub)
    with hub.services.core.changes.subscribe() as changes:
        async with trio.open_nursery() as nursery:
            await nursery.start(hub.services.records.erasures.run)
            subject = Subject(uuids=("4711",))
            await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
            with trio.fail_after(30):
                assert await changes.next() == [Change("erasure", "1")]
            nursery.cancel_scope.cancel()
    assert (await hub.services.records.erasures.get(1)).finished_at is not None


async def test_a_person_of_the_register_goes_with_the_records(
    hub: HubServices, tmp_path: Path
) -> None:
    people = hub.services.people.register
    await people.add(PersonChange(name="Zhang Wuji", phone="1380013800"), by=ANN, pid="4711")
    await people.add(PersonChange(name="Anna"), by=ANN, pid="47110")
    await people.note_numbers_shown([await people.get("4711")], ANN)
    await hub.services.records.saved_searches.add("Zhang Wuji at night", "kind=face", by=ANN)
    await add(hub, FaceDetail(uuid="4711"))
    (found,) = await hub.services.records.erasures.find_erasable(number="4711")
    assert (found.in_register, found.preview.records) == (True, 1)
    await hub.services.records.erasures.begin(found.subject, with_held=False, by=ANN)
    with hub.services.core.changes.subscribe() as changes:
        await hub.services.records.erasures.carry_out()
        assert Change("person", "4711") in await changes.next()
    assert [one.pid for one in (await people.page()).items] == ["47110"]
    entries = await hub.services.core.audit.oldest()
    assert [(one.action, one.target) for one in entries] == [
        ("person.add", ""),
        ("person.add", "47110"),
        ("person.numbers", ""),
        ("search.save", "1"),
        ("erasure.begin", "1 1"),
    ]
    stored = (tmp_path / "hub.sqlite").read_bytes().lower()
    for trace in (b"zhang wuji", b"1380013800"):
        assert trace not in stored


async def test_cameras_that_hold_the_person_are_named_and_their_lists_forget_it(
    hub: HubServices, tmp_path: Path
) -> None:
    store = hub.store
    for did in "1234":
        new = NewDevice(sn=f"SN{did}", code="12345678", did=did, name="Gate")
        await hub.services.cameras.devices.add(new)
    await hub.services.people.register.add(PersonChange(name="Zhang Wuji"), by=ANN, pid="4711")
    for did, revision in (("2", None), ("4", 0)):
        await store.holdings.note(did, f"SN{did}", [ItemResult(pid="4711", revision=revision)])
    row = '{"name":"Zhang Wuji","phone":"1380013800"}'
    await store.device_people.put_unknown("3", "SN3", {"4712": row, "4713": "{}"})
    for number, dids in (("4711", ("1", "2")), ("4712", ("1", "3"))):
        await add(hub, FaceDetail(name="Zhang Wuji", uuid=f"00{number}"))
        subject = await hub.services.records.erasures.find_subject(number=number)
        begun = await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
        await hub.services.records.erasures.carry_out()
        assert (await hub.services.records.erasures.get(begun.id)).report.dids == dids
    assert await store.device_people.unknown_pids("3") == ["4713"]
    stored = (tmp_path / "hub.sqlite").read_bytes()
    for trace in (b"Zhang Wuji", b"1380013800"):
        assert trace not in stored


async def test_a_person_of_the_register_is_erased_without_any_record(hub: HubServices) -> None:
    await hub.services.people.register.add(PersonChange(name="Anna"), by=ANN, pid="8")
    for found in (
        await hub.services.records.erasures.find_erasable(number="08"),
        await hub.services.records.erasures.find_erasable(name="ANNA"),
    ):
        (erasable,) = found
        assert (erasable.match.name.casefold(), erasable.match.uuid) == ("anna", "8")
        assert (erasable.in_register, erasable.preview.records) == (True, 0)
    subject = await hub.services.records.erasures.find_subject(number="8")
    await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
    await hub.services.records.erasures.carry_out()
    assert await hub.services.people.register.count() == 0


async def test_records_chosen_by_hand_leave_the_register_alone(hub: HubServices) -> None:
    await hub.services.people.register.add(PersonChange(name="Zhang Wuji"), by=ANN, pid="4711")
    await add(hub)
    subject = hub.services.records.erasures.by_hand([1])
    await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
    await hub.services.records.erasures.carry_out()
    assert await hub.services.people.register.count() == 1


async def test_what_imports_and_searches_found_goes_as_well(hub: HubServices) -> None:
    await add(hub)
    for kind in ("import", "search", "compare"):
        job = await hub.store.jobs.add(kind, "{}", "user ann", 1, None, ['{"name":"Zhang Wuji"}'])  # type: ignore[arg-type]
        await hub.store.jobs.end(replace(job, state="done", ended_at=2), [])
    subject = await hub.services.records.erasures.find_subject(number="4711")
    await hub.services.records.erasures.begin(subject, with_held=False, by=ANN)
    await hub.services.records.erasures.carry_out()
    assert [job.kind for job in await hub.services.jobs.list()] == ["compare"]
