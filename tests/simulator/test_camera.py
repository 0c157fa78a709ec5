"""A simulated camera keeps to the protocol, and does not give up."""

from __future__ import annotations

import random

import pytest
import trio
from trio.testing import MockClock

from hub.errors import DeviceNotRegistered, HubError, NotAuthorised, WrongSignature
from hub.simulator.camera import DEFAULT_TIMING, Camera
from hub.simulator.events import CameraEvent
from hub.simulator.faults import FAULTLESS, Quirks
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.population import make_population
from hub.simulator.uploads import Upload
from hub.wire import signing
from hub.wire.envelope import Request, Response, encode_error, encode_ok, encode_request
from hub.wire.session import ConnectResult, InitParam, TokenResult, decode_connect
from tests.support.fake_hub import INFO, FakeHub, let_in
from tests.support.signatures import connect_sign_form

CAPTURE = Upload("POST", "/api/v1/adapter/lenfocus/face/capture", b'{"time":1}')


class Scene:
    """A camera that runs against a hub in memory."""

    def __init__(
        self, nursery: trio.Nursery, identity: CameraIdentity, quirks: Quirks = FAULTLESS
    ) -> None:
        self.hub = FakeHub(nursery)
        self.told: list[CameraEvent] = []
        self.camera = Camera(
            identity,
            self.hub,
            population=make_population(),
            now=lambda: 1764028800.0 + trio.current_time(),
            rng=random.Random(1),
            on_event=self.told.append,
            quirks=quirks,
        )
        nursery.start_soon(self.camera.run)

    def heard(self) -> list[str]:
        """What it told of its connection."""
        return [told.kind for told in self.told if told.kind not in ("sent", "not-sent")]


@pytest.fixture
def scene(nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]) -> Scene:
    """Its tests take `autojump_clock` themselves: only then do they run by it."""
    return Scene(nursery, cameras[0])


def refuse(request: Request, error: HubError) -> str:
    return encode_error(request.msgid, request.uri, error)


async def test_1_1_it_connects_with_a_signature_that_fits(
    scene: Scene, autojump_clock: MockClock
) -> None:
    await scene.hub.until(lambda: bool(scene.hub.frames))
    param = decode_connect(scene.hub.requests("/connect")[0].param)
    identity = scene.camera.identity
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
    scene: Scene, autojump_clock: MockClock
) -> None:
    await scene.hub.until(lambda: len(scene.hub.requests("/heartbeat")) == 10)
    assert trio.current_time() <= 10 * 30
    (connect,) = scene.hub.requests("/connect")
    assert {beat.token for beat in scene.hub.requests("/heartbeat")} == {f"token-{connect.msgid}"}


async def test_1_2_it_takes_a_new_token_before_the_old_one_expires(
    scene: Scene, autojump_clock: MockClock
) -> None:
    def answer(request: Request) -> str:
        if request.uri == "/token/update":
            return encode_ok(request, TokenResult("renewed", expire=3600))
        return encode_ok(request, ConnectResult("first", expire=60, interval=30))

    scene.hub.answer = answer
    await scene.hub.until(lambda: any(f.token == "renewed" for f in requests_of(scene)))
    assert trio.current_time() < 60 + 30
    assert len(scene.hub.requests("/connect")) == 1


def requests_of(scene: Scene) -> list[Request]:
    return [frame for frame in scene.hub.frames if isinstance(frame, Request)]


async def test_d3_it_takes_its_initial_parameters_and_connects_with_its_did(
    scene: Scene, autojump_clock: MockClock
) -> None:
    scene.hub.answer = lambda request: refuse(request, DeviceNotRegistered())
    await scene.hub.until(lambda: bool(scene.hub.frames))
    scene.hub.answer = let_in
    given = encode_request("i1", None, "/device/param_set", InitParam("12", "o", "a", "s"))
    await scene.hub.sockets[0].send_message(given)
    await scene.hub.until(lambda: len(scene.hub.requests("/connect")) == 2)
    answered = [frame for frame in scene.hub.frames if isinstance(frame, Response)]
    assert [(frame.msgid, frame.code) for frame in answered] == [("i1", 200)]
    assert decode_connect(scene.hub.requests("/connect")[1].param).did == "12"
    assert scene.camera.identity.did == "12"
    assert scene.heard()[:2] == ["waiting", "enrolled"]
    assert trio.current_time() < 1


