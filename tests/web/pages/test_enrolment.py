"""Enrolment on the pages: a code tried while it is typed, many that knock, sheets, keys."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs

from hub.config import Web
from hub.errors import AlreadyExists, TooManyRequests
from hub.services.admission.provisioning import Delivery
from tests.support.browsing import Visitor
from tests.support.fake_services import CODE, FakeServices, device, waiting
from tests.support.file_sender import FileSender
from web.pages.cameras.pending_list import ROWS_PER_PAGE

PEM = "-----BEGIN PUBLIC KEY-----\nMIGf\n-----END PUBLIC KEY-----"


@pytest.fixture
def hub() -> FakeServices:
    return FakeServices()


@pytest.fixture
async def admin(hub: FakeServices) -> FileSender:
    visitor = FileSender(hub)
    await visitor.sign_in()
    return visitor


# Trying a code


async def tried(visitor: Visitor, **fields: str) -> dict[str, Any]:
    await visitor.send("/cameras/check", **fields)
    assert visitor.response.content_type == "application/json"
    answer: dict[str, Any] = json.loads(visitor.text)
    return answer


async def test_a_code_is_tried_while_it_is_typed(admin: Visitor) -> None:
    admin.hub.enrolment.knock(waiting("SN1"))
    await admin.get("/cameras")
    assert (await tried(admin, sn="SN1", code="1234"))["fits"] is False
    fits = await tried(admin, sn="SN1", code=CODE)
    assert fits == {"fits": True, "text": "Matches the camera's signature.", "more": ""}
    assert "SN1" in admin.hub.enrolment.rows
    assert admin.hub.accounts.audited == []


async def test_a_code_for_nobody_is_told_so(admin: Visitor) -> None:
    await admin.get("/cameras/connect")
    answer = await tried(admin, sn="NOBODY", code=CODE)
    assert answer["text"].startswith("This camera has not tried to connect recently")


async def test_who_tries_codes_too_fast_is_asked_to_wait(
    admin: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise TooManyRequests

    await admin.get("/cameras/connect")
    monkeypatch.setattr(admin.hub.enrolment, "check_code", refuse)
    await tried(admin, sn="SN1", code=CODE)
    assert admin.response.status_code == 429


@pytest.mark.parametrize("role", ["guard", "viewer"])
async def test_only_an_administrator_tries_codes(hub: FakeServices, role: str) -> None:
    visitor = Visitor(hub)
    await visitor.sign_in(role)
    hub.enrolment.knock(waiting("SN1"))
    for path in ("/cameras/check", "/cameras/import", "/cameras/connect/site-key/remove"):
        await visitor.send(path, sn="SN1", code=CODE, text="sn,code\n")
        assert visitor.response.status_code == 403, path
    for path in ("/cameras/import", "/cameras/export.csv", "/cameras/connect/site-key/remove"):
        await visitor.get(path)
        assert visitor.response.status_code == 403, path


async def test_no_code_is_tried_from_another_site(admin: Visitor) -> None:
    admin.hub.enrolment.knock(waiting("SN1"))
    await admin.send("/cameras/check", token="x", sn="SN1", code=CODE)
    assert admin.response.status_code == 403


# Who knocks


async def test_every_reason_and_how_often_it_tried_stand_beside_a_camera(admin: Visitor) -> None:
    row = waiting("SN1", "code-mismatch", "clock-off", seconds="28680", tries=12)
    admin.hub.enrolment.knock(structs.replace(row, slowed_until=row.last_seen + 30_000))
    await admin.get("/cameras/waiting")
    for words in (
        "The security code does not match",
        "Its clock is 7 h 58 min ahead",
        "Answers are delayed until",
        "12 attempts, last at",
    ):
        assert words in admin.text, words


async def test_a_clock_that_is_right_is_told_too(admin: Visitor) -> None:
    admin.hub.enrolment.knock(waiting("SN1"))
    await admin.get("/cameras/waiting")
    assert "clock: accurate" in admin.text


def many(hub: FakeServices, count: int) -> None:
    first = waiting("SN0")
    for number in range(count):
        row = structs.replace(waiting(f"SN{number:03}"), first_seen=first.first_seen + number)
        hub.enrolment.rows[row.sn] = row


async def test_hundreds_that_knock_come_a_page_at_a_time(admin: Visitor) -> None:
    many(admin.hub, 50)
    seen: list[str] = []
    path = "/cameras"
    for expected in (ROWS_PER_PAGE, ROWS_PER_PAGE, 10):
        await admin.get(path)
        rows = [part.split('"')[0] for part in admin.text.split('class="pending" data-key="')[1:]]
        assert len(rows) == expected
        seen += rows
        _, found, rest = admin.text.partition('data-key="next"><a class="button" href="')
        path = rest.split('"')[0].replace("&amp;", "&") if found else ""
    assert path == ""
    assert seen == [f"SN{number:03}" for number in reversed(range(50))]


async def test_one_of_hundreds_is_found_by_a_part_of_its_number(admin: Visitor) -> None:
    many(admin.hub, 300)
    await admin.get("/cameras?find=sn21")
    assert "10 of 300 waiting" in admin.text
    assert 'data-part="/cameras/waiting?back=%2Fcameras&amp;find=sn21"' in admin.text
    await admin.get("/cameras/waiting?back=/cameras&find=sn21")
    assert admin.text.count('class="pending"') == 10
    await admin.get("/cameras?find=nobody")
    assert "No waiting camera matches" in admin.text


async def test_a_page_that_no_longer_is_shows_the_first(admin: Visitor) -> None:
    many(admin.hub, 3)
    for after in ("x", "-", "x-SN001", "%D9%A3-SN1", "9" * 5000 + "-SN1"):
        await admin.get(f"/cameras?after={after}")
        assert admin.text.count('class="pending"') == 3, after


async def test_a_refused_acceptance_shows_though_the_camera_is_on_no_first_page(
    admin: Visitor,
) -> None:
    many(admin.hub, 50)
    await admin.get("/cameras")
    await admin.send("/cameras/accept", sn="SN001", code="wrong", name="My gate", back="/cameras")
    assert admin.response.status_code == 400
    assert 'value="My gate"' in admin.text


# Accepting


async def test_what_is_to_be_done_by_hand_is_told_after_accepting(admin: Visitor) -> None:
    admin.hub.devices.put(
        device("12", "Gate", "offline", init_outcome="refused with 404 no such uri")
    )
    await admin.get("/cameras?done=accepted-refused&did=12")
    for words in ("it answered “404 no such uri”", "enter this one on its web page", ">12<"):
        assert words in admin.text, words
    await admin.get("/cameras?done=accepted-taken&did=12")
    assert "enter this one" not in admin.text
    await admin.get("/cameras?done=accepted-refused&did=99")
    assert admin.response.status_code == 200


async def test_an_accepted_camera_that_is_still_kept_out_is_told_why(admin: Visitor) -> None:
    view = device("12", "Gate", "offline", waiting=waiting("SN1", "clock-off", seconds="-28680"))
    admin.hub.devices.put(view)
    await admin.get("/cameras/connect?done=accepted-taken&did=12")
    assert "It cannot connect yet. Its clock is 7 h 58 min behind" in admin.text


async def test_a_camera_that_knocks_takes_a_broken_ones_place(admin: Visitor) -> None:
    admin.hub.devices.put(device("12", "Gate", "offline"), device("13", "Bay", "online"))
    admin.hub.enrolment.knock(waiting("SN1"))
    await admin.get("/cameras")
    assert '<option value="12">Gate</option>' in admin.text
    assert '<option value="13">' not in admin.text
    await admin.send("/cameras/accept", sn="SN1", code=CODE, replaces="99", back="/cameras")
    assert "The camera to be replaced does not exist" in admin.text
    both = {"did": "12", "replaces": "12", "back": "/cameras"}
    await admin.send("/cameras/accept", sn="SN1", code=CODE, **both)
    assert "Leave the device ID (did) empty" in admin.text
    await admin.send("/cameras/accept", sn="SN1", code=CODE, replaces="12", back="/cameras")
    assert admin.goes_to == "/cameras?done=accepted-taken&did=12"
    assert admin.hub.devices.views["12"].sn == "SN1"
    assert admin.hub.accounts.audited == [("user admin", "device.accept", "12")]


# One camera


async def test_initial_parameters_are_sent_once_more(admin: Visitor) -> None:
    admin.hub.devices.put(device("1", "Gate", "online", init_outcome="no answer within 10 s"))
    await admin.get("/cameras/1/manage")
    assert "no response" in admin.text
    assert "enter this one on its web page" in admin.text
    admin.hub.enrolment.provisioning.delivery = Delivery("refused", "refused with 404")
    await admin.send("/cameras/1/init")
    assert admin.goes_to == "/cameras/1/manage?done=init-refused"
    assert admin.hub.enrolment.provisioning.sent == ["1"]
    assert admin.hub.accounts.audited == [("user admin", "device.init", "1")]


async def test_an_earlier_key_is_told_and_ended(admin: Visitor) -> None:
    admin.hub.devices.put(device("1", "Gate", "online", previous_key_until=1_795_608_000_000))
    await admin.get("/cameras/1/manage")
    assert "It has not signed with its new key yet" in admin.text
    await admin.send("/cameras/1/earlier-key")
    assert admin.goes_to == "/cameras/1/manage?done=earlier-key-dropped"
    assert admin.hub.devices.changed[-1][1].previous_key is None
    assert admin.hub.accounts.audited == [("user admin", "device.drop-earlier-key", "1")]


async def test_cameras_that_sign_with_the_earlier_site_key_are_counted(admin: Visitor) -> None:
    admin.hub.devices.key = PEM
    until = 1_795_608_000_000
    admin.hub.devices.put(
        device("1", "Gate", "online", previous_key_until=until),
        device("2", "Bay", "online", previous_key_until=until, has_own_key=True),
        device("3", "Roof", "online"),
    )
    await admin.get("/cameras/connect")
    assert "1 camera still uses the old key" in admin.text


async def test_removing_the_site_key_asks_once_and_says_whom_it_puts_out(admin: Visitor) -> None:
    admin.hub.devices.key = PEM
    admin.hub.devices.put(
        device("1", "Gate", "online"), device("2", "Bay", "online", has_own_key=True)
    )
    await admin.get("/cameras/connect/site-key/remove")
    assert "1 camera has no key of its own" in admin.text
    assert admin.hub.devices.key == PEM
    await admin.send("/cameras/connect/site-key/remove")
    assert admin.goes_to == "/cameras/connect?done=site-key-removed"
    assert admin.hub.devices.key is None
    assert admin.hub.accounts.audited == [("user admin", "site-key.remove", "")]


# Sheets

SHEET = "sn,code,did,name\nA,1,,North\nB,2,77,<East>\n"


async def send_text(admin: FileSender, path: str, text: str) -> None:
    await admin.send_file(path, "file", "", text=text)


async def test_a_sheet_is_looked_at_before_it_is_added(admin: FileSender) -> None:
    await admin.get("/cameras/import")
    await send_text(admin, "/cameras/import", SHEET)
    assert "2 cameras will be added" in admin.text
    for words in ("North", "&lt;East&gt;", "77", "assigned automatically", "no site key is set"):
        assert words in admin.text, words
    assert admin.hub.devices.views == {}
    await send_text(admin, "/cameras/import/add", SHEET)
    assert admin.goes_to == "/cameras?done=imported"
    assert {view.sn for view in admin.hub.devices.list()} == {"A", "B"}
    assert [action for _, action, _ in admin.hub.accounts.audited] == ["device.add"] * 2


@pytest.mark.parametrize("path", ["/cameras/import", "/cameras/import/add"])
async def test_every_bad_line_of_a_sheet_is_told_and_nothing_is_added(
    admin: FileSender, path: str
) -> None:
    admin.hub.devices.put(device("1", "Gate", "online"))
    await admin.get("/cameras/import")
    await send_text(admin, path, "sn,code,did\nA,1,\nA,1,\nB,,\nC,1,1\nD,1,,,,\n")
    assert admin.response.status_code == 400
    for words in (
        "4 lines have errors",
        "Same as in line 2: Serial number.",
        "The security code is missing",
        "Already used by another camera: Device ID (did).",
        "There are more values than columns.",
    ):
        assert words in admin.text, words
    assert "A,1," in admin.text
    assert list(admin.hub.devices.views) == ["1"]


async def test_a_number_that_was_just_given_away_is_told_in_the_visitors_words(
    admin: FileSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def import_csv(sheet: object) -> None:
        raise AlreadyExists("a device with did 77 is enrolled already", field="did")

    monkeypatch.setattr(admin.hub.devices, "import_csv", import_csv)
    await admin.get("/cameras/import")
    await send_text(admin, "/cameras/import/add", SHEET)
    assert admin.response.status_code == 400
    assert "There is already a camera with this device ID (did)." in admin.text


@pytest.mark.parametrize("as_file", [True, False])
async def test_a_sheet_of_two_thousand_cameras_with_names_is_added(
    admin: FileSender, as_file: bool
) -> None:
    rows = [f"Y3CA{n:011},AB12CD34,Camera {n} in the northern hall" for n in range(1, 2001)]
    sheet = "\r\n".join(["sn,code,name", *rows])
    await admin.get("/cameras/import")
    if as_file:
        await admin.send_file("/cameras/import", "file", "cameras.csv", sheet.encode("utf-8-sig"))
    else:
        await send_text(admin, "/cameras/import", sheet)
    assert "2000 cameras will be added" in admin.text
    await send_text(admin, "/cameras/import/add", sheet)
    assert admin.goes_to == "/cameras?done=imported"
    assert len(admin.hub.devices.views) == 2000


async def test_a_bad_line_far_down_is_named(admin: FileSender) -> None:
    rows = [f"SN{n},1" for n in range(5000)] + ["SN7,1"]
    await admin.get("/cameras/import")
    await send_text(admin, "/cameras/import", "\n".join(["sn,code", *rows]))
    assert '<th scope="row">5002</th>' in admin.text
    assert "Same as in line 9: Serial number." in admin.text


async def test_a_sheet_that_is_too_large_is_told_so_on_its_page(admin: FileSender) -> None:
    await admin.get("/cameras/import")
    await admin.send_file("/cameras/import", "file", "huge.csv", bytes(6 << 20))
    assert admin.response.status_code == 400
    assert "The file is too large. The limit is 4 MB." in admin.text


async def test_a_sheet_may_be_no_longer_than_any_body_may() -> None:
    admin = FileSender(FakeServices(web=Web(tls=False, max_body_mb=1)))
    await admin.sign_in()
    await admin.get("/cameras/import")
    assert (
        f'data-most="{1 << 20}" data-too-large="The file is too large. The limit is 1 MB."'
        in admin.text
    )
    await admin.send_file("/cameras/import", "file", "large.csv", bytes(2 << 20))
    assert "<span>The file is too large. The limit is 1 MB.</span>" in admin.text


async def test_a_file_that_is_no_text_is_told_so(admin: FileSender) -> None:
    await admin.get("/cameras/import")
    await admin.send_file("/cameras/import", "file", "cameras.xls", b"\xd0\xcf\x11\xe0")
    assert "save it as “CSV UTF-8”" in admin.text


@pytest.mark.parametrize("path", ["/cameras/import", "/cameras/import/add"])
async def test_a_sheet_from_another_site_is_not_taken(admin: FileSender, path: str) -> None:
    await admin.send_file(path, "file", "", text=SHEET, token="forged")
    assert admin.response.status_code == 403
    assert admin.hub.devices.views == {}


@pytest.mark.parametrize(("role", "status"), [("guard", 403), ("viewer", 403), ("", 303)])
@pytest.mark.parametrize("path", ["/cameras/import", "/cameras/import/add"])
async def test_only_an_administrator_adds_a_sheet(
    hub: FakeServices, path: str, role: str, status: int
) -> None:
    visitor = FileSender(hub)
    if role:
        await visitor.sign_in(role)
        await visitor.get("/account")
    await send_text(visitor, path, SHEET)
    assert visitor.response.status_code == status
    assert hub.devices.views == {}


async def test_a_sheet_without_columns_is_told_which_there_are(admin: FileSender) -> None:
    await admin.get("/cameras/import")
    await send_text(admin, "/cameras/import", "")
    assert "(sn,code,did,name,key). sn and code are required" in admin.text


async def test_the_cameras_are_exported(admin: FileSender) -> None:
    await admin.get("/cameras/export.csv")
    assert admin.response.content_type == "text/csv; charset=utf-8"
    assert admin.text == "\ufeffsn,code,did,name,key\r\n"
    assert "attachment" in admin.response.headers["Content-Disposition"]
