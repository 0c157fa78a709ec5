"""The same setting, or a restart, for many cameras."""

from __future__ import annotations

import re

import msgspec
import pytest
import trio

from hub.services.audit import COMMAND_LINE
from hub.simulator.faults import Quirks
from hub.wire.commands.dialect import SET_FACE, SET_RECORDING
from tests.support.clock import FrozenClock
from tests.support.page_site import PageSite
from tests.support.photographer import Photographer
from web.pages.camera.settings.face_and_recording import FACE, RECORDING
from web.pages.camera.settings.forms import typical_values


@pytest.fixture
async def running(hub: PageSite, nursery: trio.Nursery) -> PageSite:
    await nursery.start(hub.services.jobs.run)
    await nursery.start(hub.services.cameras.many.run)
    return hub


async def follow(hub: PageSite, admin: Photographer) -> str:
    """Wait until each camera of the job was tried; return the page of the job."""
    path = admin.goes_to
    id = int(path.rpartition("/")[2])
    with hub.services.core.changes.subscribe() as changes:
        while not await _all_tried(hub, id):
            await changes.next()
    await admin.get(path)
    return admin.text


async def _all_tried(hub: PageSite, id: int) -> bool:
    online = {
        device.did for device in hub.services.cameras.devices.list() if device.state == "online"
    }
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
    group = await running.services.people.groups.add("Gate", ("1", "3"), by=COMMAND_LINE)
    await admin.get("/cameras/many/recording")
    for text in ("Gate", "2 cameras", "Camera 3", "Offline"):
        assert text in admin.text, text
    values = typical_values(RECORDING)
    await admin.send("/cameras/many/recording", did="2", group=str(group.id), **values)
    assert admin.response.status_code == 200
    assert "the settings of 3 cameras: Camera 1, Camera 2, Camera 3." in admin.text
    assert not any(link.asked for link in links)
    sent = {"did": "2", "group": str(group.id), "overwrite": "1", **values}
    await admin.send("/cameras/many/recording", **sent)
    page = await follow(running, admin)
    for text in (
        "Camera 1",
        "Camera 2",
        "Camera 3",
        "It will get the settings once it can be reached",
    ):
        assert text in page, text
    for link in links:
        assert [uri for uri, _ in link.asked] == ["/storage/record_set"]
    # The one that is offline says what it will get.
    await admin.get("/cameras/3/settings")
    assert "will get other settings once it can be reached: Recording" in admin.text
    await admin.get("/cameras/1/settings")
    assert "will get other settings" not in admin.text


async def test_what_is_left_unchanged_stays_as_each_camera_has_it(
    running: PageSite, admin: Photographer
) -> None:
    link = await running.connect("Gate")
    await running.connect("Bay", did="2")
    own = msgspec.structs.replace(SET_RECORDING.example, file_len=20)
    await running.services.cameras.commands.call("1", SET_RECORDING, own)
    await admin.get("/cameras/many/recording")
    assert re.search(r"Gate\s*</span>", admin.text)
    assert re.search(r"Bay\s*<span[^>]*>Settings unknown", admin.text)
    assert 'name="file_len" value=""' in admin.text
    empty = dict.fromkeys(typical_values(RECORDING), "")
    sent = {**empty, "strategy": "1", "pre_record.duration": "3"}
    await admin.send("/cameras/many/recording", did="1", **sent)
    page = await follow(running, admin)
    assert "Recording: Pre-recording length: 3 s · When the storage card is full: Stop" in page
    assert [param["file_len"] for _, param in link.asked] == [20, 20]
    assert link.asked[-1][1]["strategy"] == 1
    assert link.asked[-1][1]["pre_record"]["duration"] == 3


async def test_typical_values_go_with_a_change_to_cameras_whose_settings_are_unknown(
    running: PageSite, admin: Photographer
) -> None:
    known, unknown = [await running.connect(f"Camera {did}", did=did) for did in ("1", "2")]
    own = msgspec.structs.replace(SET_RECORDING.example, file_len=20)
    await running.services.cameras.commands.call("1", SET_RECORDING, own)
    sent = {"did": ["1", "2"], **dict.fromkeys(typical_values(RECORDING), ""), "strategy": "1"}
    await admin.get("/cameras/many/recording")
    await admin.send("/cameras/many/recording", **sent)
    assert "the settings of 1 camera: Camera 2. It gets typical values" in admin.text
    assert await running.services.jobs.list() == ()
    await admin.send("/cameras/many/recording", overwrite="1", **sent)
    page = await follow(running, admin)
    assert "Recording: When the storage card is full: Stop" in page
    assert "unknown" not in page
    for link, length in ((known, 20), (unknown, SET_RECORDING.example.file_len)):
        assert (link.asked[-1][1]["strategy"], link.asked[-1][1]["file_len"]) == (1, length)