async def test_what_is_no_command_is_answered_with_404(
    scene: Scene, autojump_clock: MockClock
) -> None:
    await scene.hub.until(lambda: bool(scene.hub.frames))
    command = encode_request("c1", "t", "/system/other", {"year": 2026})
    await scene.hub.sockets[0].send_message(command)
    await scene.hub.sockets[0].send_message("no JSON")
    await scene.hub.until(lambda: any(isinstance(f, Response) for f in scene.hub.frames))
    answer = next(frame for frame in scene.hub.frames if isinstance(frame, Response))
    assert (answer.msgid, answer.code) == ("c1", 404)


@pytest.mark.parametrize("error", [DeviceNotRegistered(), WrongSignature(), NotAuthorised()])
async def test_a_camera_that_is_refused_knocks_again_with_another_ts(
    scene: Scene, error: HubError, autojump_clock: MockClock
) -> None:
    scene.hub.answer = lambda request: refuse(request, error)
    await scene.hub.until(lambda: len(scene.hub.requests("/connect")) == 3)
    times = [decode_connect(request.param).ts for request in scene.hub.requests("/connect")]
    assert times == sorted(set(times))
    assert len(scene.hub.sockets) == 1
    assert 30 < trio.current_time() < 60
    # It is told once, for nothing changed since.
    assert scene.heard() == ["waiting" if error.code == 421 else "refused"]


async def test_it_comes_back_when_the_hub_was_away(scene: Scene, autojump_clock: MockClock) -> None:
    await scene.hub.until(lambda: bool(scene.hub.requests("/heartbeat")))
    scene.hub.away = True
    await scene.hub.hang_up()
    await trio.sleep(300)
    assert len(scene.hub.sockets) == 1
    scene.hub.away = False
    await scene.hub.until(lambda: len(scene.hub.requests("/connect")) == 2)
    assert trio.current_time() < 300 + 30 + 60
    assert scene.heard()[:2] == ["online", "offline"]


async def test_it_gives_up_a_connection_on_which_nobody_answers(
    scene: Scene, autojump_clock: MockClock
) -> None:
    scene.hub.answer = lambda _request: None
    await scene.hub.until(lambda: len(scene.hub.sockets) == 2)
    assert trio.current_time() < 20


async def test_it_connects_anew_when_a_heartbeat_is_refused(
    scene: Scene, autojump_clock: MockClock
) -> None:
    def answer(request: Request) -> str:
        return let_in(request) if request.uri == "/connect" else refuse(request, NotAuthorised())

    scene.hub.answer = answer
    await scene.hub.until(lambda: len(scene.hub.requests("/connect")) == 2)
    assert len(scene.hub.sockets) == 1


async def test_an_upload_waits_for_a_token_and_carries_it(
    scene: Scene, autojump_clock: MockClock
) -> None:
    reply = await scene.camera.upload(CAPTURE)
    assert reply.code == 200
    ((_, path, body, token),) = scene.hub.posts
    (connect,) = scene.hub.requests("/connect")
    assert (path, body, token) == (CAPTURE.path, CAPTURE.body, f"Bearer token-{connect.msgid}")
    await scene.camera.aclose()


async def test_an_upload_is_sent_again_the_same_until_it_is_answered(
    scene: Scene, autojump_clock: MockClock
) -> None:
    scene.hub.http_statuses = [(503, {"Retry-After": "5"}), (429, {}), (401, {})]
    reply = await scene.camera.upload(CAPTURE)
    assert reply.code == 200
    assert [body for _, _, body, _ in scene.hub.posts] == [CAPTURE.body] * 4
    assert trio.current_time() > 2.5
    # The token was refused, so it asked for another.
    assert len(scene.hub.requests("/connect")) == 2
    assert scene.hub.posts[-1][3] == f"Bearer token-{scene.hub.requests('/connect')[1].msgid}"
    await scene.camera.aclose()


