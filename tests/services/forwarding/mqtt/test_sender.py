"""A broker is told what happens now, and keeps what the states are; nothing old is told."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import msgspec
import pytest
import trio
from msgspec import Raw

from hub.errors import BadParameter
from hub.services.audit import COMMAND_LINE
from hub.services.forwarding.mqtt import sender as mqtt_sender
from hub.services.forwarding.mqtt.options import MqttOptions
from hub.services.forwarding.mqtt.topics import HOME_ASSISTANT_STATUS
from hub.services.forwarding.nats.identity import Identity
from hub.services.forwarding.retries import RetryPlan
from hub.services.forwarding.targets import TargetChange
from hub.store.targets.target import Selection
from hub.wire.pictures import Picture
from hub.wire.uploads.bodies import CheckedUpload
from hub.wire.uploads.records import FaceDetail, Plate, VehicleDetail
from tests.services.forwarding.conftest import day_of
from tests.services.forwarding.mqtt.conftest import (
    HUB,
    ROOT,
    MqttForwarding,
    event,
    open_mqtt_forwarding,
)
from tests.support.authority import Authority
from tests.support.clock import FrozenClock
from tests.support.hub_services import open_hub_services
from tests.support.mqtt_broker import (
    BAD_LOGIN,
    NOT_AUTHORISED,
    TAKEN_OVER,
    FakeBroker,
    running_broker,
)
from tests.support.photographer import photo

NAMES = [str(number) for number in range(60)]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once what failed."""
    monkeypatch.setattr(mqtt_sender.MqttSender.__init__, "__defaults__", (RetryPlan((0.02,)),))


def kept_of(did: str, broker: FakeBroker) -> list[str]:
    """Return the topics under which a broker keeps something of a camera."""
    return [topic for topic in broker.kept if f"/{did}/" in topic or f"_{did}/" in topic]


# -- records and alarms


