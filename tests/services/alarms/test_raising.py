"""What raises an alarm (D11), in the transaction of its record."""

from __future__ import annotations

import sqlite3

import pytest

from hub.errors import CannotStoreNow
from hub.services.alarms.judge import AlarmJudge
from hub.store.alarms import raising
from hub.store.alarms.alarm import MAX_DIDS
from hub.store.alarms.rows import MAX_EVIDENCE
from hub.store.commit.record_batch import RecordBatch
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.alarm_rules import AlarmRule
from hub.store.tables.plate_lists import NewPlateList, PlateEntry
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import AccessDetail
from tests.services.alarms.conftest import MEI, AlarmSite
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services


async def test_a_capture_of_category_2_raises_an_alarm(site: AlarmSite) -> None:
    await site.face(name="Li Wei", uuid="7", category=1)
    seq = await site.face(name="Zhang San", uuid="8", category=2)
    alarm = await site.one()
    assert (alarm.seq, alarm.kind, alarm.subject) == (seq, "blacklist", "8")
    assert (alarm.severity, alarm.state, alarm.count) == ("critical", "new", 1)
    assert (alarm.detail.name, alarm.dids) == ("Zhang San", ("1",))


@pytest.mark.parametrize("uuid", ["12", "0012"])
async def test_a_blacklisted_person_of_the_register_raises_an_alarm_whatever_was_sent(
    site: AlarmSite, uuid: str
) -> None:
    await site.blacklist("12", "Wang Fang")
    seq = await site.face(uuid=uuid, category=1, name="somebody")
    alarm = await site.one()
    assert (alarm.seq, alarm.subject, alarm.severity) == (seq, "12", "critical")
    assert (alarm.detail.pid, alarm.detail.name) == ("12", "Wang Fang")


async def test_an_access_record_of_a_blacklisted_person_raises_an_alarm(site: AlarmSite) -> None:
    await site.blacklist("12", "Wang Fang")
    await site.access("9223372036854775808")
    assert await site.all() == []
    seq = await site.access("12")
    assert [(one.seq, one.subject) for one in await site.all()] == [(seq, "12")]


async def test_who_is_not_on_the_blacklist_any_more_raises_none(site: AlarmSite) -> None:
    await site.blacklist("12", "Wang Fang")
    await site.hub.store.write(
        lambda c: c.execute("UPDATE person SET category = 4 WHERE pid = '12'").rowcount
    )
    await site.face(uuid="12")
    assert await site.all() == []


async def test_an_event_raises_an_alarm_unless_it_is_of_type_11(site: AlarmSite) -> None:
    for type in range(1, 15):
        await site.event(type)
    assert {one.subject for one in await site.all()} == {
        f"1 {type}" for type in range(1, 15) if type != 11
    }


@pytest.mark.parametrize(("category", "severity"), [(2, "critical"), (1, "minor"), (None, "minor")])
async def test_an_event_of_type_12_has_the_severity_of_its_persons_category(
    site: AlarmSite, category: int | None, severity: str
) -> None:
    await site.event(12, category=category)
    assert (await site.one()).severity == severity


async def test_an_event_of_a_blacklisted_person_is_an_alarm_of_that_person(
    site: AlarmSite,
) -> None:
    """Otherwise a second person at the same camera would only raise a count."""
    await site.rules.put([AlarmRule(types=(12,), severity="none")], MEI)
    await site.event(12, category=2, uuid="7")
    await site.event(12, category=2, uuid="8")
    await site.face(category=2, uuid="8")
    assert [(one.subject, one.count) for one in await site.all()] == [("7", 1), ("8", 2)]


async def test_a_fire_is_not_hidden_behind_the_alarm_of_a_person(site: AlarmSite) -> None:
    person = await site.face(category=2, uuid="8", name="Zhang San")
    await site.alarms.acknowledge([person], "", MEI)
    fire = await site.event(8, category=2, uuid="8")
    assert [(one.seq, one.subject, one.state, one.count) for one in site.active()] == [
        (person, "8", "acknowledged", 2),
        (fire, "1 8", "new", 1),
    ]
    assert [await site.alarms.evidence(seq) for seq in (person, fire)] == [(person, fire), (fire,)]


async def test_nor_is_a_person_hidden_behind_a_fire(site: AlarmSite) -> None:
    await site.blacklist("8", "Wang Fang")
    fire = await site.event(8)
    person = await site.event(8, uuid="8")
    assert [(one.seq, one.subject, one.count) for one in site.active()] == [
        (fire, "1 8", 2),
        (person, "8", 1),
    ]


