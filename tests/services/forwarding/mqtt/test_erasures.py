"""The face that a camera showed last is taken back once that record is erased."""

from __future__ import annotations

from pathlib import Path

import pytest

from hub.services.forwarding.mqtt import sender as mqtt_sender
from hub.services.forwarding.mqtt.topics import HOME_ASSISTANT_STATUS
from hub.services.forwarding.retries import RetryPlan
from hub.store.targets.target import Selection
from tests.services.forwarding.mqtt.conftest import (
    HUB,
    ROOT,
    MqttForwarding,
    open_mqtt_forwarding,
)
from tests.services.forwarding.test_erasures import NAME, NUMBER, add_person, erase_person
from tests.support.clock import FrozenClock
from tests.support.mqtt_broker import FakeBroker

FACE, PICTURE = f"{ROOT}/1/face", f"{ROOT}/1/face/image"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once what failed."""
    monkeypatch.setattr(mqtt_sender.MqttSender.__init__, "__defaults__", (RetryPlan((0.02,)),))


def is_taken_back(broker: FakeBroker, topic: str = FACE) -> bool:
    return b'"erased":true' in broker.payloads(topic)[-1]


async def test_an_erased_face_is_replaced_by_nobody_and_no_picture(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    id = (await forwarding.add_told(selection=Selection(pictures="all"))).target.id
    (seq,) = await add_person(forwarding.hub)
    await forwarding.until(lambda: len(broker.payloads(FACE)) == 1)
    assert broker.payloads(PICTURE)[-1]
    await erase_person(forwarding.hub)
    await forwarding.until(lambda: is_taken_back(broker))
    assert forwarding.json(FACE) == {
        "kind": "face",
        "did": "1",
        "erased": True,
        "images": {},
        "log": forwarding.hub.store.log_id,
        "hub": HUB,
    }
    assert broker.payloads(PICTURE)[-1] == b""
    told = [one for one in broker.published if one.topic.startswith(FACE)]
    assert not any(one.retain for one in told)
    assert NAME not in str(told[2:])
    await forwarding.until(lambda: len(forwarding.targets.deliveries(id)) == 2)
    delivery = forwarding.targets.deliveries(id)[0]
    assert delivery.id == f"{forwarding.hub.store.log_id}-{seq}-erasure-1-{seq}"


async def test_a_face_that_came_later_or_elsewhere_stays(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_told()
    await add_person(forwarding.hub)
    await forwarding.hub.add_faces("later")
    await forwarding.hub.add_faces("elsewhere", did="2")
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/2/face")))
    await erase_person(forwarding.hub)
    await forwarding.hub.add_faces("last", did="3")
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/3/face")))
    assert len(broker.payloads(FACE)) == 2
    assert len(broker.payloads(f"{ROOT}/2/face")) == 1


async def test_a_face_that_was_told_before_the_hub_started_is_taken_back_too(
    tmp_path: Path, clock: FrozenClock, broker: FakeBroker
) -> None:
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        told = (await forwarding.add_told()).target.id
        await add_person(forwarding.hub)
        (last,) = await forwarding.hub.add_faces("elsewhere", did="2")
        targets = forwarding.hub.store.targets
        # What is not noted as told is told again at the next start.
        await forwarding.until(lambda: targets.get(told).cursor.seq == last)
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        await erase_person(forwarding.hub)
        await forwarding.until(lambda: is_taken_back(broker))
        assert len(broker.payloads(f"{ROOT}/2/face")) == 1


async def test_what_a_target_does_not_get_is_not_taken_back(
    tmp_path: Path, clock: FrozenClock, broker: FakeBroker
) -> None:
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        await forwarding.add_told(selection=Selection(dids=("2",)))
        await add_person(forwarding.hub)
        await erase_person(forwarding.hub)
        await forwarding.hub.add_faces("a", did="2")
        await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/2/face")))
    assert not broker.payloads(FACE)


async def test_who_was_away_hears_it_when_it_is_back(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_told()
    await add_person(forwarding.hub)
    await forwarding.until(lambda: len(broker.payloads(FACE)) == 1)
    await erase_person(forwarding.hub)
    await forwarding.until(lambda: len(broker.payloads(FACE)) == 2)
    await broker.publish(HOME_ASSISTANT_STATUS, b"online")
    await forwarding.until(lambda: len(broker.payloads(FACE)) == 3)
    assert is_taken_back(broker)
    await forwarding.hub.add_faces("later")
    await forwarding.until(lambda: len(broker.payloads(FACE)) == 4)
    states = len(broker.payloads(f"{ROOT}/alarm/state"))
    await broker.publish(HOME_ASSISTANT_STATUS, b"online")
    await forwarding.until(lambda: len(broker.payloads(f"{ROOT}/alarm/state")) > states)
    await forwarding.hub.add_faces("last")
    await forwarding.until(lambda: len(broker.payloads(FACE)) >= 5)
    assert NUMBER not in str(broker.payloads(FACE)[1:])
    assert not is_taken_back(broker)
    assert len(broker.payloads(FACE)) == 5
