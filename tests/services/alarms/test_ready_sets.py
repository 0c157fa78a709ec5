"""Which events raise an alarm where no rule decides: the ready sets (D11)."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import msgspec
import pytest

from hub.clock_reading import Reading
from hub.config import AlarmsConfig, Config, RaisedBy
from hub.errors import BadParameter
from hub.services.alarms.judge import OFFLINE, AlarmJudge
from hub.services.audit import COMMAND_LINE
from hub.services.problems import PROBLEMS
from hub.store.tables.alarm_rules import AlarmRule
from hub.wire.code_tables import EVENT_TYPES
from hub.wire.uploads.records import Detail, EventDetail, HubDetail, Record, RecordKind
from tests.services.alarms.conftest import MEI, AlarmSite
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services

NAMES: tuple[RaisedBy, ...] = get_args(RaisedBy)
NOW = 1_795_608_000_000
FEW = {2, 3, 8, 12, 16, 17}
USUAL = FEW | {5, 6, 9, 13, 14, 19, 20}


def severity(name: RaisedBy, detail: Detail, *rules: AlarmRule) -> str:
    """What a record raises an alarm of; "none" if it raises none."""
    judge = AlarmJudge(lambda: Reading(NOW, NOW, NOW), rules, raised_by=name)
    kind: RecordKind = "hub" if isinstance(detail, HubDetail) else "event"
    record = Record(
        seq=1,
        kind=kind,
        did="1",
        sn="SN1",
        device_name="Gate",
        occurred_at=NOW,
        received_at=NOW,
        detail=detail,
        extra=msgspec.Raw(b"{}"),
        images=(),
    )
    found = judge.judge(record, {})
    return found[0].severity if found else "none"


@pytest.mark.parametrize(
    ("name", "raised"),
    [("few", FEW), ("usual", USUAL), ("all", EVENT_TYPES.keys() - {11} | {99})],
)
def test_events_of_a_set_raise_an_alarm(name: RaisedBy, raised: set[int]) -> None:
    types = (*EVENT_TYPES, 99)
    assert {one for one in types if severity(name, EventDetail(one)) != "none"} == raised


def test_what_is_urgent_is_heard() -> None:
    heard = {severity("few", EventDetail(type)) for type in FEW - {12}}
    assert heard <= {"critical", "major"}


@pytest.mark.parametrize("name", NAMES)
def test_a_set_changes_no_severity(name: RaisedBy) -> None:
    for type in EVENT_TYPES:
        assert severity(name, EventDetail(type)) in ("none", severity("all", EventDetail(type)))


@pytest.mark.parametrize(
    ("name", "harmless"), [("few", "none"), ("usual", "none"), ("all", "minor")]
)
def test_a_listed_person_is_an_alarm_unless_the_list_is_known_to_be_harmless(
    name: RaisedBy, harmless: str
) -> None:
    assert severity(name, EventDetail(12, category=2)) == "critical"
    assert severity(name, EventDetail(12)) == "minor"
    for category in (0, 1, 3, 4):
        assert severity(name, EventDetail(12, category=category)) == harmless


@pytest.mark.parametrize("name", NAMES)
def test_offline_cameras_and_problems_of_the_hub_raise_an_alarm_in_any_case(
    name: RaisedBy,
) -> None:
    assert severity(name, HubDetail(OFFLINE)) == "major"
    for code, problem in PROBLEMS.items():
        assert severity(name, HubDetail(code)) == problem.alarm


def test_a_rule_decides_before_the_set() -> None:
    rule = AlarmRule(types=(1,), severity="major")
    assert severity("few", EventDetail(1), rule) == "major"
    assert severity("few", EventDetail(4), rule) == "none"


def test_outside_of_its_hours_a_rule_leaves_an_event_to_the_set() -> None:
    # It is 8:00 in UTC.
    rule = AlarmRule(severity="critical", start="20:00", end="22:00", otherwise="default")
    assert severity("usual", EventDetail(5), rule) == "minor"
    assert severity("usual", EventDetail(1), rule) == "none"


async def test_an_event_outside_of_the_set_raises_nothing_and_is_kept(site: AlarmSite) -> None:
    await site.rules.choose("usual", MEI)
    seq = await site.event(4)
    await site.event(5)
    assert [one.detail.type for one in site.active()] == [5]
    assert (await site.hub.services.records.log.get(seq)).detail == EventDetail(4)


async def test_without_a_choice_every_event_raises_an_alarm(site: AlarmSite) -> None:
    assert site.rules.raised_by == "all"
    await site.event(4)
    assert [one.detail.type for one in site.active()] == [4]


async def test_alarms_that_are_there_stay_when_another_set_is_chosen(site: AlarmSite) -> None:
    await site.event(4)
    await site.rules.choose("few", MEI)
    await site.event(4)
    assert [(one.detail.type, one.count) for one in site.active()] == [(4, 1)]


async def test_the_choice_is_audited_and_stays_in_the_file(site: AlarmSite) -> None:
    await site.rules.choose("few", MEI)
    settings = site.hub.services.core.settings
    assert settings.state("alarms.raised_by").in_file == "few"
    entry = (await site.hub.services.core.audit.oldest())[-1]
    assert (entry.who, entry.action) == ("user mei", "settings.change")
    assert entry.target == 'alarms.raised_by: "all" -> "few"'


async def test_no_other_set_can_be_chosen(site: AlarmSite) -> None:
    with pytest.raises(BadParameter):
        await site.rules.choose("most", MEI)
    assert site.rules.raised_by == "all"


async def test_the_set_of_the_configuration_holds_from_the_start(
    tmp_path: Path, clock: FrozenClock
) -> None:
    config = Config(alarms=AlarmsConfig(raised_by="few"))
    async with open_hub_services(tmp_path, clock, config) as hub:
        site = AlarmSite(hub, clock)
        await site.event(5)
        await site.event(8)
        assert [one.detail.type for one in site.active()] == [8]


async def test_rules_that_are_refused_leave_the_set_as_it_is(site: AlarmSite) -> None:
    wrong = AlarmRule(severity="minor", start="08:00", end="08:00")
    with pytest.raises(BadParameter):
        await site.rules.put([wrong], COMMAND_LINE, raised_by="few")
    assert site.rules.raised_by == "all"
