"""The people of the site: list, search, one person, adding, changing and removing."""

from __future__ import annotations

import re

import msgspec
import pytest

from hub.services.audit import COMMAND_LINE
from hub.store.people.person_rows import Person, PersonChange
from hub.wire.uploads.records import AccessDetail, FaceDetail
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer, photo

PORTRAIT = photo(size=(200, 240))
NUMBERS = {"id_card_no": "310101199001011234", "ic_card_no": "00112233", "phone": "13800001111"}


async def add_person(hub: PageSite, pid: str = "7", **fields: object) -> Person:
    change = msgspec.convert({"name": "王芳", **fields}, PersonChange)
    return await hub.services.people.register.add(change, by=COMMAND_LINE, pid=pid)


def shown_pids(text: str) -> list[str]:
    return re.findall(r'<tr data-key="(\d+)">', text)


# The list


async def test_an_empty_register_says_what_to_do_next(admin: Photographer) -> None:
    await admin.get("/people")
    for text in ("No people yet", 'href="/people/add"', 'href="/people/import"'):
        assert text in admin.text
    assert "Connect cameras" in admin.text


async def test_a_guard_is_told_who_can_add_people(guard: Photographer) -> None:
    await guard.get("/people")
    assert "An administrator has to add people first." in guard.text
    assert "/people/add" not in guard.text


async def test_a_viewer_sees_no_people(hub: PageSite, viewer: Photographer) -> None:
    await add_person(hub)
    for path in ("", "/table", "/7", "/7/photo"):
        await viewer.get(f"/people{path}")
        assert viewer.response.status_code == 403
    await viewer.get("/")
    assert 'href="/people"' not in viewer.text


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["7", "8", "9"]),
        ("?q=%E8%8A%B3", ["7"]),
        ("?q=w-8", ["8"]),
        ("?q=SALES", ["9"]),
        ("?category=2", ["8"]),
        ("?category=9", ["7", "8", "9"]),
        ("?after=7", ["8", "9"]),
        ("?q=nobody", []),
    ],
)
async def test_people_are_found_by_parts_of_name_and_number(
    hub: PageSite, guard: Photographer, query: str, found: list[str]
) -> None:
    await add_person(hub)
    await add_person(hub, "8", name="<Li>", work_id="W-8", category=2)
    await add_person(hub, "9", name="Ann", department="Sales")
    for path in ("/people", "/people/table"):
        await guard.get(path + query)
        assert shown_pids(guard.text) == found
    if not found:
        assert "No people match" in guard.text
    if "8" in found:
        assert "&lt;Li&gt;" in guard.text


async def test_people_of_a_group_are_found(hub: PageSite, guard: Photographer) -> None:
    group = await hub.services.people.groups.add("Gate", by=COMMAND_LINE)
    await add_person(hub)
    await add_person(hub, "8", groups=(group.id,))
    await guard.get(f"/people?group={group.id}")
    assert shown_pids(guard.text) == ["8"]
    assert f'<option value="{group.id}" selected>Gate' in guard.text


async def test_only_administrators_find_people_by_the_middle_of_a_personal_number(
    hub: PageSite, guard: Photographer, admin: Photographer
) -> None:
    await add_person(hub, **NUMBERS)
    for visitor, found in ((guard, []), (admin, ["7"])):
        await visitor.get("/people/table?q=0119900")
        assert shown_pids(visitor.text) == found
    await guard.get("/people/table?q=1234")
    assert shown_pids(guard.text) == ["7"]


async def test_a_long_list_is_paged_by_its_address(hub: PageSite, guard: Photographer) -> None:
    for number in range(1, 32):
        await add_person(hub, str(number), category=1 + number % 2)
    await guard.get("/people")
    assert len(shown_pids(guard.text)) == 30
    (following,) = re.findall(r'rel="next" href="([^"]+)"', guard.text)
    await guard.get(following)
    assert shown_pids(guard.text) == ["31"]
    assert "Back to the start of the list" in guard.text


