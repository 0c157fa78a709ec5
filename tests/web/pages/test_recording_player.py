"""A recording, read from its camera and played (D3)."""

from __future__ import annotations

import base64
import json
from importlib import resources
from typing import Any

import pytest
import trio
from msgspec import Raw
from trio.testing import wait_all_tasks_blocked

from hub.errors import DeviceSilent, HubError
from hub.live.registry import DeviceAnswer
from hub.services.commands import recordings
from hub.simulator.device.recordings import files_on
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from tests.support.simulated_link import SimulatedLink, ok_answer

VIDEO = (resources.files("hub.simulator.device") / "recording.mp4").read_bytes()
PATH = "/progs/rec/00/20261003/N00100500.mp4"
CHOICE = {"path": PATH, "day": "2026-10-03", "start": "10:05:00"}
LIST = ok_answer(
    total_file=1,
    recordlist=[
        {
            "filename": PATH,
            "start_time": "2026-10-03 10:05:00",
            "end_time": "2026-10-03 10:06:00",
        }
    ],
)
DAY = "/cameras/1/recordings/2026-10-03"
PLAY = "/cameras/1/recordings/play"


@pytest.fixture
async def guard(guard: Visitor, hub: PageSite, nursery: trio.Nursery) -> Visitor:
    await nursery.start(hub.services.jobs.run)
    await nursery.start(hub.services.cameras.recordings.run)
    return guard


@pytest.fixture
async def camera(hub: PageSite) -> SimulatedLink:
    camera = await hub.connect()
    camera.outcome = file_answer(VIDEO)
    return camera


def file_answer(data: bytes, escape: str = "", prefix: str = "") -> DeviceAnswer:
    text = json.dumps({"base64": prefix + base64.b64encode(data).decode()})
    return DeviceAnswer(0, "OK", Raw((text.replace("=", "\\u003d") if escape else text).encode()))


async def press(visitor: Visitor, **choice: Any) -> int:
    """Press the play sign; return the status."""
    answer = await visitor.send(PLAY, recording=json.dumps({**CHOICE, **choice}))
    return answer.status_code


async def fetch(visitor: Visitor, hub: PageSite, **choice: Any) -> str:
    """Press the play sign; return the address of the player when the job has ended."""
    await visitor.get("/account")
    await press(visitor, **choice)
    path = visitor.goes_to
    await hub.services.jobs.wait(int(path.rpartition("/")[2]))
    await visitor.get(path)
    return path


async def offers_play(visitor: Visitor, camera: SimulatedLink) -> bool:
    before, camera.outcome = camera.outcome, LIST
    await visitor.get(DAY)
    camera.outcome = before
    assert "N00100500.mp4" in visitor.text
    return "Play the recording from 10:05:00" in visitor.text


