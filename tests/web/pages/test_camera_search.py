"""Searching a camera's own captures by a photo (1.16)."""

from __future__ import annotations

import base64
import io
import re
from typing import Any

import pytest
from msgspec.structs import replace
from PIL import Image

from hub.errors import DeviceLeft, DeviceRefused, DeviceSilent, HubError
from hub.live.registry import DeviceAnswer
from hub.services.audit import COMMAND_LINE
from hub.simulator.drawing.people import face_jpeg
from hub.simulator.faults import Quirks
from hub.simulator.scenario.population import make_population
from hub.store.people.person_rows import PersonChange
from hub.wire.commands.dialect import PERSON_ADD
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer, photo
from tests.support.simulated_link import SimulatedLink, ok_answer

FORM = {"threshold": "80", "from": "2026-11-24T12:00", "until": "2026-11-25T12:00:30"}


@pytest.fixture
async def guard(guard: Photographer, camera: SimulatedLink) -> Photographer:
    await guard.get("/cameras/1/search")
    return guard


def match(score: int | None, time: str = "2026-11-25 08:00:00", **more: object) -> dict[str, Any]:
    return {"time": time, "score": score, **more}


async def test_the_form_begins_with_the_last_day_in_the_zone_of_the_site(
    guard: Photographer, camera: SimulatedLink
) -> None:
    (start,) = re.findall(r'name="from" value="([^"]*)"', guard.text)
    (end,) = re.findall(r'name="until" value="([^"]*)"', guard.text)
    assert (start[:10], end[:10]) == ("2026-11-24", "2026-11-25")
    assert start[10:] == end[10:]
    assert str(guard.hub.services.core.site.zone_name()) in guard.text
    assert 'name="threshold" value="80" min="0" max="100"' in guard.text
    assert "Neither the photo nor the results are stored" in guard.text
    assert camera.asked == []


async def test_the_registers_name_is_shown_beside_the_cameras(
    hub: PageSite, guard: Photographer, camera: SimulatedLink
) -> None:
    await hub.services.people.register.put(
        "7", PersonChange(name="Ann Smith", category=2), by=COMMAND_LINE
    )
    camera.outcome = ok_answer(face_list=[match(90, pid="7", name="Ann S"), match(85)])
    await guard.send_photo("/cameras/1/search", photo("WEBP"), **FORM)
    known, stranger = guard.text.split("<article")[1:]
    assert re.search("<p>Ann S</p>.*In the register: </span><span>Ann Smith<", known, re.DOTALL)
    assert "Blacklist" in known
    assert "In the register" not in stranger


