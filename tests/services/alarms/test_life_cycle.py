"""new → acknowledged → closed, each with who, when and a note (D11)."""

from __future__ import annotations

import pytest
from msgspec import UNSET, UnsetType

from hub.errors import BadParameter, NoSuchResource
from hub.live.feed import Change
from hub.services.audit import Actor
from hub.store.alarms.alarm import AlarmStep, Move, Severity
from hub.store.tables.alarm_rules import AlarmRule
from hub.store.tables.alarms import AlarmFilter
from hub.store.tables.plate_lists import NewPlateList, PlateEntry
from tests.services.alarms.conftest import MEI, AlarmSite

ADA = Actor("user ada")


async def test_each_step_has_who_when_and_a_note(site: AlarmSite) -> None:
    seq, raised_at = await site.event(2), site.at
    site.clock.advance(10)
    await site.alarms.acknowledge([seq], " going  there ", MEI)
    site.clock.advance(10)
    await site.alarms.close([seq], "it was a cat", ADA)
    assert await site.alarms.history(seq) == (
        AlarmStep(raised_at, "raised"),
        AlarmStep(raised_at + 10_000, "acknowledged", "user mei", "going there"),
        AlarmStep(raised_at + 20_000, "closed", "user ada", "it was a cat"),
    )
    assert ((await site.one()).state, (await site.one()).note) == ("closed", "it was a cat")
    assert site.active() == []
    entries = await site.hub.services.core.audit.oldest()
    assert [(entry.who, entry.action, entry.target) for entry in entries] == [
        ("user mei", "alarm.acknowledge", str(seq)),
        ("user ada", "alarm.close", str(seq)),
    ]


async def test_a_new_alarm_that_is_closed_was_acknowledged_by_that(site: AlarmSite) -> None:
    seq = await site.event(2)
    await site.alarms.close([seq], "", MEI)
    steps = [(step.step, step.who) for step in await site.alarms.history(seq)]
    assert steps == [("raised", ""), ("acknowledged", "user mei"), ("closed", "user mei")]


async def test_what_is_closed_stays_as_it_is(site: AlarmSite) -> None:
    seq = await site.event(2)
    await site.alarms.close([seq], "", MEI)
    assert await site.alarms.acknowledge([seq, 99], "late", MEI) == ()
    assert await site.alarms.close([seq], "late", MEI) == ()
    assert (await site.one()).note == ""


async def test_an_acknowledged_alarm_takes_another_note(site: AlarmSite) -> None:
    seq = await site.event(2)
    await site.alarms.acknowledge([seq], "", MEI)
    assert await site.alarms.acknowledge([seq], "", ADA) == ()
    (change,) = await site.alarms.acknowledge([seq], "seen twice", ADA)
    assert change.alarm.note == "seen twice"


async def test_many_are_acknowledged_at_once(site: AlarmSite) -> None:
    seqs = [await site.event(type, did=str(did)) for type in (2, 3) for did in range(1, 4)]
    changes = await site.alarms.acknowledge([*seqs, seqs[0]], "drill", MEI)
    assert [change.alarm.seq for change in changes] == seqs
    assert site.alarms.new_count == 0
    with pytest.raises(BadParameter):
        await site.alarms.acknowledge(range(2_001), "", MEI)
    with pytest.raises(BadParameter):
        await site.alarms.acknowledge(seqs, "x" * 501, MEI)


async def test_a_repeat_of_a_person_after_a_minute_makes_an_acknowledged_alarm_new(
    site: AlarmSite,
) -> None:
    seq = await site.face(category=2, uuid="8")
    await site.alarms.acknowledge([seq], "", MEI)
    site.clock.advance(60)
    await site.face(category=2, uuid="8")
    assert (await site.one()).state == "acknowledged"
    site.clock.advance(61)
    await site.face(category=2, uuid="8")
    alarm = await site.one()
    assert (alarm.state, alarm.count, alarm.new_since) == ("new", 3, site.at)
    assert [step.step for step in await site.alarms.history(seq)] == [
        *("raised", "acknowledged", "again")
    ]
    assert site.alarms.new_count == 1


async def test_a_repeat_is_judged_by_when_it_occurred_as_well(site: AlarmSite) -> None:
    """A camera that was offline sends a minute's captures at once."""
    seq = await site.face(category=2, uuid="8")
    await site.alarms.acknowledge([seq], "", MEI)
    await site.face(category=2, uuid="8", at=site.at + 60_000)
    assert (await site.one()).state == "acknowledged"
    await site.face(category=2, uuid="8", at=site.at + 120_001)
    assert (await site.one()).state == "new"


async def test_a_repeat_of_a_plate_after_a_minute_makes_an_acknowledged_alarm_new(
    site: AlarmSite,
) -> None:
    await site.plate_lists.add(NewPlateList(name="x", entries=(PlateEntry("A1"),)), MEI)
    seq = await site.vehicle("A1")
    await site.alarms.acknowledge([seq], "", MEI)
    site.clock.advance(61)
    await site.vehicle("A1")
    assert (await site.one()).state == "new"


