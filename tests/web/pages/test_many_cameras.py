"""The same setting, or a restart, for many cameras."""

from __future__ import annotations

import re

import msgspec
import pytest
import trio

from hub.services.access.audit import COMMAND_LINE
from hub.simulator.faults import Quirks
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer
from web.pages.camera.settings.forms import FACE, RECORDING, typical_values


@pytest.fixture
async def running(hub: PageSite, nursery: trio.Nursery) -> PageSite:
    await nursery.start(hub.services.jobs.run)
    await nursery.start(hub.services.many_devices.run)
    return hub


async def follow(hub: PageSite, admin: Photographer) -> str:
    """Wait until each camera of the job was tried; return the page of the job."""
    path = admin.goes_to
    id = int(path.rpartition("/")[2])
    with hub.services.change_feed.subscribe() as changes:
        while not await _all_tried(hub, id):
            await changes.next()
    await admin.get(path)
    return admin.text


async def _all_tried(hub: PageSite, id: int) -> bool:
    online = {device.did for device in hub.services.devices.list() if device.state == "online"}
    items = await hub.services.jobs.items(id)
    return all(
        item.state in ("done", "failed")
        for item in items
        if msgspec.json.decode(item.detail)["did"] in online
    )


async def test_without_cameras_the_page_says_what_to_do_next(admin: Photographer) -> None:
    await admin.get("/cameras/many")
    assert 'href="/cameras/connect"' in admin.text
    assert "<fieldset>" not in admin.text.partition("<main")[2]


async def test_cameras_of_a_group_and_others_get_a_setting_once(
    running: PageSite, admin: Photographer
) -> None:
    links = [await running.connect(f"Camera {did}", did=did) for did in ("1", "2")]
    await running.enrol("Camera 3", did="3")
    group = await running.services.camera_groups.add("Gate", ("1", "3"), by=COMMAND_LINE)
    await admin.get("/cameras/many/recording")
    for text in ("Gate", "2 cameras", "Camera 3", "Offline"):
        assert text in admin.text, text
    values = typical_values(RECORDING)
    await admin.send("/cameras/many/recording", did="2", group=str(group.id), **values)
    page = await follow(running, admin)
    for text in ("Camera 1", "Camera 2", "Camera 3", "It gets the settings when it can be reached"):
        assert text in page, text
    for link in links:
        assert [uri for uri, _ in link.asked] == ["/storage/record_set"]
    # The one that is offline says what it will get.
    await admin.get("/cameras/3/settings")
    assert "gets other settings when it can be reached: Recording" in admin.text
    await admin.get("/cameras/1/settings")
    assert "gets other settings" not in admin.text


async def test_what_a_camera_answered_is_shown(running: PageSite, admin: Photographer) -> None:
    await running.connect("Gate")
    await running.connect("Bay", Quirks(refuses=True), did="2")
    for did, outcome in (("1", "Gate</a>.*Done"), ("2", r"Bay</a>.*Failed.*\(code 420\)")):
        await admin.get("/cameras/many/face")
        await admin.send("/cameras/many/face", did=did, **typical_values(FACE))
        assert re.search(outcome, await follow(running, admin), re.DOTALL)


async def test_online_cameras_are_restarted(running: PageSite, admin: Photographer) -> None:
    link = await running.connect("Gate")
    await admin.get("/cameras/many/restart")
    assert "Restart the chosen cameras" in admin.text
    await admin.send("/cameras/many/restart", did="1")
    await follow(running, admin)
    assert [uri for uri, _ in link.asked] == ["/system/maintain/reboot"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Choose at least one camera."),
        ({"did": "9"}, "removed in the meantime"),
        ({"did": "1", "threshold": "x"}, "It is marked below"),
    ],
)
async def test_a_wrong_form_sends_nothing_and_keeps_what_was_entered(
    running: PageSite, admin: Photographer, fields: dict[str, str], says: str
) -> None:
    link = await running.connect("Gate")
    await admin.get("/cameras/many/face")
    await admin.send("/cameras/many/face", **{**typical_values(FACE), "mini_face": "77", **fields})
    assert admin.response.status_code in (400, 404)
    assert says in admin.text
    assert 'name="mini_face" value="77"' in admin.text
    assert link.asked == []
    assert await running.services.jobs.list() == ()


async def test_only_administrators_change_many_cameras(guard: Photographer) -> None:
    await guard.get("/cameras/many")
    assert guard.response.status_code == 403