async def test_the_list_weighs_less_than_100_kb(hub: PageSite, admin: Photographer) -> None:
    for number in range(1, 32):
        await add_person(hub, str(number), name="A long name of a person", work_id="W-123456")
    await admin.get("/people")
    assert await admin.weight("find.js", "parts.js", "stream.js") < 100_000


# One person


async def test_a_person_is_shown_with_masked_numbers(hub: PageSite, guard: Photographer) -> None:
    await add_person(hub, **NUMBERS, note="<b>", birth_year=1990, photo=None)
    await guard.get("/people/7")
    for text in ("王芳", "**************1234", "****2233", "*******1111", "1990", "&lt;b&gt;"):
        assert text in guard.text, text
    for number in NUMBERS.values():
        assert number not in guard.text
    assert "numbers=full" not in guard.text
    await guard.get("/people/7?numbers=full")
    assert NUMBERS["phone"] not in guard.text


async def test_an_administrator_sees_numbers_in_full_and_that_is_logged(
    hub: PageSite, admin: Photographer
) -> None:
    await add_person(hub, **NUMBERS)
    await admin.get("/people/7")
    assert NUMBERS["phone"] not in admin.text
    assert 'href="/people/7?numbers=full"' in admin.text
    before = await hub.audited()
    await admin.get("/people/7?numbers=full")
    for number in NUMBERS.values():
        assert number in admin.text
    assert (await hub.audited())[len(before) :] == [("user admin", "person.numbers", "7")]


async def test_the_last_sightings_of_a_person_are_shown(hub: PageSite, guard: Photographer) -> None:
    await add_person(hub)
    await guard.get("/people/7")
    assert "No camera has reported this person yet." in guard.text
    past = hub.clock.ms - 60_000
    seq = await hub.add_record(detail=FaceDetail(name="W. Fang", uuid="7"), occurred_at=past)
    await hub.add_record(detail=FaceDetail(name="Other", uuid="8"))
    await guard.get("/people/7")
    assert re.findall(r'href="/records/(\d+)"', guard.text) == [str(seq)]
    assert "Show 1 sighting</a>" in guard.text
    await hub.add_record(detail=FaceDetail(name="W. Fang", uuid="7"), occurred_at=past)
    await guard.get("/people/7")
    assert "Show all 2 sightings</a>" in guard.text


@pytest.mark.parametrize("pid", ["0", "x", "18446744073709551616", "8"])
async def test_who_is_not_in_the_register_has_no_page(admin: Photographer, pid: str) -> None:
    for path in ("", "/photo", "/edit", "/remove"):
        await admin.get(f"/people/{pid}{path}")
        assert admin.response.status_code == 404


# Adding


async def test_a_person_is_added_with_every_field_and_a_photo(
    hub: PageSite, admin: Photographer
) -> None:
    group = await hub.services.people.groups.add("Gate", by=COMMAND_LINE)
    await admin.get("/people/add")
    form = {
        **{"name": " 王芳 ", "pid": "4711", "category": "2", "gender": "2", "birth_year": "1990"},
        **{"department": "Sales", "work_id": "W-1", "note": "two\r\nlines", **NUMBERS},
        **{"valid_from": "2026-01-01T08:00", "valid_until": "2027-01-01T08:00"},
        **{"where": "groups", f"group-{group.id}": "1"},
    }
    await admin.send_photo("/people/add", PORTRAIT, **form)
    assert admin.goes_to == "/people/4711?done=person-in-register"
    person = await hub.services.people.register.get("4711")
    assert (person.name, person.category, person.gender, person.birth_year) == (
        "王芳",
        2,
        2,
        1990,
    )
    assert (person.age, person.everywhere, person.groups) == (None, False, (group.id,))
    assert (person.phone, person.note, person.has_photo) == ("13800001111", "two\nlines", True)
    # The site is in Shanghai: 8 hours ahead.
    assert (person.valid_from, person.valid_until) == (1_767_225_600_000, 1_798_761_600_000)
    await admin.get("/people/4711/photo")
    assert (await admin.response.get_data())[:2] == b"\xff\xd8"
    assert "no-cache" in admin.response.headers["Cache-Control"]