async def test_the_camera_is_asked_with_a_jpeg_and_its_own_times(
    guard: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(total=0, face_list=[])
    await guard.send_photo("/cameras/1/search", photo("WEBP"), **FORM)
    ((uri, sent),) = camera.asked
    assert Image.open(io.BytesIO(base64.b64decode(sent.pop("photo")))).format == "JPEG"
    assert uri == "/person/search"
    assert sent == {
        "threshold": 80,
        "start_time": "2026-11-24 12:00:00",
        "end_time": "2026-11-25 12:00:30",
    }
    assert "captured no similar face" in guard.text
    assert 'value="2026-11-24T12:00"' in guard.text


async def test_matches_are_shown_best_first_with_pictures(
    guard: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(
        total=4,
        face_list=[
            match(81),
            match(99, "2026-11-25 07:00:00", jpeg_url_face="sdcard/a b&c.jpg"),
            match(99, "2026-11-25 09:00:00"),
            match(None, "<when>"),
        ],
    )
    await guard.send_photo("/cameras/1/search", photo(), **FORM)
    assert "4 captures match the photo" in guard.text
    times = re.findall(r"<time>([^<]*)</time>", guard.text)
    assert times == [
        "25 Nov 2026 09:00:00",
        "25 Nov 2026 07:00:00",
        "25 Nov 2026 08:00:00",
        "&lt;when&gt;",
    ]
    matches = guard.text.partition("</main>")[0]
    assert re.findall(r"<h3>([^<]*)</h3>", matches) == [
        "99% match",
        "99% match",
        "81% match",
    ]
    assert 'src="/media/device/1?path=sdcard%2Fa%20b%26c.jpg"' in guard.text


async def test_only_the_best_of_many_matches_are_shown(
    guard: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(
        total=9000, face_list=[match(80 + n % 20) for n in range(300)] + [{"score": 5}]
    )
    await guard.send_photo("/cameras/1/search", photo(), **FORM)
    assert "9000 captures match the photo" in guard.text
    assert "Only the best 200 are shown" in guard.text
    assert guard.text.count("<article") == 200
    assert "1 could not be read" in guard.text
    assert "99% match" in guard.text
    assert "80% match" not in guard.text


async def test_unreadable_matches_differ_from_no_matches(
    guard: Photographer, camera: SimulatedLink
) -> None:
    camera.outcome = ok_answer(total=1, face_list=[{"score": 5}])
    await guard.send_photo("/cameras/1/search", photo(), **FORM)
    assert "None of the camera's results could be read" in guard.text.replace("&#39;", "'")


async def test_the_page_arrives_before_the_matches(
    guard: Photographer, camera: SimulatedLink
) -> None:
    """The page is streamed: the notice arrives before the answer."""
    camera.outcome = ok_answer(total=1, face_list=[match(90)])
    await guard.send_photo("/cameras/1/search", photo(), **FORM)
    searching = guard.text.index("The camera is searching. This may take up to 30 seconds")
    assert searching < guard.text.index("1 capture matches the photo")


@pytest.mark.parametrize(
    ("outcome", "sentence"),
    [
        (DeviceSilent("x"), "did not respond in time"),
        (DeviceLeft("x"), "disconnected before it responded"),
        (DeviceRefused(420, "no <face>"), "“no &lt;face&gt;” (code 420)"),
        (ok_answer(face_list="none"), "could not be interpreted"),
    ],
)
async def test_a_device_error_is_shown_as_a_sentence(
    guard: Photographer, camera: SimulatedLink, outcome: HubError | DeviceAnswer, sentence: str
) -> None:
    camera.outcome = outcome
    await guard.send_photo("/cameras/1/search", photo(), **FORM)
    assert guard.response.status_code == 200
    assert sentence in guard.text
    assert guard.text.rstrip().endswith("</html>")


@pytest.mark.parametrize("results", ["huge", "missing", "wrong"])
async def test_the_page_is_complete_whatever_the_camera_answers(
    hub: PageSite, guard: Photographer, results: Any
) -> None:
    await hub.connect("Bay", Quirks(results=results), did="2")
    await guard.send_photo("/cameras/2/search", photo(), **{**FORM, "threshold": "0"})
    assert guard.response.status_code == 200
    assert guard.text.rstrip().endswith("</html>")


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        ({"threshold": "101"}, "Threshold: A whole number from 0 to 100."),
        ({"threshold": ""}, "Threshold: A whole number from 0 to 100."),
        ({"until": "2026-11-23T00:00"}, "Enter two times, the earlier one first."),
        ({"from": "yesterday"}, "Enter two times, the earlier one first."),
        ({"from": "2026-02-30T00:00"}, "Enter two times, the earlier one first."),
    ],
)
async def test_an_invalid_value_is_explained_and_nothing_is_sent(
    guard: Photographer, camera: SimulatedLink, wrong: dict[str, str], fault: str
) -> None:
    await guard.send_photo("/cameras/1/search", photo(), **{**FORM, **wrong})
    assert guard.response.status_code == 400
    assert fault in guard.text
    ((name, value),) = wrong.items()
    assert f'name="{name}" value="{value}"' in guard.text
    assert camera.asked == []


@pytest.mark.parametrize(
    ("data", "fault"), [(b"", "Choose a photo."), (b"x", "This file cannot be used")]
)
async def test_an_unusable_photo_is_explained(
    guard: Photographer, camera: SimulatedLink, data: bytes, fault: str
) -> None:
    await guard.send_photo("/cameras/1/search", data, **FORM)
    assert guard.response.status_code == 400
    assert fault in guard.text
    assert camera.asked == []


async def test_a_search_leaves_nothing_behind(guard: Photographer, camera: SimulatedLink) -> None:
    camera.outcome = ok_answer(total=1, face_list=[match(90)])
    await guard.send_photo("/cameras/1/search", photo(), **FORM)
    assert guard.response.headers["Cache-Control"] == "no-store"
    await guard.get("/cameras/1/search")
    assert "90% match" not in guard.text


LATER = {"name": "Ann Smith", "jepg_url": "data/7.jpg", "feature": [0.5]}


@pytest.fixture
async def edition_3_camera(hub: PageSite, camera: SimulatedLink) -> SimulatedLink:
    await hub.services.cameras.capabilities.override("1", "group:people", "yes")
    return camera


def answers(camera: SimulatedLink, who: dict[str, Any], *people: dict[str, Any]) -> None:
    """Let the camera say whom it takes the photo for, and list these people."""

    async def request(uri: str, param: object, *, seconds: float, **more: Any) -> DeviceAnswer:
        camera.asked.append((uri, param))
        more["on_free"]()
        if uri == "/person/search_picture":
            return ok_answer(**who)
        return ok_answer(total=len(people), list=list(people))

    camera.request = request  # type: ignore[method-assign, assignment]


async def test_a_camera_is_asked_whom_a_photo_shows(
    hub: PageSite, guard: Photographer, edition_3_camera: SimulatedLink
) -> None:
    await hub.services.people.register.put(
        "7", PersonChange(name="Anna", category=2), by=COMMAND_LINE
    )
    other = {"pid": "6", "name": "Ann Smith", "photo": "data/6.jpg"}
    answers(edition_3_camera, LATER, other, {**other, "pid": "7", "photo": "data/7.jpg"})
    await guard.get("/cameras/1/search")
    assert "Who is this?" in guard.text
    await guard.send_photo("/cameras/1/search", photo(), who="1", **FORM)
    assert [uri for uri, _ in edition_3_camera.asked] == ["/person/search_picture", "/person/list"]
    assert 'href="/cameras/1/people/7"' in guard.text
    assert "path=data%2F7.jpg" in guard.text
    assert "In the register: </span><span>Anna<" in guard.text
    assert "0.5" not in guard.text


async def test_a_name_without_its_person_is_shown_as_a_name(
    guard: Photographer, edition_3_camera: SimulatedLink
) -> None:
    answers(edition_3_camera, LATER, {"pid": "6", "name": "Ann Smith", "photo": "data/6.jpg"})
    await guard.send_photo("/cameras/1/search", photo(), who="1", **FORM)
    assert "<h3>Ann Smith</h3>" in guard.text
    assert "/people/6" not in guard.text


async def test_a_photo_of_nobody_is_said_to_be_so(
    guard: Photographer, edition_3_camera: SimulatedLink
) -> None:
    answers(edition_3_camera, {"name": "", "jepg_url": ""})
    await guard.send_photo("/cameras/1/search", photo(), who="1", **FORM)
    assert "No one on the camera looks like this." in guard.text
    assert [uri for uri, _ in edition_3_camera.asked] == ["/person/search_picture"]


async def test_a_camera_of_the_first_edition_is_not_asked_whom_a_photo_shows(
    guard: Photographer, camera: SimulatedLink
) -> None:
    assert "Who is this?" not in guard.text
    camera.outcome = ok_answer(total=0, face_list=[])
    await guard.send_photo("/cameras/1/search", photo(), who="1", **FORM)
    assert [uri for uri, _ in camera.asked] == ["/person/search"]


async def test_a_simulated_camera_says_whom_the_photo_shows_that_it_was_given(
    hub: PageSite, guard: Photographer
) -> None:
    link = await hub.connect("Yard", Quirks(edition=3), did="2")
    await hub.services.cameras.capabilities.override("2", "group:people", "yes")
    face = face_jpeg(make_population().strangers[3], 0)
    encoded = base64.b64encode(face).decode()
    given = replace(PERSON_ADD.example, pid="7", name="Ann", photo=encoded)
    await hub.services.cameras.commands.call("2", PERSON_ADD, given)
    await guard.get("/cameras/2/search")
    for shown, is_found in ((face, True), (photo("PNG"), False)):
        await guard.send_photo("/cameras/2/search", shown, who="1", **FORM)
        assert ('href="/cameras/2/people/7"' in guard.text) is is_found
        assert ("No one on the camera looks like this" in guard.text) is not is_found
    # The hub makes the photo smaller before it sends it, so the bytes are others.
    (sent, _) = (param for uri, param in link.asked if uri == "/person/search_picture")
    assert sent["photo"] != encoded
