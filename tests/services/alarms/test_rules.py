"""Rules of alarms: type or list, severity, days and hours in the site's zone, cameras, groups."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from hub.clock_reading import Reading
from hub.errors import AlreadyExists, BadParameter, NoSuchResource
from hub.services.alarms.judge import AlarmJudge, is_in_hours
from hub.services.site import SiteSettings
from hub.store.tables.alarm_rules import AlarmRule
from hub.store.tables.plate_lists import NewPlateList, PlateEntry
from hub.wire.uploads.records import EventDetail, Record
from tests.services.alarms.conftest import MEI, AlarmSite

SHANGHAI = ZoneInfo("Asia/Shanghai")


async def severities(site: AlarmSite) -> dict[str, str]:
    return {one.subject: one.severity for one in await site.all()}


async def test_the_first_rule_of_a_type_decides(site: AlarmSite) -> None:
    rules = (
        AlarmRule(types=(2,), severity="critical"),
        AlarmRule(types=(2, 3), severity="none"),
        AlarmRule(types=(11,), severity="major"),
    )
    await site.rules.put(rules, MEI)
    assert site.rules.all() == rules
    for type in (1, 2, 3, 11):
        await site.event(type)
    assert await severities(site) == {"1 1": "minor", "1 2": "critical", "1 11": "major"}


@pytest.mark.parametrize(
    ("otherwise", "severity"), [("default", {"1 8": "critical", "1 2": "major"}), ("none", {})]
)
async def test_outside_its_hours_a_rule_leaves_alarms_as_they_are_or_raises_none(
    site: AlarmSite, otherwise: Any, severity: dict[str, str]
) -> None:
    other_day = datetime.fromtimestamp(site.clock.ms / 1000, SHANGHAI).isoweekday() % 7 + 1
    rules = [
        AlarmRule(severity="none", days=(other_day,), otherwise=otherwise),
        AlarmRule(severity="none", days=(other_day,), otherwise="none"),
    ]
    await site.rules.put(rules, MEI)
    for type in (2, 8, 11):
        await site.event(type)
    assert await severities(site) == severity


async def test_a_rule_without_types_is_about_all_events(site: AlarmSite) -> None:
    await site.rules.put([AlarmRule(severity="none")], MEI)
    for type in range(1, 12):
        await site.event(type)
    assert await site.all() == []


async def test_a_rule_is_about_its_cameras_and_groups(site: AlarmSite) -> None:
    judge = AlarmJudge(
        lambda: site.clock.reading,
        [AlarmRule(severity="none", dids=("1",), groups=(7, 8))],
        groups={7: ["2"], 9: ["3"]},
    )
    site.hub.store.alarms.use(judge)
    for did in ("1", "2", "3"):
        await site.event(2, did=did)
    assert await severities(site) == {"3 2": "major"}


@pytest.mark.parametrize(
    ("local", "applies"),
    [
        ("2026-11-27 21:59", False),  # a Friday
        ("2026-11-27 22:00", True),
        ("2026-11-28 05:59", True),  # the night of Friday
        ("2026-11-28 06:00", False),
        ("2026-11-28 22:00", False),
        ("2026-11-27 05:00", False),  # the night of Thursday
    ],
)
def test_hours_across_midnight_belong_to_the_day_on_which_they_begin(
    local: str, applies: bool
) -> None:
    rule = AlarmRule(severity="major", days=(5,), start="22:00", end="06:00")
    assert is_in_hours(rule, datetime.fromisoformat(local)) is applies


def test_a_night_of_sunday_goes_on_on_monday() -> None:
    rule = AlarmRule(severity="major", days=(7,), start="22:00", end="06:00")
    assert is_in_hours(rule, datetime.fromisoformat("2026-11-30 03:00"))


@pytest.mark.parametrize(
    ("start", "end", "local", "applies"),
    [
        ("", "", "00:00", True),
        ("08:00", "", "23:59", True),
        ("08:00", "", "07:59", False),
        ("", "06:30", "06:29", True),
        ("", "06:30", "06:30", False),
    ],
)
def test_hours_may_be_open(start: str, end: str, local: str, applies: bool) -> None:
    rule = AlarmRule(severity="major", start=start, end=end)
    assert is_in_hours(rule, datetime.fromisoformat(f"2026-11-27 {local}")) is applies


async def test_outside_its_hours_the_record_is_kept_and_no_alarm_is_raised(
    site: AlarmSite,
) -> None:
    services = site.hub.services
    await services.core.site.set(SiteSettings("Site", "Asia/Shanghai", "auto"))
    night = AlarmRule(types=(2,), severity="major", start="20:00", end="06:00")
    await site.rules.put([night], MEI)
    site.clock.seconds = datetime(2026, 11, 27, 19, 59, tzinfo=SHANGHAI).timestamp()
    seq = await site.event(2)
    assert await site.all() == []
    assert (await services.records.log.get(seq)).kind == "event"
    site.clock.advance(60)
    await site.event(2)
    assert await severities(site) == {"1 2": "major"}


def _event(occurred_at: int, received_at: int) -> Record:
    return Record(
        seq=1,
        kind="event",
        did="1",
        sn="SN1",
        device_name="Gate",
        occurred_at=occurred_at,
        received_at=received_at,
        detail=EventDetail(2),
        extra=msgspec.Raw(b"{}"),
        images=(),
    )


def test_the_hours_are_those_of_when_it_occurred_unless_the_cameras_clock_is_off() -> None:
    day, night = (
        int(datetime.fromisoformat(f"2026-11-27T{hour}:00:00+00:00").timestamp()) * 1000
        for hour in (12, 21)
    )
    for occurred, received, is_raised in (
        (day, night, False),
        (night, day, True),
        (3_600_000, night, True),
    ):
        now = Reading(received, received, received)
        judge = AlarmJudge(lambda now=now: now, [AlarmRule(severity="major", start="20:00")])
        assert bool(judge.judge(_event(occurred, received), {})) is is_raised


async def test_blacklist_and_plates_cannot_be_suppressed(site: AlarmSite) -> None:
    await site.rules.put([AlarmRule(severity="none")], MEI)
    await site.plate_lists.add(NewPlateList(name="x", entries=(PlateEntry("A1"),)), MEI)
    await site.blacklist("12", "Wang Fang")
    await site.face(category=2, uuid="8")
    await site.face(uuid="12")
    await site.vehicle("A1")
    assert [one.kind for one in await site.all()] == ["blacklist", "blacklist", "plate"]


async def test_rules_are_kept_and_audited(site: AlarmSite) -> None:
    rule = AlarmRule(types=(2,), severity="minor", days=(1, 2), start="08:00", dids=("1",))
    await site.rules.put([rule], MEI)
    await site.rules.put([rule, rule], MEI)
    entries = await site.hub.services.core.audit.oldest()
    assert [(entry.action, entry.target) for entry in entries] == [
        ("alarm.rules", "1"),
        ("alarm.rules", "2"),
    ]


@pytest.mark.parametrize(
    "rule",
    [
        AlarmRule(kind="offline", types=(2,), severity="minor"),
        AlarmRule(severity="minor", start="08:00", end="08:00"),
        AlarmRule(severity="minor", types=tuple(range(1_001))),
    ],
)
async def test_rules_without_sense_are_refused(site: AlarmSite, rule: AlarmRule) -> None:
    with pytest.raises(BadParameter):
        await site.rules.put([rule], MEI)
    assert site.rules.all() == ()


async def test_too_many_rules_are_refused(site: AlarmSite) -> None:
    with pytest.raises(BadParameter):
        await site.rules.put([AlarmRule(severity="minor")] * 201, MEI)


async def test_a_plate_list_is_reduced_and_of_the_same_plate_the_last_counts(
    site: AlarmSite,
) -> None:
    entries = (PlateEntry("粤b-1"), PlateEntry("京Ａ*"), PlateEntry("粤B 1", "blue  car"))
    added = await site.plate_lists.add(NewPlateList(name=" Stolen  cars ", entries=entries), MEI)
    assert added.name == "Stolen cars"
    assert added.entries == (PlateEntry("粤B1", "blue car"), PlateEntry("京A*"))
    assert site.plate_lists.list() == (added,)


async def test_plate_lists_are_changed_and_removed(site: AlarmSite) -> None:
    lists = site.plate_lists
    first = await lists.add(NewPlateList(name="a", entries=(PlateEntry("A1"),)), MEI)
    await lists.add(NewPlateList(name="b"), MEI)
    changed = await lists.change(first.id, NewPlateList(name="c", severity="minor"), MEI)
    assert lists.get(first.id) == changed
    with pytest.raises(AlreadyExists):
        await lists.change(first.id, NewPlateList(name="b"), MEI)
    with pytest.raises(AlreadyExists):
        await lists.add(NewPlateList(name="b"), MEI)
    await lists.remove(first.id, MEI)
    for call in (lists.remove(first.id, MEI), lists.change(first.id, NewPlateList(name="d"), MEI)):
        with pytest.raises(NoSuchResource):
            await call
    assert [one.name for one in lists.list()] == ["b"]


@pytest.mark.parametrize(
    "new",
    [
        NewPlateList(name=" "),
        NewPlateList(name="x" * 101),
        NewPlateList(name="x", entries=(PlateEntry(" -"),)),
        NewPlateList(name="x", entries=(PlateEntry("*?"),)),
        NewPlateList(name="x", entries=(PlateEntry("A", "n" * 201),)),
        NewPlateList(name="x", entries=tuple(PlateEntry(f"A{n}*") for n in range(1_001))),
        NewPlateList(name="x", entries=tuple(PlateEntry(f"A{n}") for n in range(10_001))),
    ],
)
async def test_plate_lists_without_sense_or_beyond_the_limits_are_refused(
    site: AlarmSite, new: NewPlateList
) -> None:
    with pytest.raises(BadParameter):
        await site.plate_lists.add(new, MEI)
    assert site.plate_lists.list() == ()