async def test_a_person_may_be_added_by_name_alone(hub: PageSite, admin: Photographer) -> None:
    await admin.get("/people/add")
    await admin.send_photo("/people/add", name="Ann", category="1")
    pid = admin.goes_to.removeprefix("/people/").partition("?")[0]
    person = await hub.services.people.register.get(pid)
    assert (person.name, person.everywhere, person.has_photo) == ("Ann", True, False)
    await admin.get(admin.goes_to)
    assert "There is no photo yet" in admin.text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("age", "151"),
        ("age", "x"),
        ("birth_year", "12"),
        ("pid", "abc"),
        ("valid_from", "soon"),
        ("department", "x" * 200),
        ("category", "7"),
    ],
)
async def test_a_wrong_value_is_marked_and_the_others_stay(
    hub: PageSite, admin: Photographer, field: str, value: str
) -> None:
    await admin.get("/people/add")
    form = {"name": "Ann", "category": "1", "work_id": "W-1", field: value}
    await admin.send_photo("/people/add", PORTRAIT, **form)
    assert admin.response.status_code == 400
    assert "It is marked below" in admin.text
    (marked,) = re.findall(r'id="person-([a-z_]+)"[^>]*aria-invalid="true"', admin.text)
    assert marked == field
    assert 'value="W-1"' in admin.text
    assert await hub.services.people.register.count() == 0


async def test_a_group_must_be_chosen_if_not_all_cameras(
    hub: PageSite, admin: Photographer
) -> None:
    await hub.services.people.groups.add("Gate", by=COMMAND_LINE)
    await admin.get("/people/add")
    await admin.send_photo("/people/add", name="Ann", category="1", where="groups")
    assert "Choose at least one group." in admin.text


async def test_a_taken_number_is_refused(hub: PageSite, admin: Photographer) -> None:
    await add_person(hub)
    await admin.get("/people/add")
    await admin.send_photo("/people/add", name="Ann", category="1", pid="7")
    assert admin.response.status_code == 409
    assert "There is already a person with this ID." in admin.text


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"not a picture", "cannot be used"), (photo(size=(60, 80)), "too small")],
)
async def test_a_photo_that_is_no_use_is_refused_with_the_reason(
    hub: PageSite, admin: Photographer, data: bytes, says: str
) -> None:
    await admin.get("/people/add")
    await admin.send_photo("/people/add", data, name="Ann", category="1")
    assert admin.response.status_code == 400
    assert says in admin.text
    assert "Choose the photo again" in admin.text
    assert await hub.services.people.register.count() == 0


async def test_the_face_of_a_record_is_added_without_sending_it_again(
    hub: PageSite, admin: Photographer
) -> None:
    hub.draw = lambda name, number: PORTRAIT
    seq = await hub.add_record(pictures=("face",))
    await admin.get(f"/records/{seq}")
    assert f'href="/people/add?from_record={seq}"' in admin.text
    await admin.get(f"/people/add?from_record={seq}")
    assert f'data-source="/media/{seq}/face.png"' in admin.text
    assert f'name="from_record" value="{seq}"' in admin.text
    await admin.send_photo("/people/add", name="Ann", category="1", from_record=str(seq))
    pid = admin.goes_to.removeprefix("/people/").partition("?")[0]
    assert (await hub.services.people.register.get(pid)).has_photo


async def test_a_record_that_is_gone_is_no_photo(admin: Photographer) -> None:
    await admin.get("/people/add?from_record=99")
    assert admin.response.status_code == 200
    assert "data-source" not in admin.text
    await admin.send_photo("/people/add", name="Ann", category="1", from_record="99")
    assert admin.response.status_code == 404
    assert "The picture no longer exists" in admin.text


# Changing and removing


