"""A hub that tells a broker what happens; a test plays the broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from hub.live.feed import Change
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.mqtt.options import MqttOptions
from hub.services.forwarding.views import TargetView
from hub.store.tables.devices import NewDevice
from hub.store.targets.target import DeadLetter, Selection
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import EventDetail
from tests.support.clock import FrozenClock
from tests.support.commanded_link import AskedLink, answer
from tests.support.hub_services import HubServices, open_hub_services
from tests.support.mqtt_broker import FakeBroker, running_broker

HUB = "site-1"
ROOT = f"sitehub/{HUB}"


def event(type: int = 3) -> CheckedUpload:
    return CheckedUpload(kind="event", occurred_at=0, detail=EventDetail(type=type), pictures=())


class MqttForwarding:
    """A hub with a broker."""

    def __init__(self, hub: HubServices, broker: FakeBroker) -> None:
        self.hub = hub
        self.broker = broker
        self.targets = hub.services.forwarding.targets

    async def add(self, *, commands: bool | None = None, **fields: Any) -> TargetView:
        mqtt = MqttOptions(commands=commands, home_assistant=fields.pop("home_assistant", None))
        fields = {"selection": Selection(), "hub": HUB, "mqtt": mqtt, **fields}
        url = fields.pop("url", self.broker.url)
        view, secret = await self.targets.add("mqtt", url, by=COMMAND_LINE, **fields)
        assert secret == ""
        return view

    async def add_told(self, **fields: Any) -> TargetView:
        """Add a target, and wait until the broker knows the hub's state."""
        view = await self.add(**fields)
        await self.until(lambda: f"{ROOT}/alarm/state" in self.broker.kept)
        return view

    async def add_camera(self, did: str = "1", name: str = "Gate", *, online: bool = False) -> None:
        new = NewDevice(sn=f"SN{did}", code="12345678", did=did, name=name)
        await self.hub.services.cameras.devices.add(new)
        if online:
            self.attach(did)

    def attach(self, did: str = "1") -> AskedLink:
        link = AskedLink(did, lambda uri, param: answer())
        self.hub.registry.attach(link)
        self.hub.services.core.changes.publish([Change("device", did)])
        return link

    async def until(self, condition: Callable[[], bool]) -> None:
        with trio.fail_after(30):
            while not condition():  # noqa: ASYNC110  what happens has no event
                await trio.sleep(0.005)

    async def until_audited(self, action: str) -> None:
        """Wait until this is the newest entry of the audit log.

        What a command changed is told to the broker before its entry is written.
        """
        with trio.fail_after(30):
            # What the audit log holds has no event.
            while (await self.hub.services.core.audit.newest(limit=1))[0].action != action:  # noqa: ASYNC110
                await trio.sleep(0.005)

    async def until_dead_lettered(self, id: int) -> DeadLetter:
        """Wait until a record is a dead letter: the broker may have those after it before."""
        await self.until(lambda: self.targets.get(id).dead_letters > 0)
        (letter,) = await self.targets.dead_letters(id)
        return letter

    async def until_state(self, id: int, state: str) -> TargetView:
        await self.until(lambda: self.targets.get(id).state == state)
        return self.targets.get(id)

    def json(self, topic: str) -> dict[str, Any]:
        """Return the last message under a topic."""
        return msgspec.json.decode(self.broker.payloads(topic)[-1], type=dict[str, Any])

    def document(self, did: str = "") -> dict[str, Any]:
        """Return the document by which Home Assistant knows a camera."""
        name = f"sitehub_{HUB}_{did}" if did else f"sitehub_{HUB}"
        topic = f"homeassistant/device/{name}/config"
        return msgspec.json.decode(self.broker.kept[topic], type=dict[str, Any])


@asynccontextmanager
async def open_mqtt_forwarding(
    data: Path, clock: FrozenClock, broker: FakeBroker
) -> AsyncIterator[MqttForwarding]:
    async with open_hub_services(data, clock) as hub, trio.open_nursery() as nursery:
        await nursery.start(hub.services.forwarding.targets.run)
        yield MqttForwarding(hub, broker)
        nursery.cancel_scope.cancel()


@pytest.fixture
async def broker() -> AsyncIterator[FakeBroker]:
    async with running_broker() as broker:
        yield broker


@pytest.fixture
async def forwarding(
    tmp_path: Path, clock: FrozenClock, broker: FakeBroker
) -> AsyncIterator[MqttForwarding]:
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        yield forwarding