@pytest.mark.parametrize(
    ("type", "renew", "state"),
    [
        (8, UNSET, "new"),  # fire
        (3, UNSET, "new"),  # camera covered
        (1, UNSET, "acknowledged"),
        (8, False, "acknowledged"),
        (1, True, "new"),
    ],
)
async def test_a_severe_event_after_a_quiet_minute_makes_an_acknowledged_alarm_new(
    site: AlarmSite, type: int, renew: bool | UnsetType, state: str
) -> None:
    """Or that of another event, if a rule says so."""
    if renew is not UNSET:
        severity: Severity = "critical" if type == 8 else "minor"
        await site.rules.put([AlarmRule(types=(type,), severity=severity, renew=renew)], MEI)
    seq = await site.event(type)
    await site.alarms.acknowledge([seq], "false alarm: kitchen", MEI)
    site.clock.advance(60)
    await site.event(type)
    assert (await site.one()).state == "acknowledged"
    site.clock.advance(61)
    await site.event(type)
    alarm = await site.one()
    assert (alarm.state, alarm.count) == (state, 3)
    assert alarm.note == ("" if state == "new" else "false alarm: kitchen")


async def test_an_alarm_that_is_over_closes_itself_if_it_was_acknowledged(
    site: AlarmSite,
) -> None:
    seq = await site.event(2)
    await site.alarms.acknowledge([seq], "", MEI)
    await site.hub.store.alarms.move([seq], Move("over", site.at))
    assert (await site.one()).state == "closed"
    steps = [(step.step, step.who) for step in await site.alarms.history(seq)]
    assert steps[2:] == [("over", ""), ("closed", "")]


async def test_an_alarm_that_is_over_stays_new_until_it_is_acknowledged(site: AlarmSite) -> None:
    seq = await site.event(2)
    await site.hub.store.alarms.move([seq], Move("over", site.at))
    alarm = await site.one()
    assert (alarm.state, alarm.over_at) == ("new", site.at)
    await site.alarms.acknowledge([seq], "", MEI)
    assert (await site.one()).state == "closed"
    steps = [(step.step, step.who) for step in await site.alarms.history(seq)]
    assert steps[2:] == [("acknowledged", "user mei"), ("closed", "")]


async def test_changes_are_published_after_their_commit(site: AlarmSite) -> None:
    core = site.hub.services.core
    with core.alarm_changes.subscribe() as feed, core.changes.subscribe() as changes:
        seq = await site.event(2)
        await site.event(2)
        await site.alarms.acknowledge([seq], "", MEI)
        await site.alarms.close([seq], "", MEI)
        found = [(change.change, change.alarm.count) for change in await feed.next()]
        assert found == [("raised", 1), ("repeated", 2), ("acknowledged", 2), ("closed", 2)]
        assert set(await changes.next()) == {Change("alarm", str(seq))}


async def test_alarms_are_found_by_state_severity_camera_kind_and_time(site: AlarmSite) -> None:
    site.clock.seconds -= 100
    early = await site.event(1)
    site.clock.seconds += 100
    fire = await site.event(8, did="2")
    person = await site.face(category=2, uuid="8", did="1")
    await site.face(category=2, uuid="8", did="12")
    await site.alarms.acknowledge([person], "", MEI)

    async def seqs(**filter: object) -> list[int]:
        page = await site.alarms.page(AlarmFilter(**filter))  # type: ignore[arg-type]
        return [alarm.seq for alarm in page.items]

    assert await seqs() == [early, fire, person]
    assert await seqs(state="new") == [early, fire]
    assert await seqs(severity="critical") == [fire, person]
    assert await seqs(kind="event") == [early, fire]
    assert await seqs(did="12") == [person]
    assert await seqs(did="2") == [fire]
    assert await seqs(since=site.at) == [fire, person]
    assert await seqs(until=site.at) == [early]


async def test_alarms_are_read_in_pages_in_both_orders(site: AlarmSite) -> None:
    seqs = [await site.event(type) for type in (1, 2, 3, 4, 5)]
    page = await site.alarms.page(AlarmFilter(), limit=2)
    assert ([one.seq for one in page.items], page.next) == (seqs[:2], seqs[1])
    page = await site.alarms.page(AlarmFilter(), after=seqs[3], limit=2)
    assert ([one.seq for one in page.items], page.next) == (seqs[4:], None)
    page = await site.alarms.page(AlarmFilter(), before=seqs[3], newest_first=True, limit=3)
    assert ([one.seq for one in page.items], page.next) == (seqs[2::-1], None)


async def test_an_alarm_that_does_not_exist_is_refused(site: AlarmSite) -> None:
    with pytest.raises(NoSuchResource):
        await site.alarms.get(1)
    with pytest.raises(NoSuchResource):
        await site.alarms.history(1)
