"""Alarms on the pages: new ones on "Live" and on every page, the list, and one alarm."""

from __future__ import annotations

import csv
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from html import unescape
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from hub.live.feed import Change
from hub.services import Services
from hub.services.alarms import csv_export
from hub.services.alarms.alarms import Unstored
from hub.services.audit import COMMAND_LINE
from hub.services.problems import HealthReason
from hub.services.site import SiteSettings
from hub.store.alarms.alarm import Alarm, AlarmDetail, Move, Sighting, raised
from hub.store.people.person_rows import PersonChange
from hub.store.tables.alarms import AlarmFilter
from hub.wire.uploads.records import (
    EventDetail,
    FaceDetail,
    HubDetail,
    Plate,
    Vehicle,
    VehicleDetail,
)
from tests.support.browsing import Events, Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site
from tests.support.photographer import photo
from web.pages.alarms import events, views
from web.pages.shown.alarm_cards import AlarmCard, make_alarm_cards
from web.pages.shown.alarm_state import MAX_SHOWN

INTRUSION, FIRE, PERSON = 2, 8, 11
UNACKNOWLEDGED_TEXT = "Nobody has acknowledged this alarm:"
UNACKNOWLEDGED = f"{UNACKNOWLEDGED_TEXT}</strong>"


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("North gate")
        await site.enrol("Bay", did="2")
        yield site


@pytest.fixture
async def guard(site: PageSite) -> Visitor:
    return await Visitor.signed_in(site, "guard")


async def _sees(site: PageSite, name: str, did: str = "1", uuid: str = "") -> int:
    """A blacklisted person walks by."""
    detail = FaceDetail(name=name, uuid=uuid or name, category=2)
    return await site.add_record(detail=detail, did=did, pictures=["face"])


async def _detects(site: PageSite, type: int, did: str = "1") -> int:
    return await site.add_record("event", EventDetail(type=type), did=did)


async def _shown(stream: Events, count: int) -> dict[int, str]:
    """The cards that the next events about alarms bring, by seq."""
    shown: dict[int, str] = {}
    while len(shown) < count:
        name, data = await stream.next()
        if name == "alarm":
            shown[data["seq"]] = data["html"]
    return shown


async def _text(visitor: Visitor, path: str, **headers: str) -> str:
    await visitor.get(path, **headers)
    return visitor.text


async def _escalate(site: PageSite, seq: int) -> None:
    await site.hub.store.alarms.move([seq], Move("escalated", site.clock.ms))


def _keys(visitor: Visitor) -> list[int]:
    """The alarms on the live page."""
    found = re.findall(r'<article class="alarm [^>]*data-key="(\d+)"', visitor.text)
    return [int(key) for key in found]


def _banners(visitor: Visitor) -> list[str]:
    """The lines about alarms on top of a page."""
    found = re.findall(r'<p class="notice [^"]*alarm-(?:worst|newest).*?</p>', visitor.text)
    return [" ".join(re.sub(r"<[^>]*>", "", one).split()) for one in found]


# New alarms


async def test_a_new_alarm_is_on_top_of_the_live_page_until_it_is_acknowledged(
    site: PageSite, guard: Visitor
) -> None:
    seq = await _sees(site, "Li <b>Wei</b>")
    await guard.get("/")
    assert guard.text.index('class="alarm alarm-critical"') < guard.text.index('class="wall"')
    assert "Li &lt;b&gt;Wei&lt;/b&gt;" in guard.text
    assert f'<img src="/media/{seq}/face.png?size=small" alt="Picture of the alarm"' in guard.text
    assert "North gate" in guard.text
    assert "20:00:01" in guard.text
    # By a shape and a word, not by colour alone.
    assert "#severity-critical" in guard.text
    assert "<span>Critical</span>" in guard.text
    await guard.send("/alarms/change", seq=str(seq), do="acknowledge", note="my guest", next="/")
    assert guard.goes_to == "/"
    await guard.get("/")
    assert 'class="alarm ' not in guard.text
    alarm = await site.services.alarms.raised.get(seq)
    assert (alarm.state, alarm.note) == ("acknowledged", "my guest")


async def test_a_script_that_acknowledges_gets_the_alarms_that_are_still_new(
    site: PageSite, guard: Visitor
) -> None:
    first, second = await _sees(site, "Anna"), await _sees(site, "Ben")
    await guard.get("/")
    await guard.send("/alarms/change", seq=str(first), do="acknowledge", part=True)
    assert guard.response.status_code == 200
    assert f'data-key="{second}"' in guard.text
    assert f'data-key="{first}"' not in guard.text
    assert "<html" not in guard.text


