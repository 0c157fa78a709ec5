"""The light of a camera is changed without losing its settings of day and night (1.27, D12)."""

from __future__ import annotations

import pytest
from msgspec import to_builtins

from hub.errors import DeviceSilent
from hub.simulator.faults import Quirks
from hub.wire.commands.edition_3_commands import SET_DAY_NIGHT
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from tests.support.simulated_link import SimulatedLink

PAGE = "/cameras/1"
LIGHT = f"{PAGE}/light"


@pytest.fixture
async def camera(hub: PageSite) -> SimulatedLink:
    """Camera 1, which speaks edition 3."""
    link = await hub.connect(quirks=Quirks(edition=3))
    await hub.services.cameras.capabilities.override("1", "group:image", "yes")
    return link


async def test_a_light_is_not_changed_before_the_other_settings_are_known(
    guard: Visitor, admin: Visitor, camera: SimulatedLink
) -> None:
    await guard.get(PAGE)
    assert "An administrator has to enter" in guard.text
    assert (await guard.send(LIGHT, light="AutoWhite")).status_code == 409
    assert camera.asked == []
    await admin.get(PAGE)
    assert "/cameras/1/device/image#day_night" in admin.text
    await admin.get("/cameras/1/device/image")
    assert 'id="day_night"' in admin.text


async def test_a_guard_changes_the_light_and_nothing_else(
    hub: PageSite, guard: Visitor, camera: SimulatedLink
) -> None:
    await hub.services.cameras.commands.call("1", SET_DAY_NIGHT, SET_DAY_NIGHT.example)
    await guard.get(PAGE)
    assert 'value="AutoIR" aria-pressed="true"' in guard.text
    await guard.send(LIGHT, light="AutoWhite")
    assert guard.goes_to == f"{PAGE}?done=light-set"
    expected = {**to_builtins(SET_DAY_NIGHT.example), "smt_light_mode": "AutoWhite"}
    assert camera.asked[-1] == (SET_DAY_NIGHT.uri, expected)
    await guard.get(guard.goes_to)
    assert 'value="AutoWhite" aria-pressed="true"' in guard.text
    assert await hub.audited() == [("user guard", "device.set_light", "1")]


async def test_a_light_that_the_camera_does_not_take_is_not_shown_as_on(
    hub: PageSite, guard: Visitor, camera: SimulatedLink
) -> None:
    await hub.services.cameras.commands.call("1", SET_DAY_NIGHT, SET_DAY_NIGHT.example)
    await guard.get(PAGE)
    camera.outcome = DeviceSilent("nothing")
    assert (await guard.send(LIGHT, light="AutoWhite")).status_code == 504
    assert 'value="AutoIR" aria-pressed="true"' in guard.text
    assert (await guard.send(LIGHT, light="Disco")).status_code == 400


async def test_a_viewer_does_not_change_the_light(viewer: Visitor, camera: SimulatedLink) -> None:
    await viewer.get("/cameras/1")
    assert LIGHT not in viewer.text
    assert (await viewer.send(LIGHT, light="AutoWhite")).status_code == 403
    assert camera.asked == []


async def test_a_camera_of_the_first_edition_has_no_such_page(
    hub: PageSite, guard: Visitor
) -> None:
    await hub.connect()
    await guard.get(PAGE)
    assert LIGHT not in guard.text
    assert (await guard.send(LIGHT, light="AutoWhite")).status_code == 404
