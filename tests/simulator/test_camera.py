"""A simulated camera follows the protocol, and retries until it succeeds."""

from __future__ import annotations

import msgspec
import pytest
import trio

from hub.errors import DeviceNotRegistered, HubError, NotAuthorised, WrongSignature
from hub.simulator.camera import DEFAULT_TIMING
from hub.simulator.faults import Quirks
from hub.simulator.identity import CameraIdentity
from hub.simulator.uploads import UploadRequest
from hub.wire import signing
from hub.wire.envelope import Request, encode_error, encode_ok
from hub.wire.session import ConnectResult, InitParam, TokenResult, decode_connect
from tests.simulator.running_camera import RunningCamera
from tests.support.fake_hub import INFO, accept
from tests.support.signatures import connect_sign_form

pytestmark = pytest.mark.jumping_clock

CAPTURE = UploadRequest("POST", "/api/v1/adapter/lenfocus/face/capture", b'{"time":1}')


@pytest.fixture
def running(nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]) -> RunningCamera:
    return RunningCamera(nursery, cameras[0])


def refuse(request: Request, error: HubError) -> str:
    return encode_error(request.msgid, request.uri, error)


async def test_1_1_it_connects_with_a_valid_signature(running: RunningCamera) -> None:
    await running.hub.until(lambda: bool(running.hub.frames))
    param = decode_connect(running.hub.requests("/connect")[0].param)
    identity = running.camera.identity
    assert (param.sn, param.did, param.ip) == (identity.sn, None, identity.ip)
    assert param.sign is not None
    assert connect_sign_form(
        signing.load_public_key(identity.public_pem()),
        param.sign,
        sn=identity.sn,
        code=identity.code,
        ts_text=param.ts_text,
    )


async def test_1_3_it_sends_heartbeats_within_the_interval_with_its_token(
    running: RunningCamera,
) -> None:
    await running.hub.until(lambda: len(running.hub.requests("/heartbeat")) == 10)
    assert trio.current_time() <= 10 * 30
    (connect,) = running.hub.requests("/connect")
    assert {beat.token for beat in running.hub.requests("/heartbeat")} == {f"token-{connect.msgid}"}


async def test_1_2_it_renews_its_token_before_it_expires(running: RunningCamera) -> None:
    def answer(request: Request) -> str:
        if request.uri == "/token/update":
            return encode_ok(request, TokenResult("renewed", expire=3600))
        return encode_ok(request, ConnectResult("first", expire=60, interval=30))

    running.hub.answer = answer
    await running.hub.until(lambda: any(f.token == "renewed" for f in running.requests()))
    assert trio.current_time() < 60 + 30
    assert len(running.hub.requests("/connect")) == 1


async def test_d3_it_accepts_initial_parameters_and_connects_with_its_did(
    running: RunningCamera,
) -> None:
    running.hub.answer = lambda request: refuse(request, DeviceNotRegistered())
    await running.hub.until(lambda: bool(running.hub.frames))
    running.hub.answer = accept
    await running.command("/device/param_set", InitParam("12", "o", "a", "s"), msgid="i1")
    connects = await running.wait_connects(2)
    assert [(answer.msgid, answer.code) for answer in running.answers()] == [("i1", 200)]
    assert connects[1].did == "12"
    assert running.camera.identity.did == "12"
    assert running.states()[:2] == ["waiting", "enrolled"]
    assert trio.current_time() < 1


async def test_an_unknown_command_is_answered_404(running: RunningCamera) -> None:
    await running.hub.until(lambda: bool(running.hub.frames))
    await running.hub.sockets[0].send_message("no JSON")
    await running.command("/system/other", {"year": 2026}, msgid="c1")
    (answer,) = await running.wait_answers()
    assert (answer.msgid, answer.code) == ("c1", 404)


@pytest.mark.parametrize("error", [DeviceNotRegistered(), WrongSignature(), NotAuthorised()])
async def test_a_refused_camera_connects_again_with_another_ts(
    running: RunningCamera, error: HubError
) -> None:
    running.hub.answer = lambda request: refuse(request, error)
    await running.hub.until(lambda: len(running.hub.requests("/connect")) == 3)
    times = [decode_connect(request.param).ts for request in running.hub.requests("/connect")]
    assert times == sorted(set(times))
    assert len(running.hub.sockets) == 1
    assert 30 < trio.current_time() < 60
    # Reported once, since the state did not change.
    assert running.states() == ["waiting" if error.code == 421 else "refused"]


async def test_it_reconnects_after_the_hub_was_away(running: RunningCamera) -> None:
    await running.hub.until(lambda: bool(running.hub.requests("/heartbeat")))
    running.hub.away = True
    await running.hub.drop_connections()
    await trio.sleep(300)
    assert len(running.hub.sockets) == 1
    running.hub.away = False
    await running.hub.until(lambda: len(running.hub.requests("/connect")) == 2)
    assert trio.current_time() < 300 + 30 + 60
    assert running.states()[:2] == ["online", "offline"]


async def test_it_closes_a_connection_without_answers(running: RunningCamera) -> None:
    running.hub.answer = lambda _request: None
    await running.hub.until(lambda: len(running.hub.sockets) == 2)
    assert trio.current_time() < 20


async def test_it_connects_again_when_a_heartbeat_is_refused(running: RunningCamera) -> None:
    def answer(request: Request) -> str:
        return accept(request) if request.uri == "/connect" else refuse(request, NotAuthorised())

    running.hub.answer = answer
    await running.hub.until(lambda: len(running.hub.requests("/connect")) == 2)
    assert len(running.hub.sockets) == 1