async def test_the_newest_of_the_most_severe_alarms_is_first_and_the_last_ones_are_counted(
    site: PageSite, guard: Visitor
) -> None:
    for number in range(MAX_SHOWN + 1):
        await _sees(site, f"Person {number}")
        site.clock.advance(1)
    minor = await site.add_record("event", EventDetail(type=1), did="3")
    await guard.get("/")
    keys = _keys(guard)
    assert len(keys) == MAX_SHOWN
    assert keys == [*range(MAX_SHOWN + 1, 2, -1), minor]
    assert "2 more new alarms" in guard.text


async def test_a_severe_alarm_is_first_however_many_come_later(
    site: PageSite, guard: Visitor
) -> None:
    fire = await _detects(site, FIRE)
    for number in range(MAX_SHOWN + 5):
        site.clock.advance(1)
        await site.add_record("event", EventDetail(type=100 + number), did="1")
    await guard.get("/")
    keys = _keys(guard)
    assert len(keys) == MAX_SHOWN
    assert keys[:2] == [fire, MAX_SHOWN + 6]
    assert keys[1:] == sorted(keys[1:], reverse=True)
    assert "6 more new alarms" in guard.text


async def test_other_pages_name_the_most_severe_alarm_in_one_bar(
    site: PageSite, guard: Visitor
) -> None:
    minor = await _detects(site, 1)
    await _escalate(site, minor)
    # What is minor is counted only.
    await guard.get("/cameras")
    assert _banners(guard) == []
    assert 'data-count="1" data-severity="minor"' in guard.text
    site.clock.advance(60)
    intruder = await _detects(site, INTRUSION)
    await guard.get("/cameras")
    major = "New alarm: Major · Intrusion or line crossing · North gate · 20:01:00 Show"
    assert _banners(guard) == [major]
    assert '<p class="notice notice-warn' in guard.text
    site.clock.advance(60)
    anna = await _sees(site, "Anna", did="2")
    await guard.get("/cameras")
    # Nobody has to wait for it to escalate.
    assert _banners(guard) == ["New alarm: Critical · Anna · Bay · 20:02:00 · and 1 more Show"]
    assert '<p class="notice notice-bad' in guard.text
    assert f'<a href="/#alarm-{anna}">Show</a>' in guard.text
    await _escalate(site, anna)
    await guard.get("/cameras")
    worst = f"{UNACKNOWLEDGED_TEXT} Critical · Anna · Bay · since 20:02:00"
    assert _banners(guard) == [f"{worst} · and 1 more Show"]
    await site.services.alarms.raised.acknowledge([minor, intruder], "", by=COMMAND_LINE)
    await guard.get("/cameras")
    assert _banners(guard) == [f"{worst} Show"]


async def test_alarms_of_one_camera_do_not_hide_those_of_another(
    site: PageSite, guard: Visitor
) -> None:
    for number in range(2 * MAX_SHOWN):
        await _sees(site, f"Person {number}", did="1")
    severe, minor = await _sees(site, "Li Wei", did="2"), await _detects(site, 1, did="3")
    await guard.get("/")
    keys = _keys(guard)
    assert len(keys) == MAX_SHOWN
    assert {severe, minor} < set(keys)


async def test_an_event_of_a_blacklisted_person_tells_both(site: PageSite, guard: Visitor) -> None:
    detail = EventDetail(type=FIRE, name="Li Wei", uuid="8", category=2)
    await site.add_record("event", detail)
    await guard.get("/")
    assert "Fire · Li Wei" in guard.text
    assert "Camera event · Person on the blacklist" in guard.text
    assert 'class="alarm alarm-critical"' in guard.text
    await guard.get("/alarms/export")
    assert "Fire · Li Wei" in guard.text


async def test_an_alarm_that_becomes_new_again_comes_before_the_others(
    site: PageSite, guard: Visitor
) -> None:
    first = await _sees(site, "Anna")
    await guard.get("/")
    await guard.send("/alarms/change", seq=str(first), do="acknowledge", next="/")
    site.clock.advance(30)
    await _sees(site, "Ben")
    site.clock.advance(90)
    await _sees(site, "Anna")
    await guard.get("/")
    assert guard.text.index(">Anna<") < guard.text.index(">Ben<")
    assert "2 times since 20:00:01" in guard.text


async def test_a_viewer_sees_new_alarms_but_cannot_acknowledge_them(site: PageSite) -> None:
    viewer = await Visitor.signed_in(site, "viewer")
    seq = await _sees(site, "Anna")
    await viewer.get("/")
    assert ">Anna<" in viewer.text
    assert "/alarms/change" not in viewer.text
    await viewer.send("/alarms/change", seq=str(seq), do="acknowledge")
    assert viewer.response.status_code == 403
    await viewer.get("/alarms")
    assert "/alarms/change" not in viewer.text
    assert (await site.services.alarms.raised.get(seq)).state == "new"


