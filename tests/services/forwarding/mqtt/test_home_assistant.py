"""Home Assistant finds the hub and its cameras, and may ask for two things if that is allowed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from jinja2.sandbox import SandboxedEnvironment
from msgspec.structs import replace

from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.mqtt.topics import HOME_ASSISTANT_STATUS
from hub.services.forwarding.site_state import SiteState
from hub.store.targets.target import Selection
from tests.services.forwarding.mqtt.conftest import HUB, ROOT, MqttForwarding, event
from tests.support.mqtt_broker import FakeBroker

CAMERA = f"homeassistant/device/sitehub_{HUB}_1/config"


def wanted(component: dict[str, Any]) -> bool:
    """Whether a component is no removal."""
    return component.keys() != {"platform"}


async def test_there_is_a_document_for_the_hub_and_for_each_camera(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1", "Gate")
    await forwarding.add_told()
    await forwarding.until(lambda: CAMERA in broker.kept)
    hub, camera = forwarding.document(), forwarding.document("1")
    assert hub["device"]["identifiers"] == [f"sitehub_{HUB}"]
    assert hub["device"]["configuration_url"] == "https://10.0.0.5:8443"
    assert hub["origin"]["name"] == camera["origin"]["name"] == "sitehub"
    assert camera["device"]["identifiers"] == [f"sitehub_{HUB}_1"]
    assert camera["device"]["via_device"] == f"sitehub_{HUB}"
    assert (camera["device"]["name"], camera["device"]["serial_number"]) == ("Gate", "SN1")
    shown = {name for name, component in camera["cmps"].items() if wanted(component)}
    assert shown == {"online", "face", "seen", "alarm"}
    # The hub is told of first: cameras refer to it.
    topics = [one.topic for one in broker.published]
    assert topics.index(f"homeassistant/device/sitehub_{HUB}/config") < topics.index(CAMERA)


async def test_each_entity_says_where_its_state_is_and_is_named_once(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    await forwarding.add_camera("2")
    await forwarding.add_told(commands=True, selection=Selection(pictures="all"))
    await forwarding.until(lambda: f"{ROOT}/2/online" in broker.kept)
    documents = [forwarding.document(did) for did in ("", "1", "2")]
    entities = [one for document in documents for one in document["cmps"].values()]
    assert len({one["unique_id"] for one in entities}) == len(entities) == 9 + 2 * 7
    for one in entities:
        platform, _, name = one["default_entity_id"].partition(".")
        assert platform == one["platform"]
        assert re.fullmatch(r"[a-z0-9_]+", name)
        topics = [value for key, value in one.items() if key.endswith("topic")]
        assert topics
        assert all(topic.startswith(f"{ROOT}/") for topic in topics)
    camera = documents[1]["cmps"]
    assert camera["online"]["state_topic"] == f"{ROOT}/1/online"
    assert camera["picture"]["image_topic"] == f"{ROOT}/1/face/image"
    assert camera["alarm"]["state_topic"] == f"{ROOT}/1/alarm/state"
    assert camera["alarm"]["availability_topic"] == f"{ROOT}/status"
    assert camera["reboot"]["command_topic"] == f"{ROOT}/1/command"


@pytest.mark.parametrize(
    ("record", "state"),
    [
        ({"name": "Ann"}, "Ann"),
        ({}, "Stranger"),
        ({"name": "x" * 300}, "x" * 255),
        # Home Assistant takes this for "unknown".
        ({"erased": True}, "None"),
    ],
)
async def test_the_last_face_is_shown_by_its_name_and_what_is_known_of_it(
    forwarding: MqttForwarding, broker: FakeBroker, record: dict[str, object], state: str
) -> None:
    await forwarding.add_camera("1")
    await forwarding.add_told()
    await forwarding.until(lambda: CAMERA in broker.kept)
    face = forwarding.document("1")["cmps"]["face"]
    told = {"seq": 7, "occurred_at": "2026-11-25T08:00:00.000Z", **record}
    templates = SandboxedEnvironment()
    assert templates.from_string(face["value_template"]).render(value_json=told) == state
    shown = templates.from_string(face["json_attributes_template"]).render(value_json=told)
    attributes = msgspec.json.decode(shown)
    assert (attributes["seq"], attributes["uuid"]) == (7, None)
    assert "name" not in attributes


STATE = SiteState(
    at=datetime(2026, 12, 2, tzinfo=UTC), version="1.2", disk_free=5, problems=("disk-low",)
)


async def test_the_hub_shows_how_it_is(forwarding: MqttForwarding, broker: FakeBroker) -> None:
    await forwarding.add_told()
    (teller,) = forwarding.targets.state_tellers()
    await teller.tell(STATE)
    told = msgspec.json.decode(broker.kept[f"{ROOT}/state"])
    components, templates = forwarding.document()["cmps"], SandboxedEnvironment()
    shown = {
        name: templates.from_string(one["value_template"]).render(value_json=told)
        for name, one in components.items()
        if one.get("state_topic") == f"{ROOT}/state"
    }
    versions = msgspec.json.decode(shown.pop("update"))
    assert versions == {"installed_version": "1.2", "latest_version": "1.2"}
    assert shown == {
        "version": "1.2",
        "disk": "5",
        "cameras": "0",
        "refused": "0",
        "problem": "ON",
    }
    # Once an update waits.
    await teller.tell(replace(STATE, update_version="1.3"))
    told = msgspec.json.decode(broker.kept[f"{ROOT}/state"])
    update = templates.from_string(components["update"]["value_template"])
    assert msgspec.json.decode(update.render(value_json=told))["latest_version"] == "1.3"


async def test_how_the_hub_is_goes_with_the_target(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    view = await forwarding.add_told()
    (teller,) = forwarding.targets.state_tellers()
    await teller.tell(STATE)
    assert f"{ROOT}/state" in broker.kept
    await forwarding.targets.remove(view.target.id, by=COMMAND_LINE)
    await forwarding.until(lambda: f"{ROOT}/state" not in broker.kept)


async def test_what_is_switched_off_is_removed(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    await forwarding.add(selection=Selection(alarms=False))
    await forwarding.until(lambda: f"{ROOT}/1/online" in broker.kept)
    components = forwarding.document("1")["cmps"]
    for name, platform in (
        ("picture", "image"),
        ("alarm", "binary_sensor"),
        ("reboot", "button"),
        ("acknowledge", "button"),
    ):
        assert components[name] == {"platform": platform}
    assert f"{ROOT}/1/alarm/state" not in broker.kept


async def test_a_new_name_of_a_camera_is_told(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    from hub.store.tables.devices import DeviceChange

    await forwarding.add_camera("1", "Gate")
    await forwarding.add_told()
    await forwarding.until(lambda: CAMERA in broker.kept)
    await forwarding.hub.services.cameras.devices.change("1", DeviceChange(name="Back door"))
    await forwarding.until(lambda: forwarding.document("1")["device"]["name"] == "Back door")


async def test_all_is_told_again_once_home_assistant_has_started(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    await forwarding.add_told()
    await forwarding.until(lambda: f"{ROOT}/1/alarm/state" in broker.kept)
    told = len(broker.payloads(CAMERA))
    await broker.publish(HOME_ASSISTANT_STATUS, b"offline")
    await broker.publish(HOME_ASSISTANT_STATUS, b"online")
    await forwarding.until(lambda: len(broker.payloads(f"{ROOT}/1/alarm/state")) == 2)
    assert len(broker.payloads(CAMERA)) == told + 1


async def test_nothing_is_told_to_home_assistant_if_that_is_switched_off(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    await forwarding.add_told(home_assistant=False)
    await forwarding.until(lambda: f"{ROOT}/1/online" in broker.kept)
    assert not [one for one in broker.published if one.topic.startswith("homeassistant")]


# -- commands


async def test_a_camera_is_restarted_if_commands_are_allowed(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    link = forwarding.attach("1")
    await forwarding.add_told(name="Broker", commands=True)
    await broker.publish(f"{ROOT}/1/command", b"reboot")
    await forwarding.until(lambda: bool(link.asked))
    # One that comes at once after it is left out, as anything that is no command.
    for command in (b"reboot", b"format", b""):
        await broker.publish(f"{ROOT}/1/command", command)
    await broker.publish(f"{ROOT}/command", b"reboot")
    await broker.publish(f"{ROOT}/7/command", b"reboot")
    seq = await forwarding.hub.add(event())
    await forwarding.until(lambda: broker.kept[f"{ROOT}/1/alarm/state"] == b"ON")
    await broker.publish(f"{ROOT}/1/command", b"acknowledge")
    await forwarding.until(lambda: broker.kept[f"{ROOT}/1/alarm/state"] == b"OFF")
    await forwarding.until_audited("alarm.acknowledge")
    assert len(link.asked) == 1
    audit = await forwarding.hub.services.core.audit.newest(limit=2)
    assert [(one.action, one.target, one.who) for one in audit] == [
        ("alarm.acknowledge", str(seq), "target Broker"),
        ("device.reboot", "1", "target Broker"),
    ]


async def test_no_command_is_obeyed_unless_that_is_switched_on(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    link = forwarding.attach("1")
    await forwarding.add_told()
    assert not [one for one in broker.clients[f"sitehub-{HUB}"].filters if "command" in one]
    await broker.publish(f"{ROOT}/1/command", b"reboot")
    await broker.publish(HOME_ASSISTANT_STATUS, b"online")
    await forwarding.until(lambda: len(broker.payloads(CAMERA)) >= 2)
    assert not link.asked


@pytest.mark.parametrize("topic", ["1/command", "command"])
async def test_a_command_that_the_broker_keeps_is_not_obeyed(
    forwarding: MqttForwarding, broker: FakeBroker, topic: str
) -> None:
    await broker.publish(f"{ROOT}/{topic}", b"reboot", retain=True)
    await broker.publish(f"{ROOT}/{topic}", b"acknowledge", retain=True)
    await forwarding.add_camera("1")
    link = forwarding.attach("1")
    await forwarding.hub.add(event())
    await forwarding.add_told(commands=True)
    await broker.publish(HOME_ASSISTANT_STATUS, b"online")
    await forwarding.until(lambda: len(broker.payloads(CAMERA)) >= 2)
    assert not link.asked
    assert forwarding.hub.services.alarms.raised.new_count == 1
