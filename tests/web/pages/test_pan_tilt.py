"""The page that turns a camera: by hand, to presets, and on patrols (D12)."""

from __future__ import annotations

import pytest
import trio

from hub.errors import DeviceSilent
from hub.simulator.faults import Quirks
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from tests.support.simulated_link import SimulatedLink

PAGE = "/cameras/1/pan-tilt"
START, STOP = "/ptz/move_start", "/ptz/move_stop"


@pytest.fixture
async def camera(hub: PageSite, nursery: trio.Nursery) -> SimulatedLink:
    """Camera 1, which speaks edition 3; the hub stops it in time."""
    link = await hub.connect(quirks=Quirks(edition=3))
    await hub.services.cameras.capabilities.override("1", "group:ptz", "yes")
    await nursery.start(hub.services.cameras.pan_tilt.run)
    return link


def uris(link: SimulatedLink) -> list[str]:
    return [uri for uri, _ in link.asked]


async def test_a_guard_turns_the_camera_while_a_button_is_held(
    guard: Visitor, camera: SimulatedLink
) -> None:
    await guard.get(PAGE)
    for text in ("Move the camera", "Presets", "Gate", "/static/"):
        assert text in guard.text, text
    camera.asked.clear()
    held = {"direction": "left", "speed": "fast", "press": "abc1"}
    assert (await guard.send(f"{PAGE}/move", part=True, **held)).status_code == 204
    assert camera.asked == [(START, {"tiltUp": 0, "panLeft": 255, "channelid": 0})]
    assert (await guard.send(f"{PAGE}/release", part=True, press="abc1")).status_code == 204
    assert uris(camera) == [START, STOP]
    await guard.send(f"{PAGE}/move", part=True, **{**held, "press": "abc2"})
    assert await guard.hub.audited() == [("user guard", "device.move", "1")]


async def test_without_a_script_a_button_is_a_step(guard: Visitor, camera: SimulatedLink) -> None:
    await guard.get(PAGE)
    await guard.send(f"{PAGE}/move", direction="up", speed="slow")
    assert guard.goes_to == f"{PAGE}?speed=slow"
    await guard.get(guard.goes_to)
    assert 'value="slow" selected' in guard.text
    await guard.send(f"{PAGE}/move", direction="stop")
    assert guard.response.status_code == 303
    assert STOP in uris(camera)


async def test_presets_are_saved_used_and_deleted(guard: Visitor, camera: SimulatedLink) -> None:
    await guard.get(PAGE)
    places = f"{PAGE}/places"
    await guard.send(places, do="set", name="Loading bay", number="")
    assert ("/ptz/preset_set", {"presetno": 2, "name": "Loading bay", "channelid": 0}) in (
        camera.asked
    )
    await guard.get(guard.goes_to)
    assert "Loading bay" in guard.text
    assert "The preset was saved on the camera." in guard.text
    await guard.send(places, do="go:2")
    assert guard.goes_to.endswith("done=preset-reached")
    await guard.send(places, do="delete:2")
    await guard.get(PAGE)
    assert "Loading bay" not in guard.text
    actions = [action for _, action, _ in await guard.hub.audited()]
    assert actions == ["device.preset_set", "device.preset_go", "device.preset_delete"]


async def test_a_patrol_is_made_started_and_stopped(guard: Visitor, camera: SimulatedLink) -> None:
    await guard.get(PAGE)
    places = f"{PAGE}/places"
    await guard.send(places, do="create")
    await guard.get(PAGE)
    assert "Patrol 0" in guard.text
    await guard.send(places, do="add-node:0", **{"preset-0": "1", "stay-0": "20"})
    await guard.send(places, do="start:0")
    await guard.get(PAGE)
    for text in ("20 s", "running"):
        assert text in guard.text, text
    await guard.send(places, do="stop")
    await guard.send(places, do="drop-node:0:0")
    await guard.get(PAGE)
    assert "running" not in guard.text
    await guard.send(places, do="drop:0")
    await guard.get(PAGE)
    assert "Patrol 0" not in guard.text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"do": "set", "name": "  "}, "Enter a name"),
        ({"do": "set", "name": "x" * 65, "number": "3"}, "Enter a name"),
        ({"do": "set", "name": "Gate", "number": "1024"}, "Enter a number"),
        ({"do": "add-node:0", "preset-0": "1", "stay-0": "soon"}, "Enter a dwell time"),
        ({"do": "format:1"}, "There is no such choice."),
        ({}, "There is no such choice."),
    ],
)
async def test_what_cannot_be_meant_is_refused_with_its_field(
    guard: Visitor, camera: SimulatedLink, fields: dict[str, str], text: str
) -> None:
    await guard.get(PAGE)
    await guard.send(f"{PAGE}/places", **fields)
    assert guard.response.status_code == 400
    assert text in guard.text


@pytest.mark.parametrize(
    "fields",
    [
        {"direction": "over"},
        {"direction": "up", "speed": "9"},
        {"direction": "up", "press": "A B"},
        {"direction": "up", "press": "a" * 65},
    ],
)
async def test_moves_are_those_of_the_page(
    guard: Visitor, camera: SimulatedLink, fields: dict[str, str]
) -> None:
    await guard.get(PAGE)
    camera.asked.clear()
    assert (await guard.send(f"{PAGE}/move", **fields)).status_code == 400
    assert camera.asked == []


async def test_a_script_is_told_in_a_sentence_what_went_wrong(
    guard: Visitor, camera: SimulatedLink
) -> None:
    await guard.get(PAGE)
    camera.outcome = DeviceSilent("nothing")
    await guard.send(f"{PAGE}/move", part=True, direction="up", press="a")
    assert guard.response.status_code == 504
    assert guard.text.startswith("The camera did not respond in time.")
    camera.outcome = None
    for _ in range(12):
        await guard.send(f"{PAGE}/move", part=True, direction="up")
    assert guard.response.status_code == 429
    assert "Too many requests" in guard.text


async def test_a_viewer_does_not_turn_cameras(viewer: Visitor, camera: SimulatedLink) -> None:
    await viewer.get("/cameras/1")
    assert PAGE not in viewer.text
    camera.asked.clear()
    assert (await viewer.get(PAGE)).status_code == 403
    for path in ("move", "release", "places"):
        assert (await viewer.send(f"{PAGE}/{path}", direction="up")).status_code == 403
    assert camera.asked == []


async def test_a_camera_that_cannot_be_turned_has_no_such_page(
    hub: PageSite, guard: Visitor
) -> None:
    await hub.connect()
    await guard.get("/cameras/1")
    assert PAGE not in guard.text
    assert (await guard.get(PAGE)).status_code == 404


async def test_a_camera_that_answers_404_loses_the_page(hub: PageSite, guard: Visitor) -> None:
    await hub.connect()
    await hub.services.cameras.capabilities.override("1", "group:information", "yes")
    await guard.get(PAGE)
    assert "does not support this function" in guard.text
    await guard.get("/cameras/1")
    assert PAGE not in guard.text


async def test_the_page_is_in_chinese(guard: Visitor, camera: SimulatedLink) -> None:
    await guard.get(PAGE)
    await guard.send("/preferences", language="zh", next=PAGE)
    await guard.get(PAGE)
    for text in ("云台控制", "预置位", "巡航", "停止"):
        assert text in guard.text, text
