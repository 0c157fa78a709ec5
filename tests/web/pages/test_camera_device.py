"""The pages about what only cameras of later editions can do (D12)."""

from __future__ import annotations

import re

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import replace

from hub.errors import DeviceSilent
from hub.live.registry import DeviceAnswer
from hub.simulator.faults import Quirks
from hub.store.tables.devices import DeviceChange
from hub.wire.commands.capabilities import Capabilities
from hub.wire.commands.edition_3_commands import (
    GET_PRIVACY,
    SET_AUDIO_INPUT,
    SET_DAY_NIGHT,
    SET_ETHERNET,
    SET_EXPOSURE,
    SET_OSD,
    SET_PRIVACY,
    SET_STREAMS,
)
from hub.wire.commands.edition_3_params import StreamsSet
from hub.wire.uploads.records import FaceDetail
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from tests.support.simulated_link import SimulatedLink
from web.pages.camera.device.forms import FORMS, PageName
from web.pages.camera.settings.forms import param_values

THIRD = Quirks(edition=3)
PAGES = ["", "/image", "/media", "/masks", "/address"]


@pytest.fixture
async def modern(hub: PageSite) -> SimulatedLink:
    """Camera 1, named "Gate", of edition 3, online."""
    link = await hub.connect(quirks=THIRD)
    await hub.services.cameras.capabilities.learn(
        "1", lambda known: replace(known, connect="unsigned"), "connect"
    )
    return link