async def test_every_page_shows_how_many_alarms_are_new(site: PageSite, guard: Visitor) -> None:
    await guard.get("/cameras")
    assert "data-alarm-count hidden><span data-number>0</span>" in guard.text
    await _sees(site, "Anna")
    await _detects(site, INTRUSION)
    for path in ("/", "/cameras", "/search/kept", "/account"):
        await guard.get(path)
        assert "data-alarm-count><span data-number>2</span>" in guard.text
        assert 'data-count="2" data-severity="critical" data-escalated="0"' in guard.text
        assert "2 new alarms" in guard.text


async def test_what_covers_the_alarms_says_of_which_kind_the_last_one_is_and_where(
    site: PageSite, guard: Visitor
) -> None:
    await guard.get("/")
    assert "data-note" not in guard.text
    await _sees(site, "Anna")
    await guard.get("/")
    assert 'data-note="1 new alarm: Person on the blacklist · North gate"' in guard.text
    seq = await _detects(site, INTRUSION)
    await guard.get("/")
    assert 'data-note="2 new alarms, latest: Intrusion or line crossing · North gate"' in guard.text
    await _escalate(site, seq)
    await guard.get("/")
    assert "latest: Intrusion or line crossing · North gate" in guard.text


async def test_an_escalated_alarm_is_told_on_every_page_to_everybody(site: PageSite) -> None:
    seq = await _detects(site, INTRUSION)
    await _escalate(site, seq)
    for name in ("admin", "guard", "viewer"):
        visitor = await Visitor.signed_in(site, name)
        for path in ("/", "/cameras", f"/alarms/{seq}"):
            await visitor.get(path)
            assert "Nobody has acknowledged this alarm:" in visitor.text
            assert "Intrusion or line crossing · North gate" in visitor.text
    await visitor.get("/")
    assert "alarm-late" in visitor.text
    assert 'data-escalated="1"' in visitor.text


async def test_what_cannot_be_stored_is_shown_like_other_alarms(
    site: PageSite, guard: Visitor
) -> None:
    stored = await _detects(site, INTRUSION)
    detail = AlarmDetail(
        cause="cannot-store", text="nothing can be stored now: x", args={"reason": "x"}
    )
    sighting = Sighting(
        kind="hub",
        subject="cannot-store",
        severity="critical",
        detail=detail,
        seq=-1,
        at=site.clock.ms,
        did="",
    )
    late = replace(raised(sighting, site.clock.ms), escalated_at=site.clock.ms)
    async with guard.listening("/stream") as stream:
        await stream.next()
        site.services.alarms.raised.hold(Unstored((late,), {stored: site.clock.ms}))
        shown = await _shown(stream, 2)
        assert "alarm-late" in shown[stored]
        assert "<form" in shown[stored]
        assert "alarm-late" in shown[-1]
        assert "<form" not in shown[-1]
        assert "/alarms/-1" not in shown[-1]
        assert "It can be acknowledged as soon as the hub can save data again." in shown[-1]
        await guard.get("/cameras")
        assert 'data-count="2" data-severity="critical" data-escalated="2"' in guard.text
        site.services.alarms.raised.hold(Unstored())
        assert await _shown(stream, 1) == {-1: ""}
    await guard.get("/cameras")
    assert 'data-count="1" data-severity="major" data-escalated="0"' in guard.text


async def test_the_sound_is_off_until_a_script_turns_it_on(guard: Visitor) -> None:
    await guard.get("/")
    assert '<details class="menu sound" id="sound" hidden>' in guard.text


# The event stream


async def test_a_raised_and_an_acknowledged_alarm_are_events_of_the_page(
    site: PageSite, guard: Visitor
) -> None:
    await guard.get("/")
    async with guard.listening("/stream") as stream:
        await stream.next()
        seq = await _sees(site, "Anna")
        # The record's card comes before the events of its alarm, among them or after them.
        sent = [await stream.next() for _ in range(3)]
        assert [card["seq"] for name, card in sent if name == "card"] == [seq]
        (name, alarm), changed = (one for one in sent if one[0] != "card")
        assert (name, alarm["seq"]) == ("alarm", seq)
        assert ">Anna<" in alarm["html"]
        assert f"/media/{seq}/face.png" in alarm["html"]
        assert f'value="{guard.token}"' in alarm["html"]
        assert 'data-count="1"' in alarm["state"]
        change = {"kind": "alarm", "key": str(seq), "changes": alarm["changes"]}
        assert changed == ("change", change)
        await site.services.alarms.raised.acknowledge([seq], "", by=COMMAND_LINE)
        name, alarm = await stream.next()
        assert (name, alarm["seq"], alarm["html"]) == ("alarm", seq, "")
        assert 'data-count="0"' in alarm["state"]


