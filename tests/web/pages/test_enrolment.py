"""Enrolment on the pages: checking a code, pending devices, CSV import and keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from hub.config import WebConfig
from hub.errors import AlreadyExists
from hub.live.registry import DeviceAnswer
from hub.store.tables.devices import DeviceChange
from hub.store.tables.devices import DeviceChange as StoreChange
from tests.support.browsing import Visitor
from tests.support.clock import FrozenClock
from tests.support.file_sender import FileSender
from tests.support.gate import FakeLink, public_pem
from tests.support.page_site import CODE, PageSite, open_page_site
from web.pages.cameras.pending_list import ROWS_PER_PAGE

# Checking a code


async def check_code(visitor: Visitor, **fields: str) -> dict[str, Any]:
    await visitor.send("/cameras/check", **fields)
    assert visitor.response.content_type == "application/json"
    answer: dict[str, Any] = json.loads(visitor.text)
    return answer


async def test_a_code_is_checked_while_it_is_typed(admin: Visitor) -> None:
    await admin.hub.set_site_key()
    admin.hub.pend("SN1")
    await admin.get("/cameras")
    assert (await check_code(admin, sn="SN1", code="1234"))["fits"] is False
    fits = await check_code(admin, sn="SN1", code=CODE)
    assert fits == {"fits": True, "text": "Code is correct.", "more": ""}
    assert len(admin.hub.services.cameras.enrolment.waiting()) == 1
    assert await admin.hub.audited() == []


async def test_a_code_for_an_unknown_device_is_refused(admin: Visitor) -> None:
    await admin.get("/cameras/connect")
    answer = await check_code(admin, sn="NOBODY", code=CODE)
    assert answer["text"].startswith("This camera has not tried to connect recently")


async def test_codes_are_checked_at_a_limited_rate(
    admin: Visitor, mock_clock: trio.testing.MockClock
) -> None:
    # The clock stands still: on a busy machine, checks would come more slowly than allowed.
    admin.hub.pend("SN1")
    await admin.get("/cameras/connect")
    statuses: list[int] = []
    while 429 not in statuses and len(statuses) < 100:
        await admin.send("/cameras/check", sn="SN1", code=CODE)
        statuses.append(admin.response.status_code)
    assert statuses[-1] == 429


# Pending devices


async def test_a_pending_device_is_shown_with_every_reason_and_its_attempts(admin: Visitor) -> None:
    admin.hub.pend("SN1", "code-mismatch", "clock-off", tries=12, slowed=30, seconds="28680")
    await admin.get("/cameras/waiting")
    for words in (
        "The security code does not match",
        "Its clock is 7 h 58 min ahead",
        "1 of these cameras keeps asking to connect, so answers to it are delayed until",
        "12 attempts, last at",
        'href="/help/troubleshooting#help-code-mismatch"',
    ):
        assert words in admin.text, words


async def test_what_comes_and_goes_does_not_move_the_fields_in_which_somebody_types(
    admin: Visitor,
) -> None:
    admin.hub.pend("SN1", tries=12, slowed=30)
    await admin.get("/cameras/waiting")
    assert 0 < admin.text.index('name="code"') < admin.text.index("keeps asking to connect")


async def test_accept_follows_the_key_where_a_key_is_required(admin: Visitor) -> None:
    admin.hub.pend("SN1")
    await admin.get("/cameras/waiting")
    assert "Ask the camera&#39;s manufacturer for the public key." in admin.text.replace(
        "'", "&#39;"
    )
    assert admin.text.index('name="key"') < admin.text.index("Accept</button>")
    assert admin.text.count("Accept</button>") == 1
    assert admin.text.index("Accept</button>") < admin.text.index("Ignore</button>")


async def test_a_clock_in_sync_is_shown_too(admin: Visitor) -> None:
    admin.hub.pend("SN1")
    await admin.get("/cameras/waiting")
    assert "clock: in sync" in admin.text


def pend_many(hub: PageSite, count: int) -> None:
    """SN000, SN001 and so on, each first seen later than the one before."""
    for number in range(count):
        hub.pend(f"SN{number:03}")
        hub.clock.advance(0.01)


async def test_hundreds_of_pending_devices_are_paged(admin: Visitor) -> None:
    pend_many(admin.hub, 53)
    seen: list[str] = []
    path = "/cameras"
    for expected in (*[ROWS_PER_PAGE] * (53 // ROWS_PER_PAGE), 53 % ROWS_PER_PAGE):
        await admin.get(path)
        rows = [part.split('"')[0] for part in admin.text.split('class="pending" data-key="')[1:]]
        assert len(rows) == expected
        seen += rows
        _, found, rest = admin.text.partition('data-key="next"><a class="button" href="')
        path = rest.split('"')[0].replace("&amp;", "&") if found else ""
    assert path == ""
    assert seen == [f"SN{number:03}" for number in reversed(range(53))]


async def test_one_of_hundreds_is_found_by_part_of_its_serial_number(admin: Visitor) -> None:
    pend_many(admin.hub, 250)
    await admin.get("/cameras?find=sn21")
    assert "10 of 250 asking to connect" in admin.text
    assert 'data-part="/cameras/waiting?back=%2Fcameras&amp;find=sn21"' in admin.text
    await admin.get("/cameras/waiting?back=/cameras&find=sn21")
    assert admin.text.count('class="pending"') == 10
    await admin.get("/cameras?find=nobody")
    assert "No camera asking to connect matches" in admin.text


async def test_an_invalid_page_shows_the_first(admin: Visitor) -> None:
    pend_many(admin.hub, 3)
    for after in ("x", "-", "x-SN001", "%D9%A3-SN1", "9" * 5000 + "-SN1"):
        await admin.get(f"/cameras?after={after}")
        assert admin.text.count('class="pending"') == 3, after


async def test_a_refused_form_is_shown_although_its_camera_is_on_a_later_page(
    admin: Visitor,
) -> None:
    pend_many(admin.hub, 50)
    await admin.hub.set_site_key()
    await admin.get("/cameras")
    await admin.send("/cameras/accept", sn="SN001", code="wrong", name="My gate", back="/cameras")
    assert admin.response.status_code == 400
    assert 'value="My gate"' in admin.text


# Accepting


async def test_manual_steps_are_shown_after_accepting(admin: Visitor) -> None:
    hub = admin.hub
    await hub.set_site_key()
    hub.pend("SN1").answers = [DeviceAnswer(404, "no such uri")]
    await hub.services.cameras.enrolment.accept("SN1", CODE, did="12")
    await admin.get("/cameras?done=accepted-refused&did=12")
    for words in ("it answered “404 no such uri”", "enter this one on its web page", ">12<"):
        assert words in admin.text, words
    await admin.get("/cameras?done=accepted-refused&did=99")
    assert admin.response.status_code == 200


async def test_the_note_about_an_accepted_camera_follows_what_becomes_of_it(
    admin: Visitor,
) -> None:
    hub = admin.hub
    await hub.enrol(did="12")
    await admin.get("/cameras?done=accepted-not-sent&did=12&replaced=OLD")
    assert "Its initial parameters will be sent once it connects" in admin.text
    part = "/cameras/accepted?done=accepted-not-sent&amp;did=12&amp;replaced=OLD"
    assert f'data-part="{part}" data-on="device" data-of="12"' in admin.text
    part = part.replace("&amp;", "&")
    await admin.get(part)
    assert "Its initial parameters will be sent once it connects" in admin.text
    # It knew its device ID, so that nothing had to be sent.
    link = FakeLink("192.168.1.77")
    link.did = "12"
    hub.hub.registry.attach(link)
    await admin.get(part)
    assert "will be sent" not in admin.text
    assert "The camera was accepted and is connected." in admin.text
    assert "It replaces the camera with the serial number OLD" in admin.text
    for outcome, words in (
        ("refused with 404 no such uri", "but rejected the initial parameters"),
        ("taken", "has applied its initial parameters"),
    ):
        await hub.hub.store.devices.change("12", StoreChange(init_outcome=outcome))
        await admin.get(part)
        assert words in admin.text
        assert ("“404 no such uri”" in admin.text) == (outcome != "taken")
        assert ("enter this one on its web page" in admin.text) == (outcome != "taken")
    await hub.services.cameras.devices.remove("12")
    await admin.get(part)
    assert "accepted" not in admin.text


async def test_an_accepted_camera_that_cannot_connect_yet_is_explained(admin: Visitor) -> None:
    await admin.hub.enrol(did="12")
    admin.hub.refuse("12", "clock-off", seconds="-28680")
    await admin.get("/cameras/connect?done=accepted-taken&did=12")
    assert "It cannot connect yet. Its clock is 7 h 58 min behind" in admin.text


async def test_a_broken_camera_to_replace_is_chosen_by_its_name(admin: Visitor) -> None:
    hub = admin.hub
    await hub.set_site_key()
    old = await hub.enrol(did="12")
    await hub.connect("Bay", did="13")
    hub.pend("SN1")
    await admin.get("/cameras")
    page = "/cameras/waiting/SN1/replace?back=/cameras"
    assert f'href="{page}"' in admin.text
    await admin.get(page)
    broken, _, online = admin.text.partition('label="Online"')
    assert '<option value="12">Gate · Offline</option>' in broken
    assert '<option value="13">Bay · Online</option>' in online
    form = {"sn": "SN1", "back": "/cameras"}
    await admin.send("/cameras/accept", **form, code="wrong", replaces="12")
    assert (admin.response.status_code, "nothing was saved" in admin.text) == (400, True)
    assert '<option value="12" selected>' in admin.text
    await admin.send("/cameras/accept", **form, code=CODE, replaces="99")
    assert "The camera to be replaced does not exist" in admin.text
    await admin.send("/cameras/accept", **form, code=CODE, replaces="12", did="12")
    assert "Leave the device ID blank" in admin.text
    await admin.send("/cameras/accept", **form, code=CODE, replaces="12")
    at = hub.clock.ms
    assert admin.goes_to == f"/cameras?done=accepted-taken&did=12&replaced={old}&since={at}"
    assert hub.services.cameras.devices.get("12").sn == "SN1"
    assert await hub.audited() == [("user admin", "device.accept", "12")]
    await admin.get(admin.goes_to)
    assert f"It replaces the camera with the serial number {old}" in admin.text


async def test_an_import_tells_which_codes_cannot_be_right(admin: Visitor) -> None:
    await admin.hub.set_site_key()
    for sn in ("SN1", "SN2"):
        admin.hub.pend(sn)
    await admin.get("/cameras/add")
    await admin.send_file("/cameras/import", "file", "c.csv", b"sn,code\nSN1,WRONG123\n")
    assert "Security code of SN1: it does not match" in admin.text
    text = f"sn,code\nSN1,{CODE}\nSN2,{CODE}\nSN9,WHATEVER\n".encode()
    await admin.send_file("/cameras/import", "file", "c.csv", text)
    assert "3 cameras will be added" in admin.text
    assert "does not match" not in admin.text


async def test_a_camera_that_went_offline_again_is_not_called_connected(admin: Visitor) -> None:
    hub = admin.hub
    link = await hub.connect("Bay", did="13")
    page = "/cameras/connect?done=accepted-taken&did=13"
    await admin.get(page)
    assert ">Connected<" in admin.text
    hub.hub.registry.touch("13")
    hub.hub.registry.detach(link)
    await admin.get(page)
    assert ">Connected<" not in admin.text
    assert "Offline again; last online" in admin.text


async def test_what_the_broken_camera_did_does_not_count_for_the_new_one(admin: Visitor) -> None:
    hub = admin.hub
    await hub.set_site_key()
    old = await hub.connect("Bay", did="13")
    hub.hub.registry.touch("13")
    await hub.add_record(did="13", pictures=("face",))
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.services.cameras.devices.run)
        hub.hub.registry.detach(old)
        hub.pend("SN1")
        page = "/cameras/connect?first=1"
        await admin.get(page)
        await admin.send("/cameras/accept", sn="SN1", back=page, code=CODE, replaces="13")
        followed = admin.goes_to
        await admin.get(followed)
        assert "Waiting for the camera to connect" in admin.text
        assert "Offline again" not in admin.text
        assert "First picture received" not in admin.text
        assert "The first picture is here" not in admin.text
        hub.clock.advance(1)
        hub.hub.registry.touch("13")
        await hub.add_record(did="13", pictures=("face",))
        await trio.testing.wait_all_tasks_blocked()
        await admin.get(followed)
        assert "Offline again; last online" in admin.text
        assert "The first picture is here" in admin.text
        nursery.cancel_scope.cancel()


async def test_a_camera_that_never_connected_has_no_outages(admin: Visitor) -> None:
    await admin.hub.enrol(did="12")
    await admin.get("/cameras/12")
    assert "Has not connected yet" in admin.text
    assert "Never offline" not in admin.text


async def test_a_camera_that_works_is_not_replaced_without_a_question(admin: Visitor) -> None:
    hub = admin.hub
    await hub.set_site_key()
    await hub.connect("Bay", did="13")
    hub.pend("SN1")
    await admin.get("/cameras/waiting/SN1/replace?back=/cameras")
    form = {"sn": "SN1", "back": "/cameras", "code": CODE, "replaces": "13"}
    await admin.send("/cameras/accept", **form)
    assert admin.response.status_code == 200
    assert "Bay is online. Replace it anyway?" in admin.text
    assert f'name="code" value="{CODE}"' in admin.text
    assert hub.services.cameras.devices.get("13").sn != "SN1"
    await admin.send("/cameras/accept", **form, although_online="12")
    assert admin.response.status_code == 200
    await admin.send("/cameras/accept", **form, although_online="13")
    assert admin.response.status_code == 303
    assert hub.services.cameras.devices.get("13").sn == "SN1"


async def test_what_was_entered_stays_when_a_code_is_refused(admin: Visitor) -> None:
    await admin.hub.set_site_key()
    admin.hub.pend("SN1")
    await admin.get("/cameras")
    await admin.send("/cameras/accept", sn="SN1", back="/cameras", code="1234567B", name="Gate 2")
    assert 'name="code" value="1234567B" required autofocus' in admin.text
    assert 'name="name" value="Gate 2"' in admin.text


async def test_a_missing_key_is_where_to_go_on(admin: Visitor) -> None:
    admin.hub.pend("SN1")
    admin.hub.pend("SN2")
    await admin.get("/cameras")
    assert admin.text.count('<details class="more" open>') == 2
    await admin.send("/cameras/accept", sn="SN1", back="/cameras", code=CODE)
    assert f'name="code" value="{CODE}" required maxlength' in admin.text
    assert '<textarea name="key" rows="3" autofocus' in admin.text


async def test_a_camera_that_is_gone_leads_back_from_its_page(admin: Visitor) -> None:
    await admin.get("/cameras/waiting/SN1/replace?back=/cameras/connect")
    assert admin.goes_to == "/cameras/connect"


async def test_a_delay_is_told_once_for_all_cameras_and_only_where_there_is_one(
    admin: Visitor,
) -> None:
    admin.hub.pend("SN0")
    await admin.get("/cameras/waiting")
    assert "delayed" not in admin.text
    for sn, seconds in (("SN1", 30), ("SN2", 8)):
        admin.hub.pend(sn, slowed=seconds)
    await admin.get("/cameras/waiting")
    assert admin.text.count("delayed") == 1
    assert "2 of these cameras keep asking to connect, so answers to them are delayed" in admin.text


# Ignoring


async def test_an_ignored_camera_is_not_listed_until_it_is_shown_again(admin: Visitor) -> None:
    hub = admin.hub
    for sn in ("SN1", "SN2"):
        hub.pend(sn)
    await admin.get("/cameras")
    await admin.send("/cameras/ignored", sn="SN1", back="/cameras")
    assert admin.goes_to == "/cameras?done=attempt-ignored"
    hub.pend("SN1")
    await admin.get(admin.goes_to)
    assert 'data-key="SN1"' not in admin.text
    assert 'data-key="SN2"' in admin.text
    assert "1 camera is ignored" in admin.text
    await admin.get("/cameras/connect")
    assert "SN1" in admin.text
    assert "last attempt" in admin.text
    await admin.send("/cameras/ignored/remove", sn="SN1")
    assert admin.goes_to == "/cameras/connect?done=attempt-shown#ignored"
    await admin.get("/cameras")
    assert 'data-key="SN1"' in admin.text
    assert await hub.audited() == [
        ("user admin", "device.ignore", "SN1"),
        ("user admin", "device.show-attempts", "SN1"),
    ]


async def test_what_is_not_asking_to_connect_cannot_be_ignored(admin: Visitor) -> None:
    await admin.get("/cameras")
    await admin.send("/cameras/ignored", sn="SN9", back="/cameras/connect")
    assert admin.goes_to == "/cameras/connect"
    await admin.send("/cameras/ignored/remove", sn="SN9")
    assert admin.hub.services.cameras.enrolment.ignored.sns() == []
    assert await admin.hub.audited() == []


async def test_a_camera_is_followed_until_its_first_picture_on_the_page_that_accepted_it(
    admin: Visitor,
) -> None:
    hub, first = admin.hub, "/cameras/connect?first=1"
    await hub.set_site_key()
    link = hub.pend("SN1")
    await admin.get(first)
    await admin.send("/cameras/accept", sn="SN1", code=CODE, name="Gate", back=first)
    did = hub.services.cameras.devices.list()[0].did
    assert admin.goes_to == f"/cameras/connect?first=1&done=accepted-taken&did={did}"
    await admin.get(admin.goes_to)
    assert "Step 2 of 2" in admin.text
    assert "Waiting for the camera to connect" in admin.text
    link.did, link.sn = did, "SN1"
    hub.hub.registry.attach(link)
    part = f"/cameras/connect/arrivals?did={did}&first=1"
    assert f'data-part="{part.replace("&", "&amp;")}"' in admin.text
    await admin.get(part)
    assert "Waiting for the first picture" in admin.text
    assert "The first picture is here" not in admin.text
    await hub.add_record(did=did, pictures=("face",))
    async with trio.open_nursery() as nursery:
        await nursery.start(hub.services.cameras.devices.run)
        await admin.get(part)
        assert f'data-last-picture-of="{did}"' in admin.text
        assert "The first picture is here" in admin.text
        nursery.cancel_scope.cancel()
    hub.clock.advance(3601)
    await admin.get("/cameras/connect/arrivals")
    assert "Gate" not in admin.text


async def test_a_refused_form_stays_in_the_second_step(admin: Visitor) -> None:
    await admin.hub.set_site_key()
    admin.hub.pend("SN1")
    first = "/cameras/connect?first=1"
    await admin.get(first)
    await admin.send("/cameras/accept", sn="SN1", code="wrong", back=first)
    assert "Step 2 of 2" in admin.text
    assert 'name="back" value="/cameras/connect?first=1"' in admin.text
    await admin.send("/cameras/accept", sn="SN1", code="wrong", back="https://example.org/")
    assert 'name="back" value="/cameras"' in admin.text


async def test_cameras_added_in_advance_are_not_among_the_accepted_ones(admin: Visitor) -> None:
    await admin.hub.enrol("Yard")
    await admin.get("/cameras/connect")
    assert "Yard" not in admin.text


# One camera


async def test_initial_parameters_are_sent_again(admin: Visitor) -> None:
    hub = admin.hub
    await hub.set_site_key()
    hub.pend("SN1").answers = [DeviceAnswer(404, "no such uri")]
    await hub.services.cameras.enrolment.accept("SN1", CODE, did="1")
    await admin.get("/cameras/1/manage")
    assert "it answered “404 no such uri”" in admin.text
    assert "enter this one on its web page" in admin.text
    await admin.send("/cameras/1/init")
    assert admin.goes_to == "/cameras/1/manage?done=init-not-sent"
    assert await hub.audited() == [("user admin", "device.init", "1")]


async def test_an_old_key_is_shown_and_revoked(admin: Visitor) -> None:
    devices = admin.hub.services.cameras.devices
    await admin.hub.set_site_key()
    await admin.hub.connect()
    await devices.change("1", DeviceChange(key=public_pem(1)))
    await admin.get("/cameras/1/manage")
    assert "It has not signed with its new key yet" in admin.text
    await admin.send("/cameras/1/earlier-key")
    assert admin.goes_to == "/cameras/1/manage?done=earlier-key-dropped"
    assert devices.get("1").previous_key_until is None
    assert await admin.hub.audited() == [("user admin", "device.drop-earlier-key", "1")]


async def test_cameras_that_still_use_the_old_site_key_are_counted(admin: Visitor) -> None:
    hub = admin.hub
    await hub.set_site_key()
    await hub.connect()
    await hub.connect("Bay", did="2")
    await hub.services.cameras.devices.change("2", DeviceChange(key=public_pem(1)))
    await hub.set_site_key(2)
    await admin.get("/cameras/connect")
    assert "1 camera still uses the old key" in admin.text


async def test_removing_the_site_key_asks_once_and_says_what_it_disconnects(
    admin: Visitor,
) -> None:
    devices = admin.hub.services.cameras.devices
    await admin.hub.set_site_key()
    await admin.hub.connect()
    await admin.hub.connect("Bay", did="2")
    await devices.change("2", DeviceChange(key=public_pem(1)))
    await admin.get("/cameras/connect/site-key/remove")
    assert "1 camera has no key of its own" in admin.text
    assert devices.site_key() is not None
    await admin.send("/cameras/connect/site-key/remove")
    assert admin.goes_to == "/cameras/connect?done=site-key-removed"
    assert devices.site_key() is None
    assert await admin.hub.audited() == [("user admin", "site-key.remove", "")]


# Keys by file


async def test_a_public_key_is_taken_from_a_file_wherever_a_camera_gets_one(
    admin: FileSender,
) -> None:
    hub, pem = admin.hub, public_pem()
    for sn in ("SN1", "SN2"):
        hub.pend(sn)
    await admin.get("/cameras")
    assert 'name="key_file"' in admin.text
    file = ("key_file", "camera.pem", pem.encode())
    form = {"code": CODE, "key": "", "back": "/cameras"}
    await admin.send_file("/cameras/accept", *file, sn="SN1", **form)
    assert hub.services.cameras.devices.get("1").has_own_key
    await admin.get("/cameras/waiting/SN2/replace")
    assert 'name="key_file"' in admin.text
    await admin.send_file("/cameras/accept", *file, sn="SN2", replaces="1", **form)
    assert hub.services.cameras.devices.get("1").sn == "SN2"
    await admin.get("/cameras/add")
    assert 'name="key_file"' in admin.text
    await admin.send_file("/cameras/add", *file, sn="SN3", code=CODE)
    assert hub.services.cameras.devices.get("2").has_own_key
    await hub.services.cameras.devices.change("2", DeviceChange(key=None))
    await admin.get("/cameras/2/manage")
    assert 'name="key_file"' in admin.text
    await admin.send_file("/cameras/2/identity", *file, sn="SN3", code="", key="")
    assert hub.services.cameras.devices.get("2").has_own_key


async def test_a_file_that_holds_no_key_is_refused_and_shown(admin: FileSender) -> None:
    await admin.get("/cameras/add")
    await admin.send_file("/cameras/add", "key_file", "key.der", b"no key", sn="SN3", code=CODE)
    assert admin.response.status_code == 400
    assert "This is not an RSA public key" in admin.text
    assert ">no key</textarea>" in admin.text
    await admin.send_file(
        "/cameras/add", "key_file", "photo.jpg", bytes(100_000), sn="SN3", code=CODE
    )
    assert admin.response.status_code == 413
    assert admin.hub.services.cameras.devices.list() == []


# CSV import

CSV = "sn,code,did,name\nA,1,,North\nB,2,77,<East>\n"


async def send_text(admin: FileSender, path: str, text: str) -> None:
    await admin.send_file(path, "file", "", text=text)


async def test_a_csv_file_is_previewed_before_it_is_added(admin: FileSender) -> None:
    await admin.get("/cameras/add")
    await send_text(admin, "/cameras/import", CSV)
    assert "2 cameras will be added" in admin.text
    for words in ("North", "&lt;East&gt;", "77", "assigned automatically", "no site key is set"):
        assert words in admin.text, words
    assert admin.hub.services.cameras.devices.list() == []
    await send_text(admin, "/cameras/import/add", CSV)
    assert admin.goes_to == "/cameras?done=imported"
    assert {view.sn for view in admin.hub.services.cameras.devices.list()} == {"A", "B"}
    assert [action for _, action, _ in await admin.hub.audited()] == ["device.add"] * 2


async def test_an_import_says_that_files_are_named_on_the_command_line_only(
    admin: Visitor,
) -> None:
    await admin.get("/cameras/add")
    await send_text(admin, "/cameras/import", f"sn,code,key\nSN1,{CODE},key.pem\n")
    assert admin.response.status_code == 400
    assert "A file name works only on the command line." in admin.text


@pytest.mark.parametrize("path", ["/cameras/import", "/cameras/import/add"])
async def test_every_bad_line_is_listed_and_nothing_is_added(admin: FileSender, path: str) -> None:
    await admin.hub.connect()
    await admin.get("/cameras/add")
    await send_text(admin, path, "sn,code,did\nA,1,\nA,1,\nB,,\nC,1,1\nD,1,,x\n")
    assert admin.response.status_code == 400
    for words in (
        "4 rows have errors",
        "Same as in row 2: Serial number.",
        '<th scope="row" data-label="Row">4</th><td class="mono">B</td>',
        "The security code is missing",
        "Already used by another camera: Device ID.",
        "There are more values than columns.",
    ):
        assert words in admin.text, words
    assert "A,1," in admin.text
    assert [one.did for one in admin.hub.services.cameras.devices.list()] == ["1"]


async def test_a_did_that_was_just_taken_is_explained(
    admin: FileSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def import_csv(table: object) -> None:
        raise AlreadyExists("a device with did 77 is enrolled already", field="did")

    monkeypatch.setattr(admin.hub.services.cameras.devices, "import_csv", import_csv)
    await admin.get("/cameras/add")
    await send_text(admin, "/cameras/import/add", CSV)
    assert admin.response.status_code == 400
    assert "There is already a camera with this device ID." in admin.text


@pytest.mark.parametrize("as_file", [True, False])
async def test_a_csv_file_of_two_thousand_cameras_is_added(
    admin: FileSender, as_file: bool
) -> None:
    rows = [f"Y3CA{n:011},AB12CD34,Camera {n} in the northern hall" for n in range(1, 2001)]
    text = "\r\n".join(["sn,code,name", *rows])
    await admin.get("/cameras/add")
    if as_file:
        await admin.send_file("/cameras/import", "file", "cameras.csv", text.encode("utf-8-sig"))
    else:
        await send_text(admin, "/cameras/import", text)
    assert "2000 cameras will be added" in admin.text
    await send_text(admin, "/cameras/import/add", text)
    assert admin.goes_to == "/cameras?done=imported"
    assert len(admin.hub.services.cameras.devices.list()) == 2000


async def test_a_bad_line_far_down_is_listed(admin: FileSender) -> None:
    rows = [f"SN{n},1" for n in range(5000)] + ["SN7,1"]
    await admin.get("/cameras/add")
    await send_text(admin, "/cameras/import", "\n".join(["sn,code", *rows]))
    assert '<th scope="row" data-label="Row">5002</th>' in admin.text
    assert "Same as in row 9: Serial number." in admin.text


async def test_a_csv_file_that_is_too_large_is_refused_on_its_page(admin: FileSender) -> None:
    await admin.get("/cameras/add")
    await admin.send_file("/cameras/import", "file", "huge.csv", bytes(6 << 20))
    assert admin.response.status_code == 400
    assert "The file is too large. The limit is 4 MB." in admin.text


@pytest.fixture
async def small_hub(tmp_path: Path, clock: FrozenClock) -> AsyncIterator[PageSite]:
    """Takes bodies of at most 1 MB."""
    web = WebConfig(tls=False, max_body_mb=1)
    async with open_page_site(tmp_path, clock, web=web) as site:
        yield site


async def test_a_csv_file_is_limited_like_any_body(small_hub: PageSite) -> None:
    admin = await FileSender.signed_in(small_hub)
    await admin.get("/cameras/add")
    assert (
        f'data-most="{1 << 20}" data-too-large="The file is too large. The limit is 1 MB."'
        in admin.text
    )
    await admin.send_file("/cameras/import", "file", "large.csv", bytes(2 << 20))
    assert "<span>The file is too large. The limit is 1 MB.</span>" in admin.text


async def test_a_file_that_is_not_text_is_refused(admin: FileSender) -> None:
    await admin.get("/cameras/add")
    await admin.send_file("/cameras/import", "file", "cameras.xls", b"\xd0\xcf\x11\xe0")
    assert "save it as “CSV UTF-8”" in admin.text


async def test_a_form_with_a_file_authenticates_its_user_once(
    admin: FileSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    await admin.get("/cameras/add")
    sessions, calls = admin.hub.services.access.sessions, 0
    user_of = sessions.user_of

    async def count(token: str) -> Any:
        nonlocal calls
        calls += 1
        return await user_of(token)

    monkeypatch.setattr(sessions, "user_of", count)
    await send_text(admin, "/cameras/import", CSV)
    assert (admin.response.status_code, calls) == (200, 1)


async def test_columns_that_are_missing_or_not_known_are_named(admin: FileSender) -> None:
    await admin.get("/cameras/add")
    await send_text(admin, "/cameras/import", "")
    assert "The column “Serial number” is missing" in admin.text
    await send_text(admin, "/cameras/import", "sn,安全码,颜色\nA,1,红\n")
    assert "The column “颜色” is not known. Remove it" in admin.text


async def test_a_table_of_a_chinese_spreadsheet_is_read(admin: FileSender) -> None:
    table = "序列号;安全码;摄像机名称\r\nA;1;大门\r\n".encode("gb18030")
    await admin.get("/cameras/add")
    await admin.send_file("/cameras/import", "file", "cameras.csv", table)
    assert "1 camera will be added" in admin.text
    assert ">大门</td>" in admin.text


@pytest.mark.parametrize(
    ("tag", "head"),
    [
        ("en", "Serial number,Security code,Device ID,Camera name,Public key"),
        ("zh", "序列号,安全码,设备编号,摄像机名称,公钥"),
    ],
)
async def test_a_template_is_offered_in_the_language_of_the_page(
    admin: FileSender, tag: str, head: str
) -> None:
    await admin.get("/cameras/import/template.csv", Accept_Language=tag)
    assert admin.text == f"\ufeff{head}\r\n"
    assert "attachment" in admin.response.headers["Content-Disposition"]


async def test_the_cameras_are_exported(admin: FileSender) -> None:
    await admin.get("/cameras/export.csv")
    assert admin.response.content_type == "text/csv; charset=utf-8"
    assert admin.text == "\ufeffsn,code,did,name,key\r\n"
    assert "attachment" in admin.response.headers["Content-Disposition"]
