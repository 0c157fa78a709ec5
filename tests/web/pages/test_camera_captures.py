"""The captures on a camera: faces (1.10) and pedestrians (1.11)."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

import msgspec
import pytest

from hub.errors import DeviceRefused, TooManyRequests
from hub.live.registry import DeviceAnswer
from hub.services.audit import COMMAND_LINE
from hub.simulator.faults import Quirks
from hub.store.people.person_rows import PersonChange, PersonName
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from tests.support.simulated_link import SimulatedLink, ok_answer

RANGE = "from=2026-11-20T00:00&until=2026-11-25T23:59:59"


FACE = {
    "name": "张三",
    "similarity": 80,
    "gender": 2,
    "age": 27,
    "time": "2026-11-24 14:27:41",
    "jpeg_url_face": "sdcard/20261124/14/2741_1.jpg",
    "jpeg_url_frame": "sdcard/20261124/14/2741_1 bg&.jpg",
}


@pytest.fixture
async def guard(guard: Visitor, camera: SimulatedLink) -> Visitor:
    return guard


@pytest.mark.parametrize("age", [0, -1, None])
async def test_an_unknown_age_is_not_shown(
    guard: Visitor, camera: SimulatedLink, age: int | None
) -> None:
    camera.outcome = ok_answer(face_total=1, face_list=[{**FACE, "age": age}])
    await guard.get(f"/cameras/1/captures?{RANGE}")
    assert "80% match" in guard.text
    assert "years" not in guard.text


async def test_faces_are_shown_with_their_pictures(guard: Visitor, camera: SimulatedLink) -> None:
    camera.outcome = ok_answer(face_total=1, face_list=[FACE])
    await guard.get(f"/cameras/1/captures?{RANGE}")
    for text in ("张三", "80% match · female · 27 years old", "24 Nov 2026 14:27:41", "1 of 1"):
        assert text in guard.text, text
    picture = "/media/device/1?path=sdcard%2F20261124%2F14%2F2741_1.jpg"
    assert f'<img src="{picture}" alt="" width="320" height="320" loading="lazy"' in guard.text
    assert "2741_1%20bg%26.jpg" in guard.text


@pytest.mark.parametrize("kind", ["faces", "people"])
async def test_the_registers_name_and_category_are_shown_where_they_differ(
    hub: PageSite, guard: Visitor, camera: SimulatedLink, kind: str
) -> None:
    for pid, name, category in (("7", "Ann Smith", 2), ("8", "Bob", 1)):
        change = PersonChange(name=name, category=category)
        await hub.services.people.register.put(pid, change, by=COMMAND_LINE)
    rows = [
        {"time": "1", "name": "Ann S", "pid": "007", "category": 1},
        {"time": "2", "name": "Bob", "uuid": 8, "category": 1},
        {"time": "3", "pid": "8"},
        {"time": "4", "name": "Eve", "pid": "9223372036854775808"},
    ]
    name = "face_list" if kind == "faces" else "list"
    camera.outcome = ok_answer(**{name: rows})  # type: ignore[arg-type]
    await guard.get(f"/cameras/1/captures?kind={kind}&{RANGE}")
    eve, eight, bob, ann = guard.text.split("<article")[1:]
    assert re.search("<h3>Ann S</h3>.*In the register: </span><span>Ann Smith<", ann, re.DOTALL)
    assert ("Whitelist" in ann, "Blacklist" in ann) == (True, True)
    assert "<h3>Bob</h3>" in bob
    assert "In the register" not in bob
    assert re.search("Person 8</h3>.*In the register: </span><span>Bob<", eight, re.DOTALL)
    assert "In the register" not in eve


async def test_captures_are_shown_also_if_the_register_cannot_be_read_now(
    hub: PageSite, guard: Visitor, camera: SimulatedLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def names(uuids: Collection[str]) -> dict[str, PersonName]:
        raise TooManyRequests("too many queries at once")

    monkeypatch.setattr(hub.services.people.register, "names", names)
    camera.outcome = ok_answer(face_total=1, face_list=[{**FACE, "pid": "7"}])
    await guard.get(f"/cameras/1/captures?{RANGE}")
    assert "张三" in guard.text
    assert "</html>" in guard.text


async def test_a_capture_of_a_stranger_without_pictures_is_shown(
    guard: Visitor, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(face_total=1, face_list=[{"time": "<now>", "gender": 0}])
    await guard.get(f"/cameras/1/captures?{RANGE}")
    assert "Stranger" in guard.text
    assert "&lt;now&gt;" in guard.text
    assert "<img" not in guard.text


async def test_the_filters_are_sent_and_kept(admin: Visitor, camera: SimulatedLink) -> None:
    camera.outcome = ok_answer(face_total=0, face_list=[])
    await admin.get(f"/cameras/1/captures?{RANGE}&name=%E5%BC%A0%E4%B8%89&workId=&phone=136")
    uri, sent = camera.asked[0]
    assert uri == "/ivp/face/get_cap_history"
    assert sent == {
        "start_time": "2026-11-20 00:00:00",
        "end_time": "2026-11-25 23:59:59",
        "page_num": 1,
        "page_size": 32,
        "name": "张三",
        "phone": "136",
    }
    assert 'name="phone" value="136"' in admin.text
    assert "fewer filters" in admin.text


async def test_a_guard_does_not_search_by_personal_numbers(
    guard: Visitor, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(face_total=0, face_list=[])
    await guard.get(f"/cameras/1/captures?{RANGE}&phone=136&workId=7")
    sent = camera.asked[0][1]
    assert sent["workId"] == "7"
    assert not {"idCard", "phone"} & set(sent)
    assert 'name="workId" value="7"' in guard.text
    assert 'name="phone"' not in guard.text


async def test_pedestrians_are_requested_without_filters(
    guard: Visitor, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(total=1, list=[{"time": "2026-11-24 14:27:41"}])
    await guard.get(f"/cameras/1/captures?kind=people&{RANGE}&name=x")
    uri, sent = camera.asked[0]
    assert uri == "/person/get_cap_history"
    assert sent["page_num"] == 0
    assert "name" not in sent
    assert 'name="phone"' not in guard.text
    assert "24 Nov 2026 14:27:41" in guard.text


async def test_the_default_is_today_in_the_sites_time_zone(
    guard: Visitor, camera: SimulatedLink
) -> None:
    await guard.get("/cameras/1/captures")
    sent = camera.asked[0][1]
    assert (sent["start_time"], sent["end_time"]) == (
        "2026-11-25 00:00:00",
        "2026-11-25 23:59:59",
    )


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("from=yesterday", "Enter two times, the earlier one first."),
        ("from=2026-11-25T10:00&until=2026-11-25T09:00", "Enter two times"),
        ("from=2026-02-31T10:00&until=2026-11-25T09:00", "Enter two times"),
        (f"{RANGE}&name={'x' * 129}", "Name: at most 128 characters"),
        (f"{RANGE}&name=1%0A2", "Name: at most 128 characters, without line breaks"),
    ],
)
async def test_an_invalid_search_is_explained_in_the_form(
    guard: Visitor, camera: SimulatedLink, query: str, sentence: str
) -> None:
    await guard.get(f"/cameras/1/captures?{query}")
    assert guard.response.status_code == 400
    assert sentence in guard.text
    assert camera.asked == []
    assert guard.text.rstrip().endswith("</html>")


@pytest.mark.parametrize("first_page", [0, 1])
@pytest.mark.parametrize("kind", ["faces", "people"])
async def test_a_long_list_is_paged_to_its_end(hub: PageSite, kind: str, first_page: int) -> None:
    await hub.connect("Gate", Quirks(first_page=first_page))
    guard = await Visitor.signed_in(hub, "guard")
    address, times = f"/cameras/1/captures?kind={kind}&{RANGE}", list[str]()
    for _ in range(40):
        await guard.get(address)
        times += re.findall(r"<time>([^<]+)</time>", guard.text)
        more = re.search(r'href="(\?[^"]+)" rel="next"', guard.text)
        if more is None:
            break
        address = "/cameras/1/captures" + more[1].replace("&amp;", "&")
    assert times == sorted(times, reverse=True)
    total = re.search(r"(\d+) of (\d+)", guard.text)
    assert total
    assert len(times) == int(total[1]) == int(total[2]) > 64


async def test_a_full_page_weighs_less_than_100_kb(guard: Visitor, camera: SimulatedLink) -> None:
    await guard.get(f"/cameras/1/captures?{RANGE}")
    assert 16 <= guard.text.count("<article") <= 64
    assert await guard.weight() < 100_000


@pytest.mark.parametrize(
    "page",
    [
        "?page=x",
        "?page=-1",
        "?page=12345678",
        "?page=2&read=x",
        "?page=2&last=x",
        "?page=2&last=AAA=",
        "?page=2&last=%FF",
    ],
)
async def test_an_invalid_list_position_is_the_start(guard: Visitor, page: str) -> None:
    await guard.get(f"/cameras/1/captures{page}&{RANGE}")
    assert guard.response.status_code == 200


async def test_a_camera_that_lists_the_newest_first_is_read_in_its_own_pages(
    guard: Visitor, camera: SimulatedLink
) -> None:
    asked = camera.request
    times = [f"2026-11-24 14:{59 - n // 60:02}:{59 - n % 60:02}" for n in range(96)]

    async def request(uri: str, param: Any, **more: Any) -> DeviceAnswer:
        page = msgspec.json.decode(param)["page_num"]
        rows = [{**FACE, "time": time} for time in times[(page - 1) * 32 :][:32]]
        camera.outcome = ok_answer(face_total=96, face_list=rows)
        if page == 3:
            camera.outcome = DeviceRefused(500, "card error")
        return await asked(uri, param, **more)

    camera.request = request  # type: ignore[method-assign]
    await guard.get(f"/cameras/1/captures?{RANGE}")
    assert re.findall(r"<time>([^<]+)</time>", guard.text) == [
        f"24 Nov 2026 {time[11:]}" for time in times[:64]
    ]
    more = re.search(r'href="(\?[^"]+)" rel="next"', guard.text)
    assert more
    await guard.get("/cameras/1/captures" + more[1].replace("&amp;", "&"))
    assert "card error" in guard.text
    assert [param["page_num"] for _, param in camera.asked] == [1, 2, 3]


@pytest.mark.parametrize(
    "position", ["before=x&seconds=1&read=1", "before=2026-11-24T00:00:00&seconds=-1&read=1"]
)
async def test_an_invalid_time_to_continue_from_is_the_start(guard: Visitor, position: str) -> None:
    await guard.get(f"/cameras/1/captures?{RANGE}&{position}")
    assert guard.response.status_code == 200
    assert "Back to the start of the list" not in guard.text


async def test_a_picture_of_a_capture_is_read_from_the_camera(
    guard: Visitor, camera: SimulatedLink
) -> None:
    await guard.get(f"/cameras/1/captures?{RANGE}")
    found = re.search(r'<img src="([^"]+)"', guard.text)
    assert found
    response = await guard._client.get(found[1])
    assert response.status_code == 200
    assert response.content_type == "image/jpeg"


async def test_captures_are_not_for_viewers(hub: PageSite) -> None:
    await hub.connect()
    viewer = await Visitor.signed_in(hub, "viewer")
    await viewer.get("/cameras/1")
    assert "/cameras/1/captures" not in viewer.text
    await viewer.get("/cameras/1/captures")
    assert viewer.response.status_code == 403
    assert "This requires the role “Guard”." in viewer.text
    assert "Ask an administrator" in viewer.text
