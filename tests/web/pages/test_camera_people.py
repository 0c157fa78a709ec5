"""The people on a camera: the list, one person, adding and deleting."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import msgspec
import pytest
from PIL import Image

from hub.errors import DeviceLeft, DeviceRefused, DeviceSilent, HubError
from hub.live.registry import DeviceAnswer
from hub.simulator.faults import Quirks
from hub.wire.commands.answers import Person as PersonRow
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.param_structs import PersonAdd
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer, photo
from tests.support.simulated_link import SimulatedLink, ok_answer

PERSON = {
    "pid": "123456",
    "name": "<张三>",
    "work_id": "10091",
    "id_card_no": "310101199001011234",
    "department": "市场部",
    "photo": "data/facelib/19017 a&b.jpg",
    "phone": "13800001111",
    "gender": 2,
    "age": 27,
    "category": 2,
}
FORM = {"name": "Maria", "pid": "4711", "category": "3", "gender": "2", "age": "34"}


@pytest.fixture
async def guard(guard: Photographer, camera: SimulatedLink) -> Photographer:
    return guard


@pytest.fixture
async def admin(admin: Photographer, camera: SimulatedLink) -> Photographer:
    return admin


# The list


async def test_people_are_listed_as_the_camera_lists_them(
    guard: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(total=1, list=[PERSON])
    await guard.get("/cameras/1/people/list")
    assert camera.asked == [("/person/list", {"page_num": 1, "page_size": 32})]
    for text in (
        "&lt;张三&gt;",
        "123456",
        "Blacklist",
        'href="/cameras/1/people/123456"',
        "1 of 1",
    ):
        assert text in guard.text, text
    assert 'src="/media/device/1?path=data%2Ffacelib%2F19017%20a%26b.jpg"' in guard.text


async def test_the_filters_are_sent_and_kept(admin: Photographer, camera: SimulatedLink) -> None:
    camera.outcome = ok_answer(total=0, list=[])
    await admin.get("/cameras/1/people/list?name=%E5%BC%A0&workId=7&idCard=3&phone=136&category=2")
    assert camera.asked[0][1] == {
        "page_num": 1,
        "page_size": 32,
        "name": "张",
        "workId": "7",
        "idCard": "3",
        "phone": "136",
        "category": 2,
    }
    assert 'name="phone" value="136"' in admin.text
    assert '<option value="2" selected>Blacklist' in admin.text
    assert "No one on the camera matches" in admin.text


async def test_a_guard_does_not_search_by_personal_numbers(
    guard: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(total=0, list=[])
    await guard.get("/cameras/1/people/list?idCard=3&phone=136&workId=7")
    sent = camera.asked[0][1]
    assert sent["workId"] == "7"
    assert not {"idCard", "phone"} & set(sent)
    assert 'name="workId" value="7"' in guard.text
    assert 'name="phone"' not in guard.text


@pytest.mark.parametrize(
    ("query", "says"), [("category=7", "no such list"), (f"name={'x' * 129}", "at most 128")]
)
async def test_an_invalid_filter_is_not_sent(
    guard: Photographer, camera: SimulatedLink, query: str, says: str
) -> None:
    await guard.get(f"/cameras/1/people/list?{query}")
    assert guard.response.status_code == 400
    assert says in guard.text
    assert camera.asked == []


async def test_a_long_list_is_paged_by_its_address(hub: PageSite) -> None:
    camera = await hub.connect()
    for n in range(70):
        camera.state.people.add(msgspec.convert({**PERSON, "pid": str(n + 1)}, PersonRow), b"")
    guard = await Photographer.signed_in(hub, "guard")
    await guard.get("/cameras/1/people/list?category=2")
    seen = re.findall(r'href="/cameras/1/people/(\d+)"', guard.text)
    (more,) = re.findall(r'href="(\?[^"]*)" rel="next"', guard.text)
    assert "category=2" in more
    await guard.get("/cameras/1/people/list" + more.replace("&amp;", "&"))
    seen += re.findall(r'href="/cameras/1/people/(\d+)"', guard.text)
    assert len(seen) == len(set(seen)) >= 70
    assert "Back to the start" in guard.text
    assert 'rel="next"' not in guard.text


async def test_an_invalid_pid_has_no_page(guard: Photographer, camera: SimulatedLink) -> None:
    camera.outcome = ok_answer(
        total=1, list=[{**PERSON, "pid": "../1", "name": None, "category": None}]
    )
    await guard.get("/cameras/1/people/list")
    assert "No name" in guard.text
    assert "people/.." not in guard.text
    for pid in ("0", "x", "18446744073709551616", "١"):
        await guard.get(f"/cameras/1/people/{pid}")
        assert guard.response.status_code == 404


async def test_a_camera_without_people_says_so(guard: Photographer, camera: SimulatedLink) -> None:
    camera.outcome = ok_answer(total=0, list=[])
    await guard.get("/cameras/1/people/list")
    assert "no people on the camera yet" in guard.text


@pytest.mark.parametrize("path", ["people/list", "people/123456", "people/123456/delete"])
@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (DeviceSilent("x"), "did not respond in time"),
        (DeviceLeft("x"), "disconnected before it responded"),
        (DeviceRefused(426, "no <such>"), "“no &lt;such&gt;” (code 426)"),
        (ok_answer(list="none"), "could not be interpreted"),
    ],
)
async def test_a_device_error_is_shown_as_a_sentence(
    admin: Photographer,
    camera: SimulatedLink,
    path: str,
    outcome: HubError | DeviceAnswer,
    sentence: str,
) -> None:
    camera.outcome = outcome
    await admin.get(f"/cameras/1/{path}")
    assert admin.response.status_code == 200
    assert sentence in admin.text


async def test_a_form_for_an_offline_camera_says_so_first(hub: PageSite) -> None:
    await hub.enrol("Bay", did="2")
    admin = await Photographer.signed_in(hub, "admin")
    await admin.get("/cameras/2/people/list")
    assert "The camera is not connected" in admin.text.partition("</form>")[2]


# One person


async def test_a_person_is_shown_with_all_fields_of_the_camera(
    guard: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(**PERSON)
    await guard.get("/cameras/1/people/123456")
    assert camera.asked == [("/person/query", {"pid": "123456"})]
    for text in (
        "&lt;张三&gt;",
        "Blacklist",
        "10091",
        "**************1234",
        "市场部",
        "*******1111",
        "Female",
        "<dd>27</dd>",
        "path=data%2Ffacelib%2F19017%20a%26b.jpg",
    ):
        assert text in guard.text, text
    assert "IC card number" not in guard.text
    assert "Delete" not in guard.text


async def test_an_administrator_sees_the_numbers_of_one_person_which_is_audited(
    admin: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(**PERSON)
    await admin.get("/cameras/1/people/123456")
    for number in ("310101199001011234", "13800001111"):
        assert number in admin.text
    (entry,) = await admin.hub.services.core.audit.newest(limit=1)
    assert (entry.action, entry.target) == ("device.person_numbers", "1")
    camera.outcome = ok_answer(total=1, list=[PERSON])
    await admin.get("/cameras/1/people")
    assert "310101199001011234" not in admin.text
    assert (await admin.hub.services.core.audit.newest(limit=1)) == (entry,)


async def test_unknown_fields_of_a_person_are_left_out(
    guard: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(pid="5", age=0, gender=9, category=0)
    await guard.get("/cameras/1/people/5")
    for text in ("No name", "Stranger", "Unknown (9)"):
        assert text in guard.text
    for text in ("<img", "Age", "None"):
        assert text not in guard.text


# Adding


async def test_each_field_is_described_by_an_existing_element(admin: Photographer) -> None:
    await admin.get("/cameras/1/people/list")
    described = re.findall('aria-describedby="([^"]+)"', admin.text)
    assert "person-age-hint" in described
    assert set(described) <= set(re.findall('id="([^"]+)"', admin.text))


@pytest.mark.parametrize("page", ["captures", "people/list"])
async def test_a_list_of_cards_has_a_heading(guard: Photographer, page: str) -> None:
    await guard.get(f"/cameras/1/{page}")
    assert re.findall("<(h[1-6])", guard.text)[:3] == ["h1", "h2", "h3"]


async def test_a_person_is_added_with_every_field(
    admin: Photographer, camera: SimulatedLink
) -> None:
    await admin.get("/cameras/1/people")
    further = {
        "department": "Logistics",
        "work_id": "W-9",
        "id_card_no": "310",
        "ic_card_no": "99",
        "phone": "138",
    }
    await admin.send_photo("/cameras/1/people/add", photo("PNG"), **FORM, **further)
    assert admin.goes_to == "/cameras/1/people/4711?done=person-added"
    uri, sent = camera.asked[1]
    jpeg = base64.b64decode(sent.pop("photo"), validate=True)
    assert Image.open(io.BytesIO(jpeg)).format == "JPEG"
    assert uri == "/person/add"
    assert sent == {**FORM, **further, "category": 3, "gender": 2, "age": 34}
    # Without the number of the person: an erasure could not reach it there.
    assert await admin.hub.audited() == [("user admin", "device.person_add", "1")]
    await admin.get(admin.goes_to)
    assert "The person was added to the camera" in admin.text
    assert "Maria" in admin.text


async def test_a_person_is_replaced_only_after_confirmation(
    admin: Photographer, camera: SimulatedLink
) -> None:
    await admin.get("/cameras/1/people")
    taken = {**FORM, "pid": "100001"}
    await admin.send_photo("/cameras/1/people/add", photo(), **taken)
    assert admin.response.status_code == 409
    assert "ID 100001 already belongs to 王秀英" in admin.text
    assert 'value="Maria"' in admin.text
    assert [uri for uri, _ in camera.asked] == ["/person/query"]
    assert await admin.hub.audited() == []
    await admin.send_photo("/cameras/1/people/add", photo(), **taken, replace="yes")
    assert admin.goes_to == "/cameras/1/people/100001?done=person-added"
    assert camera.asked[-1][0] == "/person/add"


async def test_a_photo_may_be_larger_than_other_forms(
    admin: Photographer, camera: SimulatedLink
) -> None:
    picture = Image.effect_noise((1600, 1200), 90)
    out = io.BytesIO()
    picture.save(out, "PNG")
    assert out.tell() > 1_500_000
    await admin.get("/cameras/1/people")
    await admin.send_photo("/cameras/1/people/add", out.getvalue(), **FORM)
    assert admin.goes_to
    assert len(base64.b64decode(camera.asked[1][1]["photo"])) <= 1_000_000


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"pid": "0"}, "A whole number from 1 to 18446744073709551615."),
        ({"pid": "18446744073709551616"}, "A whole number from 1 to 18446744073709551615."),
        ({"pid": ""}, "A whole number from 1 to 18446744073709551615."),
        ({"name": ""}, "1 to 128 characters, without line breaks."),
        ({"name": "a\nb"}, "1 to 128 characters, without line breaks."),
        ({"department": "x" * 129}, "At most 128 characters, without line breaks."),
        ({"age": "151"}, "A whole number from 0 to 150."),
        ({"age": "old"}, "A whole number from 0 to 150."),
        ({"category": "5"}, "Choose one of the options."),
        ({"gender": ""}, "Choose one of the options."),
    ],
)
async def test_an_invalid_value_is_marked_and_nothing_is_sent(
    admin: Photographer, camera: SimulatedLink, wrong: dict[str, str], fault: str
) -> None:
    await admin.get("/cameras/1/people")
    await admin.send_photo("/cameras/1/people/add", photo(), **{**FORM, **wrong})
    assert admin.response.status_code == 400
    ((field, _),) = wrong.items()
    after = admin.text.split(f'id="person-{field}"')[1]
    assert after.split("</small>")[0].endswith(f'class="wrong">{fault}')
    assert 'aria-invalid="true"' in after.split(">")[0]
    assert admin.text.count('aria-invalid="true"') == 1
    assert 'data-expected="' + fault in after
    assert "It is marked below" in admin.text
    assert "Choose the photo again" in admin.text
    assert camera.asked == []
    assert await admin.hub.audited() == []


async def test_the_form_has_every_field_with_the_bounds_of_the_wire(admin: Photographer) -> None:
    await admin.get("/cameras/1/people/list")
    for name, bound in field_specs(PersonAdd).items():
        form = admin.text.partition('id="add"')[2]
        (field,) = re.findall(rf'<(?:input|select)[^>]* name="{name}"[^>]*>', form)
        assert (" required" in field) == bound.required, field
        if bound.kind == "integer" and "<select" not in field:
            assert f'min="{bound.least}" max="{bound.most}"' in field
        if bound.kind == "text":
            assert f'maxlength="{bound.most}"' in field


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "Choose a photo."),
        (b"no picture", "This file cannot be used"),
        (photo("PNG")[:60], "The picture is damaged"),
    ],
)
async def test_an_unusable_photo_is_explained(
    admin: Photographer, camera: SimulatedLink, data: bytes, fault: str
) -> None:
    await admin.get("/cameras/1/people")
    await admin.send_photo("/cameras/1/people/add", data, **FORM)
    assert admin.response.status_code == 400
    assert fault in admin.text
    assert 'value="Maria"' in admin.text
    assert camera.asked == []


async def test_a_photo_that_is_too_large_is_refused(
    admin: Photographer, camera: SimulatedLink
) -> None:
    await admin.get("/cameras/1/people/list")
    assert f'data-most="{(16 << 20) - (64 << 10)}"' in admin.text
    await admin.send_photo("/cameras/1/people/add", bytes(16 << 20), **FORM)
    assert admin.response.status_code == 413
    assert "The file is too large. The limit is 16 MB." in admin.text
    assert {uri for uri, _ in camera.asked} == {"/person/list"}


@pytest.mark.parametrize(
    ("outcome", "sentence", "audited"),
    [
        (DeviceRefused(420, "no face"), "“no face” (code 420)", True),
        (DeviceSilent("x"), "The change may have been made anyway", True),
        (DeviceLeft("x"), "The change may have been made anyway", True),
    ],
)
async def test_a_person_that_a_camera_refuses_keeps_the_form(
    admin: Photographer,
    camera: SimulatedLink,
    outcome: HubError,
    sentence: str,
    audited: bool,
) -> None:
    camera.outcome = outcome
    await admin.get("/cameras/1/people")
    await admin.send_photo("/cameras/1/people/add", photo(), **FORM)
    assert sentence in admin.text
    assert 'value="Maria"' in admin.text
    assert bool(await admin.hub.audited()) == audited


async def test_a_form_without_a_file_part_is_explained(
    admin: Photographer, camera: SimulatedLink
) -> None:
    await admin.get("/cameras/1/people")
    await admin.send("/cameras/1/people/add", **FORM)
    assert admin.response.status_code == 400
    assert "The form could not be read" in admin.text


# Deleting


async def test_deleting_asks_once_and_names_the_person_and_the_camera(
    admin: Photographer, camera: SimulatedLink
) -> None:
    pid = next(iter(camera.state.people))
    name = camera.state.people[pid].row.name
    await admin.get(f"/cameras/1/people/{pid}")
    assert f'href="/cameras/1/people/{pid}/delete"' in admin.text
    await admin.get(f"/cameras/1/people/{pid}/delete")
    assert f"Delete person {pid} from Gate?" in admin.text
    assert admin.text.index(str(name)) < admin.text.index('class="button button-bad"')
    await admin.send(f"/cameras/1/people/{pid}/delete")
    assert admin.goes_to == "/cameras/1/people/list?done=person-deleted"
    assert camera.asked[-1] == ("/person/delete", {"pid": pid})
    assert pid not in camera.state.people
    assert await admin.hub.audited() == [("user admin", "device.person_delete", "1")]
    await admin.get(admin.goes_to)
    assert "The person was deleted from the camera" in admin.text


async def test_a_failed_deletion_is_shown_as_a_sentence(
    admin: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = DeviceRefused(500, "busy")
    await admin.get("/cameras/1/people/7/delete")
    await admin.send("/cameras/1/people/7/delete")
    assert admin.response.status_code == 502
    assert "“busy” (code 500)" in admin.text
    assert "Delete person 7 from Gate?" in admin.text
    # One for the page, one to delete: the page with the refusal asks nothing.
    assert [uri for uri, _ in camera.asked] == ["/person/query", "/person/delete"]


# Roles


@pytest.mark.parametrize(
    ("role", "path", "status"),
    [
        ("viewer", "people", 403),
        ("viewer", "people/1", 403),
        ("guard", "people/1/delete", 403),
        ("guard", "people", 200),
    ],
)
async def test_guards_can_view_and_administrators_can_change(
    hub: PageSite, camera: SimulatedLink, role: str, path: str, status: int
) -> None:
    visitor = await Photographer.signed_in(hub, role)
    await visitor.get(f"/cameras/1/{path}")
    assert visitor.response.status_code == status
    await visitor.get("/cameras/1/recordings")
    assert ("/cameras/1/people" in visitor.text) == (role != "viewer")


async def test_no_large_body_is_read_before_the_role_is_checked(
    hub: PageSite, camera: SimulatedLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: Any) -> None:
        raise AssertionError("it was read")

    monkeypatch.setattr("web.quart_app.RequestBody.read", read)
    for visitor in (Photographer(hub), await Photographer.signed_in(hub, "viewer")):
        await visitor.send_photo("/cameras/1/people/who", bytes(1 << 20), token="x")
        assert visitor.response.status_code in (303, 403)


async def test_faulty_answers_leave_the_page_readable(hub: PageSite) -> None:
    guard = await Photographer.signed_in(hub, "guard")
    for number, quirks in enumerate(
        (Quirks(results="huge"), Quirks(results="missing"), Quirks(pages="endless")), 2
    ):
        await hub.connect("Gate", quirks, did=str(number))
        await guard.get(f"/cameras/{number}/people/list")
        assert guard.response.status_code == 200
        assert guard.text.rstrip().endswith("</html>")