async def test_each_kind_of_record_has_a_topic_of_its_camera(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_told()
    (seq,) = await forwarding.hub.add_faces("Ann")
    detail = VehicleDetail(plate=Plate(id="AB123"))
    vehicle = CheckedUpload(kind="vehicle", occurred_at=0, detail=detail, pictures=())
    await forwarding.hub.add(vehicle, did="2")
    await forwarding.hub.add(event(3), did="2")
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/2/event")))
    face = forwarding.json(f"{ROOT}/1/face")
    log = forwarding.hub.store.log_id
    assert (face["seq"], face["name"], face["kind"]) == (seq, "Ann", "face")
    assert (face["log"], face["hub"], face["images"]) == (log, HUB, {})
    assert forwarding.json(f"{ROOT}/2/plate")["plate"] == {"id": "AB123"}
    assert forwarding.json(f"{ROOT}/2/event")["type"] == 3
    (published,) = [one for one in broker.published if one.topic == f"{ROOT}/1/face"]
    assert (published.retain, published.content_type) == (False, "application/json")


async def test_records_come_in_order_and_no_more_than_a_window_is_on_its_way(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    broker.told = b"\x21\x00\x05"  # Receive Maximum 5
    await forwarding.add_told()
    await forwarding.hub.add_faces(*NAMES)
    await forwarding.until(lambda: len(broker.payloads(f"{ROOT}/1/face")) == len(NAMES))
    told = [msgspec.json.decode(one)["name"] for one in broker.payloads(f"{ROOT}/1/face")]
    assert told == NAMES
    assert 0 < broker.most_unanswered <= 5


async def test_states_and_records_share_a_narrow_window(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    broker.told = b"\x21\x00\x01"  # Receive Maximum 1
    for did in NAMES[1:9]:
        await forwarding.add_camera(did)
    await forwarding.add_told()
    await forwarding.until(lambda: f"{ROOT}/8/alarm/state" in broker.kept)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(broker.publish, HOME_ASSISTANT_STATUS, b"online")
        nursery.start_soon(partial(forwarding.hub.add_faces, *NAMES[:20]))
    await forwarding.until(lambda: len(broker.payloads(f"{ROOT}/1/face")) == 20)
    await forwarding.until(lambda: len(broker.payloads(f"{ROOT}/8/alarm/state")) == 2)
    assert len(broker.logins) == 1


async def test_a_picture_comes_before_its_record_if_the_target_gets_pictures(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_told(selection=Selection(pictures="all"))
    await forwarding.hub.add_faces("a", pictures=True)
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/face")))
    topics = [one.topic for one in broker.published if "/1/" in one.topic]
    assert topics == [f"{ROOT}/1/face/image", f"{ROOT}/1/face"]
    (picture,) = [one for one in broker.published if one.topic.endswith("image")]
    assert (picture.payload, picture.content_type) == (b"\xff\xd8\xffa", "image/jpeg")
    assert not picture.retain


async def test_a_picture_of_another_type_is_told_as_a_jpeg(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    """As the document for Home Assistant says; what cannot be read is left out."""
    await forwarding.add_told(selection=Selection(pictures="all"))
    for data in (photo("WEBP"), b"RIFF----WEBP"):
        picture = Picture("face", "image/webp", data)
        await forwarding.hub.add(
            CheckedUpload(kind="face", occurred_at=0, detail=FaceDetail(), pictures=(picture,))
        )
    await forwarding.until(lambda: len(broker.payloads(f"{ROOT}/1/face")) == 2)
    (told,) = [one for one in broker.published if one.topic.endswith("image")]
    assert told.content_type == "image/jpeg"
    assert told.payload.startswith(b"\xff\xd8\xff")


async def test_no_picture_is_told_unless_it_is_chosen(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_told()
    await forwarding.hub.add_faces("a", pictures=True)
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/face")))
    assert not broker.payloads(f"{ROOT}/1/face/image")


async def test_personal_numbers_are_masked(forwarding: MqttForwarding, broker: FakeBroker) -> None:
    await forwarding.add_told()
    extra = Raw(b'{"idCardNo": "440301199001011234", "mask": 1}')
    upload = CheckedUpload(
        kind="face", occurred_at=0, detail=FaceDetail(name="a"), pictures=(), extra=extra
    )
    await forwarding.hub.add(upload)
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/face")))
    told = forwarding.json(f"{ROOT}/1/face")["extra"]
    assert told == {"idCardNo": "**************1234", "mask": 1}


async def test_a_long_record_is_told_without_what_is_not_specified(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_told()
    extra = Raw(msgspec.json.encode({"note": "x" * 30_000}))
    upload = CheckedUpload(
        kind="face", occurred_at=0, detail=FaceDetail(name="a"), pictures=(), extra=extra
    )
    await forwarding.hub.add(upload)
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/face")))
    told = forwarding.json(f"{ROOT}/1/face")
    assert (told["extra"], told["shortened"], told["name"]) == ({}, True, "a")


async def test_an_alarm_is_told_and_kept_as_a_state_until_somebody_acknowledges_it(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera()
    await forwarding.add_told()
    await forwarding.until(lambda: broker.kept.get(f"{ROOT}/1/alarm/state") == b"OFF")
    seq = await forwarding.hub.add(event(3))
    await forwarding.until(lambda: broker.kept[f"{ROOT}/1/alarm/state"] == b"ON")
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/alarm")))
    told = forwarding.json(f"{ROOT}/1/alarm")
    assert (told["seq"], told["state"]) == (seq, "new")
    assert (told["record"]["seq"], told["record"]["images"]) == (seq, {})
    await forwarding.hub.services.alarms.raised.acknowledge([seq], "", by=COMMAND_LINE)
    await forwarding.until(lambda: broker.kept[f"{ROOT}/1/alarm/state"] == b"OFF")
    await forwarding.until(lambda: forwarding.json(f"{ROOT}/1/alarm")["state"] == "acknowledged")
    assert broker.kept[f"{ROOT}/alarm/state"] == b"OFF"


# -- what is old, and what breaks


async def test_what_is_older_than_minutes_is_left_out_when_a_connection_begins(
    tmp_path: Path, clock: FrozenClock, broker: FakeBroker
) -> None:
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        id = (await forwarding.add_told()).target.id
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        await forwarding.until_state(id, "current")
    # The hub forwards nothing now.
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.add_faces("yesterday")
        clock.advance(301)
        await hub.add_faces("just now")
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        view = await forwarding.until_state(id, "current")
        await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/face")))
        told = [msgspec.json.decode(one)["name"] for one in broker.payloads(f"{ROOT}/1/face")]
        assert told == ["just now"]
        assert (view.behind, view.gaps) == (0, ())


async def test_a_broken_connection_is_opened_again_and_loses_nothing_that_is_new(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    id = (await forwarding.add_told()).target.id
    broker.connect_code = 0x88  # the server is unavailable
    await broker.cut()
    view = await forwarding.until_state(id, "waiting")
    await forwarding.until(lambda: "Server unavailable" in str(forwarding.targets.get(id).reason))
    assert broker.kept[f"{ROOT}/status"] == b"offline"
    await forwarding.hub.add_faces("a")
    broker.connect_code = 0
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/face")))
    view = await forwarding.until_state(id, "current")
    assert (view.reason, str(view.about)) == (None, "MQTT 5")
    assert broker.kept[f"{ROOT}/status"] == b"online"


async def test_a_connection_that_has_ended_tells_nothing_through_the_next_one(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    await forwarding.add_told()
    online = f"{ROOT}/1/online"
    for times in (1, 2, 3):
        await forwarding.until(lambda: len(broker.payloads(online)) == times)  # noqa: B023
        await broker.cut()
    await forwarding.until(lambda: len(broker.payloads(online)) == 4)
    forwarding.attach("1")
    await forwarding.until(lambda: broker.kept[online] == b"online")
    await forwarding.hub.add_faces("a")
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/face")))
    assert broker.payloads(online) == [*[b"offline"] * 4, b"online"]


async def test_what_was_not_acknowledged_is_sent_again(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_told()
    broker.answers = False
    await forwarding.hub.add_faces("a")
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/face")))
    broker.answers = True
    await broker.cut()
    await forwarding.until(lambda: len(broker.payloads(f"{ROOT}/1/face")) == 2)


async def test_a_message_that_the_broker_refuses_is_dead_lettered_and_sent_again_at_will(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    id = (await forwarding.add_told()).target.id
    broker.publish_code = lambda message: NOT_AUTHORISED if "face" in message.topic else 0
    (seq,) = await forwarding.hub.add_faces("a")
    await forwarding.hub.add(event())
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/event")))
    letter = await forwarding.until_dead_lettered(id)
    assert (letter.seq, str(letter.reason)) == (seq, "the broker refused it: Not authorized")
    broker.publish_code = lambda message: 0
    await forwarding.targets.retry(id, by=COMMAND_LINE)
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/face")))


async def test_a_message_that_is_too_large_for_the_broker_is_dead_lettered(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    broker.told = b"\x27" + (4_000).to_bytes(4, "big")  # Maximum Packet Size
    id = (await forwarding.add_told(selection=Selection(pictures="all"))).target.id
    picture = Picture("face", "image/jpeg", b"\xff\xd8\xff" + bytes(8_000))
    upload = CheckedUpload(
        kind="face", occurred_at=0, detail=FaceDetail(name="a"), pictures=(picture,)
    )
    await forwarding.hub.add(upload)
    await forwarding.hub.add(event())
    await forwarding.until(lambda: bool(broker.payloads(f"{ROOT}/1/event")))
    letter = await forwarding.until_dead_lettered(id)
    assert "more than the broker takes (4000)" in str(letter.reason)


async def test_two_hubs_of_one_name_are_held_rather_than_taking_turns(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    id = (await forwarding.add_told()).target.id
    states = f"{ROOT}/alarm/state"
    for times in (1, 2, 3):
        await forwarding.until(lambda times=times: len(broker.payloads(states)) == times)
        await broker.end(TAKEN_OVER)
    view = await forwarding.until_state(id, "held")
    assert "another client is called sitehub-site-1 too" in str(view.reason)


async def test_a_wrong_password_is_told(forwarding: MqttForwarding, broker: FakeBroker) -> None:
    broker.connect_code = BAD_LOGIN
    identity = Identity(user="hub", password="wrong-secret")
    id = (await forwarding.add(identity=identity)).target.id
    view = await forwarding.until_state(id, "waiting")
    assert str(view.reason) == "the broker refused the connection: Bad user name or password"
    login = broker.logins[0]
    assert (login.id, login.user, login.password) == (f"sitehub-{HUB}", "hub", "wrong-secret")


async def test_an_old_broker_is_told_of(forwarding: MqttForwarding, broker: FakeBroker) -> None:
    broker.connect_code = 1
    id = (await forwarding.add()).target.id
    view = await forwarding.until_state(id, "waiting")
    assert str(view.reason) == "the broker does not support MQTT 5"


@pytest.mark.parametrize(
    "nonsense", [b"\x00" * 8, b"\x20\xff\xff\xff\xff\xff", b"HTTP/1.1" + bytes(90)]
)
async def test_nonsense_is_waited_out(forwarding: MqttForwarding, nonsense: bytes) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.send_all(nonsense)
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, serve, listeners)
        id = (await forwarding.add(url=f"mqtt://127.0.0.1:{port}")).target.id
        await forwarding.until_state(id, "waiting")
        nursery.cancel_scope.cancel()


# -- states


async def test_the_broker_says_whether_the_hub_is_there(
    tmp_path: Path, clock: FrozenClock, broker: FakeBroker
) -> None:
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        await forwarding.add_told()
        assert broker.kept[f"{ROOT}/status"] == b"online"
        will = broker.clients[f"sitehub-{HUB}"].will
        assert will is not None
        assert (will.topic, will.payload, will.retain) == (f"{ROOT}/status", b"offline", True)
    await forwarding.until(lambda: broker.kept[f"{ROOT}/status"] == b"offline")
    assert broker.payloads(f"{ROOT}/status") == [b"online", b"offline"]


async def test_the_broker_keeps_which_cameras_are_online(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    await forwarding.add_camera("2", online=True)
    await forwarding.add_told()
    await forwarding.until(lambda: f"{ROOT}/2/online" in broker.kept)
    assert broker.kept[f"{ROOT}/1/online"] == b"offline"
    assert broker.kept[f"{ROOT}/2/online"] == b"online"
    forwarding.attach("1")
    await forwarding.until(lambda: broker.kept[f"{ROOT}/1/online"] == b"online")
    assert broker.payloads(f"{ROOT}/2/online") == [b"online"]


async def test_only_chosen_cameras_are_told(forwarding: MqttForwarding, broker: FakeBroker) -> None:
    await forwarding.add_camera("1")
    await forwarding.add_camera("2")
    await forwarding.add_told(selection=Selection(dids=("2",)))
    await forwarding.until(lambda: f"{ROOT}/2/online" in broker.kept)
    assert not kept_of("1", broker)


async def test_a_camera_that_is_removed_is_forgotten_also_if_the_hub_was_not_connected_then(
    tmp_path: Path, clock: FrozenClock, broker: FakeBroker
) -> None:
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        for did in ("1", "2", "3"):
            await forwarding.add_camera(did)
        await forwarding.add_told()
        await forwarding.until(lambda: f"{ROOT}/3/online" in broker.kept)
        await forwarding.hub.services.cameras.devices.remove("1")
        await forwarding.until(lambda: not kept_of("1", broker))
    async with open_hub_services(tmp_path, clock) as hub:
        await hub.services.cameras.devices.remove("2")
    async with open_mqtt_forwarding(tmp_path, clock, broker) as forwarding:
        await forwarding.until(lambda: not kept_of("2", broker))
        assert f"{ROOT}/3/online" in broker.kept


async def test_a_target_that_is_removed_leaves_nothing_behind(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    id = (await forwarding.add_told()).target.id
    await forwarding.until(lambda: f"{ROOT}/1/online" in broker.kept)
    await forwarding.targets.remove(id, by=COMMAND_LINE)
    assert broker.kept == {}


async def test_home_assistant_forgets_the_cameras_once_it_is_switched_off(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    await forwarding.add_camera("1")
    id = (await forwarding.add_told()).target.id
    await forwarding.until(lambda: f"homeassistant/device/sitehub_{HUB}_1/config" in broker.kept)
    change = TargetChange(mqtt=MqttOptions(home_assistant=False))
    await forwarding.targets.change(id, change, by=COMMAND_LINE)
    await forwarding.until(lambda: f"{ROOT}/1/online" in broker.kept)
    assert not [topic for topic in broker.kept if topic.startswith("homeassistant")]


# -- trying it out, TLS, and what may be entered


async def test_a_test_says_what_became_of_it_and_disturbs_nothing(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    id = (await forwarding.add_told()).target.id
    delivery = await forwarding.targets.test(id, by=COMMAND_LINE)
    assert delivery.reason is None
    assert len(broker.payloads(f"{ROOT}/test")) == 1
    assert broker.kept[f"{ROOT}/status"] == b"online"
    broker.publish_code = lambda message: NOT_AUTHORISED
    delivery = await forwarding.targets.test(id, by=COMMAND_LINE)
    assert str(delivery.reason) == "the broker refused it: Not authorized"


async def test_attempts_are_listed(forwarding: MqttForwarding, broker: FakeBroker) -> None:
    id = (await forwarding.add_told()).target.id
    (seq,) = await forwarding.hub.add_faces("a")
    await forwarding.until(lambda: bool(forwarding.targets.deliveries(id)))
    (delivery,) = forwarding.targets.deliveries(id)
    assert (delivery.id, delivery.reason) == (f"{forwarding.hub.store.log_id}-{seq}", None)


async def test_a_certificate_of_the_sites_authority_encrypts(
    tmp_path: Path, clock: FrozenClock
) -> None:
    site = Authority(tmp_path)
    async with (
        running_broker(tls=site.server_context()) as broker,
        open_mqtt_forwarding(tmp_path / "hub", clock, broker) as forwarding,
    ):
        cert, key = site.issue(HUB)
        view = await forwarding.add_told(ca=site.pem, identity=Identity(cert=cert, key=key))
        await forwarding.hub.add_faces(*NAMES)
        await forwarding.until(lambda: len(broker.payloads(f"{ROOT}/1/face")) == len(NAMES))
        assert str(forwarding.targets.get(view.target.id).about) == "MQTT 5, TLSv1.3"
        other = await forwarding.add(name="other", hub="site-2")
        view = await forwarding.until_state(other.target.id, "waiting")
        assert "certificate is not trusted" in str(view.reason)


@pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("url", {"url": "https://broker.example"}),
        ("url", {"url": "mqtt://user:secret@broker.example"}),
        ("url", {"url": "mqtt://broker.example/topic"}),
        ("url", {"url": "mqtt://broker.example:0"}),
        ("url", {"url": "mqtts://127.0.0.1:8443"}),
        ("url", {"identity": Identity(cert="x", key="y")}),
        ("user", {"identity": Identity(user="x")}),
        ("from", {"begin": "beginning"}),
        ("partition", {"partition": 3}),
        ("ca", {"ca": "x"}),
    ],
)
async def test_wrong_fields_are_named(
    forwarding: MqttForwarding, field: str, fields: dict[str, object]
) -> None:
    with pytest.raises(BadParameter) as fault:
        await forwarding.add(**fields)  # type: ignore[arg-type]
    assert fault.value.field == field


async def test_other_kinds_have_no_commands(forwarding: MqttForwarding) -> None:
    with pytest.raises(BadParameter) as fault:
        await forwarding.targets.add(
            "webhook", "https://x.example", mqtt=MqttOptions(commands=True), by=COMMAND_LINE
        )
    assert fault.value.field == "commands"


async def test_no_day_is_kept_for_a_broker_and_no_gap_is_told(
    forwarding: MqttForwarding, broker: FakeBroker
) -> None:
    id = (await forwarding.add_told()).target.id
    broker.connect_code = 0x88
    await broker.cut()
    await forwarding.until_state(id, "waiting")
    await forwarding.hub.add_faces("a", "b")
    day = day_of(1, 2)
    assert not forwarding.targets.needs(day)
    await forwarding.targets.note_dropped(day, "age")
    assert forwarding.targets.get(id).gaps == ()


def test_the_client_is_not_loaded_before_there_is_such_a_target() -> None:
    code = (
        "import sys, hub.app, web.app, hub.services.forwarding.senders\n"
        "assert not [name for name in sys.modules if name.startswith('paho')]\n"
        "assert 'hub.services.forwarding.mqtt.sender' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
