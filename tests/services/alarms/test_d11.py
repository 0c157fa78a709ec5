"""D11 line by line, in its words. What the lines leave open is tested beside this.

Left out: a target with a gap (there are no targets yet); kill -9, which needs a process
(tests/e2e/test_guarantees.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec
import pytest

from hub.reasons import because
from hub.services.alarms.rendering import alarm_json
from hub.services.problems import HealthReason
from hub.store.alarms.alarm import AlarmStep
from hub.store.records.record_filter import RecordFilter
from hub.store.tables.alarm_rules import AlarmRule
from hub.store.tables.devices import NewDevice, StatusUpdate
from hub.store.tables.plate_lists import NewPlateList, PlateEntry
from hub.store.tables.users import Role
from hub.wire.uploads.records import HubDetail
from tests.services.alarms.conftest import MEI, AlarmSite
from tests.services.alarms.test_watch import Watched, go_offline, go_online
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import open_page_site

Scene = Callable[[AlarmSite], Awaitable[object]]


async def watch_for(site: AlarmSite, pattern: str, **entry: object) -> None:
    entries = (PlateEntry(pattern, **entry),)  # type: ignore[arg-type]
    await site.plate_lists.add(NewPlateList(name="list", severity="major", entries=entries), MEI)


async def rule(site: AlarmSite, **fields: object) -> None:
    await site.rules.put([AlarmRule(**fields)], MEI)  # type: ignore[arg-type]


async def each(*steps: Awaitable[object]) -> None:
    for step in steps:
        await step


#: The words of D11, what happens, and what is raised: kind, subject and severity.
RAISED: list[tuple[str, Scene, set[tuple[str, str, str]]]] = [
    (
        "a capture of category 2",
        lambda s: each(*(s.face(category=n, uuid=f"{n}0") for n in (0, 1, 2, 3, 4))),
        {("blacklist", "20", "critical")},
    ),
    (
        "or whose uuid or pid is a person of category 2 in the register, whatever was sent",
        lambda s: each(s.blacklist("7", "Li"), s.face(category=1, uuid="7"), s.access("7")),
        {("blacklist", "7", "critical")},
    ),
    (
        "an event by the rule of its type (default: all but 11",
        lambda s: each(*(s.event(type) for type in range(1, 15))),
        {
            *(("event", f"1 {type}", "minor") for type in (1, 4, 5, 6, 7, 9, 10, 12, 14)),
            *(("event", f"1 {type}", "major") for type in (2, 3, 13)),
            ("event", "1 8", "critical"),
        },
    ),
    (
        "12 at the severity of its person's category)",
        lambda s: each(s.event(12, category=1, did="1"), s.event(12, category=2, did="2")),
        {("event", "1 12", "minor"), ("event", "2 12", "critical")},
    ),
    (
        "a plate that a watch list holds",
        lambda s: each(watch_for(s, "A1"), s.vehicle("A1"), s.vehicle("A2")),
        {("plate", "A1", "major")},
    ),
    (
        "a rule: type, severity",
        lambda s: each(rule(s, types=(11,), severity="major"), s.event(11), s.event(1)),
        {("event", "1 11", "major"), ("event", "1 1", "minor")},
    ),
    (
        "cameras",
        lambda s: each(rule(s, dids=("2",), severity="none"), s.event(1), s.event(1, did="2")),
        {("event", "1 1", "minor")},
    ),
    # The clock of these tests shows a Wednesday, 12:00 UTC.
    (
        "days and hours",
        lambda s: each(
            rule(s, days=(3,), start="11:00", end="13:00", severity="major"), s.event(1)
        ),
        {("event", "1 1", "major")},
    ),
    (
        "outside its hours no alarm is raised",
        lambda s: each(
            rule(s, days=(4,), start="11:00", end="13:00", severity="major"), s.event(1)
        ),
        set(),
    ),
    (
        "blacklist and plates have no hours and cannot be suppressed by any rule",
        lambda s: each(
            rule(s, severity="none"),
            watch_for(s, "A1"),
            s.face(category=2, uuid="8"),
            s.event(12, category=2, uuid="9"),
            s.vehicle("A1"),
        ),
        {
            ("blacklist", "8", "critical"),
            ("blacklist", "9", "critical"),
            ("plate", "A1", "major"),
        },
    ),
    (
        "one alarm per subject: (device, type) for events",
        lambda s: each(s.event(1), s.event(1), s.event(1, did="2"), s.event(4)),
        {("event", "1 1", "minor"), ("event", "2 1", "minor"), ("event", "1 4", "minor")},
    ),
    (
        "(person) for the blacklist",
        lambda s: each(*(s.face(category=2, uuid="8", did=did) for did in "123")),
        {("blacklist", "8", "critical")},
    ),
    (
        "(plate) for plates",
        lambda s: each(watch_for(s, "A*"), *(s.vehicle(p) for p in ("A1", "A2", "A1"))),
        {("plate", "A1", "major"), ("plate", "A2", "major")},
    ),
    (
        "plates are compared without blanks, dots, hyphens and case, full-width forms reduced",
        lambda s: each(watch_for(s, "粤b·1-23"), s.vehicle(" 粤Ｂ.１２3"), s.vehicle("粤B1234")),
        {("plate", "粤B123", "major")},
    ),
    (
        "a pattern has * and ?",
        lambda s: each(watch_for(s, "A?9*"), *(s.vehicle(p) for p in ("A19", "AB9X", "A9"))),
        {("plate", "A19", "major"), ("plate", "AB9X", "major")},
    ),
]


@pytest.mark.parametrize(
    ("scene", "raised"), [(s, r) for _, s, r in RAISED], ids=[w for w, *_ in RAISED]
)
async def test_what_raises_an_alarm(
    site: AlarmSite, scene: Scene, raised: set[tuple[str, str, str]]
) -> None:
    await scene(site)
    assert {(one.kind, one.subject, one.severity) for one in site.active()} == raised
    # No line keeps a record from being stored.
    kinds = {one.kind for one in (await site.hub.services.records.log.page(RecordFilter())).items}
    assert kinds


async def test_only_a_person_or_a_pattern_that_is_removed_ends_them(site: AlarmSite) -> None:
    await site.blacklist("7", "Li")
    lists = site.plate_lists
    added = await lists.add(NewPlateList(name="x", entries=(PlateEntry("A1"),)), MEI)
    await each(site.face(uuid="7"), site.vehicle("A1"))
    await site.hub.store.write(lambda c: c.execute("DELETE FROM person").rowcount)
    await lists.remove(added.id, MEI)
    await each(site.face(uuid="7"), site.vehicle("A1"))
    assert [one.count for one in site.active()] == [1, 1]


async def test_a_list_has_a_name_and_a_severity_an_entry_its_note_and_end(site: AlarmSite) -> None:
    await watch_for(site, "A1", note="white van", until=site.at + 1000)
    await site.vehicle("A1")
    alarm = await site.one()
    assert (alarm.detail.list, alarm.severity, alarm.detail.entry_note) == (
        *("list", "major", "white van"),
    )
    site.clock.advance(1)
    await site.vehicle("A1")
    assert (await site.one()).count == 1


async def test_a_repeat_raises_count_last_at_and_the_cameras_that_saw_it(site: AlarmSite) -> None:
    first = await site.face(category=2, uuid="8")
    site.clock.advance(5)
    await site.face(category=2, uuid="8", did="2")
    alarm = await site.one()
    # The seq is that of the record that raised it first.
    assert (alarm.seq, alarm.count, alarm.last_at, alarm.dids) == (first, 2, site.at, ("1", "2"))


@pytest.mark.parametrize(("seconds", "state"), [(60, "acknowledged"), (61, "new")])
@pytest.mark.parametrize("kind", ["face", "vehicle"])
async def test_a_repeat_after_more_than_60_s_makes_an_acknowledged_alarm_new_again(
    site: AlarmSite, kind: str, seconds: int, state: str
) -> None:
    await watch_for(site, "A1")

    async def repeat() -> None:
        await (site.vehicle("A1") if kind == "vehicle" else site.face(category=2, uuid="8"))

    await repeat()
    await site.alarms.acknowledge([1], "sent away", MEI)
    site.clock.advance(seconds)
    await repeat()
    # The note was about the time before.
    note = "" if state == "new" else "sent away"
    assert ((await site.one()).state, (await site.one()).note) == (state, note)


async def test_states_have_who_when_and_a_note(site: AlarmSite) -> None:
    at = site.at
    seq = await site.event(1)
    await site.alarms.acknowledge([seq], "on my way", MEI)
    await site.alarms.close([seq], "a cat", MEI)
    assert await site.alarms.history(seq) == (
        AlarmStep(at, "raised"),
        AlarmStep(at, "acknowledged", "user mei", "on my way"),
        AlarmStep(at, "closed", "user mei", "a cat"),
    )
    # Nothing is ever deleted but by retention.
    assert [one.seq for one in await site.all()] == [seq]


@pytest.fixture
async def watched(site: AlarmSite, clock: FrozenClock) -> Watched:
    for did in ("1", "2"):
        new = NewDevice(sn=f"SN{did}", code="CODE0001", did=did, name=f"Gate {did}")
        await site.hub.services.cameras.devices.add(new)
    seen = StatusUpdate(last_seen=clock.ms)
    await site.hub.store.devices.update_status({"SN1": seen, "SN2": seen})
    watched = Watched(site, clock)
    go_online(watched, "1", "2")
    return watched


async def test_a_device_offline_for_offline_minutes_raises_one_alarm_per_device(
    watched: Watched,
) -> None:
    for did in ("1", "2"):
        go_offline(watched, did)
    await watched.after(0)
    assert await watched.after(5 * 60 - 1) == []
    both = [("offline", "1", "new"), ("offline", "2", "new")]
    assert await watched.after(1) == both
    assert await watched.after(3600) == both


@pytest.mark.parametrize(
    ("code", "severity"),
    [
        ("disk-low", "major"),
        ("cannot-store", "critical"),
        ("clock-unset", "critical"),
        ("clock-doubted", "minor"),
        ("certificate-ended", "critical"),
        ("certificate-ends", "minor"),
    ],
)
async def test_the_hubs_own_state_raises_an_alarm_of_its_cause(
    watched: Watched, code: str, severity: str
) -> None:
    args = dict.fromkeys(("reason", "clock", "expected", "day", "days", "free", "wanted"), "b")
    watched.problems = [HealthReason(code, args)]
    for _ in range(2):
        assert await watched.after(1) == [("hub", code, "new")]
    alarm = await watched.site.one()
    assert (alarm.severity, alarm.count) == (severity, 1)
    # The hub's own alarms have records of kind `hub`.
    record = await watched.hub.services.records.log.get(alarm.seq)
    assert (record.kind, record.detail) == ("hub", HubDetail(code, watched.problems[0].text, args))


async def test_what_a_problem_tells_is_kept_as_a_reason_and_given_to_others_as_a_text(
    watched: Watched,
) -> None:
    args = {"targets": "A", "reason": because("it answered %(status)s", status=503)}
    watched.problems = [HealthReason("target-held", args)]
    await watched.after(1)
    alarm = await watched.site.one()
    record = await watched.hub.services.records.log.get(alarm.seq)
    assert (alarm.detail.args, record.detail.args) == (args, args)
    told = {"targets": "A", "reason": "it answered 503"}
    given = msgspec.json.decode(alarm_json(alarm, record))
    assert (given["detail"]["args"], given["record"]["args"]) == (told, told)


@pytest.mark.parametrize("kind", ["offline", "hub"])
@pytest.mark.parametrize("is_acknowledged", [True, False])
async def test_offline_and_the_hubs_own_close_by_themselves_unless_never_acknowledged(
    watched: Watched, kind: str, is_acknowledged: bool
) -> None:
    if kind == "offline":
        go_offline(watched, "1")
    else:
        watched.problems = [HealthReason("disk-low", {"free": "1", "wanted": "2"})]
    await watched.after(0)
    await watched.after(300)
    alarm = await watched.site.one()
    if is_acknowledged:
        await watched.site.alarms.acknowledge([alarm.seq], "", MEI)
    watched.problems = []
    if kind == "offline":
        go_online(watched, "1")
    await watched.after(60)
    alarm = await watched.site.one()
    steps = [(one.step, one.who) for one in await watched.site.alarms.history(alarm.seq)]
    if is_acknowledged:
        assert (alarm.state, steps[-1]) == ("closed", ("closed", ""))  # shown as "by itself"
    else:
        assert (alarm.state, alarm.over_at is None, steps[-1]) == ("new", False, ("over", ""))


async def test_new_for_escalate_seconds_is_an_event_for_integrations(watched: Watched) -> None:
    with watched.site.hub.services.core.alarm_changes.subscribe() as feed:
        await watched.site.event(1)
        await watched.after(119)
        await watched.after(1)
        assert [one.change for one in await feed.next()] == ["raised", "escalated"]


@pytest.mark.parametrize("role", ["viewer", "guard", "admin"])
async def test_and_shown_on_every_page_of_everybody_with_a_second_tone(
    tmp_path: Path, clock: FrozenClock, role: Role
) -> None:
    async with open_page_site(tmp_path, clock) as pages:
        site = AlarmSite(pages.hub, clock)
        await site.event(8)
        clock.advance(120)
        await pages.services.upkeep.alarm_watch.check()
        visitor = await Visitor.signed_in(pages, role)
        for path in ("/", "/alarms", "/cameras", "/account"):
            await visitor.get(path)
            assert "Nobody has acknowledged this alarm:" in visitor.text
            # The scripts choose the louder tone by this.
            assert 'data-severity="critical" data-escalated="1"' in visitor.text
