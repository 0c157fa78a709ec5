"""Asking a camera whom a photo shows (D12)."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from msgspec.structs import replace

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


@pytest.fixture
async def guard(guard: Photographer, camera: SimulatedLink) -> Photographer:
    await guard.get("/cameras/1")
    return guard


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
    await guard.get("/cameras/1/people/list")
    assert "Who is this?" in guard.text
    edition_3_camera.asked.clear()
    await guard.send_photo("/cameras/1/people/who", photo())
    assert [uri for uri, _ in edition_3_camera.asked] == ["/person/search_picture", "/person/list"]
    assert 'href="/cameras/1/people/7"' in guard.text
    assert "path=data%2F7.jpg" in guard.text
    assert "In the register: </span><span>Anna<" in guard.text
    assert "0.5" not in guard.text


async def test_a_name_without_its_person_is_shown_as_a_name(
    guard: Photographer, edition_3_camera: SimulatedLink
) -> None:
    answers(edition_3_camera, LATER, {"pid": "6", "name": "Ann Smith", "photo": "data/6.jpg"})
    await guard.send_photo("/cameras/1/people/who", photo())
    assert "<h3>Ann Smith</h3>" in guard.text
    assert "/people/6" not in guard.text


async def test_a_photo_of_nobody_is_said_to_be_so(
    guard: Photographer, edition_3_camera: SimulatedLink
) -> None:
    answers(edition_3_camera, {"name": "", "jepg_url": ""})
    await guard.send_photo("/cameras/1/people/who", photo())
    assert "No one on the camera looks like this." in guard.text
    assert [uri for uri, _ in edition_3_camera.asked] == ["/person/search_picture"]


async def test_a_camera_of_the_first_edition_is_not_asked_whom_a_photo_shows(
    guard: Photographer, camera: SimulatedLink
) -> None:
    await guard.get("/cameras/1/people/list")
    assert "Who is this?" not in guard.text
    camera.asked.clear()
    await guard.send_photo("/cameras/1/people/who", photo())
    assert guard.response.status_code == 404
    assert camera.asked == []


async def test_an_unusable_photo_is_explained_and_the_camera_not_asked(
    guard: Photographer, edition_3_camera: SimulatedLink
) -> None:
    await guard.send_photo("/cameras/1/people/who", b"no picture")
    assert guard.response.status_code == 400
    assert "open><summary><h2>Who is this?" in guard.text
    assert edition_3_camera.asked == []


async def test_a_simulated_camera_says_whom_the_photo_shows_that_it_was_given(
    hub: PageSite, guard: Photographer
) -> None:
    link = await hub.connect("Yard", Quirks(edition=3), did="2")
    await hub.services.cameras.capabilities.override("2", "group:people", "yes")
    face = face_jpeg(make_population().strangers[3], 0)
    encoded = base64.b64encode(face).decode()
    given = replace(PERSON_ADD.example, pid="7", name="Ann", photo=encoded)
    await hub.services.cameras.commands.call("2", PERSON_ADD, given)
    await guard.get("/cameras/2/people/list")
    for shown, is_found in ((face, True), (photo("PNG"), False)):
        await guard.send_photo("/cameras/2/people/who", shown)
        assert ('href="/cameras/2/people/7"' in guard.text) is is_found
        assert ("No one on the camera looks like this" in guard.text) is not is_found
    # The hub makes the photo smaller before it sends it, so the bytes are others.
    (sent, _) = (param for uri, param in link.asked if uri == "/person/search_picture")
    assert sent["photo"] != encoded
