"""Rules of alarms and watch lists of plates, on the pages of administrators."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import UNSET

from hub.services.audit import COMMAND_LINE
from hub.store.tables.alarm_rules import AlarmRule
from hub.wire.uploads.records import EventDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("North gate")
        yield site


@pytest.fixture
async def admin(site: PageSite) -> Visitor:
    return await Visitor.signed_in(site)


def _rules(site: PageSite) -> tuple[AlarmRule, ...]:
    return site.services.alarms.rules.all()


def _seen(visitor: Visitor) -> str:
    return visitor.text.split('name="seen" value="')[1].split('"')[0]


async def _add(admin: Visitor, **fields: str | list[str]) -> None:
    await admin.get("/alarms/rules")
    await admin.send("/alarms/rules/save", seen=_seen(admin), **fields)


# Rules


async def test_a_rule_is_added_and_decides_about_the_next_event(
    site: PageSite, admin: Visitor
) -> None:
    await admin.get("/alarms/rules")
    assert "No rules yet." in admin.text
    await _add(
        admin,
        kind="event",
        type=["2", "8"],
        severity="minor",
        day=["1", "2"],
        start="22:00",
        end="06:00",
        otherwise="none",
        did=["1"],
    )
    assert admin.goes_to == "/alarms/rules?done=rules-changed"
    assert _rules(site) == (
        AlarmRule(
            types=(2, 8),
            severity="minor",
            days=(1, 2),
            start="22:00",
            end="06:00",
            otherwise="none",
            dids=("1",),
        ),
    )
    await admin.get(admin.goes_to)
    assert "Intrusion or line crossing, Fire" in admin.text
    assert "Mon, Tue 22:00–06:00" in admin.text
    assert "at other times: No alarm" in admin.text
    assert '<a href="/cameras/1">North gate</a>' in admin.text
    # It is Wednesday, 20:00: an event that a rule is about raises no alarm outside of its hours.
    await site.add_record("event", EventDetail(type=8))
    assert site.services.alarms.raised.active() == ()
    assert ("user admin", "alarm.rules", "1") in await site.audited()


async def test_a_new_rule_leaves_other_times_as_they_were(site: PageSite, admin: Visitor) -> None:
    await admin.get("/alarms/rules")
    assert '<option value="default" selected>As without rules</option>' in admin.text
    await _add(admin, kind="event", severity="none", start="08:00", end="18:00")
    # It is 20:00.
    await site.add_record("event", EventDetail(type=8))
    assert [one.severity for one in site.services.alarms.raised.active()] == ["critical"]


async def test_the_list_says_what_happens_at_a_time(site: PageSite, admin: Visitor) -> None:
    def shown(severity: str) -> str:
        return admin.text.split(f">{severity}</span>")[-1].split("</p>")[0]

    # It is Wednesday, 20:00.
    await admin.get("/alarms/rules")
    assert 'name="at" value="2026-11-25T20:00"' in admin.text
    assert "Fire" in shown("Critical")
    assert "Camera offline" in shown("Major")
    assert "Person detected" in shown("No alarm")
    assert '<select name="did"' not in admin.text
    await _add(admin, kind="event", type=["8"], severity="minor", start="08:00", end="18:00")
    await _add(admin, kind="offline", severity="none", did=["1"])
    for at, severity in (("2026-11-25T03:00", "Critical"), ("2026-11-26T17:59", "Minor")):
        await admin.get(f"/alarms/rules?at={at}")
        assert f'name="at" value="{at}"' in admin.text
        assert "Fire" in shown(severity)
        assert "Camera offline" in shown("Major")
    await admin.get("/alarms/rules?did=1&at=0001-01-01T00:00")
    assert '<option value="1" selected>North gate' in admin.text
    assert "Camera offline" in shown("No alarm")
    await admin.get("/alarms/rules?at=2026-11-25T03:00", Accept_Language="zh-CN")
    assert "火焰" in shown("严重")


async def test_the_set_that_holds_without_a_rule_is_shown_and_changed(
    site: PageSite, admin: Visitor
) -> None:
    await admin.get("/alarms/rules")
    assert 'value="all" required checked' in admin.text
    await admin.send("/alarms/rules/ready-set", raised_by="usual")
    assert admin.goes_to == "/alarms/rules?done=rules-changed"
    await admin.get(admin.goes_to)
    assert 'value="usual" required checked' in admin.text
    assert "Baby crying" in admin.text.split(">No alarm</span>")[-1].split("</p>")[0]
    await site.add_record("event", EventDetail(type=4))
    assert site.services.alarms.raised.active() == ()
    await admin.send("/alarms/rules/ready-set", raised_by="most")
    assert admin.response.status_code == 400
    assert site.services.alarms.rules.raised_by == "usual"


async def test_an_event_outside_of_the_set_is_shown_on_live(site: PageSite, admin: Visitor) -> None:
    await site.services.alarms.rules.choose("few", by=COMMAND_LINE)
    await site.add_record("event", EventDetail(type=4))
    await admin.get("/")
    assert "Baby crying" in admin.text
    assert site.services.alarms.raised.active() == ()


async def test_a_rule_says_whether_an_acknowledged_event_is_new_again(
    site: PageSite, admin: Visitor
) -> None:
    await _add(admin, kind="event", type=["8"], severity="critical", renew="no")
    await _add(admin, kind="event", type=["1"], severity="minor", renew="yes")
    await _add(admin, kind="event", type=["2"], severity="major", renew="")
    # A rule of something else says nothing of it.
    await _add(admin, kind="hub", severity="major", renew="yes")
    assert [rule.renew for rule in _rules(site)] == [False, True, UNSET, UNSET]
    await admin.get("/alarms/rules")
    assert admin.text.count("The alarm stays acknowledged</small>") == 1
    assert admin.text.count("The alarm is new again</small>") == 1
    await admin.get("/alarms/rules/1")
    assert '<option value="no" selected>' in admin.text
    await admin.get("/alarms/rules/3")
    assert '<option value="" selected>' in admin.text


async def test_a_rule_is_changed_moved_and_removed(site: PageSite, admin: Visitor) -> None:
    await _add(admin, kind="event", type=["2"], severity="none")
    await _add(admin, kind="offline", severity="critical")
    await admin.get("/alarms/rules/1")
    assert '<option value="none" selected>' in admin.text
    fields = {"kind": "hub", "severity": "major", "number": "1", "seen": _seen(admin)}
    await admin.send("/alarms/rules/save", **fields)
    assert [rule.kind for rule in _rules(site)] == ["hub", "offline"]
    await admin.get("/alarms/rules")
    await admin.send("/alarms/rules/2/move")
    assert [rule.kind for rule in _rules(site)] == ["offline", "hub"]
    await admin.get("/alarms/rules/1/remove")
    assert "Camera offline" in admin.text
    assert "Alarms it has already raised are kept." in admin.text
    await admin.send("/alarms/rules/1/remove", seen=_seen(admin))
    assert [rule.kind for rule in _rules(site)] == ["hub"]
    assert (await admin.get("/alarms/rules/2")).status_code == 404


async def test_a_form_does_not_change_a_rule_that_moved_in_the_meantime(
    site: PageSite, admin: Visitor
) -> None:
    await _add(admin, kind="offline", severity="critical")
    await admin.get("/alarms/rules/1")
    seen = _seen(admin)
    await site.services.alarms.rules.put(
        (AlarmRule(kind="hub", severity="minor"), *_rules(site)), by=COMMAND_LINE
    )
    await admin.send("/alarms/rules/save", number="1", kind="event", severity="none", seen=seen)
    assert admin.response.status_code == 400
    assert "The rules were changed in the meantime." in admin.text
    assert [rule.kind for rule in _rules(site)] == ["hub", "offline"]
    await admin.send("/alarms/rules/1/remove", seen=seen)
    assert len(_rules(site)) == 2


async def test_hours_that_are_none_are_refused_with_a_sentence(
    site: PageSite, admin: Visitor
) -> None:
    await _add(admin, kind="event", severity="minor", start="08:00", end="08:00")
    assert "The end must differ from the start." in admin.text
    assert _rules(site) == ()


# Plate lists


async def test_a_plate_list_is_added_with_notes_and_last_days(
    site: PageSite, admin: Visitor
) -> None:
    await admin.get("/alarms/plates")
    assert "No plate lists yet." in admin.text
    plates = "京A·123 45, stolen, black, 2027-06-30\r\n\r\n粤B*，2027-01-01\r\nhu-1?2"
    await admin.send("/alarms/plates/add", name=" Stolen ", severity="major", plates=plates)
    assert admin.goes_to == "/alarms/plates/1?done=plate-list-added"
    (one,) = site.services.alarms.plate_lists.list()
    assert (one.name, one.severity) == ("Stolen", "major")
    entries = {entry.pattern: entry for entry in one.entries}
    assert set(entries) == {"京A12345", "粤B*", "HU1?2"}
    assert entries["京A12345"].note == "stolen, black"
    # The whole last day, in the zone of the site.
    assert entries["粤B*"].until == 1_798_819_200_000
    assert entries["HU1?2"].until is None
    # Without a choice, the first list is the one that is shown.
    for page in (admin.goes_to, "/alarms/plates"):
        await admin.get(page)
        assert "京A12345" in admin.text
        assert "30 Jun 2027" in admin.text


@pytest.mark.parametrize(
    ("plates", "sentence"),
    [
        ("京A1\n, note", "Line 2: a plate is missing. Nothing was changed."),
        ("**", "Line 1: this would match every plate."),
        ("A1, " + "x" * 201, "Line 1: the note is longer than 200 characters."),
        ("A1, gone, 2027-02-30", "Line 1: the last day is not a date."),
    ],
)
async def test_a_line_that_cannot_be_used_is_named_and_the_text_stays(
    site: PageSite, admin: Visitor, plates: str, sentence: str
) -> None:
    await admin.get("/alarms/plates")
    await admin.send("/alarms/plates/add", name="Stolen", plates=plates)
    assert admin.response.status_code == 400
    assert sentence in admin.text
    assert plates.splitlines()[-1] in admin.text
    assert site.services.alarms.plate_lists.list() == ()


async def test_plates_are_added_replaced_found_and_taken_off(
    site: PageSite, admin: Visitor
) -> None:
    await admin.get("/alarms/plates")
    await admin.send("/alarms/plates/add", name="Stolen", plates="A1, old\nB2\nC3, red van")
    await admin.get("/alarms/plates/1")
    await admin.send("/alarms/plates/1/plates", plates="a-1, new\nD4")
    (one,) = site.services.alarms.plate_lists.list()
    assert [(entry.pattern, entry.note) for entry in one.entries] == [
        ("A1", "new"),
        ("B2", ""),
        ("C3", "red van"),
        ("D4", ""),
    ]
    for word, found in (("b-", ["B2"]), ("red", ["C3"]), ("zzz", [])):
        await admin.get(f"/alarms/plates/1?plate={word}")
        shown = [plate for plate in ("A1", "B2", "C3", "D4") if f'value="{plate}"' in admin.text]
        assert shown == found
    await admin.get("/alarms/plates/1")
    await admin.send("/alarms/plates/1/plates/remove", pattern=["A1", "D4"])
    (one,) = site.services.alarms.plate_lists.list()
    assert [entry.pattern for entry in one.entries] == ["B2", "C3"]
    await admin.get("/alarms/plates/1")
    await admin.send("/alarms/plates/1/plates/remove")
    assert "Select at least one plate." in admin.text


async def test_a_list_is_renamed_and_removed(site: PageSite, admin: Visitor) -> None:
    await admin.get("/alarms/plates")
    await admin.send("/alarms/plates/add", name="Stolen", plates="A1\nB2")
    await admin.get("/alarms/plates")
    await admin.send("/alarms/plates/add", name="Stolen", plates="")
    assert "There is already a list with this name." in admin.text
    await admin.send("/alarms/plates/1/change", name="Banned", severity="minor")
    (one,) = site.services.alarms.plate_lists.list()
    assert (one.name, one.severity, len(one.entries)) == ("Banned", "minor", 2)
    await admin.send("/alarms/plates/1/change", name=" ", severity="minor")
    assert "Enter a name of at most 100 characters." in admin.text
    await admin.get("/alarms/plates/1/remove")
    assert "Its 2 plates no longer raise alarms." in admin.text
    await admin.send("/alarms/plates/1/remove")
    assert admin.goes_to == "/alarms/plates?done=plate-list-removed"
    assert site.services.alarms.plate_lists.list() == ()


async def test_a_long_list_is_paged_by_key(site: PageSite, admin: Visitor) -> None:
    await admin.get("/alarms/plates")
    plates = "\n".join(f"A{number:04}" for number in range(250))
    await admin.send("/alarms/plates/add", name="Stolen", plates=plates)
    await admin.get("/alarms/plates/1")
    assert 'value="A0199"' in admin.text
    assert 'value="A0200"' not in admin.text
    assert 'href="/alarms/plates/1?after=A0199"' in admin.text
    await admin.get("/alarms/plates/1?after=A0199")
    assert 'value="A0200"' in admin.text
    assert 'value="A0199"' not in admin.text