async def test_a_person_is_changed_and_keeps_the_photo(hub: PageSite, admin: Photographer) -> None:
    await add_person(hub, **NUMBERS)
    await hub.services.people.register.change("7", PersonChange(photo=PORTRAIT), by=COMMAND_LINE)
    await admin.get("/people/7/edit")
    for text in (NUMBERS["phone"], 'value="王芳"', "This photo is kept"):
        assert text in admin.text
    assert ("user admin", "person.numbers", "7") in await hub.audited()
    await admin.send_photo("/people/7/edit", name="Wang Fang", category="3", phone="1")
    assert admin.goes_to == "/people/7?done=person-changed"
    person = await hub.services.people.register.get("7")
    assert (person.name, person.category, person.phone, person.has_photo) == (
        "Wang Fang",
        3,
        "1",
        True,
    )


async def test_the_photo_of_a_person_is_removed(hub: PageSite, admin: Photographer) -> None:
    await add_person(hub)
    await hub.services.people.register.change("7", PersonChange(photo=PORTRAIT), by=COMMAND_LINE)
    await admin.get("/people/7/edit")
    await admin.send_photo("/people/7/edit", name="Ann", category="1", remove_photo="yes")
    assert not (await hub.services.people.register.get("7")).has_photo


async def test_removing_asks_once_and_names_the_person(hub: PageSite, admin: Photographer) -> None:
    await add_person(hub)
    await admin.get("/people/7/remove")
    assert "Remove 王芳?" in admin.text
    await admin.send("/people/7/remove")
    assert admin.goes_to == "/people?done=person-removed"
    assert await hub.services.people.register.count() == 0


# Removing many


async def test_only_who_keeps_the_register_can_select_people(
    hub: PageSite, guard: Photographer, admin: Photographer
) -> None:
    await add_person(hub)
    for path in ("/people", "/people/table"):
        await guard.get(path)
        assert 'type="checkbox"' not in guard.text
        await admin.get(path)
        assert 'type="checkbox" name="pid" value="7"' in admin.text
    await guard.get("/people/remove?pid=7")
    assert guard.response.status_code == 403
    await guard.send("/people/remove", pid="7")
    assert guard.response.status_code == 403
    assert await hub.services.people.register.count() == 1


async def test_removing_many_asks_once_and_names_everybody(
    hub: PageSite, admin: Photographer
) -> None:
    for number in range(1, 13):
        await add_person(hub, str(number), name=f"<P{number}>", category=2)
    chosen = [str(number) for number in range(1, 11)]
    await admin.get("/people?q=p&category=2&after=0")
    await admin.get("/people/remove?q=p&category=2&" + "&".join(f"pid={pid}" for pid in chosen))
    assert "Remove 10 people?" in admin.text
    assert re.findall(r"<li>&lt;(P\d+)&gt; ", admin.text) == [f"P{pid}" for pid in chosen]
    assert 'href="/people?q=p&amp;category=2">Cancel' in admin.text
    hidden = re.findall(r'type="hidden" name="(pid|q|category)" value="(\w+)"', admin.text)
    assert hidden == [*(("pid", pid) for pid in chosen), ("q", "p"), ("category", "2")]
    before = await hub.audited()
    await admin.send("/people/remove", pid=chosen, q="p", category="2")
    assert admin.goes_to == "/people?q=p&category=2&done=people-removed"
    assert (await hub.audited())[len(before) :] == [
        ("user admin", "person.remove", pid) for pid in chosen
    ]
    await admin.get(admin.goes_to)
    assert "They were removed." in admin.text
    assert shown_pids(admin.text) == ["11", "12"]


async def test_people_whom_someone_else_has_removed_meanwhile_are_told_of(
    hub: PageSite, admin: Photographer
) -> None:
    for pid in ("7", "8", "9"):
        await add_person(hub, pid)
    register = hub.services.people.register
    await register.remove("8", by=COMMAND_LINE)
    await admin.get("/people/remove?pid=7&pid=8&pid=9")
    assert "Remove 2 people?" in admin.text
    assert "1 of those you selected is no longer in the register." in admin.text
    await register.remove("9", by=COMMAND_LINE)
    await admin.send("/people/remove", pid=["7", "9"])
    await admin.get(admin.goes_to)
    assert "some of them already by someone else" in admin.text
    assert await register.count() == 0
    await admin.get("/people/remove?pid=7&pid=8")
    assert admin.response.status_code == 404
    await admin.send("/people/remove", pid=["7", "9"])
    assert admin.response.status_code == 404


