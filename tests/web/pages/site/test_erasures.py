"""Erasing a person on the page: find, confirm, report."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hub.services.audit import Actor
from hub.store.alarms.alarm import Alarm
from hub.store.tables.alarms import AlarmFilter
from hub.wire.uploads.records import FaceDetail
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite, open_page_site


@pytest.fixture
async def site(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    async with open_page_site(tmp_path, clock) as site:
        await site.enrol("North gate")
        for uuid in ("4711", "4711", "4712", None):
            detail = FaceDetail(name="Zhang Wuji", uuid=uuid)
            await site.add_record(detail=detail, pictures=("face",))
        yield site


@pytest.fixture
async def admin(site: PageSite) -> Visitor:
    visitor = await Visitor.signed_in(site)
    await visitor.get("/site/erasures")
    return visitor


async def test_a_person_is_found_looked_at_confirmed_and_erased(
    site: PageSite, admin: Visitor
) -> None:
    await admin.send("/site/erasures/find", name="zhang wuji")
    assert "Several people have this name" in admin.text
    assert "number 4711" in admin.text
    assert "without a number" in admin.text
    await admin.send("/site/erasures/confirm", number="4711")
    assert "Erase these records permanently?" in admin.text
    assert "<dt>Person</dt><dd>Zhang Wuji<br>" in admin.text
    assert "North gate" in admin.text
    await admin.send("/site/erasures", number="4711", typed="4712")
    assert admin.response.status_code == 400
    assert "The entries do not match. Nothing was erased." in admin.text
    assert await site.services.records.erasures.newest() == ()
    await admin.send("/site/erasures", number="4711", typed=" 4711 ")
    assert admin.goes_to == "/site/erasures/1"
    await admin.get("/site/erasures/1")
    assert "In progress." in admin.text
    await site.services.records.erasures.carry_out()
    await admin.get("/site/erasures/1/now")
    assert "These records are erased." in admin.text
    assert "North gate" in admin.text
    assert "No older copies or backups were found." in admin.text
    await admin.get("/site/erasures")
    assert "Erasure 1" in admin.text
    assert not re.search(r"\b4711\b", admin.text)
    await admin.get("/records/1")
    assert "The data of this record was erased." in admin.text
    await admin.get("/")
    assert admin.text.count("<h3>Erased</h3>") == 2
    assert ("user admin", "erasure.begin", "1 2") in await site.audited()


async def test_a_name_alone_erases_only_records_without_a_number(
    site: PageSite, admin: Visitor
) -> None:
    await admin.send("/site/erasures", name="Zhang Wuji", typed="Zhang Wuji")
    await site.services.records.erasures.carry_out()
    erased = [(await site.services.records.log.get(seq)).erased for seq in (1, 2, 3, 4)]
    assert erased == [False, False, False, True]


async def test_what_is_kept_as_evidence_stays_unless_it_is_chosen(
    site: PageSite, admin: Visitor
) -> None:
    await site.services.records.holds.create([1], "Theft", None, by=Actor("user guard"))
    await admin.send("/site/erasures/confirm", number="4711")
    assert "1 kept by open alarms or as evidence" in admin.text
    assert 'value="stay" checked' in admin.text
    await admin.send("/site/erasures", number="4711", typed="4711", held="stay")
    await site.services.records.erasures.carry_out()
    await admin.get("/site/erasures/1")
    assert 'href="/records/1"' in _still_there(admin)
    assert 'href="/records/2"' not in admin.text
    assert "These records are erased." not in admin.text
    await admin.send("/site/erasures", number="4711", typed="4711")
    assert "all these records are kept by alarms or as evidence" in admin.text
    await admin.send("/site/erasures", number="4711", typed="4711", held="all")
    assert admin.goes_to == "/site/erasures/2"
    await site.services.records.erasures.carry_out()
    await admin.get("/site/erasures/2")
    assert "still there" not in admin.text


async def test_records_of_closed_alarms_go_and_those_of_open_ones_are_named(
    site: PageSite, admin: Visitor
) -> None:
    detail = FaceDetail(name="Zhang Wuji", uuid="4713", category=2)
    await site.add_record(detail=detail, pictures=("face",))
    await site.services.alarms.raised.close([5], "", by=Actor("user guard"))
    await site.add_record(detail=detail, pictures=("face",))
    await admin.send("/site/erasures/confirm", number="4713")
    assert 'value="closed" checked' in admin.text
    of_closed, others = (
        admin.text.split(words)[1].split("</p>")[0]
        for words in ("1 kept by closed alarms", "1 kept by open alarms or as evidence")
    )
    assert 'href="/records/5"' in of_closed
    assert 'href="/records/6"' in others
    await admin.send("/site/erasures", number="4713", typed="4713", held="closed")
    await site.services.records.erasures.carry_out()
    assert [(await site.services.records.log.get(seq)).erased for seq in (5, 6)] == [True, False]
    names = {alarm.seq: alarm.detail.name for alarm in await _alarms(site)}
    assert names == {5: "", 6: "Zhang Wuji"}
    await admin.get("/site/erasures/1")
    assert 'href="/records/6"' in _still_there(admin)
    assert 'href="/records/5"' not in admin.text


async def _alarms(site: PageSite) -> tuple[Alarm, ...]:
    return tuple((await site.services.alarms.raised.page(AlarmFilter())).items)


def _still_there(visitor: Visitor) -> str:
    return visitor.text.split('<p class="problem">')[1].split("</p>")[0]


async def test_a_number_that_only_a_centre_still_knows_is_erased_there(
    site: PageSite, admin: Visitor
) -> None:
    await admin.send("/site/erasures/find", number="8")
    assert "There are no records of this person." in admin.text
    await site.services.forwarding.targets.add(
        "nats", "nats://127.0.0.1:9", name="Centre", by=Actor("user admin")
    )
    told = "also what this hub no longer has: Centre"
    await admin.send("/site/erasures/find", number="8")
    assert "unknown to this hub" in admin.text
    assert "/site/erasures/confirm" in admin.text
    await admin.send("/site/erasures/confirm", number="8")
    assert told in admin.text
    await admin.send("/site/erasures", number="8", typed="8")
    await site.services.records.erasures.carry_out()
    await admin.get("/site/erasures/1")
    assert "Centre, which records are forwarded to, is told" in admin.text
    await admin.send("/site/erasures/confirm", name="Zhang Wuji")
    assert told not in admin.text


async def test_records_are_chosen_by_their_numbers(site: PageSite, admin: Visitor) -> None:
    await admin.send("/site/erasures/find", seqs="3, 4 3")
    assert "selected individually" in admin.text
    await admin.send("/site/erasures", seqs="3, 4 3", typed="2")
    assert admin.goes_to == "/site/erasures/1"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "Enter a name, a number"),
        ({"name": "a", "number": "1"}, "Enter a name, a number"),
        ({"number": "0"}, "Cameras send this number for every stranger."),
        ({"seqs": "one"}, "Enter 1 to 1000 record numbers"),
        ({"number": "99"}, "There are no records of this person."),
    ],
)
async def test_a_bad_question_is_explained(
    admin: Visitor, fields: dict[str, str], sentence: str
) -> None:
    await admin.send("/site/erasures/find", **fields)
    assert sentence in admin.text