async def test_an_upload_waits_for_a_token_and_carries_it(running: RunningCamera) -> None:
    reply = await running.camera.upload(CAPTURE)
    assert reply.code == 200
    ((_, path, body, token),) = running.hub.posts
    (connect,) = running.hub.requests("/connect")
    assert (path, body, token) == (CAPTURE.path, CAPTURE.body, f"Bearer token-{connect.msgid}")
    await running.camera.aclose()


async def test_an_upload_is_repeated_unchanged_until_it_is_accepted(running: RunningCamera) -> None:
    running.hub.http_statuses = [(503, {"Retry-After": "5"}), (429, {}), (401, {})]
    reply = await running.camera.upload(CAPTURE)
    assert reply.code == 200
    assert [body for _, _, body, _ in running.hub.posts] == [CAPTURE.body] * 4
    assert trio.current_time() > 2.5
    # The token was rejected, so it connected again for a new one.
    assert len(running.hub.requests("/connect")) == 2
    assert running.hub.posts[-1][3] == f"Bearer token-{running.hub.requests('/connect')[1].msgid}"
    await running.camera.aclose()


async def test_a_refused_upload_is_not_repeated(running: RunningCamera) -> None:
    running.hub.http_statuses = [(404, {})]
    assert (await running.camera.upload(CAPTURE)).status == 404
    assert len(running.hub.posts) == 1
    await running.camera.aclose()


async def test_an_upload_is_repeated_while_the_hub_is_away(
    running: RunningCamera, nursery: trio.Nursery
) -> None:
    await running.hub.until(lambda: bool(running.hub.frames))
    running.hub.away = True
    nursery.start_soon(running.camera.upload, CAPTURE)
    await trio.sleep(100)
    assert running.hub.posts == []
    running.hub.away = False
    await running.hub.until(lambda: bool(running.hub.posts))
    await running.camera.aclose()


async def test_a_connect_result_without_a_token_is_not_accepted(running: RunningCamera) -> None:
    running.hub.answer = lambda request: encode_ok(request, {"expire": 5})
    await running.hub.until(lambda: len(running.hub.requests("/connect")) == 2)
    assert "online" not in running.states()


async def test_commands_are_answered_in_order(running: RunningCamera) -> None:
    await running.hub.until(lambda: bool(running.hub.frames))
    for number in range(5):
        await running.command("/person/query", {"pid": "1"}, msgid=f"c{number}")
    await running.wait_answers(5)
    assert [answer.msgid for answer in running.answers()] == [f"c{number}" for number in range(5)]


async def test_1_9_it_answers_restarts_and_reports_itself_again(running: RunningCamera) -> None:
    await running.hub.until(lambda: bool(running.hub.reports))
    asked_at = trio.current_time()
    await running.command("/system/maintain/reboot", {"delay_ms": 1500})
    await running.wait_reports(INFO, 2)
    assert running.answers()[0].code == 0
    assert trio.current_time() - asked_at == pytest.approx(
        1.5 + DEFAULT_TIMING.restart_seconds, abs=0.1
    )
    assert len(running.hub.sockets) == 2
    assert "it restarts" in [event.text for event in running.events]
    await running.camera.aclose()


async def test_an_upload_waits_for_a_restart_to_end(running: RunningCamera) -> None:
    await running.camera.wait_reported()
    await running.command("/system/maintain/reboot", {"delay_ms": 0})
    await running.wait_answers()
    await trio.sleep(1)
    assert (await running.camera.upload(CAPTURE)).code == 200
    assert len(running.hub.sockets) == 2
    await running.camera.aclose()


async def test_commands_beyond_the_limit_are_refused(
    nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]
) -> None:
    running = RunningCamera(nursery, cameras[0], Quirks(delay=5))
    await running.hub.until(lambda: bool(running.hub.frames))
    for number in range(40):
        await running.command("/person/query", {"pid": "1"}, msgid=f"c{number}")
    await running.wait_answers(40)
    codes = [answer.code for answer in running.answers()]
    assert codes == [409] * 8 + [426] * 32


async def test_d12_it_connects_and_uploads_by_the_paths_that_it_was_told(
    nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]
) -> None:
    running = RunningCamera(nursery, cameras[0], Quirks(edition=3))
    await running.wait_connects(1)
    param = {
        "websocket": {"enable": True, "websocket_addr": "wss://hub.test:8444/c/secret"},
        "http_addr": "https://hub.test:8443/c/secret/",
    }
    await running.command("/net/advanced/server_set_param", param)
    await running.wait_answers(1)
    # It leaves by itself, and connects by the new address.
    await running.wait_connects(2)
    assert running.hub.paths == ["/", "/c/secret"]
    assert running.states()[:2] == ["online", "offline"]
    await running.camera.upload(UploadRequest("POST", "/api/v1/x", b"{}"))
    assert [path for _, path, _, _ in running.hub.posts] == ["/c/secret/api/v1/x"]


async def test_d12_it_leaves_for_the_address_that_it_was_told_and_says_so(
    nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]
) -> None:
    running = RunningCamera(nursery, cameras[0], Quirks(edition=3))
    await running.wait_connects(1)
    wired = {"dhcp": False, "addr": "192.168.1.20", "mask": "255.255.255.0"}
    param = {**wired, "gateway": "192.168.1.1", "dns": "192.168.1.1"}
    await running.command("/net/ifconfig_eth_set", param)
    await running.wait_connects(2)
    await running.command("/net/ifconfig_get_inet", {}, msgid="m2")
    await running.wait_answers(2)
    found = msgspec.json.decode(running.answers()[1].result or b"")["eth"]
    assert {name: found[name] for name in wired} == wired
    assert found["mac"] == cameras[0].mac