async def test_one_record_that_raises_both_at_first_is_one_alarm_that_tells_both(
    site: AlarmSite,
) -> None:
    """The seq of an alarm is that of its record, so it can raise one only."""
    await site.blacklist("8", "Wang Fang")
    seq = await site.event(2, uuid="8")
    alarm = await site.one()
    assert (alarm.seq, alarm.kind, alarm.subject) == (seq, "event", "1 2")
    assert (alarm.severity, alarm.detail.pid, alarm.detail.name) == ("critical", "8", "Wang Fang")
    # The next sighting of the person has its own.
    later = await site.event(2, uuid="8")
    assert [(one.seq, one.subject, one.count) for one in site.active()] == [
        (seq, "1 2", 2),
        (later, "8", 1),
    ]


async def test_an_event_that_raises_no_alarm_still_raises_that_of_its_person(
    site: AlarmSite,
) -> None:
    await site.rules.put([AlarmRule(types=(8,), severity="none")], MEI)
    await site.event(8, category=2, uuid="7")
    await site.event(11, category=2, uuid="8")
    assert [one.subject for one in site.active()] == ["7", "8"]


async def test_a_watched_plate_raises_an_alarm(site: AlarmSite) -> None:
    entries = (PlateEntry("粤b·1234*", "white van"),)
    await site.plate_lists.add(NewPlateList(name="Stolen", entries=entries), MEI)
    await site.vehicle("京A99999")
    seq = await site.vehicle("粤B 12345")
    alarm = await site.one()
    assert (alarm.seq, alarm.kind, alarm.subject) == (seq, "plate", "粤B12345")
    assert (alarm.detail.list, alarm.detail.entry_note) == ("Stolen", "white van")
    assert alarm.detail.plate == "粤B 12345"


async def test_an_entry_that_has_ended_raises_none(site: AlarmSite) -> None:
    entry = PlateEntry("A1", until=site.at + 1)
    await site.plate_lists.add(NewPlateList(name="Guests", entries=(entry,)), MEI)
    await site.vehicle("A1")
    site.clock.advance(1)
    await site.vehicle("A1", did="2")
    assert (await site.one()).count == 1


async def test_of_several_lists_the_most_severe_counts(site: AlarmSite) -> None:
    for name, severity in (("a", "minor"), ("b", "critical"), ("c", "major")):
        new = NewPlateList(name=name, severity=severity, entries=(PlateEntry("A*"),))  # type: ignore[arg-type]
        await site.plate_lists.add(new, MEI)
    await site.vehicle("A1")
    assert ((await site.one()).severity, (await site.one()).detail.list) == ("critical", "b")


async def test_a_pattern_that_is_removed_ends_the_alarms_of_its_plate(site: AlarmSite) -> None:
    added = await site.plate_lists.add(NewPlateList(name="x", entries=(PlateEntry("A1"),)), MEI)
    await site.vehicle("A1")
    await site.plate_lists.remove(added.id, MEI)
    await site.vehicle("A1")
    assert (await site.one()).count == 1


async def test_one_alarm_of_a_subject_is_active_at_a_time(site: AlarmSite) -> None:
    first = await site.event(2)
    site.clock.advance(5)
    await site.event(2)
    other = await site.event(2, did="2")
    another = await site.event(3)
    alarms = {one.seq: one for one in await site.all()}
    assert sorted(alarms) == [first, other, another]
    assert (alarms[first].count, alarms[first].last_at) == (2, site.at)


async def test_a_person_is_one_subject_at_all_cameras(site: AlarmSite) -> None:
    await site.face(category=2, uuid="8", did="1")
    await site.face(category=2, uuid="8", did="2")
    last = await site.face(category=2, uuid="8", did="1")
    alarm = await site.one()
    assert (alarm.count, alarm.dids, alarm.last_seq) == (3, ("2", "1"), last)


async def test_the_camera_that_saw_it_last_is_the_last_one(site: AlarmSite) -> None:
    for did in ("1", "2", "1", "3"):
        await site.face(category=2, uuid="8", did=did)
    assert (await site.one()).dids == ("2", "1", "3")
    # What a camera sends late says not where the person is now.
    for did in ("2", "4"):
        await site.face(category=2, uuid="8", did=did, at=site.at - 60_000)
    assert (await site.one()).dids == ("4", "2", "1", "3")


async def test_the_camera_that_saw_it_last_is_listed_however_many_saw_it_before(
    site: AlarmSite,
) -> None:
    for number in range(MAX_DIDS + 1):
        await site.face(category=2, uuid="8", did=str(number))
    dids = (await site.one()).dids
    assert (len(dids), dids[-1]) == (MAX_DIDS, str(MAX_DIDS))
    await site.face(category=2, uuid="8", did="late", at=site.at - 60_000)
    assert (await site.one()).dids == dids