async def test_an_alarm_is_rendered_once_for_all_who_see_the_same(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    rendered: list[int] = []

    async def count(hub: Services, alarms: Sequence[Alarm], known: Any) -> list[AlarmCard]:
        rendered.extend(alarm.seq for alarm in alarms)
        return await make_alarm_cards(hub, alarms, known)

    monkeypatch.setattr(events, "make_alarm_cards", count)
    tokens, streams = [], []
    async with AsyncExitStack() as pages:
        for one in [Visitor(site, guard.app) for _ in range(3)]:
            await one.sign_in("guard")
            await one.get("/")
            tokens.append(one.token)
            streams.append(await pages.enter_async_context(one.listening("/stream")))
            await streams[-1].next()
        seq = await _sees(site, "Anna")
        cards = [(await _shown(stream, 1))[seq] for stream in streams]
    assert rendered == [seq]
    # Each with the token of its own session.
    assert len(set(cards)) == 3
    plain = {card.replace(token, "") for card, token in zip(cards, tokens, strict=True)}
    assert len(plain) == 1


async def test_repeats_of_an_alarm_are_sent_once_a_second(
    quick_beats: None, site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_REPEAT_SECONDS", 1_000)
    async with guard.listening("/stream") as stream:
        await stream.next()
        seqs = [await _sees(site, "Anna")]
        sent = []
        while not any(name == "alarm" for name, _ in sent):
            sent.append(await stream.next())
        seqs += [await _sees(site, "Anna") for _ in range(4)]
        # The cards and the changes of alarms come in any order, then beats alone.
        while [name for name, _ in sent[-3:]] != ["beat"] * 3 or sent[-1][1]["seq"] < seqs[-1]:
            sent.append(await stream.next())
        alarms = [data for name, data in sent if name == "alarm"]
        assert [data["seq"] for data in alarms] == [seqs[0]]
        # What was left out follows with the next beat after that second.
        monkeypatch.setattr(events, "_REPEAT_SECONDS", 0)
        with trio.fail_after(30):
            while (event := await stream.next())[0] != "alarm":
                pass
        assert "5 times since" in event[1]["html"]


async def test_new_alarms_are_told_when_too_many_change_at_once(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The feed says only that alarms have changed then; as many are told as a page shows."""
    monkeypatch.setattr("hub.live.feed.MAX_AT_ONCE", 1)
    before = await _sees(site, "Anna")
    async with guard.listening("/stream") as stream:
        await stream.next()
        sightings = [
            Sighting(
                kind="hub",
                subject=f"cannot-store-{number}",
                severity="critical",
                detail=AlarmDetail(cause="cannot-store", text="x", args={"reason": "x"}),
                seq=-number,
                at=site.clock.ms,
                did="",
            )
            for number in range(1, MAX_SHOWN + 6)
        ]
        alarms = tuple(raised(one, site.clock.ms) for one in sightings)
        site.services.alarms.raised.hold(Unstored(alarms))
        told = []
        while (event := await stream.next())[0] == "alarm":
            told.append(event[1]["seq"])
        assert (event[1]["kind"], event[1]["key"]) == ("alarm", "")
        # What the page has shown already is not told again.
        assert len(set(told)) == len(told) == MAX_SHOWN
        assert before not in told
        site.services.alarms.raised.hold(Unstored())
        site.services.core.changes.publish([Change("alarm")])
        assert (await stream.next())[0] == "change"


# The list


async def test_the_list_is_filtered_by_state_severity_kind_and_camera(
    site: PageSite, guard: Visitor
) -> None:
    await _sees(site, "Anna")
    await _sees(site, "Ben", did="2")
    fire = await _detects(site, FIRE)
    await guard.get("/alarms")
    assert guard.text.index("Fire") < guard.text.index(">Ben<") < guard.text.index(">Anna<")
    await guard.send("/alarms/change", seq=str(fire), do="close", next="/alarms")
    for query, shown in (
        ("state=new", {"Anna", "Ben"}),
        ("state=closed", {"Fire"}),
        ("kind=blacklist&did=2", {"Ben"}),
        ("kind=event", {"Fire"}),
        ("severity=critical", {"Anna", "Ben", "Fire"}),
        ("severity=minor", set()),
        ("since=2026-11-25&until=2026-11-25", {"Anna", "Ben", "Fire"}),
        ("since=2026-11-26", set()),
        ("state=nonsense&since=yesterday", {"Anna", "Ben", "Fire"}),
    ):
        await guard.get(f"/alarms/table?{query}")
        assert {name for name in ("Anna", "Ben", "Fire") if f">{name}<" in guard.text} == shown, (
            query
        )
    await guard.get("/alarms?severity=minor")
    assert "No alarms match." in guard.text


async def test_the_list_is_asked_for_a_time_in_the_words_of_a_guard(
    site: PageSite, guard: Visitor
) -> None:
    await _sees(site, "Anna")
    await guard.get("/alarms?state=new&severity=critical")
    for when, text in (("night", "Last night"), ("week", "Last 7 days")):
        link = f'href="/alarms?state=new&amp;severity=critical&amp;when={when}"'
        assert re.search(f"{re.escape(link)}[^>]*>{text}</a>", guard.text), when
    for zone, shown in (
        ("America/Anchorage", {"night", "today", "week", "nonsense"}),  # It is 03:00.
        ("Asia/Shanghai", {"today", "week", "nonsense"}),  # It is 20:00.
        ("Pacific/Auckland", {"night", "today", "week", "nonsense"}),  # It is 01:00.
    ):
        await site.services.core.site.set(SiteSettings("Harbour East", zone, "auto"))
        found = set()
        for when in ("night", "today", "yesterday", "week", "nonsense"):
            await guard.get(f"/alarms?when={when}")
            found |= {when} if ">Anna</a>" in guard.text else set()
        assert found == shown, zone
    await guard.get("/alarms?when=night&kind=blacklist")
    assert '<input type="hidden" name="when" value="night">' in guard.text
    await guard.get("/alarms?when=yesterday&since=2026-11-25")
    assert ">Anna</a>" in guard.text, "a day that was entered counts more"


async def test_the_list_is_paged_by_key_and_keeps_its_filter(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(views, "_ROWS_PER_PAGE", 2)
    seqs = [await _sees(site, f"Person {number}") for number in range(5)]
    await site.services.alarms.raised.close(seqs[:3], "", by=COMMAND_LINE)
    shown = []
    url = "/alarms?kind=blacklist"
    for _ in range(3):
        await guard.get(url)
        shown.append(re.findall(r">(Person \d)</a>", guard.text))
        assert ("Back to the start of the list" in guard.text) == (len(shown) > 1)
        if 'rel="next"' in guard.text:
            url = unescape(guard.text.split('rel="next" href="')[1].split('"')[0])
    assert shown == [["Person 4", "Person 3"], ["Person 2", "Person 1"], ["Person 0"]]
    assert 'rel="next"' not in guard.text
    await guard.get("/alarms?after=nonsense")
    assert ">Person 4<" in guard.text


async def test_the_list_begins_with_what_somebody_has_to_see_to(
    site: PageSite, guard: Visitor
) -> None:
    seqs = [await _sees(site, name) for name in ("Anna", "Ben", "Cleo", "Dora")]
    await site.services.alarms.raised.acknowledge(seqs[:2], "", by=COMMAND_LINE)
    await site.services.alarms.raised.close([seqs[3]], "", by=COMMAND_LINE)
    site.clock.advance(300)
    await _detects(site, INTRUSION)
    # Back again: it is the oldest one, but new, and worse.
    await _sees(site, "Anna")
    await guard.get("/alarms")
    names = re.findall(r'<th scope="row"><a [^>]*>([^<]+)</a>', guard.text)
    assert names == ["Anna", "Cleo", "Intrusion or line crossing", "Ben", "Dora"]


async def test_the_list_of_a_day_has_what_came_again_on_it(site: PageSite, guard: Visitor) -> None:
    for name, day in (("Anna", 0), ("Ben", 0), ("Anna", 1), ("Cleo", 2)):
        detail = FaceDetail(name=name, uuid=name, category=2)
        await site.add_record(detail=detail, occurred_at=site.clock.ms + day * 86_400_000)
    for path in ("/alarms/table", "/alarms/export"):
        await guard.get(f"{path}?since=2026-11-26&until=2026-11-26")
        shown = [name for name in ("Anna", "Ben", "Cleo") if name in guard.text]
        assert shown == ["Anna"], path


async def test_the_list_says_who_acknowledged_an_alarm_and_when(
    site: PageSite, guard: Visitor
) -> None:
    seq, other = await _sees(site, "Anna"), await _detects(site, INTRUSION)
    await guard.get("/alarms")
    await guard.send("/alarms/change", seq=str(seq), do="acknowledge", note="sent away")
    site.clock.advance(60)
    await site.services.alarms.raised.acknowledge([seq], "left", by=COMMAND_LINE)
    await site.services.alarms.raised.close([other], "", by=COMMAND_LINE)
    await guard.get("/alarms")
    assert '<span class="quiet">guard, 25 Nov 2026 20:00:00</span>' in guard.text
    assert ", 25 Nov 2026 20:01:00</span>" in guard.text
    # Back again: nobody has acknowledged that, and the note was about the time before.
    site.clock.advance(120)
    await _sees(site, "Anna")
    await guard.get("/alarms")
    assert '<span class="quiet">guard, 25 Nov' not in guard.text
    assert ">left<" not in guard.text
    await guard.get(f"/alarms/{seq}")
    assert guard.text.count("left") == 1


async def test_an_alarm_that_is_new_again_says_who_acknowledged_it_before(
    site: PageSite, guard: Visitor
) -> None:
    seq = await _sees(site, "Anna")
    assert f"/alarms/{seq}" in (await _text(guard, "/alarms"))
    assert "New again" not in guard.text
    await guard.send("/alarms/change", seq=str(seq), do="acknowledge")
    site.clock.advance(120)
    await _sees(site, "Anna")
    again = "Acknowledged by guard, 25 Nov 2026 20:00:00. New again since 25 Nov 2026 20:02:00."
    for path in ("/", "/alarms", "/alarms?state=new", f"/alarms/{seq}", f"/alarms/{seq}/now"):
        assert again in await _text(guard, path), path
    chinese = await _text(guard, "/alarms", Accept_Language="zh")
    assert "guard 已于 2026年11月25日 20:00:00 确认，2026年11月25日 20:02:00 再次出现。" in chinese
    await guard.get("/alarms/export")
    (row,) = csv.DictReader(guard.text.removeprefix("\ufeff").splitlines())
    assert (row["state"], row["acknowledged_by"]) == ("new", "user guard")
    assert row["acknowledged"] == "2026-11-25T12:00:00.000Z"
    assert row["again"] == "2026-11-25T12:02:00.000Z"
    # Acknowledged once more, the first time is history.
    site.clock.advance(60)
    await site.services.alarms.raised.acknowledge([seq], "", by=COMMAND_LINE)
    assert "New again" not in await _text(guard, "/alarms")
    assert ", 25 Nov 2026 20:03:00</span>" in guard.text
    await guard.get("/alarms/export")
    (row,) = csv.DictReader(guard.text.removeprefix("\ufeff").splitlines())
    assert (row["acknowledged_by"], row["again"]) == ("command line", "")


async def test_an_empty_list_says_what_raises_alarms(guard: Visitor) -> None:
    await guard.get("/alarms")
    assert "No alarms yet" in guard.text
    assert "/alarms/rules" not in guard.text


async def test_many_alarms_are_acknowledged_and_closed_at_once(
    site: PageSite, guard: Visitor
) -> None:
    seqs = [await _sees(site, name) for name in ("Anna", "Ben", "Cleo")]
    await guard.get("/alarms?state=new")
    here, all_of_them = "/alarms?state=new", [str(seq) for seq in seqs]
    await guard.send(
        "/alarms/change", seq=all_of_them[:2], do="acknowledge", note="drill", next=here
    )
    assert guard.goes_to == "/alarms?state=new&done=alarms-acknowledged"
    states = [(await site.services.alarms.raised.get(seq)).state for seq in seqs]
    assert states == ["acknowledged", "acknowledged", "new"]
    await guard.send("/alarms/change", seq=all_of_them, do="close", note="", next=here)
    states = [(await site.services.alarms.raised.get(seq)).state for seq in seqs]
    assert states == ["closed"] * 3
    await guard.get("/alarms?state=closed&done=alarms-closed")
    assert '<p class="done"' in guard.text
    assert guard.text.count("drill") == 2


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Select at least one alarm."),
        ({"seq": "x"}, "Select at least one alarm."),
        ({"seq": "1", "note": "x" * 501}, "The note is too long"),
    ],
)
async def test_a_change_that_cannot_be_made_says_why(
    site: PageSite, guard: Visitor, fields: dict[str, str], sentence: str
) -> None:
    await _sees(site, "Anna")
    await guard.get("/alarms")
    await guard.send("/alarms/change", do="close", **fields)
    assert guard.response.status_code == 400
    assert sentence in guard.text
    assert (await site.services.alarms.raised.get(1)).state == "new"


async def test_a_change_leads_to_no_other_site(site: PageSite, guard: Visitor) -> None:
    await _sees(site, "Anna")
    await guard.get("/")
    await guard.send("/alarms/change", seq="1", do="close", next="//evil.example")
    assert guard.goes_to == "/"


async def test_alarms_are_exported_as_csv_with_who_did_what(
    site: PageSite, guard: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seq, other = await _sees(site, "=Anna"), await _detects(site, INTRUSION, did="2")
    monkeypatch.setattr(csv_export, "_PART", 2)
    for number in range(3):
        await _sees(site, f"Person {number}")
    await site.services.alarms.raised.acknowledge([seq], "let in", by=COMMAND_LINE)
    await guard.get("/alarms?severity=critical")
    assert 'href="/alarms/export?severity=critical"' in guard.text
    await guard.get("/alarms/export?severity=critical")
    assert guard.response.headers["Content-Disposition"].endswith('"alarms-2026-11-25.csv"')
    rows = list(csv.DictReader(guard.text.removeprefix("\ufeff").splitlines()))
    assert len(rows) == 4
    assert rows[-1]["what"] == "'=Anna"
    assert (rows[-1]["state"], rows[-1]["note"]) == ("acknowledged", "let in")
    assert (rows[-1]["acknowledged_by"], rows[-1]["closed_by"]) == ("command line", "")
    assert rows[-1]["acknowledged"] == "2026-11-25T12:00:00.000Z"
    await guard.get("/alarms/export?kind=event", Accept_Language="zh")
    (row,) = csv.DictReader(guard.text.removeprefix("\ufeff").splitlines())
    assert (row["seq"], row["what"], row["cameras"]) == (str(other), "区域入侵或绊线", "Bay")
    assert ("user guard", "alarm.export", "") in await site.audited()
    viewer = await Visitor.signed_in(site, "viewer")
    assert (await viewer.get("/alarms/export")).status_code == 403


# One alarm


async def test_an_alarm_has_a_page_with_its_history(site: PageSite, guard: Visitor) -> None:
    seq = await _sees(site, "Anna")
    last = await _sees(site, "Anna", did="2")
    await _escalate(site, seq)
    site.clock.advance(300)
    await guard.get(f"/alarms/{seq}")
    assert "Person on the blacklist" in guard.text
    assert "Bay, North gate" in _without_links(guard)
    assert f'href="/records/{seq}"' in guard.text
    assert f'href="/records/{last}"' in guard.text
    await guard.send(
        "/alarms/change", seq=str(seq), do="acknowledge", note="came <in>", next=f"/alarms/{seq}"
    )
    assert guard.goes_to == f"/alarms/{seq}?done=alarms-acknowledged"
    await guard.get(guard.goes_to)
    history = guard.text.split('class="alarm-history"')[1]
    order = (
        "Raised",
        "Not acknowledged in time",
        "<b>Acknowledged</b>",
        "guard",
        "came &lt;in&gt;",
    )
    assert [history.index(text) for text in order] == sorted(history.index(text) for text in order)
    assert "20:05:00" in history
    await guard.send("/alarms/change", seq=str(seq), do="close", next=f"/alarms/{seq}")
    await guard.get(f"/alarms/{seq}")
    assert "<b>Closed</b>" in guard.text
    assert "Close the alarm" not in guard.text
    for part in ("now", "history"):
        await guard.get(f"/alarms/{seq}/{part}")
        assert "<html" not in guard.text
    assert (await guard.get("/alarms/999")).status_code == 404


def _without_links(visitor: Visitor) -> str:
    return re.sub(r"</?a\b[^>]*>", "", visitor.text)


async def test_the_camera_that_saw_a_person_last_is_named_first_and_its_page_names_all(
    site: PageSite, guard: Visitor
) -> None:
    names = ["North gate", "Bay", "Car park", "Workshop", "Corridor"]
    for number, name in enumerate(names[2:], start=3):
        await site.enrol(name, did=str(number))
    for did in "12345":
        seq = await _sees(site, "Anna", did=did)
    first = (await site.services.alarms.raised.page(AlarmFilter())).items[0].seq
    await guard.get("/")
    assert ">Corridor, Workshop, Car park, 2 more</span>" in _without_links(guard)
    assert '<a href="/cameras/5">Corridor</a>' in guard.text
    assert f'<a href="/alarms/{first}">2 more</a>' in guard.text
    await guard.get("/alarms")
    assert "Corridor, Workshop, Car park, 2 more" in _without_links(guard)
    assert "New alarm:</strong> Critical · Anna · Corridor · " in guard.text
    await _escalate(site, first)
    await guard.get(f"/alarms/{first}")
    assert "Cameras, latest first</dt><dd>" + ", ".join(reversed(names)) in _without_links(guard)
    assert f"{UNACKNOWLEDGED} Critical · Anna · Corridor · " in guard.text
    await _sees(site, "Anna", did="2")
    await guard.get("/cameras")
    assert f"{UNACKNOWLEDGED} Critical · Anna · Bay · " in guard.text
    assert first < seq


async def test_of_several_cameras_none_has_the_name_of_another_once_it_is_removed(
    site: PageSite, guard: Visitor
) -> None:
    for did in "12":
        await _sees(site, "Anna", did=did)
    first = (await site.services.alarms.raised.page(AlarmFilter())).items[0].seq
    await site.services.cameras.devices.remove("2")
    await guard.get(f"/alarms/{first}")
    assert "latest first</dt><dd>removed camera 2, <a href=" in guard.text


async def test_a_camera_that_alone_saw_somebody_keeps_its_name_once_it_is_removed(
    site: PageSite, guard: Visitor
) -> None:
    detail = FaceDetail(name="Anna", uuid="Anna", category=2)
    seq = await site.add_record(detail=detail, did="2", device_name="Back door")
    await site.services.cameras.devices.remove("2")
    await guard.get(f"/alarms/{seq}")
    assert "Back door" in guard.text


async def test_a_problem_of_the_hub_is_told_once(site: PageSite) -> None:
    admin = await Visitor.signed_in(site)
    sentence = "There has been no valid backup for 36 days"
    reason = HealthReason("backup-overdue", {"days": "36", "day": "2026-10-22"})
    site.health_reasons = [reason]
    await admin.get("/cameras")
    assert admin.text.count(sentence) == 1
    assert "What to do" in admin.text
    detail = HubDetail(reason.code, reason.text, reason.args)
    seq = await site.add_record("hub", detail, did="", device_name="")
    await admin.get("/cameras")
    assert admin.text.count(sentence) == 1
    assert f"New alarm:</strong> Major · {sentence}" in admin.text
    assert 'data-problems="backup-overdue"' in admin.text
    await site.services.alarms.raised.acknowledge([seq], "", by=COMMAND_LINE)
    await admin.get("/notices")
    assert admin.text.count(sentence) == 1


async def test_a_guard_sees_which_camera_does_not_fit_its_approval(
    site: PageSite, guard: Visitor
) -> None:
    args = {"camera": "Bay", "reason": "it connected from a different address"}
    seq = await site.add_record("hub", HubDetail("camera-suspect", "words", args), did="1")
    await site.add_record("hub", HubDetail("camera-suspect", "words", args), did="2")
    for path in ("/alarms", f"/alarms/{seq}"):
        await guard.get(path)
        assert (
            "Bay cannot prove its identity, and it connected from a different address."
            in guard.text
        )
    assert [one.subject for one in site.services.alarms.raised.active()] == [
        "camera-suspect-1",
        "camera-suspect-2",
    ]


async def test_a_banner_names_a_camera_that_is_offline_once(site: PageSite, guard: Visitor) -> None:
    detail = HubDetail("offline", "Bay is offline", {"camera": "Bay"})
    await site.add_record("hub", detail, did="2")
    await guard.get("/cameras")
    assert "New alarm:</strong> Major · Bay is offline · 20:00:0" in guard.text


async def test_a_watched_plate_is_shown_as_a_plate_with_its_list(site: PageSite) -> None:
    admin = await Visitor.signed_in(site)
    await admin.get("/alarms/plates")
    await admin.send("/alarms/plates/add", name="Stolen", severity="major", plates="粤B5489?, ours")
    detail = VehicleDetail(Plate(id="粤B·54896", type=1), Vehicle(type=6))
    seq = await site.add_record("vehicle", detail)
    await admin.get("/")
    assert 'class="alarm alarm-major"' in admin.text
    assert '<span class="plate plate-blue">粤B·54896</span>' in admin.text
    assert "Watched plate, list “Stolen”" in admin.text
    assert "ours" in admin.text
    await admin.get(f"/alarms/{seq}")
    assert "ours" in admin.text


async def test_a_person_of_the_register_is_shown_beside_the_photo_of_it(
    site: PageSite, guard: Visitor
) -> None:
    anna = PersonChange(name="Anna Register", category=2, photo=photo(size=(200, 200)))
    person = await site.services.people.register.add(anna, by=COMMAND_LINE)
    await site.add_record(detail=FaceDetail(name="anna", uuid=person.pid), pictures=["face"])
    seq = site.services.records.log.last_seq
    await guard.get(f"/alarms/{seq}")
    assert "Anna Register" in guard.text
    address = f"/people/{person.pid}/photo?r={person.revision}"
    assert f'<img src="{address}" alt="Photo in the register"' in guard.text
    viewer = await Visitor.signed_in(site, "viewer")
    await viewer.get(f"/alarms/{seq}")
    assert "Anna Register" in viewer.text
    assert address not in viewer.text


async def test_pages_of_alarms_are_in_both_languages(site: PageSite, guard: Visitor) -> None:
    seq = await _sees(site, "Anna")
    await _escalate(site, seq)
    for path in ("/", "/alarms", f"/alarms/{seq}"):
        await guard.get(path, Accept_Language="zh-CN,zh;q=0.9")
        assert "严重" in guard.text
        assert "此告警无人确认" in guard.text
        assert "1 条新告警" in guard.text