async def test_typical_values_leave_what_a_camera_still_waits_for(
    running: PageSite, admin: Photographer
) -> None:
    await running.enrol("Gate", did="1")
    await admin.get("/cameras/many/recording")
    for change in ({"file_len": "20"}, {"strategy": "1"}):
        await admin.send("/cameras/many/recording", did="1", overwrite="1", **change)
    (pending,) = await running.services.cameras.many.waiting("1")
    param = msgspec.json.decode(pending.param)
    assert (param["strategy"], param["file_len"]) == (1, 20)


async def test_a_refused_camera_does_not_keep_a_job_waiting(
    running: PageSite, admin: Photographer, clock: FrozenClock
) -> None:
    await running.enrol("Roof", did="1")
    await admin.get("/cameras/many/face")
    await admin.send("/cameras/many/face", did="1", overwrite="1", **typical_values(FACE))
    running.refuse("1", "clock-off", seconds="7200")
    await admin.get("/jobs/1")
    assert "It will get the settings once it can be reached" in admin.text
    # It may set its clock only after it has started.
    clock.advance(60)
    with running.services.core.changes.subscribe() as changes:
        running.refuse("1", "clock-off", seconds="7200")
        while (await running.services.jobs.get(1)).ended_at is None:
            await changes.next()
    await admin.get("/jobs/1")
    assert "The camera is refused. Its page says why." in admin.text
    assert await running.services.cameras.many.waiting("1") == []


async def test_a_change_that_a_later_job_took_over_says_so(
    running: PageSite, admin: Photographer
) -> None:
    await running.enrol("Gate", did="1")
    for value in ("10", "20"):
        await admin.get("/cameras/many/recording")
        await admin.send("/cameras/many/recording", did="1", overwrite="1", file_len=value)
    await admin.get("/jobs/1")
    assert "A later job sends it" in admin.text


async def test_typical_values_can_be_filled_in(running: PageSite, admin: Photographer) -> None:
    await running.connect("Gate")
    await admin.get("/cameras/many/face")
    assert 'href="/cameras/many/face?typical=1"' in admin.text
    await admin.get("/cameras/many/face?typical=1")
    assert f'name="threshold" value="{SET_FACE.example.threshold}"' in admin.text


async def test_what_a_camera_answered_is_shown(running: PageSite, admin: Photographer) -> None:
    await running.connect("Gate")
    await running.connect("Bay", Quirks(refuses=True), did="2")
    for did, outcome in (("1", "Gate</a>.*Done"), ("2", r"Bay</a>.*Failed.*\(code 420\)")):
        await admin.get("/cameras/many/face")
        await admin.send("/cameras/many/face", did=did, overwrite="1", **typical_values(FACE))
        assert re.search(outcome, await follow(running, admin), re.DOTALL)


async def test_online_cameras_are_restarted(running: PageSite, admin: Photographer) -> None:
    link = await running.connect("Gate")
    await admin.get("/cameras/many/restart")
    assert "Restart the selected cameras" in admin.text
    await admin.send("/cameras/many/restart", did="1")
    await follow(running, admin)
    assert [uri for uri, _ in link.asked] == ["/system/maintain/reboot"]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "Choose at least one camera."),
        ({"did": "9"}, "removed in the meantime"),
        ({"did": "1", "threshold": "x"}, "It is marked below"),
        ({"did": "1", "alarm_out.interval": "5"}, "It is marked below"),
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


async def test_a_form_without_a_change_sends_nothing(
    running: PageSite, admin: Photographer
) -> None:
    await running.connect("Gate")
    await admin.get("/cameras/many/face")
    await admin.send("/cameras/many/face", did="1", **dict.fromkeys(typical_values(FACE), ""))
    assert admin.response.status_code == 400
    assert "Change at least one setting." in admin.text
    assert await running.services.jobs.list() == ()


async def test_names_are_written_into_the_pictures_of_cameras_that_can(
    running: PageSite, admin: Photographer
) -> None:
    await running.connect("Old one", did="1")
    link = await running.connect("Yard", Quirks(edition=3), did="2")
    await admin.get("/cameras/many")
    assert "/cameras/many/osd-name" not in admin.text
    await running.services.cameras.capabilities.learn(
        "2", lambda known: msgspec.structs.replace(known, connect="unsigned"), "connect"
    )
    await admin.get("/cameras/many")
    assert "/cameras/many/osd-name" in admin.text
    await admin.get("/cameras/many/osd-name")
    assert "Old one" not in admin.text.partition("<main")[2]
    await admin.send("/cameras/many/osd-name", did="2")
    page = await follow(running, admin)
    assert "Names in the pictures of many cameras" in page
    assert link.asked[-1][1]["channel_name"] == "Yard"
