"""Connect, token and heartbeat (1.1 to 1.3), and requests, over a WebSocket with a mock clock."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from hub import metrics
from hub.errors import DeviceBusy, DeviceLeft, DeviceSilent
from hub.link.connection import DeviceLink
from hub.live.registry import DeviceAnswer
from hub.store.tables.devices import DeviceChange
from tests.support.gate import CODE, SN, public_pem
from tests.support.plug import connected_camera, device_port

pytestmark = pytest.mark.jumping_clock


async def test_a_camera_connects_sends_heartbeats_and_updates_its_token() -> None:
    async with device_port(heartbeat_interval=30) as port:
        device = await port.site.enrol()
        camera = await port.camera()
        answer = await camera.connect()
        assert (answer["uri"], answer["code"], answer["msg"]) == ("/connect", 200, "OK")
        assert answer["result"] == {"token": camera.token, "expire": 3600, "interval": 30}
        assert port.site.devices.get(device.did).state == "online"
        await trio.sleep(30)
        beat = await camera.ask("/heartbeat", {"did": device.did, "sn": SN})
        assert beat["result"] == {"expire": 3570}
        update = await camera.ask("/token/update", {"did": device.did, "sn": SN})
        assert update["result"]["expire"] == 3600
        assert update["result"]["token"] != camera.token


@pytest.mark.parametrize("param", [{}, {"did": "1"}, {"did": " "}, {"did": "9"}, {"sn": "other"}])
@pytest.mark.parametrize("token", ["", "nonsense"])
async def test_a_usual_heartbeat_is_answered_as_any_other(
    param: dict[str, str], token: str
) -> None:
    async with connected_camera() as (_, _, camera):
        for sent in (camera.token, token):
            answers = []
            for form in (param, param | {"a": "field that 1.3 does not have"}):
                await camera.send(
                    {"msgid": "7", "token": sent, "data": {"uri": "/heartbeat", "param": form}}
                )
                answers.append(await camera.receive())
            assert answers[0] == answers[1]


async def test_a_usual_heartbeat_is_not_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    async with connected_camera() as (_, _, camera):
        with monkeypatch.context() as patch:
            patch.setattr("hub.link.dispatch.decode_frame", None)
            assert (await camera.ask("/heartbeat"))["code"] == 200


async def test_the_uri_may_lack_its_slash_and_have_blanks() -> None:
    async with connected_camera() as (_, _, camera):
        assert (await camera.ask(" heartbeat"))["code"] == 200


async def test_a_binary_message_is_handled_like_a_text_message() -> None:
    async with device_port() as port:
        await port.site.enrol()
        camera = await port.camera()
        frame = {"msgid": "b", "data": {"uri": "/connect", "param": camera.connect_param()}}
        await camera.send(json.dumps(frame).encode())
        assert (await camera.receive())["data"]["code"] == 200


@pytest.mark.parametrize(
    ("frame", "msgid"),
    [
        ("not json", ""),
        ('{"msgid": "7"}', "7"),
        ('{"msgid": "7", "data": {"uri": "/connect"}}', "7"),
        ('{"msgid": "7", "data": []}', "7"),
        ("[" * 100_000, ""),
        ('{"msgid": "7", "data": {"uri": "/connect", "param": NaN}}', ""),
        (b"\xff\xfe", ""),
        ("", ""),
        ("null", ""),
    ],
)
async def test_a_bad_frame_is_answered_420_and_the_connection_stays(
    frame: str | bytes, msgid: str
) -> None:
    async with device_port(max_first_frame_kb=256) as port:
        await port.site.enrol()
        camera = await port.camera()
        await camera.send(frame)
        answer = await camera.receive()
        assert (answer["msgid"], answer["data"]["code"]) == (msgid, 420)
        assert (await camera.connect())["code"] == 200


async def test_a_connect_without_sn_or_ts_is_420_and_names_the_field() -> None:
    async with device_port() as port:
        camera = await port.camera()
        for field in ("sn", "ts"):
            param = {key: value for key, value in camera.connect_param().items() if key != field}
            answer = await camera.ask("/connect", param)
            assert answer["code"] == 420
            assert field in answer["msg"]


async def test_before_a_good_connect_every_other_uri_is_401() -> None:
    async with device_port() as port:
        await port.site.enrol()
        camera = await port.camera()
        for uri in ("/heartbeat", "/token/update", "/no/such/uri"):
            for token in ("nonsense", "t" * 5000):
                assert (await camera.ask(uri, token=token))["code"] == 401
        assert (await camera.connect(code="WRONG"))["code"] == 423
        assert (await camera.ask("/heartbeat"))["code"] == 401
        assert (await camera.connect())["code"] == 200


async def test_after_a_good_connect_an_unknown_uri_is_404_and_a_bad_token_401() -> None:
    async with connected_camera(token_ttl=100) as (_, _, camera):
        assert (await camera.ask("/no/such/uri"))["code"] == 404
        for token in (None, "nonsense", "t" * 5000):
            assert (await camera.ask("/heartbeat", token=token))["code"] == 401
        await trio.sleep(60)
        assert (await camera.ask("/heartbeat"))["code"] == 200
        await trio.sleep(50)
        assert (await camera.ask("/heartbeat"))["code"] == 401
        assert (await camera.connect())["code"] == 200


async def test_a_foreign_did_in_a_heartbeat_is_421_and_the_connection_stays() -> None:
    async with connected_camera() as (_, _, camera):
        assert (await camera.ask("/heartbeat", {"did": "999"}))["code"] == 421
        assert (await camera.ask("/heartbeat"))["code"] == 200


async def test_a_second_connection_closes_the_first() -> None:
    async with device_port() as port:
        device = await port.site.enrol()
        first, second = await port.camera(), await port.camera()
        await first.connect()
        await second.connect()
        assert await first.ended() == (1000, "the device connected again")
        assert port.site.registry.get(device.did) is second.link
        assert (await second.ask("/heartbeat", token=second.token))["code"] == 200


async def test_a_second_connect_on_one_connection_gives_a_new_token() -> None:
    async with connected_camera() as (_, _, camera):
        first = camera.token
        await camera.connect()
        assert camera.token != first
        for token in (first, camera.token):
            assert (await camera.ask("/heartbeat", token=token))["code"] == 200


async def test_a_connection_may_be_admitted_as_another_device() -> None:
    async with device_port() as port:
        first = await port.site.enrol()
        second = await port.site.enrol("OTHER-SN")
        camera = await port.camera()
        await camera.connect()
        camera.sn = "OTHER-SN"
        assert (await camera.connect())["code"] == 200
        assert port.site.devices.get(first.did).state == "offline"
        assert port.site.devices.get(second.did).state == "online"


async def test_a_device_is_offline_after_two_and_a_half_intervals_without_a_frame() -> None:
    async with connected_camera(heartbeat_interval=30) as (port, device, camera):
        await trio.sleep(74)
        assert (await camera.ask("/heartbeat"))["code"] == 200
        silent_since = trio.current_time()
        await camera.ended()
        assert trio.current_time() - silent_since == pytest.approx(75)
        assert port.site.devices.get(device.did).state == "offline"


async def test_pings_and_half_frames_do_not_keep_a_silent_device_online() -> None:
    async with connected_camera(heartbeat_interval=2) as (port, device, camera):
        for _ in range(4):
            await trio.sleep(1)
            await camera.socket.ping()
        await camera.ended()
        assert port.site.devices.get(device.did).state == "offline"
        assert trio.current_time() < 7


async def test_a_device_is_offline_when_its_connection_ends() -> None:
    async with connected_camera() as (port, device, camera):
        await camera.socket.aclose()
        await wait_all_tasks_blocked()
        assert port.site.devices.get(device.did).state == "offline"


async def test_a_device_is_offline_when_the_network_breaks() -> None:
    async with connected_camera() as (port, device, camera):
        await trio.aclose_forcefully(camera.socket._stream)
        await wait_all_tasks_blocked()
        assert port.site.devices.get(device.did).state == "offline"


async def test_an_unknown_device_is_pending_until_it_is_accepted() -> None:
    async with device_port(require_did="auto") as port:
        await port.site.devices.set_site_key(public_pem())
        camera = await port.camera()
        assert (await camera.connect())["code"] == 421
        await trio.sleep(100)

        async def take_parameters() -> None:
            frame = await camera.receive()
            assert frame["data"]["uri"] == "/device/param_set"
            assert set(frame["data"]["param"]) == {"did", "otaId", "appid", "secret"}
            assert "token" not in frame
            await camera.send({"msgid": frame["msgid"], "data": {"uri": "x", "code": 200}})
            camera_did.append(frame["data"]["param"]["did"])

        camera_did: list[str] = []
        port.nursery.start_soon(take_parameters)
        accepted = await port.site.enrolment.accept(SN, CODE, name="Gate")
        assert accepted.outcome == "taken"
        assert (await camera.connect(did=camera_did[0]))["code"] == 200


async def test_a_pending_connection_is_closed_after_a_long_silence() -> None:
    async with device_port() as port:
        camera = await port.camera()
        await camera.connect()
        await camera.ended()
        assert trio.current_time() == pytest.approx(300)
        assert len(port.site.enrolment.waiting()) == 1


async def test_with_auto_a_camera_without_a_did_is_sent_its_parameters_after_the_421() -> None:
    async with device_port(require_did="auto") as port:
        device = await port.site.enrol()
        camera = await port.camera()
        assert (await camera.connect())["code"] == 421
        offer = await camera.receive()
        assert offer["data"]["param"]["did"] == device.did
        refusal = {"msgid": offer["msgid"], "data": {"uri": "x", "code": 404, "msg": "no"}}
        await camera.send(refusal)
        # D2: an error means that this device has no did. The next connect may follow at once.
        assert (await camera.connect())["code"] == 200
        await wait_all_tasks_blocked()
        assert port.site.devices.get(device.did).init_outcome == "refused with 404 no"


async def test_a_camera_that_accepts_its_parameters_without_using_them_is_admitted_next_time() -> (
    None
):
    async with connected_camera(require_did="auto") as (_, _, camera):
        offer = await camera.receive()
        await camera.send({"msgid": offer["msgid"], "data": {"code": 200}})
        assert (await camera.connect())["code"] == 200


async def test_ten_seconds_of_silence_mean_that_a_camera_has_no_did() -> None:
    async with connected_camera(require_did="auto") as (_, _, camera):
        await camera.receive()
        await trio.sleep(5)
        assert (await camera.connect())["code"] == 421
        await trio.sleep(6)
        assert (await camera.connect())["code"] == 200


async def test_the_end_of_the_connection_means_that_a_camera_has_no_did() -> None:
    async with device_port(require_did="auto") as port:
        await port.site.enrol()
        first = await port.camera()
        await first.connect()
        await first.socket.aclose()
        second = await port.camera()
        await wait_all_tasks_blocked()
        assert (await second.connect())["code"] == 200


async def test_a_connection_closed_by_the_hub_proves_nothing_about_the_camera() -> None:
    async with connected_camera(require_did="auto") as (port, device, camera):
        await wait_all_tasks_blocked()
        camera.link.close("the hub stops", 1001)
        assert await camera.ended() == (1001, "the hub stops")
        assert port.site.devices.device(device.did).did_state == "unknown"


async def test_disabling_a_device_closes_its_connection() -> None:
    async with connected_camera() as (port, device, camera):
        await port.site.devices.change(device.did, DeviceChange(enabled=False))
        # At once, and not because of its silence.
        assert (await camera.ended())[1] == "the device was changed"
        assert not port.site.registry.get(device.did)


async def test_a_delayed_answer_does_not_delay_others() -> None:
    async with device_port() as port:
        await port.site.enrol()
        await port.site.enrol("NEIGHBOUR")
        bad, neighbour = await port.camera(), await port.camera("NEIGHBOUR")
        for _ in range(5):
            await bad.connect(code="WRONG")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bad.ask, "/connect", bad.connect_param(code="WRONG"))
            await wait_all_tasks_blocked()
            assert (await neighbour.connect())["code"] == 200
            assert trio.current_time() == 0
        assert trio.current_time() == 1


async def test_a_connection_can_be_closed_during_a_delay() -> None:
    async with device_port() as port:
        camera = await port.camera()
        for _ in range(10):
            await camera.connect()
        held_since = trio.current_time()
        await camera.send_connect()
        await wait_all_tasks_blocked()
        camera.link.close("enough")
        await camera.ended()
        assert trio.current_time() == held_since


async def test_a_delay_may_exceed_the_deadline_of_a_short_interval() -> None:
    async with connected_camera(heartbeat_interval=1) as (_, _, camera):
        for _ in range(8):
            assert (await camera.connect(code="WRONG"))["code"] == 423
        assert (await camera.ask("/heartbeat"))["code"] == 200


async def test_a_request_ends_the_delay_of_a_pending_device() -> None:
    async with device_port(require_did="auto") as port:
        await port.site.devices.set_site_key(public_pem())
        camera = await port.camera()
        for _ in range(10):
            await camera.connect()
        await camera.send_connect()
        await wait_all_tasks_blocked()

        async def take_parameters() -> None:
            while "param" not in (frame := await camera.receive())["data"]:
                pass
            await camera.send({"msgid": frame["msgid"], "data": {"code": 200}})

        port.nursery.start_soon(take_parameters)
        assert (await port.site.enrolment.accept(SN, CODE)).outcome == "taken"


async def test_a_connect_that_cannot_be_stored_is_closed_with_try_again_later() -> None:
    """The code 503 is for HTTP only (D7)."""
    async with device_port() as port:
        await port.site.enrol()
        camera = await port.camera()
        port.site.store.refuses = True
        await camera.send_connect()
        assert (await camera.ended())[0] == 1013


async def test_a_request_to_a_device_is_matched_by_msgid_and_carries_the_token() -> None:
    async with connected_camera() as (port, _, camera):
        answers: list[DeviceAnswer] = []

        async def ask(number: int) -> None:
            answers.append(await camera.link.request("x/y", {"n": number}, seconds=5))

        port.nursery.start_soon(ask, 1)
        first = await camera.receive()
        port.nursery.start_soon(ask, 2)
        second = await camera.receive()
        assert (first["data"]["uri"], first["token"]) == ("/x/y", camera.token)
        for frame, code in ((second, 2), (first, 1)):
            result = {"n": frame["data"]["param"]["n"]}
            data = {"uri": "/other", "code": code, "msg": "well", "result": result}
            await camera.send({"msgid": frame["msgid"], "data": data})
        await wait_all_tasks_blocked()
        assert [answer.code for answer in answers] == [2, 1]
        assert json.loads(bytes(answers[0].result or b"")) == {"n": 2}


async def test_an_answer_without_a_request_is_dropped() -> None:
    async with device_port() as port:
        await port.site.enrol()
        camera = await port.camera()
        await camera.send({"msgid": "unknown", "data": {"uri": "/x", "code": 200}})
        assert (await camera.connect())["code"] == 200


async def test_a_request_without_an_answer_raises_device_silent() -> None:
    async with connected_camera() as (_, _, camera):
        with pytest.raises(DeviceSilent):
            await camera.link.request("/x", {}, seconds=5)
        late = await camera.receive()
        await camera.send({"msgid": late["msgid"], "data": {"code": 200}})
        assert (await camera.ask("/heartbeat"))["code"] == 200


async def test_a_request_ends_with_its_connection() -> None:
    async with connected_camera() as (port, _, camera):
        ended = trio.Event()

        async def ask() -> None:
            with pytest.raises(DeviceLeft, match="ended before the device answered"):
                await camera.link.request("/x", {}, seconds=60)
            ended.set()

        port.nursery.start_soon(ask)
        await camera.receive()
        await camera.socket.aclose()
        with trio.fail_after(30):
            await ended.wait()
        with pytest.raises(DeviceLeft):
            await camera.link.request("/x", {}, seconds=60)


async def test_unanswered_requests_are_limited() -> None:
    async with connected_camera() as (_, _, camera):
        busy: list[DeviceBusy] = []

        async def ask() -> None:
            try:
                await camera.link.request("/x", {}, seconds=5)
            except DeviceSilent:
                pass
            except DeviceBusy as error:
                busy.append(error)

        async with trio.open_nursery() as nursery:
            for _ in range(40):
                nursery.start_soon(ask)
        assert len(busy) == 8


def stray_answers() -> float:
    return metrics.REGISTRY.get_sample_value("sitehub_stray_answers_total") or 0.0


class Freed:
    """The times at which the device had finished with a request."""

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self) -> None:
        self.at.append(trio.current_time())


async def given_up(link: DeviceLink, freed: Freed, *, after: float) -> None:
    """Send a request with a time-out of 10 s, and give it up after `after` seconds."""
    with trio.move_on_after(after), suppress(DeviceSilent):
        await link.request("/x", {}, seconds=10, on_free=freed)


async def test_a_device_is_free_as_soon_as_it_has_answered() -> None:
    async with connected_camera() as (port, _, camera):
        freed = Freed()
        port.nursery.start_soon(partial(camera.link.request, "/x", {}, seconds=10, on_free=freed))
        frame = await camera.receive()
        await trio.sleep(3)
        assert freed.at == []
        await camera.send({"msgid": frame["msgid"], "data": {"code": 200}})
        await wait_all_tasks_blocked()
        assert freed.at == [3]


@pytest.mark.parametrize("after", [2, math.inf], ids=["hung up", "timed out"])
async def test_a_device_is_busy_until_its_late_answer_which_is_dropped(after: float) -> None:
    async with connected_camera() as (_, _, camera):
        freed, strays = Freed(), stray_answers()
        await given_up(camera.link, freed, after=after)
        late = await camera.receive()
        await trio.sleep_until(15)
        assert freed.at == []
        await camera.send({"msgid": late["msgid"], "data": {"code": 200}})
        assert (await camera.ask("/heartbeat"))["code"] == 200
        assert freed.at == [15]
        assert stray_answers() == strays + 1


async def test_a_device_that_never_answers_is_free_after_a_second_timeout() -> None:
    async with connected_camera() as (_, _, camera):
        freed = Freed()
        await given_up(camera.link, freed, after=4)
        await trio.sleep_until(30)
        assert freed.at == [20]


async def test_a_device_is_free_when_its_connection_ends() -> None:
    async with connected_camera() as (_, _, camera):
        freed = Freed()
        await given_up(camera.link, freed, after=4)
        await camera.socket.aclose()
        await wait_all_tasks_blocked()
        assert freed.at == [4]
        with pytest.raises(DeviceLeft):
            await camera.link.request("/x", {}, seconds=10, on_free=freed)
        assert freed.at == [4, 4]


async def test_an_abandoned_request_does_not_keep_a_connection_open() -> None:
    async with connected_camera() as (_, _, camera):
        await given_up(camera.link, Freed(), after=4)
        camera.link.close("enough")
        await camera.ended()
        assert trio.current_time() == 4