async def test_a_recording_is_read_from_its_camera_and_played(
    guard: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    assert await offers_play(guard, camera)
    path = await fetch(guard, hub)
    assert camera.asked[-1] == ("/storage/get_file_by_path", {"path": PATH})
    assert f'<video controls preload="metadata" src="{path}/file"' in guard.text
    assert "Saturday, 3 October 2026 10:05:00" in guard.text
    answer = await guard.get(f"{path}/file")
    assert (answer.status_code, answer.content_type) == (200, "video/mp4")
    assert await answer.get_data() == VIDEO
    assert await hub.audited() == [("user guard", "device.read-recording", f"1 {PATH}")]


async def test_a_player_gets_the_part_that_it_asks_for(
    guard: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    path = await fetch(guard, hub)
    answer = await guard.get(f"{path}/file", Range="bytes=10-19")
    assert (answer.status_code, await answer.get_data()) == (206, VIDEO[10:20])
    assert answer.headers["Content-Range"] == f"bytes 10-19/{len(VIDEO)}"
    assert (await guard.get(f"{path}/file", Range="bytes=99999999-")).status_code == 416


async def test_a_simulated_camera_gives_what_it_lists(guard: Visitor, hub: PageSite) -> None:
    camera = await hub.connect()
    now = camera.state.clock()
    days = (now.replace(day=day) for day in range(now.day, 0, -1))
    file = next(file for day in days for file in files_on(camera.sn, day.date(), now))
    await fetch(guard, hub, path=file.name, day=f"{file.start:%Y-%m-%d}")
    assert "<video" in guard.text
    await fetch(guard, hub, path="/progs/rec/00/20261003/N99.mp4")
    assert "does not give this recording" in guard.text


@pytest.mark.parametrize("escape", ["", "escaped"])
@pytest.mark.parametrize("prefix", ["", "data:video/mp4;base64,"])
async def test_base64_is_read_as_cameras_write_it(
    guard: Visitor, hub: PageSite, camera: SimulatedLink, escape: str, prefix: str
) -> None:
    camera.outcome = file_answer(VIDEO + b"1", escape, prefix)
    path = await fetch(guard, hub)
    assert await (await guard.get(f"{path}/file")).get_data() == VIDEO + b"1"


async def test_escapes_and_line_breaks_may_be_cut_anywhere(
    guard: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    """As they come from the connection, in parts."""
    text = base64.b64encode(VIDEO + b"1").decode()
    text = (text[:100] + "\\r\\n" + text[100:]).replace("/", "\\/").replace("=", "\\u003d")

    async def request(*_: object, sink: Any, on_free: Any, **__: object) -> DeviceAnswer:
        for at in range(0, len(text), 77):
            await sink.write(text[at : at + 77].encode())
        on_free()
        return DeviceAnswer(0, "OK", Raw(b'{"base64": ""}'))

    camera.request = request  # type: ignore[method-assign]
    path = await fetch(guard, hub)
    assert await (await guard.get(f"{path}/file")).get_data() == VIDEO + b"1"


async def test_a_file_that_no_browser_plays_is_saved(
    guard: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    camera.outcome = file_answer(b"SV7 something")
    path = await fetch(guard, hub)
    assert "<video" not in guard.text
    assert "cannot play this kind of file" in guard.text
    answer = await guard.get(f"{path}/file")
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.content_type == "application/octet-stream"


async def test_a_camera_that_refuses_is_remembered_and_has_no_play_sign(
    guard: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    hub.report(ip="192.168.1.77")
    camera.outcome = DeviceAnswer(404, "no such uri")
    await fetch(guard, hub)
    assert "The camera does not give this recording to the hub." in guard.text
    assert 'href="http://192.168.1.77/"' in guard.text
    assert "Fetch it again" not in guard.text
    assert not await offers_play(guard, camera)
    assert "This camera does not give its recordings to the hub." in guard.text
    assert 'href="http://192.168.1.77/"' in guard.text
    assert hub.services.cameras.capabilities.of("1").recording_files is False


async def test_a_camera_that_lists_no_recordings_is_offered_for_none(
    guard: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    seq = await hub.add_record("face")
    await guard.get(f"/records/{seq}")
    assert "Recordings around this time" in guard.text
    camera.outcome = DeviceAnswer(404, "no such uri")
    await guard.get(DAY)
    assert "does not support this function" in guard.text
    await guard.get(f"/records/{seq}")
    assert "Recordings around this time" not in guard.text
    await guard.get(DAY)
    assert "can play recordings" not in guard.text
    assert hub.services.cameras.capabilities.of("1").recording_list is False


async def test_one_lost_recording_does_not_hide_the_others(
    guard: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    await fetch(guard, hub)
    camera.outcome = DeviceAnswer(426, "overwritten")
    await fetch(guard, hub)
    assert "Its message: “overwritten” (code 426)." in guard.text
    assert await offers_play(guard, camera)


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (DeviceSilent("no answer"), "did not respond in time"),
        (DeviceAnswer(500, "busy"), "Its message: “busy” (code 500)."),
    ],
)
async def test_what_may_pass_may_be_tried_again(
    guard: Visitor,
    hub: PageSite,
    camera: SimulatedLink,
    outcome: HubError | DeviceAnswer,
    says: str,
) -> None:
    camera.outcome = outcome
    await fetch(guard, hub)
    assert says in guard.text
    assert "Fetch it again" in guard.text
    assert await offers_play(guard, camera)


async def test_a_recording_that_is_too_large_is_not_kept(
    guard: Visitor, hub: PageSite, camera: SimulatedLink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings, "MAX_RECORDING_BYTES", len(VIDEO) - 1)
    path = await fetch(guard, hub)
    assert "which the hub does not fetch" in guard.text
    assert "kept for an hour" not in guard.text
    assert (await guard.get(f"{path}/file")).status_code == 404
    assert await offers_play(guard, camera)


async def test_one_recording_of_a_camera_is_read_at_a_time_and_can_be_cancelled(
    guard: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    gone = trio.Event()

    async def wait(*_: object, on_free: Any, **__: object) -> DeviceAnswer:
        try:
            await trio.sleep_forever()
        finally:
            gone.set()
            on_free()
        raise AssertionError

    camera.request = wait  # type: ignore[method-assign]
    await guard.get("/account")
    await press(guard)
    path = guard.goes_to
    await wait_all_tasks_blocked()
    await press(guard)
    assert guard.goes_to == path
    assert await press(guard, path="/other.mp4") == 409
    await guard.get(path)
    assert "0 B received." in guard.text
    assert (await guard.get(f"{path}/file")).status_code == 404
    await guard.send(f"/jobs/{path.rpartition('/')[2]}/cancel")
    assert gone.is_set()
    await guard.get(path)
    assert "Cancelled" in guard.text
    assert "Fetch it again" in guard.text


async def test_recordings_are_given_up_after_an_hour_and_by_an_erasure(
    guard: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    paths = [await fetch(guard, hub) for _ in range(5)]
    assert (await guard.get(f"{paths[0]}/file")).status_code == 404
    assert (await guard.get(f"{paths[1]}/file")).status_code == 200
    hub.services.cameras.recordings.clear()
    assert (await guard.get(f"{paths[4]}/file")).status_code == 404
    await guard.get(paths[4])
    assert "The recording is no longer kept." in guard.text


@pytest.mark.parametrize(
    "choice",
    [{"path": "../etc/passwd"}, {"path": ""}, {"path": "a\nb"}, {"day": "x"}, {"start": 33 * "1"}],
)
async def test_only_what_a_camera_can_list_is_asked_for(
    guard: Visitor, hub: PageSite, camera: SimulatedLink, choice: dict[str, Any]
) -> None:
    await guard.get("/account")
    assert await press(guard, **choice) == 400
    assert ("/storage/get_file_by_path", choice) not in camera.asked


async def test_a_viewer_sees_the_list_without_play_signs(
    viewer: Visitor, hub: PageSite, camera: SimulatedLink
) -> None:
    assert not await offers_play(viewer, camera)
    await viewer.get("/account")
    assert await press(viewer) == 403