async def test_what_the_camera_says_of_itself_is_asked_when_the_page_is_opened(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1")
    await admin.get("/cameras/1/manage")
    assert 'href="/cameras/1/settings"' in admin.text
    assert modern.asked == []
    await admin.get("/cameras/1/device")
    asked = sorted(uri for uri, _ in modern.asked)
    assert asked == ["/net/ifconfig_get_inet", "/system/device/get_info"]
    for text in ("SIM-C3", "255.255.255.0", modern.state.identity.mac, "DHCP", "not connected"):
        assert text in admin.text, text
    assert "Read from the camera on " in admin.text
    assert modern.state.identity.code not in admin.text
    await admin.get("/cameras/1/device")
    assert len(modern.asked) == 2
    await admin.get("/cameras/1/device?again=1")
    assert len(modern.asked) == 4


async def test_a_camera_that_does_not_answer_is_shown_as_it_was(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1/device")
    modern.outcome = DeviceSilent("no answer")
    await admin.get("/cameras/1/device?again=1")
    assert "did not respond in time" in admin.text
    assert "As reported by the camera on " in admin.text
    assert "SIM-C3" in admin.text


async def test_the_page_is_translated(admin: Visitor, modern: SimulatedLink) -> None:
    await admin.get("/cameras/1/device")
    await admin.send("/preferences", language="zh", next="/cameras/1/device")
    await admin.get("/cameras/1/device")
    for text in ("子网掩码", "网关", "型号"):
        assert text in admin.text, text


async def test_the_picture_shows_the_name_that_the_hub_has(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1/device/image")
    assert 'value="IPC"' in admin.text
    values = param_values(SET_OSD.example)
    await admin.send(
        "/cameras/1/device/image/osd", **values | {"channel_name": "", "hub_name": "1"}
    )
    assert admin.goes_to == "/cameras/1/device/image?done=device-set"
    (sent,) = [param for uri, param in modern.asked if uri == SET_OSD.uri]
    assert sent == {**msgspec.to_builtins(SET_OSD.example), "channel_name": "Gate"}
    assert await admin.hub.audited() == [("user admin", "device.set_image", "1")]
    await admin.get(admin.goes_to)
    assert "The camera has applied the settings." in admin.text
    # What was read before is out of date.
    assert 'value="Gate"' in admin.text
    assert 'name="hub_name"' not in admin.text


async def test_a_name_that_is_too_long_for_the_picture_is_cut(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.hub.services.cameras.devices.change("1", DeviceChange(name="x" * 90))
    await admin.get("/cameras/1/device/image")
    await admin.send("/cameras/1/device/image/osd", **param_values(SET_OSD.example), hub_name="1")
    assert modern.asked[-1][1]["channel_name"] == "x" * 64
    await admin.get("/cameras/1/device/image")
    assert 'name="hub_name"' not in admin.text


async def test_what_nothing_reads_back_is_shown_as_it_was_accepted(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1/device/image")
    assert admin.text.count("these are typical values, not its current ones") == 2
    values = param_values(SET_DAY_NIGHT.example) | {"smt_light_mode": "AutoWhite"}
    await admin.send("/cameras/1/device/image/day_night", **values)
    assert "Confirm that these values replace" in admin.text
    assert SET_DAY_NIGHT.uri not in [uri for uri, _ in modern.asked]
    await admin.send("/cameras/1/device/image/day_night", **values, confirmed="1")
    assert modern.asked[-1][0] == SET_DAY_NIGHT.uri
    assert modern.asked[-1][1]["day_end"] == {"hour": 20, "minute": 30}
    await admin.get("/cameras/1/device/image")
    assert '<option value="AutoWhite" selected>' in admin.text
    assert admin.text.count("these are typical values, not its current ones") == 1
    # From now on nothing unknown is replaced.
    await admin.send("/cameras/1/device/image/day_night", **values)
    assert admin.goes_to.endswith("done=device-set")


async def test_a_form_that_the_camera_does_not_take_keeps_what_was_entered(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1/device/image")
    values = param_values(SET_EXPOSURE.example)
    await admin.send("/cameras/1/device/image/exposure", **values | {"back_light_level": "9"})
    assert admin.response.status_code == 400
    assert "A whole number from 0 to 8." in admin.text
    swapped = {"exposure_max": values["exposure_min"], "exposure_min": values["exposure_max"]}
    await admin.send("/cameras/1/device/image/exposure", **values | swapped)
    assert "must not be faster than the fastest one" in admin.text
    assert SET_EXPOSURE.uri not in [uri for uri, _ in modern.asked]
    modern.outcome = DeviceAnswer(420, "no", None)
    await admin.send("/cameras/1/device/image/exposure", **values | {"back_light_level": "7"})
    assert "The camera does not accept these values." in admin.text
    assert 'name="back_light_level" value="7"' in admin.text


async def test_a_stream_is_sent_with_the_others_as_they_are(
    admin: Visitor, modern: SimulatedLink
) -> None:
    first = SET_STREAMS.example.streams[0]
    second = replace(first, streamid=1, width=640, height=360)
    modern.state.told[SET_STREAMS.name] = StreamsSet(streams=(first, second))
    await admin.get("/cameras/1/device/media")
    for text in ("Main stream", "Sub stream", "Microphone", "Loudspeaker"):
        assert text in admin.text, text
    values = param_values(second) | {"frame_rate": "12", "streamid": "7"}
    await admin.send("/cameras/1/device/media/stream-1", **values)
    assert modern.asked[-1][0] == SET_STREAMS.uri
    streams = modern.asked[-1][1]["streams"]
    assert streams == [
        msgspec.to_builtins(first),
        msgspec.to_builtins(replace(second, frame_rate=12)),
    ]


async def test_audio_is_set_whole(admin: Visitor, modern: SimulatedLink) -> None:
    await admin.get("/cameras/1/device/media")
    values = param_values(SET_AUDIO_INPUT.example) | {"ANR_enable": "1", "cnt_channel": "2"}
    del values["enable"]
    await admin.send("/cameras/1/device/media/audio_input", **values)
    wanted = replace(SET_AUDIO_INPUT.example, enable=False, ANR_enable=1, cnt_channel=2)
    assert modern.asked[-1] == (SET_AUDIO_INPUT.uri, msgspec.to_builtins(wanted))
    assert await admin.hub.audited() == [("user admin", "device.set_media", "1")]


async def test_a_value_that_the_hub_does_not_know_is_not_replaced_by_another(
    admin: Visitor, modern: SimulatedLink
) -> None:
    odd = {**msgspec.to_builtins(SET_OSD.example), "position": "centre"}
    modern.outcome = DeviceAnswer(0, "", Raw(msgspec.json.encode(odd)))
    await admin.get("/cameras/1/device/image")
    select = admin.text.partition('name="position"')[2].partition("</select>")[0]
    assert '<option value="">–</option>' in select
    assert "selected" not in select


async def test_an_offline_camera_is_not_offered_forms_of_values_that_nobody_knows(
    admin: Visitor, modern: SimulatedLink
) -> None:
    modern.outcome = DeviceSilent("no answer")
    await admin.get("/cameras/1/device/media")
    assert "did not respond in time" in admin.text
    assert "/device/media/audio_input" not in admin.text


@pytest.mark.parametrize("page", list(FORMS))
def test_every_field_of_a_form_is_in_it_once(page: PageName) -> None:
    for one in FORMS[page]:
        shown = [label.name for group in one.form.groups for label in group.labels]
        channels = {"channelid", "channelId", "streamid"}
        assert sorted(shown) == sorted(set(one.form.bounds) - channels)
        for group in one.form.groups:
            for label in group.labels:
                choices = one.form.bounds[label.name].choices
                assert set(choices) <= {word for word, _ in label.words} or not choices


@pytest.mark.parametrize("path", PAGES)
async def test_a_camera_of_the_first_edition_has_no_such_page(
    hub: PageSite, admin: Visitor, path: str
) -> None:
    link = await hub.connect()
    await admin.get("/cameras/1")
    assert ">Device</a>" not in admin.text
    assert (await admin.get(f"/cameras/1/device{path}")).status_code == 404
    assert link.asked == []


@pytest.mark.parametrize("path", PAGES)
async def test_a_camera_that_answered_404_loses_the_page(
    hub: PageSite, admin: Visitor, modern: SimulatedLink, path: str
) -> None:
    def nothing(known: Capabilities) -> Capabilities:
        groups = dict.fromkeys(("information", "image", "media", "network"), False)
        return replace(known, groups=groups)  # type: ignore[arg-type]

    await hub.services.cameras.capabilities.learn("1", nothing, "answer")
    assert (await admin.get(f"/cameras/1/device{path}")).status_code == 404


@pytest.mark.parametrize("path", PAGES)
async def test_the_pages_are_for_administrators(
    guard: Visitor, modern: SimulatedLink, path: str
) -> None:
    await guard.get("/cameras/1")
    assert ">Device</a>" not in guard.text
    assert (await guard.get(f"/cameras/1/device{path}")).status_code == 403


ETHERNET = param_values(SET_ETHERNET.example)


async def test_an_address_is_asked_for_once_sent_and_waited_for(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1/device/address")
    assert "If the address is wrong, the hub loses the camera" in admin.text
    assert 'name="gateway" value="192.168.1.1"' in admin.text
    await admin.send("/cameras/1/device/address", **ETHERNET)
    assert "Change the address of Gate?" in admin.text
    assert SET_ETHERNET.uri not in [uri for uri, _ in modern.asked]
    await admin.send("/cameras/1/device/address", **ETHERNET, confirmed="1")
    assert admin.goes_to == "/cameras/1/device/address"
    assert modern.asked[-1] == (SET_ETHERNET.uri, msgspec.to_builtins(SET_ETHERNET.example))
    assert await admin.hub.audited() == [("user admin", "device.set_address", "1")]
    await admin.get("/cameras/1/device/address/state")
    assert "The address 192.168.1.20 was sent on " in admin.text
    modern.since = int(admin.hub.clock() * 1000) + 1
    modern.address = "192.168.1.20"
    await admin.get("/cameras/1/device/address/state")
    assert "The camera is back" in admin.text


async def test_an_address_of_another_network_is_not_sent(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1/device/address")
    await admin.send("/cameras/1/device/address", **ETHERNET | {"gateway": "10.0.0.1"})
    assert "The gateway must be another address of the same network" in admin.text
    assert 'value="10.0.0.1"' in admin.text
    await admin.send("/cameras/1/device/address", **ETHERNET | {"addr": "192.168.1"})
    assert "An IPv4 address, such as 192.168.1.20." in admin.text
    assert "A subnet mask, such as 255.255.255.0." in admin.text
    assert SET_ETHERNET.uri not in [uri for uri, _ in modern.asked]


AREA = {"x0": "0", "y0": "10", "w0": "320", "h0": "180"}


async def test_areas_are_hidden_as_their_numbers_say(admin: Visitor, modern: SimulatedLink) -> None:
    await admin.get("/cameras/1/device/masks")
    assert "2560 × 1440" in admin.text
    assert admin.text.count("data-masks-area>") == 4
    await admin.send(
        "/cameras/1/device/masks", **AREA, x2="5", y2="5", w2="2555", h2="9", enable="1"
    )
    assert admin.goes_to == "/cameras/1/device/masks?done=device-set"
    first, second = {"x": 0, "y": 10, "w": 320, "h": 180}, {"x": 5, "y": 5, "w": 2555, "h": 9}
    region = {"bEnable": True, "rects_cnt": 2, "rects": [first, second]}
    assert modern.asked[-1] == (SET_PRIVACY.uri, {"region": region, "channelid": 0})
    assert await admin.hub.audited() == [("user admin", "device.set_masks", "1")]
    await admin.get("/cameras/1/device/masks")
    assert 'name="w0" value="320"' in admin.text
    assert 'name="w1" value="2555"' in admin.text


@pytest.mark.parametrize(
    "change", [{"x0": "2300"}, {"y0": ""}, {"w0": "0"}, {"h0": "1431"}, {"x0": "-1"}, {"x0": "١"}]
)
async def test_an_area_that_is_not_within_the_picture_is_not_sent(
    admin: Visitor, modern: SimulatedLink, change: dict[str, str]
) -> None:
    await admin.get("/cameras/1/device/masks")
    await admin.send("/cameras/1/device/masks", **AREA | change, enable="1")
    assert "the marked areas are not within the picture" in admin.text
    assert 'name="h0"' in admin.text
    assert 'aria-invalid="true"' in admin.text
    assert [uri for uri, _ in modern.asked] == [GET_PRIVACY.uri]


async def test_areas_are_drawn_on_the_last_picture_of_the_whole_scene(
    admin: Visitor, modern: SimulatedLink
) -> None:
    await admin.get("/cameras/1/device/masks")
    assert "has not sent a picture of its scene yet" in admin.text
    await admin.hub.add_record("face", FaceDetail(name="Li"), pictures=("face", "background"))
    await admin.hub.add_record("face", FaceDetail(name="Wu"), pictures=("face",))
    await admin.get("/cameras/1/device/masks")
    assert re.search(r'<img src="/media/\d+/background[^"]*"', admin.text)
    assert 'viewBox="0 0 2560 1440"' in admin.text
