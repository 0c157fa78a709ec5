"""A real broker (mosquitto) and a client of another make get what a hub tells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from hub.services.forwarding.mqtt import sender as mqtt_sender
from hub.services.forwarding.mqtt.options import MqttOptions
from hub.services.forwarding.nats.identity import Identity
from hub.services.forwarding.retries import RetryPlan
from hub.store.targets.target import Selection
from tests.services.forwarding.mqtt.conftest import HUB, ROOT, open_mqtt_forwarding
from tests.support.authority import Authority
from tests.support.clock import FrozenClock
from tests.support.mosquitto import running_mosquitto
from tests.support.mqtt_broker import FakeBroker, Published
from tests.support.ports import free_port

NAMES = [str(number) for number in range(300)]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once what failed."""
    monkeypatch.setattr(mqtt_sender.MqttSender.__init__, "__defaults__", (RetryPlan((0.05,)),))


@contextmanager
def listening(port: int) -> Iterator[FakeBroker]:
    """Note everything that a broker has and gets, as if we were it."""
    heard = FakeBroker()

    def note(client: Client, data: object, message: MQTTMessage) -> None:
        heard.published.append(Published(message.topic, message.payload, message.retain))
        heard.kept.pop(message.topic, None)
        if message.payload:
            heard.kept[message.topic] = message.payload

    is_ready = threading.Event()
    client = Client(CallbackAPIVersion.VERSION2, "reader", protocol=MQTTv5)
    client.on_message = note
    client.on_connect = lambda *_: client.subscribe("#", qos=1)
    client.on_subscribe = lambda *_: is_ready.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        assert is_ready.wait(10)
        yield heard
    finally:
        client.disconnect()
        client.loop_stop()


async def test_a_real_broker_gets_records_pictures_states_and_documents(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with running_mosquitto(tmp_path / "broker") as broker, listening(broker.port) as heard:
        async with open_mqtt_forwarding(tmp_path / "hub", clock, heard) as forwarding:
            await forwarding.add_camera("1", online=True)
            view = await forwarding.add(url=broker.url, selection=Selection(pictures="all"))
            await forwarding.until(lambda: f"{ROOT}/1/online" in heard.kept)
            await forwarding.hub.add_faces(*NAMES, pictures=True)
            await forwarding.until(lambda: len(heard.payloads(f"{ROOT}/1/face")) == len(NAMES))
            told = [msgspec.json.decode(one)["name"] for one in heard.payloads(f"{ROOT}/1/face")]
            assert told == NAMES
            assert heard.payloads(f"{ROOT}/1/face/image")[-1] == b"\xff\xd8\xff299"
            assert heard.kept[f"{ROOT}/status"] == b"online"
            assert forwarding.document("1")["device"]["via_device"] == f"sitehub_{HUB}"
            assert str(forwarding.targets.get(view.target.id).about) == "MQTT 5"
        await forwarding.until(lambda: heard.kept[f"{ROOT}/status"] == b"offline")


async def test_a_broker_that_is_killed_misses_nothing_that_is_new(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with running_mosquitto(tmp_path / "broker") as broker, listening(broker.port) as heard:
        async with open_mqtt_forwarding(tmp_path / "hub", clock, heard) as forwarding:
            id = (await forwarding.add(url=broker.url)).target.id
            await forwarding.until_state(id, "current")
            await forwarding.until(lambda: f"{ROOT}/status" in heard.kept)
            broker.kill()
            await forwarding.until_state(id, "waiting")
            await forwarding.hub.add_faces("a", "b")
            broker.start()
            with listening(broker.port) as heard_later:
                await forwarding.until_state(id, "current")
                status = f"{ROOT}/status"
                await forwarding.until(lambda: heard_later.kept.get(status) == b"online")


async def test_a_real_broker_checks_the_certificate_of_a_hub(
    tmp_path: Path, clock: FrozenClock
) -> None:
    site = Authority(tmp_path)
    folder = site.write_server_files().as_posix()
    config = (
        f"listener {{port}} 127.0.0.1\ncafile {folder}/ca.crt\ncertfile {folder}/server.crt\n"
        f"keyfile {folder}/server.key\nrequire_certificate true\nuse_identity_as_username true\n"
    )
    port = free_port()
    text = config.replace("{port}", str(port))
    with running_mosquitto(tmp_path / "broker", text) as broker, listening(broker.port) as heard:
        async with open_mqtt_forwarding(tmp_path / "hub", clock, heard) as forwarding:
            url = f"mqtts://127.0.0.1:{port}"
            cert, key = site.issue(HUB)
            identity = Identity(cert=cert, key=key)
            id = (await forwarding.add(url=url, ca=site.pem, identity=identity)).target.id
            await forwarding.until(lambda: heard.kept.get(f"{ROOT}/status") == b"online")
            assert str(forwarding.targets.get(id).about) == "MQTT 5, TLSv1.3"
            stranger = await forwarding.add(url=url, ca=site.pem, name="stranger", hub="site-2")
            view = await forwarding.until_state(stranger.target.id, "waiting")
            # With TLS 1.3 the refusal may come after the handshake, as a reset.
            assert view.reason
            assert "sitehub/site-2/status" not in heard.kept


async def test_a_command_that_a_real_broker_is_to_keep_is_ignored_while_the_hub_is_there(
    tmp_path: Path, clock: FrozenClock
) -> None:
    with running_mosquitto(tmp_path / "broker") as broker, listening(broker.port) as heard:
        async with open_mqtt_forwarding(tmp_path / "hub", clock, heard) as forwarding:
            links = {}
            for did in ("1", "2"):
                await forwarding.add_camera(did, online=True)
                links[did] = forwarding.attach(did)
            await forwarding.add(url=broker.url, mqtt=MqttOptions(commands=True))
            await forwarding.until(lambda: heard.kept.get(f"{ROOT}/2/online") == b"online")
            client = Client(CallbackAPIVersion.VERSION2, "switch", protocol=MQTTv5)
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
            try:
                for did, is_kept in (("1", True), ("2", False)):
                    topic = f"{ROOT}/{did}/command"
                    client.publish(topic, b"reboot", 1, is_kept).wait_for_publish(10)
                await forwarding.until(lambda: bool(links["2"].asked))
            finally:
                client.loop_stop()
            assert not links["1"].asked