async def test_nobody_and_more_than_a_page_cannot_be_removed_at_once(
    hub: PageSite, admin: Photographer
) -> None:
    await add_person(hub, name="Ann")
    await add_person(hub, "8", name="Ben")
    many = [str(number) for number in range(1, 32)]
    for query in ("q=ann", "q=ann&" + "&".join(f"pid={pid}" for pid in many)):
        await admin.get(f"/people/remove?{query}")
        assert admin.response.status_code == 400
        assert "Select 1 to 30 people." in admin.text
        assert shown_pids(admin.text) == ["7"]
    await admin.send("/people/remove", pid=many)
    assert admin.response.status_code == 400
    assert await hub.services.people.register.count() == 2


# Beside what cameras said


async def test_a_card_shows_the_register_where_it_differs_from_the_camera(
    hub: PageSite, guard: Photographer
) -> None:
    await add_person(hub, category=2)
    seq = await hub.add_record(detail=FaceDetail(name="W. Fang", uuid="7", category=1))
    await guard.get("/")
    for text in ("W. Fang", "王芳", "card-black", "Whitelist", "Blacklist"):
        assert text in guard.text, text
    await guard.get(f"/records/{seq}")
    for text in ("W. Fang", 'href="/people/7">王芳', "In the register"):
        assert text in guard.text, text


async def test_a_card_says_once_what_register_and_camera_agree_on(
    hub: PageSite, guard: Photographer
) -> None:
    await add_person(hub, category=1)
    await hub.add_record(detail=FaceDetail(name="王芳", uuid="7", category=1))
    await guard.get("/")
    assert guard.text.count("王芳") == 1
    assert "card-known" not in guard.text


async def test_strangers_and_unknown_numbers_have_no_entry_of_the_register(
    hub: PageSite, guard: Photographer
) -> None:
    await add_person(hub)
    for uuid in (None, "0", "9223372036854775808", "8", "abc"):
        await hub.add_record(detail=FaceDetail(name="Somebody", uuid=uuid))
    await guard.get("/")
    assert "card-known" not in guard.text


async def test_a_live_card_shows_the_register_too(hub: PageSite, guard: Photographer) -> None:
    await add_person(hub)
    async with guard.listening("/stream") as events:
        assert (await events.next())[0] == "beat"
        await hub.add_record(detail=FaceDetail(name="W. Fang", uuid="7"))
        card = await events.next_of("card")
    assert "王芳" in card["html"]


async def test_viewers_see_what_cameras_report_and_nothing_of_the_register(
    hub: PageSite, guard: Photographer, viewer: Photographer
) -> None:
    await add_person(hub, category=1)
    seq = await hub.add_record(detail=FaceDetail(name="W. Fang", uuid="7", category=1))
    passed = await hub.add_record("access", AccessDetail(uuid="7"))
    for path in (
        "/",
        f"/records/{seq}",
        f"/records/{passed}",
        "/wall",
        "/search",
        "/search?uuid=7",
    ):
        await guard.get(path)
        assert "王芳" in guard.text, path
        await viewer.get(path)
        assert viewer.response.status_code == 200, path
        for text in ("王芳", "card-known", "/people/7"):
            assert text not in viewer.text, (path, text)
    await viewer.get("/")
    assert "W. Fang" in viewer.text
    async with viewer.listening("/stream") as events:
        assert (await events.next())[0] == "beat"
        await hub.add_record(detail=FaceDetail(name="W. Fang", uuid="7"))
        card = await events.next_of("card")
    assert "W. Fang" in card["html"]
    assert "王芳" not in card["html"]


async def test_viewers_see_whom_an_alarm_names(hub: PageSite, viewer: Photographer) -> None:
    """Also where the camera sent a number alone: the screen is there for that."""
    await add_person(hub, category=2)
    await hub.add_record("access", AccessDetail(uuid="7"))
    for path in ("/", "/alarms", "/wall"):
        await viewer.get(path)
        assert "王芳" in viewer.text, path
        assert "/people/7" not in viewer.text, path
