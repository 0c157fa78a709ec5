"""Signing in, protection of forms, the live page, records and the event stream."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path

import msgspec
import pytest
import trio
from msgspec import Raw

from hub.live.feed import Change
from hub.services.audit import COMMAND_LINE
from hub.services.problems import HealthReason
from hub.store.records.record_filter import RecordFilter
from hub.store.records.record_log import RecordPage
from hub.wire.uploads.records import (
    AccessDetail,
    EventDetail,
    FaceDetail,
    Plate,
    Vehicle,
    VehicleDetail,
)
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.page_site import PASSWORD, PageSite, open_page_site


@pytest.fixture
def visitor(hub: PageSite) -> Visitor:
    return Visitor(hub)


# Signing in


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/cameras",
        "/records/1",
        "/account",
        "/stream",
        "/?kind=face&did=12",
        "/search?name=/../",
    ],
)
async def test_signing_in_leads_back_to_the_page(visitor: Visitor, path: str) -> None:
    await visitor.get(path)
    assert visitor.goes_to.startswith("/sign-in")
    await visitor.get(visitor.goes_to)
    wanted = unescape(visitor.text.split('name="next" value="')[1].split('"')[0])
    await visitor.send("/sign-in", name="admin", password=PASSWORD, next=wanted)
    assert visitor.goes_to == path


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        # Browsers drop these characters, which leaves two slashes.
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "evil.example",
        # Below a prefix, these lead to another application on the same host.
        "/../mail",
        "/cameras/../../mail",
        "/%2e%2E/mail",
        "/.%2e",
        "/cameras\\..\\..\\mail",
    ],
)
async def test_signing_in_leads_to_no_other_site(visitor: Visitor, wanted: str) -> None:
    await visitor.get("/sign-in")
    await visitor.send("/sign-in", name="admin", password=PASSWORD, next=wanted)
    assert visitor.goes_to == "/"


async def test_a_wrong_password_is_reported_and_the_name_is_kept(visitor: Visitor) -> None:
    await visitor.get("/sign-in")
    await visitor.send("/sign-in", name="admin", password="no")
    assert visitor.response.status_code == 401
    assert "Wrong user name or password." in visitor.text
    assert 'value="admin"' in visitor.text


async def test_too_many_attempts_say_how_long_to_wait(hub: PageSite, visitor: Visitor) -> None:
    await visitor.get("/sign-in")
    for _ in range(30):
        await visitor.send("/sign-in", name="admin", password="wrong")
        if visitor.response.status_code == 429:
            break
    assert visitor.response.status_code == 429
    seconds = visitor.response.headers["Retry-After"]
    assert re.search(rf"Try again in {seconds} seconds?\.", visitor.text)


async def test_signing_out_ends_the_session(admin: Visitor) -> None:
    await admin.get("/")
    await admin.send("/sign-out")
    assert admin.goes_to.startswith("/sign-in")
    await admin.get("/")
    assert admin.goes_to.startswith("/sign-in")


async def test_a_changed_password_ends_the_other_sessions(hub: PageSite, admin: Visitor) -> None:
    elsewhere = await Visitor.signed_in(hub)
    await admin.get("/account")
    await admin.send("/account/password", old="wrong", new="another sentence")
    assert "The current password is wrong." in admin.text
    await admin.send("/account/password", old=PASSWORD, new="short")
    assert "too short" in admin.text
    await admin.send("/account/password", old=PASSWORD, new="another sentence")
    assert admin.goes_to == "/account?done=password"
    await admin.get("/account")
    assert admin.response.status_code == 200
    await elsewhere.get("/account")
    assert elsewhere.goes_to.startswith("/sign-in")


async def test_the_account_shows_the_sessions_of_the_user_and_which_is_here(
    hub: PageSite, admin: Visitor
) -> None:
    await hub.services.access.sessions.open(hub.services.access.users.get("admin"), "10.7.7.7")
    await hub.services.access.sessions.open(hub.services.access.users.get("guard"), "10.8.8.8")
    await admin.get("/account")
    assert "10.7.7.7" in admin.text
    assert "10.8.8.8" not in admin.text
    assert admin.text.count("(this browser)") == 1


async def test_a_sign_in_gets_a_new_session_and_ends_that_which_the_browser_had(
    hub: PageSite, visitor: Visitor
) -> None:
    await visitor.sign_in("guard")
    (earlier,) = hub.services.access.sessions.of_user("guard")
    await visitor.get("/account")
    await visitor.send("/sign-in", name="admin", password=PASSWORD)
    assert visitor.response.status_code == 303
    assert hub.services.access.sessions.of_user("guard") == ()
    (session,) = hub.services.access.sessions.of_user("admin")
    assert session.token_hash != earlier.token_hash


async def test_signing_out_everywhere_ends_all_sessions(hub: PageSite, admin: Visitor) -> None:
    elsewhere = await Visitor.signed_in(hub)
    await admin.get("/account")
    await admin.send("/account/sign-out-everywhere")
    for visitor in (admin, elsewhere):
        await visitor.get("/account")
        assert visitor.goes_to.startswith("/sign-in")


@pytest.fixture
async def new_hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    """A site without an administrator."""
    async with open_page_site(tmp_path, clock, users=()) as site:
        yield site


async def test_a_hub_without_an_administrator_says_how_to_create_one(new_hub: PageSite) -> None:
    visitor = Visitor(new_hub)
    await visitor.get("/sign-in")
    assert "<code>sitehub user setup-link --data DIR</code>" in visitor.text
    assert 'name="password"' not in visitor.text


# The wall


async def test_an_empty_site_says_what_to_do_next(admin: Visitor) -> None:
    await admin.get("/")
    assert "No cameras yet" in admin.text
    assert "/cameras/connect" in admin.text


async def test_an_empty_site_says_who_is_waiting(hub: PageSite, admin: Visitor) -> None:
    hub.pend("SN1")
    hub.pend("SN2")
    await admin.get("/")
    assert "2 cameras asking to connect" in admin.text
    assert 'href="/cameras"' in admin.text.split('class="empty"')[1]


async def test_an_empty_site_offers_a_guard_no_forbidden_link(visitor: Visitor) -> None:
    await visitor.sign_in("guard")
    await visitor.get("/")
    assert "No cameras yet" in visitor.text
    assert "/cameras/connect" not in visitor.text


async def test_the_wall_shows_the_newest_first(admin: Visitor) -> None:
    detail = FaceDetail(name="Chen Wei", category=1)
    await admin.hub.add_record(detail=detail, pictures=["face"])
    await admin.hub.add_record(detail=FaceDetail(category=0))
    await admin.get("/")
    assert admin.text.index("/records/2") < admin.text.index("/records/1")
    assert "Chen Wei" in admin.text
    assert "Whitelist" in admin.text
    assert "Stranger" in admin.text
    assert 'src="/media/1/face.png?size=small"' in admin.text
    # Noon UTC is 20:00 in the zone of the site.
    assert "20:00:01" in admin.text
    assert "Main gate" in admin.text


async def test_a_blacklisted_person_is_highlighted(admin: Visitor) -> None:
    await admin.hub.add_record(detail=FaceDetail(name="X", category=2))
    await admin.get("/")
    assert "card-black" in admin.text
    assert "Blacklist" in admin.text
    assert "#list-black" in admin.text


async def test_a_plate_is_shown_as_a_plate(admin: Visitor) -> None:
    detail = VehicleDetail(Plate(id="粤B54896", type=1), Vehicle(type=6, brand="保时捷"))
    await admin.hub.add_record("vehicle", detail)
    await admin.get("/")
    assert '<span class="plate plate-blue">粤B54896</span>' in admin.text
    assert "Porsche SUV" in admin.text


async def test_an_event_has_its_name_in_both_languages(admin: Visitor) -> None:
    for number in (8, 99):
        await admin.hub.add_record("event", EventDetail(type=number))
    await admin.get("/")
    assert "Fire" in admin.text
    assert "type 99" in admin.text
    await admin.get("/", Accept_Language="zh-CN,zh;q=0.9")
    assert "火焰" in admin.text


async def test_the_wall_is_narrowed_by_kind_and_camera_in_its_address(admin: Visitor) -> None:
    await admin.hub.connect()
    await admin.hub.enrol("Bay", did="2")
    await admin.hub.add_record()
    await admin.hub.add_record("event", EventDetail(type=8))
    await admin.hub.add_record(did="2")
    await admin.get("/?kind=face&did=1")
    assert "/records/1?kind=face&amp;did=1" in admin.text
    assert "/records/2" not in admin.text
    assert "/records/3" not in admin.text
    await admin.get("/?kind=nonsense")
    assert "/records/3" in admin.text


async def test_older_pages_continue_where_the_newer_one_ended(admin: Visitor) -> None:
    await admin.hub.add_records(130)
    await admin.get("/")
    assert "/records/71" in admin.text
    assert "/records/70" not in admin.text
    assert 'href="/?before=71"' in admin.text
    await admin.get("/?before=71")
    assert "/records/70" in admin.text
    assert "Back to live" in admin.text
    assert "data-live" not in admin.text.split('id="wall"')[1].split(">")[0]
    await admin.get("/?before=11")
    assert "before=1" not in admin.text.split('id="wall"')[1]


async def test_a_wall_whose_search_took_too_long_offers_to_continue(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def in_vain(filter: RecordFilter, **how: object) -> RecordPage:
        return RecordPage((), 4711, is_complete=False)

    await admin.hub.add_records(1)
    monkeypatch.setattr(admin.hub.hub.store.records, "page", in_vain)
    await admin.get("/?kind=vehicle")
    assert "Nothing found so far" in admin.text
    assert 'href="/?kind=vehicle&amp;before=4711"' in admin.text


async def test_a_record_of_a_clock_at_the_end_of_time_is_shown(admin: Visitor) -> None:
    """At the site, it is the year 10000."""
    end_of_year_9999 = 253_402_300_799_999
    await admin.hub.enrol("Main gate")
    await admin.hub.add_record(detail=FaceDetail(), occurred_at=end_of_year_9999)
    await admin.get("/records/1")
    assert admin.response.status_code == 200
    assert "Recordings around this time" not in admin.text


async def test_a_late_record_shows_when_it_was_received(admin: Visitor) -> None:
    happened = admin.hub.clock.ms
    admin.hub.clock.advance(600)
    await admin.hub.add_record(occurred_at=happened)
    await admin.get("/")
    assert "received 20:10:00" in admin.text


async def test_names_are_escaped(admin: Visitor) -> None:
    name = "<script>alert(1)</script>"
    extra = msgspec.json.encode({name: {name: name}})
    await admin.hub.add_record(detail=FaceDetail(name=name), device_name=name, extra=extra)
    for path in ("/", "/records/1"):
        await admin.get(path)
        assert "<script>alert" not in admin.text
        assert "&lt;script&gt;alert" in admin.text
    async with admin.listening("/stream?after=0") as events:
        await events.next()
        _, data = await events.next()
        assert "<script>alert" not in data["html"]


async def test_the_strip_shows_what_is_offline_first(admin: Visitor) -> None:
    await admin.hub.connect("Alpha")
    await admin.hub.enrol("Omega", did="2")
    admin.hub.pend("SN9")
    await admin.get("/strip")
    # What is well is folded behind its number.
    unwell, well = admin.text.split("<details")
    assert "Omega" in unwell
    assert "Alpha" in well
    assert "1 online" in well
    assert "1 offline" in admin.text
    assert "1 camera asking to connect" in admin.text


async def test_the_strip_says_of_a_camera_that_is_not_let_in_that_it_is_refused(
    hub: PageSite, admin: Visitor
) -> None:
    await hub.connect("Alpha")
    await hub.enrol("Omega", did="2")
    hub.refuse("2", "code-mismatch")
    await admin.get("/strip")
    assert 'title="Omega · Refused"' in admin.text
    assert '<a class="chip chip-refused" href="/cameras/2"' in admin.text
    assert '<a href="/cameras?state=refused"><span class="state state-refused">' in admin.text
    assert admin.text.index("Omega") < admin.text.index("Alpha")
    assert "1 camera refused" in admin.text
    assert '<span class="chip-since">refused</span>' in admin.text
    assert "offline" not in admin.text.casefold()
    await admin.get("/?did=2")
    assert "#state-refused" in admin.text


async def test_two_thousand_cameras_leave_the_live_page_light(
    hub: PageSite, admin: Visitor
) -> None:
    names = [f"Camera {n:04} in the northern hall" for n in range(1, 2001)]
    await hub.enrol_many(names, online=True)
    await hub.enrol("Zenith", did="2001")
    await hub.add_records(100, pictures=["face"])
    await admin.get("/?did=1999")
    assert await admin.weight("wall.js", "record.js", "alarms.js") < 100_000
    strip, wall = admin.text.split('id="filters"')
    assert strip.count('class="chip chip-') == 60
    assert "Zenith" in strip
    assert "Camera 1999" in strip
    assert 'href="/cameras">All 2001 cameras</a>' in strip
    assert '<option value="1999" selected>' in wall
    assert "<option disabled>1800 more: see Cameras</option>" in wall


async def test_faults_of_the_hub_are_shown_on_every_page(hub: PageSite, admin: Visitor) -> None:
    hub.health_reasons = [HealthReason("damaged", {"what": "page 7"})]
    for path in ("/", "/cameras", "/cameras/connect", "/account", "/notices", "/nothing"):
        await admin.get(path)
        assert "The stored data is damaged." in admin.text


# One record


async def test_a_record_shows_all_its_fields_and_pictures(admin: Visitor) -> None:
    await admin.hub.add_record(
        detail=FaceDetail(name="Chen Wei", age=41, gender=1, uuid="4711", category=3),
        pictures=["background", "face"],
        extra=b'{"score": 93, "otherInfo": {"mask": 0}, "note": null, "ok": true}',
    )
    await admin.get("/records/1")
    for text in (
        "Chen Wei",
        "41",
        "Male",
        "4711",
        "VIP",
        "93",
        "otherInfo",
        "mask",
        "null",
        "true",
    ):
        assert text in admin.text, text
    assert admin.text.index("/media/1/face.png") < admin.text.index("/media/1/background.png")


async def add_record_with_numbers(hub: PageSite) -> None:
    extra = b'{"id_card": "110101199003071234", "more": [{"Phone": 13800001111}], "rank": "555"}'
    await hub.add_record(extra=extra)


@pytest.mark.parametrize("role", ["viewer", "guard", "admin"])
async def test_personal_numbers_among_further_fields_are_masked(hub: PageSite, role: str) -> None:
    await add_record_with_numbers(hub)
    visitor = await Visitor.signed_in(hub, role)
    for path in ("/records/1", "/records/1?numbers=full"):
        await visitor.get(path)
        is_full = role == "admin" and path.endswith("full")
        for number, masked in (("110101199003071234", "*1234"), ("13800001111", "*1111")):
            assert (number in visitor.text) == is_full
            assert (masked in visitor.text) != is_full
        assert "555" in visitor.text


async def test_an_administrator_sees_numbers_of_a_record_in_full_and_that_is_logged(
    admin: Visitor,
) -> None:
    await add_record_with_numbers(admin.hub)
    await admin.hub.add_record(extra=b'{"rank": "555"}')
    await admin.get("/records/1")
    link = "Show full numbers"
    assert link in admin.text
    assert "person.record_numbers" not in [
        e.action for e in await admin.hub.services.core.audit.newest()
    ]
    await admin.get("/records/1?numbers=full")
    assert link not in admin.text
    entry = (await admin.hub.services.core.audit.newest())[0]
    assert (entry.action, entry.target, entry.who) == ("person.record_numbers", "1", "user admin")
    await admin.get("/records/2?numbers=full")
    assert link not in admin.text
    assert (await admin.hub.services.core.audit.newest())[0] == entry


async def test_extra_fields_come_last(admin: Visitor) -> None:
    await admin.hub.add_record(extra=b'{"helmet":0,"more":{"a":1}}')
    await admin.get("/records/1")
    assert admin.text.index("Received") < admin.text.index("helmet") < admin.text.index("<pre ")


async def test_of_extra_fields_no_more_is_decoded_than_is_shown(admin: Visitor) -> None:
    digest = "0123456789abcdef" * 4
    extra = {
        "photo": {"omitted_bytes": 300_000, "sha256": digest},
        "text": "A" * 20_000 + "END",
        "list": [7] * 20_000,
    }
    await admin.hub.add_record(extra=msgspec.json.encode(extra))
    await admin.get("/records/1")
    assert "Too long to be kept: 300000 bytes, SHA-256 0123456789abcdef<" in admin.text
    assert f"{'A' * 1999} …" in admin.text
    assert "END" not in admin.text
    assert "[7,7,7," in admin.text
    assert len(admin.text) < 40_000


async def test_a_paused_wall_can_report_the_blacklist(admin: Visitor) -> None:
    await admin.hub.connect()
    await admin.get("/")
    assert "{listed} on the blacklist" in admin.text


async def test_every_kind_of_record_has_a_page(admin: Visitor) -> None:
    event = EventDetail(type=14, data=Raw(b'{"celsius": 38.5}'), name="Li Jing")
    await admin.hub.add_record("event", event)
    await admin.hub.add_record("vehicle", VehicleDetail())
    access = AccessDetail(rid="7", uuid="9223372036854775808", status=1)
    await admin.hub.add_record("access", access)
    await admin.hub.add_record("access", AccessDetail(of=3))
    expected = {
        1: ["Body temperature", "celsius", "38.5", "Li Jing"],
        2: ["Vehicle without a plate"],
        3: ["Stranger", "9223372036854775808"],
        4: ["Picture", "Belongs to record"],
    }
    for seq, texts in expected.items():
        await admin.get(f"/records/{seq}")
        for text in texts:
            assert text in admin.text, text


async def test_a_record_links_to_its_neighbours_within_the_filter(admin: Visitor) -> None:
    await admin.hub.add_record()
    await admin.hub.add_record("event", EventDetail(type=8))
    await admin.hub.add_records(2)
    await admin.get("/records/3?kind=face")
    assert 'data-step="newer" href="/records/4?kind=face"' in admin.text
    assert 'data-step="older" href="/records/1?kind=face"' in admin.text
    await admin.get("/records/4?kind=face")
    assert 'data-step="newer" href="" hidden' in admin.text


async def test_a_part_of_a_page_is_sent_without_its_frame(admin: Visitor) -> None:
    await admin.hub.add_record()
    await admin.get("/records/1", X_Part="1")
    assert "<html" not in admin.text
    assert "<h1" in admin.text


# The stream


def changes(visitor: Visitor) -> int:
    count: int = visitor.hub.services.core.changes.published
    return count


async def test_the_stream_starts_where_the_page_ended(admin: Visitor) -> None:
    await admin.hub.add_records(2)
    await admin.hub.add_record(device_name="Bay")
    async with admin.listening("/stream?after=1") as events:
        assert await events.next() == ("beat", {"seq": 1, "changes": changes(admin)})
        for seq in (2, 3):
            name, data = await events.next()
            assert (name, data["seq"], data["after"]) == ("card", seq, seq - 1)
        assert "Bay" in data["html"]
        await admin.hub.add_record(pictures=["face"])
        name, data = await events.next()
        assert (name, data["seq"], data["picture"]) == ("card", 4, "/media/4/face.png")


async def test_a_browser_that_is_far_behind_reloads_the_wall(admin: Visitor) -> None:
    await admin.hub.add_records(99)
    async with admin.listening("/stream?after=1") as events:
        assert await events.next() == ("jump", {"seq": 99, "changes": changes(admin)})
        await admin.hub.add_record()
        name, data = await events.next()
        assert (name, data["seq"], data["after"]) == ("card", 100, 99)


async def test_a_page_from_before_a_restore_goes_on_with_the_restored_log(admin: Visitor) -> None:
    """Its seqs begin again below those that the page has had."""
    await admin.hub.add_records(2)
    async with admin.listening("/stream?after=7") as events:
        assert await events.next() == ("jump", {"seq": 2, "changes": changes(admin)})
        await admin.hub.add_record()
        name, data = await events.next()
        assert (name, data["seq"], data["after"]) == ("card", 3, 2)


async def test_a_head_request_does_not_open_the_stream(
    admin: Visitor,
) -> None:
    with trio.fail_after(30):
        response = await admin._client.head("/stream")
    assert (response.status_code, response.mimetype) == (200, "text/event-stream")


async def test_the_stream_is_in_the_language_of_its_reader(admin: Visitor) -> None:
    await admin.hub.name_site("zh")
    async with admin.listening("/stream") as events:
        await events.next()
        await admin.hub.add_record("event", EventDetail(type=8))
        _, data = await events.next()
        assert "火焰" in data["html"]


async def test_the_stream_says_what_to_refresh(admin: Visitor) -> None:
    async with admin.listening("/stream") as events:
        await events.next()
        admin.hub.services.core.changes.publish([Change("device", "12")])
        expected = {"kind": "device", "key": "12", "changes": changes(admin)}
        assert await events.next() == ("change", expected)


async def test_a_page_notices_changes_before_its_stream_starts(admin: Visitor) -> None:
    await admin.get("/cameras")
    assert f'data-changes="{changes(admin)}"' in admin.text
    admin.hub.services.core.changes.publish([Change("device", "12")])
    async with admin.listening("/stream") as events:
        assert await events.next() == ("beat", {"seq": 0, "changes": changes(admin)})


async def test_the_stream_beats_and_ends_with_the_session(
    quick_beats: None, admin: Visitor
) -> None:
    async with admin.listening("/stream") as events:
        for _ in range(2):
            assert await events.next() == ("beat", {"seq": 0, "changes": changes(admin)})
        await admin.hub.services.access.sessions.end_all("admin")
        with trio.fail_after(20):
            while not await events.ended():
                """A beat was on its way."""


@pytest.mark.parametrize("loss", ["removed", "disabled", "signed out", "another role"])
async def test_the_stream_ends_with_its_user_at_once(hub: PageSite, loss: str) -> None:
    guard = await Visitor.signed_in(hub, "guard")
    users, by = hub.services.access.users, COMMAND_LINE
    async with guard.listening("/stream") as events:
        await events.next()
        match loss:
            case "removed":
                await users.remove("guard", by=by)
            case "disabled":
                await users.set_enabled("guard", False, by=by)
            case "signed out":
                await users.sign_out("guard", by=by)
            case _:
                await users.set_role("guard", "viewer", by=by)
        # Without a beat or a record.
        assert await events.ended()


async def test_the_last_valid_time_is_shown(admin: Visitor) -> None:
    end_of_year_9999 = 253_402_300_799_000
    await admin.hub.add_record(occurred_at=end_of_year_9999)
    await admin.get("/")
    assert "23:59:59" in admin.text