async def test_an_upload_that_is_refused_is_not_sent_again(
    scene: Scene, autojump_clock: MockClock
) -> None:
    scene.hub.http_statuses = [(404, {})]
    assert (await scene.camera.upload(CAPTURE)).status == 404
    assert len(scene.hub.posts) == 1
    await scene.camera.aclose()


async def test_an_upload_outlives_a_hub_that_is_away(
    scene: Scene, nursery: trio.Nursery, autojump_clock: MockClock
) -> None:
    await scene.hub.until(lambda: bool(scene.hub.frames))
    scene.hub.away = True
    nursery.start_soon(scene.camera.upload, CAPTURE)
    await trio.sleep(100)
    assert scene.hub.posts == []
    scene.hub.away = False
    await scene.hub.until(lambda: bool(scene.hub.posts))
    await scene.camera.aclose()


async def test_a_result_without_a_token_is_no_admission(
    scene: Scene, autojump_clock: MockClock
) -> None:
    scene.hub.answer = lambda request: encode_ok(request, {"expire": 5})
    await scene.hub.until(lambda: len(scene.hub.requests("/connect")) == 2)
    assert "online" not in scene.heard()


async def test_commands_are_answered_in_their_order(
    scene: Scene, autojump_clock: MockClock
) -> None:
    await scene.hub.until(lambda: bool(scene.hub.frames))
    for number in range(5):
        command = encode_request(f"c{number}", "t", "/person/query", {"pid": "1"})
        await scene.hub.sockets[0].send_message(command)
    await scene.hub.until(lambda: len(answers_of(scene)) == 5)
    assert [answer.msgid for answer in answers_of(scene)] == [f"c{number}" for number in range(5)]


def answers_of(scene: Scene) -> list[Response]:
    return [frame for frame in scene.hub.frames if isinstance(frame, Response)]


async def test_1_9_it_answers_restarts_and_tells_of_itself_again(
    scene: Scene, autojump_clock: MockClock
) -> None:
    await scene.hub.until(lambda: bool(scene.hub.reports))
    asked_at = trio.current_time()
    await scene.hub.sockets[0].send_message(
        encode_request("c1", "t", "/system/maintain/reboot", {"delay_ms": 1500})
    )
    await scene.hub.until(lambda: [path for path, _ in scene.hub.reports].count(INFO) == 2)
    assert answers_of(scene)[0].code == 0
    assert trio.current_time() - asked_at == pytest.approx(
        1.5 + DEFAULT_TIMING.restart_seconds, abs=0.1
    )
    assert len(scene.hub.sockets) == 2
    assert "it restarts" in [told.text for told in scene.told]
    await scene.camera.aclose()


async def test_an_upload_waits_while_it_restarts(scene: Scene, autojump_clock: MockClock) -> None:
    await scene.camera.wait_reported()
    await scene.hub.sockets[0].send_message(
        encode_request("c1", "t", "/system/maintain/reboot", {"delay_ms": 0})
    )
    await scene.hub.until(lambda: bool(answers_of(scene)))
    await trio.sleep(1)
    assert (await scene.camera.upload(CAPTURE)).code == 200
    assert len(scene.hub.sockets) == 2
    await scene.camera.aclose()


async def test_more_than_it_can_have_at_once_is_refused(
    nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...], autojump_clock: MockClock
) -> None:
    scene = Scene(nursery, cameras[0], Quirks(delay=5))
    await scene.hub.until(lambda: bool(scene.hub.frames))
    for number in range(40):
        command = encode_request(f"c{number}", "t", "/person/query", {"pid": "1"})
        await scene.hub.sockets[0].send_message(command)
    await scene.hub.until(lambda: len(answers_of(scene)) == 40)
    codes = [answer.code for answer in answers_of(scene)]
    assert codes == [409] * 8 + [426] * 32