async def test_people_without_a_number_are_told_apart_by_name_then_by_camera(
    site: AlarmSite,
) -> None:
    for name, did in (("Li", "1"), ("li", "2"), ("Wang", "1"), (None, "1"), ("", "2")):
        await site.face(category=2, name=name, did=did)
    subjects = [(one.subject, one.count) for one in await site.all()]
    assert subjects == [("name li", 2), ("name wang", 1), ("device 1", 1), ("device 2", 1)]


@pytest.mark.parametrize("uuid", ["0", "9223372036854775808"])
async def test_the_number_of_unknown_people_tells_nobody_apart(site: AlarmSite, uuid: str) -> None:
    await site.face(category=2, uuid=uuid, name="Li")
    await site.face(category=2, uuid=uuid, did="2")
    assert [one.subject for one in await site.all()] == ["name li", "device 2"]


async def test_several_of_one_upload_raise_one_alarm(site: AlarmSite) -> None:
    seqs = [await site.face(category=2, uuid="8") for _ in range(3)]
    alarm = await site.one()
    assert (alarm.seq, alarm.count) == (seqs[0], 3)
    assert site.active() == [alarm]


async def test_after_it_is_closed_a_new_one_is_raised(site: AlarmSite) -> None:
    first = await site.event(2)
    await site.alarms.close([first], "", MEI)
    second = await site.event(2)
    assert [(one.seq, one.state) for one in await site.all()] == [
        (first, "closed"),
        (second, "new"),
    ]
    assert [one.seq for one in site.active()] == [second]


async def test_the_active_alarms_are_found_again_after_a_restart(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder, clock = tmp_path_factory.mktemp("data"), FrozenClock()
    async with open_hub_services(folder, clock) as hub:
        seq = await AlarmSite(hub, clock).event(2)
    async with open_hub_services(folder, clock) as hub:
        site = AlarmSite(hub, clock)
        assert [one.seq for one in site.active()] == [seq]
        await site.event(2)
        assert [(one.seq, one.count) for one in site.active()] == [(seq, 2)]


async def test_a_record_whose_alarm_cannot_be_written_is_not_acknowledged(
    site: AlarmSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(raising, "save_alarms", fail)
        with pytest.raises((CannotStoreNow, sqlite3.Error)):
            await site.face(category=2, uuid="8")
    assert await site.all() == []
    assert site.active() == []
    assert (await site.hub.services.records.log.page(RecordFilter())).items == ()


async def test_a_rule_that_fails_refuses_the_upload_alone(
    site: AlarmSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of the judge must not be taken for "no alarm"."""

    def fail(*args: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patch:
        patch.setattr(AlarmJudge, "judge", fail)
        with pytest.raises(RuntimeError):
            await site.face(category=2, uuid="8")
    await site.face(category=2, uuid="8")
    assert (await site.one()).count == 1


async def test_only_so_many_alarms_are_active(
    site: AlarmSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raising, "MAX_ACTIVE", 3)
    seen = [await site.face(category=2, uuid="8"), *[await site.event(n) for n in (1, 2, 3)]]
    acknowledged = seen[0]
    assert [one.state for one in await site.all()] == ["new", "closed", "new", "new"]
    await site.alarms.acknowledge([acknowledged], "", MEI)
    await site.event(4)
    states = {one.seq: one.state for one in await site.all()}
    assert states[acknowledged] == "closed"
    assert len(site.active()) == 3
    assert [step.who for step in await site.alarms.history(acknowledged)] == ["", "user mei", ""]


async def test_the_first_records_and_the_last_are_evidence(site: AlarmSite) -> None:
    seqs = [await site.event(2) for _ in range(MAX_EVIDENCE + 5)]
    kept = await site.alarms.evidence(seqs[0])
    assert kept == (*seqs[: MAX_EVIDENCE - 1], seqs[-1])


async def test_a_lone_picture_of_a_passage_is_evidence_of_its_alarm(site: AlarmSite) -> None:
    await site.blacklist("12", "Wang Fang")
    passage = await site.access("12")
    picture = CheckedUpload(kind="access", occurred_at=site.at, detail=AccessDetail())
    batch = RecordBatch(
        [picture],
        did="1",
        sn="SN1",
        device_name="Gate",
        digest=bytes(16),
        arrived_at=site.at,
        follows_access=True,
    )
    (follower,) = (await site.hub.store.records.append(batch)).seqs
    assert await site.alarms.evidence(passage) == (passage, follower)


async def test_a_damaged_alarm_does_not_refuse_uploads(site: AlarmSite) -> None:
    await site.event(2)
    await site.hub.store.write(
        lambda c: (
            c.execute("UPDATE alarm SET severity = CAST(x'ff' AS TEXT), detail = 'x'").rowcount
        )
    )
    again = await site.event(2)
    assert [one.count for one in site.active() if one.seq == again] == [1]
