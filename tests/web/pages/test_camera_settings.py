"""A camera's settings (1.5, 1.6), and restarting it (1.9)."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from hub.errors import (
    DeviceBusy,
    DeviceLeft,
    DeviceNonsense,
    DeviceOffline,
    DeviceRefused,
    DeviceSilent,
    HubError,
    Unanswered,
)
from hub.live.registry import DeviceAnswer
from hub.wire.commands.dialect import SET_FACE, SET_RECORDING
from hub.wire.commands.field_specs import field_specs
from hub.wire.commands.param_structs import FaceParam, RecordParam
from tests.support.browsing import Visitor
from tests.support.page_site import PageSite
from tests.support.simulated_link import SimulatedLink
from web.pages.camera.settings.face_and_recording import FACE, RECORDING
from web.pages.camera.settings.forms import SettingForm, param_values

FACE_VALUES = param_values(SET_FACE.example)
RECORD_VALUES = param_values(SET_RECORDING.example)


@pytest.fixture
async def admin(admin: Visitor, camera: SimulatedLink) -> Visitor:
    await admin.get("/cameras/1/settings")
    return admin


def field(page: str, name: str) -> str:
    """The tag of a field; for a select, with its options."""
    found = re.search(rf'<(input|select)[^>]*name="{re.escape(name)}"', page)
    assert found, name
    return page[found.start() :].partition("</select>" if found[1] == "select" else ">")[0]


@pytest.mark.parametrize(("form", "param"), [(FACE, FaceParam), (RECORDING, RecordParam)])
def test_every_field_of_a_setting_is_in_its_form_once(form: SettingForm, param: type) -> None:
    shown = [label.name for group in form.groups for label in group.labels]
    assert sorted(shown) == sorted(param_values(form.command.example))
    assert {name.partition(".")[0] for name in shown} == set(field_specs(param))


async def test_a_field_has_the_bounds_of_the_command(admin: Visitor) -> None:
    for name, least, most in (("mini_face", 30, 500), ("alarm_out.interval", 10, 60)):
        tag = field(admin.text, name)
        assert f'min="{least}" max="{most}"' in tag
        assert f'data-expected="A whole number from {least} to {most}."' in tag


async def test_typical_values_are_labelled(admin: Visitor) -> None:
    assert admin.text.count("these are typical values, not its current ones") == 2
    # Optional fields are not changed.
    assert '<option value="" selected>' in field(admin.text, "play_audio_vip")


async def test_a_camera_takes_its_face_settings(admin: Visitor, camera: SimulatedLink) -> None:
    values = {**FACE_VALUES, "mini_face": "44", "play_audio_vip": "", "play_audio_white": "0"}
    del values["push_bg"]
    await admin.send("/cameras/1/settings/face", **values, confirmed="1")
    assert admin.goes_to.startswith("/cameras/1/settings?done=face-set&changed=enable%2C")
    ((uri, sent),) = camera.asked
    assert uri == "/ivp/person_param_set"
    assert sent["mini_face"] == 44
    assert sent["push_bg"] is False
    assert sent["play_audio_white"] is False
    assert "play_audio_vip" not in sent
    assert sent["alarm_out"] == {"interval": 10, "alarm_push": True}
    assert await admin.hub.audited() == [("user admin", "device.set_face", "1")]
    await admin.get(admin.goes_to)
    assert "The camera has applied the settings for faces and people." in admin.text
    assert "Applied by the camera on " in admin.text
    assert 'value="44"' in field(admin.text, "mini_face")
    assert "checked" not in field(admin.text, "push_bg")


async def test_a_camera_takes_its_recording_settings(admin: Visitor, camera: SimulatedLink) -> None:
    await admin.send(
        "/cameras/1/settings/recording", **{**RECORD_VALUES, "strategy": "1", "confirmed": "1"}
    )
    assert admin.goes_to.startswith("/cameras/1/settings?done=recording-set&changed=")
    assert camera.asked[0][1]["strategy"] == 1
    assert await admin.hub.audited() == [("user admin", "device.set_recording", "1")]


async def test_the_first_send_lists_what_it_replaces_and_asks(
    admin: Visitor, camera: SimulatedLink
) -> None:
    values = {**FACE_VALUES, "mini_face": "44", "play_audio_vip": "", "push_bg": "0"}
    await admin.send("/cameras/1/settings/face", **values)
    assert camera.asked == []
    assert "Send these settings for the first time?" in admin.text
    assert "<li>Minimum face size: 44</li>" in admin.text
    assert "<li>Scene picture: Off</li>" in admin.text
    assert "VIP" not in admin.text
    hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', admin.text)
    await admin.send("/cameras/1/settings/face", **dict(hidden))
    assert camera.asked[0][1]["mini_face"] == 44
    assert camera.asked[0][1]["push_bg"] is False
    # From now on it is known what the camera has.
    await admin.send("/cameras/1/settings/face", **{**values, "mini_face": "45"})
    assert admin.goes_to == "/cameras/1/settings?done=face-set&changed=mini_face"


async def test_a_changed_setting_can_be_applied_to_other_cameras(
    admin: Visitor, camera: SimulatedLink
) -> None:
    await admin.send("/cameras/1/settings/face", **FACE_VALUES, confirmed="1")
    changed = {**FACE_VALUES, "mini_face": "45", "alarm_out.interval": "20"}
    await admin.send("/cameras/1/settings/face", **changed)
    await admin.get(admin.goes_to)
    assert "2 settings were sent." in admin.text
    (url,) = re.findall(r'href="(/cameras/many/face\?[^"]+)"', admin.text)
    await admin.get(url.replace("&amp;", "&"))
    assert 'value="45"' in field(admin.text, "mini_face")
    assert 'value="20"' in field(admin.text, "alarm_out.interval")
    assert 'value=""' in field(admin.text, "threshold")
    await admin.send("/cameras/1/settings/face", **changed)
    assert admin.goes_to == "/cameras/1/settings?done=face-set"
    await admin.get(admin.goes_to)
    assert "Apply to other cameras" not in admin.text


@pytest.mark.parametrize(
    ("path", "values", "name", "wrong", "expected"),
    [
        ("face", FACE_VALUES, "mini_human", "50", "A whole number from 60 to 1000."),
        ("face", FACE_VALUES, "alarm_out.interval", "9", "A whole number from 10 to 60."),
        ("face", FACE_VALUES, "threshold", "", "A whole number from 0 to 100."),
        ("face", FACE_VALUES, "threshold", "7.5", "A whole number from 0 to 100."),
        ("recording", RECORD_VALUES, "file_len", "61", "A whole number from 1 to 60."),
        ("recording", RECORD_VALUES, "strategy", "2", "Choose one of the options."),
        ("face", FACE_VALUES, "play_audio_vip", "maybe", "Choose one of the options."),
    ],
)
async def test_a_value_out_of_range_is_marked_kept_and_not_sent(
    admin: Visitor,
    camera: SimulatedLink,
    path: str,
    values: dict[str, str],
    name: str,
    wrong: str,
    expected: str,
) -> None:
    other = "quality_face" if path == "face" else "pre_record.duration"
    await admin.send(f"/cameras/1/settings/{path}", **{**values, name: wrong, other: "3"})
    assert admin.response.status_code == 400
    assert "one value is not valid" in admin.text
    assert admin.text.count('aria-invalid="true"') == 1
    assert 'aria-invalid="true"' in field(admin.text, name)
    assert f'class="wrong"><span>{expected}' in admin.text or (
        f'class="wrong">{expected}' in admin.text
    )
    assert 'value="3"' in field(admin.text, other)
    assert camera.asked == []
    assert await admin.hub.audited() == []


async def test_a_refusal_keeps_the_values_and_is_remembered(
    admin: Visitor, camera: SimulatedLink
) -> None:
    await admin.send(
        "/cameras/1/settings/face", **{**FACE_VALUES, "mini_face": "40", "confirmed": "1"}
    )
    camera.outcome = DeviceAnswer(500, "sensor <busy>")
    await admin.send("/cameras/1/settings/face", **{**FACE_VALUES, "mini_face": "77"})
    assert admin.response.status_code == 502
    assert "The camera refused the request." in admin.text
    assert "Its message: “sensor &lt;busy&gt;” (code 500)." in admin.text
    assert 'value="77"' in field(admin.text, "mini_face")
    await admin.get("/cameras/1/settings")
    assert "It rejected other values on " in admin.text
    assert 'value="40"' in field(admin.text, "mini_face")


TROUBLES: list[tuple[HubError, str, bool]] = [
    (DeviceOffline(), "The camera is not connected", False),
    (DeviceBusy(), "busy with other requests", False),
    (DeviceLeft(), "disconnected before it responded", True),
    (DeviceSilent(), "did not respond in time", True),
    (DeviceNonsense(), "response could not be interpreted", True),
    (DeviceRefused(404, ""), "does not support this function", True),
    (DeviceRefused(420, "x"), "does not accept these values", True),
]


@pytest.mark.parametrize(("error", "sentence", "may_be_done"), TROUBLES)
async def test_every_device_error_is_shown_as_a_sentence(
    admin: Visitor, camera: SimulatedLink, error: HubError, sentence: str, may_be_done: bool
) -> None:
    camera.outcome = error
    await admin.send("/cameras/1/reboot", delay="1")
    assert admin.response.status_code == error.status
    assert sentence in admin.text.replace("&#39;", "'")
    # It is in the audit log if the command was sent.
    assert len(await admin.hub.audited()) == may_be_done
    doubt = "The change may have been made anyway." in admin.text
    assert doubt == isinstance(error, Unanswered)


async def test_restarting_asks_once_and_names_the_camera(
    admin: Visitor, camera: SimulatedLink
) -> None:
    await admin.get("/cameras/1/reboot")
    assert "Restart Gate?" in admin.text
    assert 'name="delay" value="1"' in admin.text
    assert camera.asked == []
    await admin.send("/cameras/1/reboot", delay="5")
    assert admin.goes_to == "/cameras/1?done=rebooting"
    assert camera.asked == [("/system/maintain/reboot", {"delay_ms": 5000})]
    assert await admin.hub.audited() == [("user admin", "device.reboot", "1")]


@pytest.mark.parametrize("delay", ["-1", "soon", "", "1.5", "２", "2147484", "9" * 5000])
async def test_an_invalid_delay_is_refused(
    admin: Visitor, camera: SimulatedLink, delay: str
) -> None:
    await admin.send("/cameras/1/reboot", delay=delay)
    assert admin.response.status_code == 400
    assert "A whole number from 0 to 2147483." in admin.text
    assert camera.asked == []


async def test_the_settings_of_an_offline_camera_are_shown(hub: PageSite) -> None:
    await hub.enrol()
    admin = await Visitor.signed_in(hub)
    await admin.get("/cameras/1/settings")
    assert "You can change its settings once it is back" in admin.text


@pytest.mark.parametrize("role", ["guard", "viewer"])
@pytest.mark.parametrize("path", ["/cameras/1/settings", "/cameras/1/reboot"])
async def test_settings_are_for_administrators(hub: PageSite, path: str, role: str) -> None:
    await hub.connect()
    visitor = await Visitor.signed_in(hub, role)
    await visitor.get("/cameras/1")
    assert "/cameras/1/settings" not in visitor.text
    assert "/cameras/1/reboot" not in visitor.text
    await visitor.get(path)
    assert visitor.response.status_code == 403


async def test_a_limit_and_a_refusal_are_in_chinese(admin: Visitor) -> None:
    await admin.send("/preferences", language="zh", next="/")
    await admin.get("/cameras/1/settings")
    await admin.send("/cameras/1/settings/face", **{**FACE_VALUES, "mini_face": "1"})
    assert "30 到 500 的整数。" in admin.text
    assert "有一项内容无效" in admin.text


async def test_units_are_in_the_language_of_the_page(admin: Visitor, camera: SimulatedLink) -> None:
    await admin.get("/cameras/1/settings")
    assert "<span>s</span>" in admin.text
    await admin.send("/preferences", language="zh", next="/cameras/1/settings")
    await admin.get("/cameras/1/settings")
    assert "<span>秒</span>" in admin.text
    assert "<span>分钟</span>" in admin.text


async def test_d12_what_the_camera_does_not_have_is_not_shown(
    admin: Visitor, hub: PageSite
) -> None:
    capabilities = hub.services.cameras.capabilities
    await admin.get("/cameras/1/settings")
    assert 'name="record_face"' in admin.text
    about_others = "Only cameras with the protocol of 2025 or later have these settings."
    assert about_others in admin.text
    await capabilities.learn("1", lambda known: replace(known, face=1), "answer")
    await admin.get("/cameras/1/settings")
    assert 'name="record_face"' not in admin.text
    assert 'name="show_human"' in admin.text
    await capabilities.learn("1", lambda known: replace(known, face=3, recording=3), "answer")
    await admin.get("/cameras/1/settings")
    assert 'name="record_face"' in admin.text
    assert about_others not in admin.text
    # All of a setting is sent, so what is required stays without being seen.
    for name in ("show_human", "pre_record.duration"):
        assert f'<input type="hidden" name="{name}" value=' in admin.text
        assert f"<code>{name}</code>" not in admin.text
    for name in ("show_face", "normal_record"):
        assert f"<code>{name}</code>" in admin.text
