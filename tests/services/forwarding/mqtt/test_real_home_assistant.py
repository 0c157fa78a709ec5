"""A real Home Assistant shows what docs/home-assistant.md says, through a real broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.site_state import SiteState
from hub.store.targets.target import Selection
from hub.wire.uploads.records import FaceDetail
from tests.services.forwarding.mqtt.conftest import MqttForwarding, event, open_mqtt_forwarding
from tests.services.forwarding.mqtt.test_mosquitto import listening
from tests.services.forwarding.test_erasures import NAME, add_person, erase_person
from tests.support.clock import FrozenClock
from tests.support.home_assistant import HomeAssistant, running_home_assistant
from tests.support.hub_services import face
from tests.support.mosquitto import Mosquitto, running_mosquitto
from tests.support.mqtt_broker import FakeBroker

NOON_MS = 1_764_072_000_000
PICTURE = b"\xff\xd8\xffAnn"


class House:
    """A broker, and a Home Assistant that is connected to it."""

    def __init__(self, broker: Mosquitto, home: HomeAssistant) -> None:
        self.broker = broker
        self.home = home


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    with (
        running_mosquitto(folder / "broker") as broker,
        running_home_assistant(folder / "home") as home,
    ):
        home.add_broker(broker.port)
        yield House(broker, home)


class Shown:
    """A hub with the cameras 1 and 2, and what Home Assistant shows of it."""

    def __init__(self, name: str, forwarding: MqttForwarding, house: House) -> None:
        self.name = name
        self.forwarding = forwarding
        self.broker = house.broker
        self.home = house.home

    async def add(self, **fields: Any) -> int:
        """Add the target; return once both cameras are shown."""
        fields = {"selection": Selection(pictures="all"), **fields}
        view = await self.forwarding.add(url=self.broker.url, hub=self.name, **fields)
        for did in ("1", "2"):
            await self.until("binary_sensor", did, "online", "on", "off")
        return view.target.id

    def id(self, platform: str, did: str, part: str) -> str:
        """Return the id of an entity as the documentation has it."""
        name = "_".join(one for one in ("sitehub", self.name, did, part) if one)
        return f"{platform}.{name.replace('-', '_')}"

    async def until(self, platform: str, did: str, part: str, *states: str) -> str:
        return await self.home.until_state(
            self.id(platform, did, part), lambda state: state in states
        )

    async def device(self, entity: str) -> dict[str, Any]:
        """Return the device of an entity, with its entities and what it is connected by."""
        found: dict[str, Any] = await self.home.render(
            "{% set id = device_id('" + entity + "') %}"
            "{% set via = device_attr(id, 'via_device_id') %}"
            "{{ {'name': device_attr(id, 'name'), 'serial': device_attr(id, 'serial_number'),"
            " 'entities': device_entities(id) | sort,"
            " 'via': device_attr(via, 'name') if via else none} | tojson }}"
        )
        return found


@pytest.fixture
async def shown(
    request: pytest.FixtureRequest, tmp_path: Path, clock: FrozenClock, house: House
) -> AsyncIterator[Shown]:
    # Each has another name, so that nothing is left of the one before.
    name = request.node.name.removeprefix("test_").replace("_", "-")[:30].strip("-")
    async with open_mqtt_forwarding(tmp_path, clock, FakeBroker()) as forwarding:
        await forwarding.add_camera("1", "Gate")
        await forwarding.add_camera("2", "Door")
        yield Shown(name, forwarding, house)


async def test_devices_and_entities_are_as_documented(shown: Shown) -> None:
    await shown.add(commands=True)
    hub = await shown.device(shown.id("binary_sensor", "", "status"))
    assert hub["via"] is None
    assert hub["entities"] == [
        *(shown.id("binary_sensor", "", part) for part in ("alarm", "problem", "status")),
        shown.id("button", "", "acknowledge"),
        *(shown.id("sensor", "", part) for part in ("cameras", "disk", "refused", "version")),
        shown.id("update", "", "update"),
    ]
    for did, name in (("1", "Gate"), ("2", "Door")):
        camera = await shown.device(shown.id("binary_sensor", did, "online"))
        assert (camera["name"], camera["serial"]) == (name, f"SN{did}")
        assert camera["via"] == hub["name"]
        assert camera["entities"] == [
            shown.id("binary_sensor", did, "alarm"),
            shown.id("binary_sensor", did, "online"),
            shown.id("button", did, "acknowledge"),
            shown.id("button", did, "reboot"),
            shown.id("image", did, "picture"),
            shown.id("sensor", did, "face"),
            shown.id("sensor", did, "seen"),
        ]


async def test_states_follow_what_happens(shown: Shown) -> None:
    await shown.add()
    assert await shown.until("binary_sensor", "", "status", "on")
    assert await shown.until("binary_sensor", "1", "online", "off")
    assert await shown.until("sensor", "1", "face", "unknown")
    shown.forwarding.attach("1")
    await shown.until("binary_sensor", "1", "online", "on")
    await shown.forwarding.hub.add(face("Ann", pictures=True, at=NOON_MS))
    await shown.until("sensor", "1", "face", "Ann")
    await shown.until("sensor", "1", "seen", "2025-11-25T12:00:00+00:00")
    picture = await shown.home.get(f"/api/image_proxy/{shown.id('image', '1', 'picture')}")
    assert (picture.content, picture.headers["content-type"]) == (PICTURE, "image/jpeg")
    entity = await shown.home.entity(shown.id("sensor", "1", "face"))
    assert entity is not None
    assert entity["attributes"]["seq"] == 1
    assert entity["attributes"]["occurred_at"] == "2025-11-25T12:00:00.000Z"
    await shown.forwarding.hub.add(replace(face(""), detail=FaceDetail()))
    await shown.until("sensor", "1", "face", "Stranger")
    assert await shown.until("sensor", "2", "face", "unknown")
    seq = await shown.forwarding.hub.add(event())
    await shown.until("binary_sensor", "1", "alarm", "on")
    assert await shown.until("binary_sensor", "2", "alarm", "off")
    await shown.forwarding.hub.services.alarms.raised.acknowledge([seq], "", by=COMMAND_LINE)
    await shown.until("binary_sensor", "1", "alarm", "off")


async def test_the_hub_shows_how_it_is(shown: Shown) -> None:
    await shown.add()
    (teller,) = shown.forwarding.targets.state_tellers()
    state = SiteState(at=datetime(2026, 12, 2, tzinfo=UTC), version="1.2", cameras_offline=2)
    await teller.tell(state)
    await shown.until("sensor", "", "version", "1.2")
    await shown.until("sensor", "", "cameras", "2")
    # What the hub does not know.
    assert await shown.until("sensor", "", "disk", "unknown")
    assert await shown.until("binary_sensor", "", "problem", "off")
    assert await shown.until("update", "", "update", "off")
    problems = ("disk-low", "backup-overdue")
    await teller.tell(replace(state, disk_free=7, problems=problems, update_version="1.3"))
    await shown.until("update", "", "update", "on")
    await shown.until("binary_sensor", "", "problem", "on")
    assert await shown.until("sensor", "", "disk", "7")
    problem = await shown.home.entity(shown.id("binary_sensor", "", "problem"))
    update = await shown.home.entity(shown.id("update", "", "update"))
    assert problem is not None
    assert problem["attributes"]["problems"] == list(problems)
    assert update is not None
    assert update["attributes"]["latest_version"] == "1.3"


async def test_buttons_restart_and_acknowledge(shown: Shown) -> None:
    link = shown.forwarding.attach("1")
    await shown.add(commands=True)
    await shown.until("button", "1", "reboot", "unknown")
    await shown.home.press(shown.id("button", "1", "reboot"))
    await shown.forwarding.until(lambda: bool(link.asked))
    await shown.forwarding.hub.add(event())
    await shown.until("binary_sensor", "1", "alarm", "on")
    await shown.home.press(shown.id("button", "1", "acknowledge"))
    await shown.until("binary_sensor", "1", "alarm", "off")
    await shown.forwarding.until_audited("alarm.acknowledge")
    audit = await shown.forwarding.hub.services.core.audit.newest(limit=2)
    assert [one.action for one in audit] == ["alarm.acknowledge", "device.reboot"]


async def test_no_button_is_there_unless_it_is_allowed(shown: Shown) -> None:
    await shown.add()
    await shown.until("sensor", "2", "face", "unknown")
    assert await shown.home.state(shown.id("button", "1", "reboot")) == ""


async def test_all_is_told_again_after_a_restart(shown: Shown) -> None:
    document = f"homeassistant/device/sitehub_{shown.name}_1/config"
    shown.forwarding.attach("1")
    await shown.add()
    await shown.forwarding.hub.add_faces("Ann")
    await shown.until("sensor", "1", "face", "Ann")
    with listening(shown.broker.port) as heard:
        await trio.to_thread.run_sync(shown.home.end)
        told = len(heard.payloads(document))
        await trio.to_thread.run_sync(shown.home.start)
        await shown.until("binary_sensor", "1", "online", "on")
        await shown.forwarding.until(lambda: len(heard.payloads(document)) > told)
    assert await shown.until("sensor", "1", "face", "unknown")
    await shown.forwarding.hub.add_faces("Bob")
    await shown.until("sensor", "1", "face", "Bob")


async def test_what_is_removed_here_is_removed_there(shown: Shown) -> None:
    id = await shown.add()
    await shown.forwarding.hub.services.cameras.devices.remove("1")
    await shown.until("sensor", "1", "face", "")
    await shown.until("binary_sensor", "1", "online", "")
    assert await shown.until("sensor", "2", "face", "unknown")
    device = shown.id("binary_sensor", "2", "online")
    assert (await shown.device(device))["name"] == "Door"
    await shown.forwarding.targets.remove(id, by=COMMAND_LINE)
    await shown.until("binary_sensor", "2", "online", "")
    await shown.until("binary_sensor", "", "status", "")


async def test_an_erased_face_is_shown_no_more(shown: Shown) -> None:
    await shown.add()
    await add_person(shown.forwarding.hub)
    await shown.until("sensor", "1", "face", NAME)
    image = f"/api/image_proxy/{shown.id('image', '1', 'picture')}"
    assert (await shown.home.get(image)).status_code == 200
    await erase_person(shown.forwarding.hub)
    await shown.until("sensor", "1", "face", "unknown")
    await shown.until("sensor", "1", "seen", "unknown")
    entity = await shown.home.entity(shown.id("sensor", "1", "face"))
    assert entity is not None
    assert entity["attributes"]["uuid"] is None
    assert (await shown.home.get(image)).status_code != 200


async def test_nothing_is_available_while_the_hub_is_away(
    tmp_path: Path, clock: FrozenClock, house: House
) -> None:
    async with open_mqtt_forwarding(tmp_path, clock, FakeBroker()) as forwarding:
        await forwarding.add_camera("1")
        await forwarding.add_camera("2")
        shown = Shown("away", forwarding, house)
        await shown.add()
    await shown.until("sensor", "1", "face", "unavailable")
    assert await shown.until("binary_sensor", "", "status", "off")
