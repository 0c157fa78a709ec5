"""Each named fault shows on the wire as its sentence says, and nowhere else."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import msgspec
import pytest
import trio
from trio.testing import MockClock

from hub.errors import BadParameter, DeviceNotRegistered, HubError
from hub.simulator.camera import Camera, Timing
from hub.simulator.device.actions import Send, SendFragmented, SendTruncated, Wait
from hub.simulator.device.responder import Responder
from hub.simulator.events import CameraEvent
from hub.simulator.faults import FAULTLESS, FAULTS, NO_FAULT, Quirks, quirks_of
from hub.simulator.identity import CameraIdentity
from hub.simulator.uploads import Upload
from hub.wire import signing
from hub.wire.commands.dialect import (
    DIALECT,
    FACE_HISTORY,
    FILE_READ,
    PERSON_HISTORY,
    PERSON_LIST,
    PERSON_QUERY,
    RECORD_BY_MONTH,
    RECORD_LIST,
    SET_FACE,
    SET_RECORDING,
)
from hub.wire.commands.params import encode_param
from hub.wire.envelope import BadFrame, Request, Response, decode_frame, encode_request
from hub.wire.session import ConnectParam, InitParam, decode_connect
from tests.simulator import test_firmware_upgrade
from tests.simulator.asking import POPULATION, WEEK, answer, device, messages, steps
from tests.support.fake_hub import INFO, FakeHub
from tests.support.signatures import connect_sign_form

CAPTURE = Upload("POST", "/api/v1/adapter/lenfocus/face/capture", b'{"time":1764028800}')
NOW = 1764028800.0
INIT = InitParam("12", "o", "a", "s")
PHOTO_PATH = f"data/facelib/{POPULATION.known[0].uuid}.jpg"


class Scene:
    """A camera with faults that runs against a hub in memory."""

    def __init__(self, nursery: trio.Nursery, identity: CameraIdentity, quirks: Quirks) -> None:
        self.hub = FakeHub(nursery)
        self.told: list[CameraEvent] = []
        self.camera = Camera(
            identity,
            self.hub,
            population=POPULATION,
            now=lambda: NOW + trio.current_time(),
            rng=random.Random(1),
            on_event=self.told.append,
            quirks=quirks,
            timing=Timing(restart_seconds=5),
        )
        nursery.start_soon(self.camera.run)

    async def connects(self, count: int = 1) -> list[ConnectParam]:
        """The params of its connects, once there are so many."""
        await self.hub.until(lambda: len(self.hub.requests("/connect")) >= count)
        return [decode_connect(request.param) for request in self.hub.requests("/connect")]

    async def ask(self, uri: str, param: object) -> None:
        await self.hub.sockets[-1].send_message(encode_request("m1", "t", uri, param))

    async def answers(self) -> list[Response]:
        """Its answers, once there is one."""
        await self.hub.until(lambda: any(isinstance(f, Response) for f in self.hub.frames))
        return [frame for frame in self.hub.frames if isinstance(frame, Response)]


StartScene = Callable[..., Scene]
Start = Callable[..., Responder]


@pytest.fixture
def camera(nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]) -> StartScene:
    """Start a camera with these faults. Its tests take `autojump_clock` themselves."""

    def start(*names: str, did: str | None = "12") -> Scene:
        identity = msgspec.structs.replace(cameras[0], did=did)
        return Scene(nursery, identity, quirks_of(names))

    return start


@pytest.fixture
def responder(cameras: tuple[CameraIdentity, ...]) -> Start:
    """A camera's answers with these faults."""
    return lambda *names: device(cameras[0], quirks_of(names))[1]


def signs_with(identity: CameraIdentity, param: ConnectParam, code: str) -> bool:
    key = signing.load_public_key(identity.public_pem())
    form = connect_sign_form(
        key, param.sign or "", sn=identity.sn, code=code, ts_text=param.ts_text
    )
    return form is not None


def unknown(request: Request) -> str:
    error: HubError = DeviceNotRegistered()
    data = {"uri": request.uri, "code": error.code, "msg": error.message}
    return json.dumps({"msgid": request.msgid, "data": data})


# The table


def test_every_fault_has_a_test_of_its_own() -> None:
    tests = [*globals(), *vars(test_firmware_upgrade)]
    for fault in FAULTS:
        prefix = f"test_{fault.name.replace('-', '_')}_"
        assert any(name.startswith(prefix) for name in tests), fault.name


def test_every_fault_changes_something_and_has_a_sentence() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    for fault in FAULTS:
        assert quirks_of([fault.name]) != FAULTLESS
        assert 10 < len(fault.description) < 75
        assert fault.name != NO_FAULT


def test_faults_are_combined_unless_they_contradict() -> None:
    assert quirks_of(["slow", "no-ip"]) == Quirks(delay=3.0, tells_ip=False)
    assert quirks_of(["real-camera", "no-did"]) == quirks_of(["real-camera"])
    assert quirks_of([NO_FAULT]) == FAULTLESS
    with pytest.raises(BadParameter, match="contradicts"):
        quirks_of(["success-0", "success-200"])
    with pytest.raises(BadParameter, match='no fault "sloth"'):
        quirks_of(["sloth"])


# Connect and initial parameters


async def test_wrong_code_signs_with_another_code(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("wrong-code")
    (param,) = await scene.connects()
    assert not signs_with(scene.camera.identity, param, scene.camera.identity.code)
    assert signs_with(scene.camera.identity, param, f"not {scene.camera.identity.code}")


async def test_no_signature_sends_none(camera: StartScene, autojump_clock: MockClock) -> None:
    (param,) = await camera("no-signature").connects()
    assert param.sign is None


async def test_replays_sends_the_same_connect_again(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("replays")
    scene.hub.answer = unknown
    first, second = await scene.connects(2)
    assert first == second


async def test_clock_skewed_signs_a_time_two_hours_ahead(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("clock-skewed")
    (param,) = await scene.connects()
    assert param.ts == NOW + 7200
    assert signs_with(scene.camera.identity, param, scene.camera.identity.code)
    assert scene.camera.state.clock().timestamp() >= NOW + 7200


async def test_no_did_takes_its_did_and_never_sends_it(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("no-did")
    (param,) = await scene.connects()
    assert param.did is None
    await scene.ask("/device/param_set", INIT)
    (response,) = await scene.answers()
    assert response.code == 200
    await scene.hub.hang_up()
    assert [param.did for param in await scene.connects(2)] == [None, None]


async def test_forgets_did_has_none_at_each_new_connection(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("forgets-did")
    scene.hub.answer = unknown
    await scene.connects()
    await scene.ask("/device/param_set", INIT)
    await scene.connects(2)
    await scene.hub.hang_up()
    dids = [param.did for param in await scene.connects(3)]
    assert dids == [None, "12", None]


async def test_no_ip_tells_no_address(camera: StartScene, autojump_clock: MockClock) -> None:
    scene = camera("no-ip")
    (param,) = await scene.connects()
    assert param.ip is None
    await scene.hub.until(lambda: bool(scene.hub.requests("/heartbeat")))
    assert b'"ip"' not in bytes(scene.hub.requests("/heartbeat")[0].param)


async def test_refuses_init_answers_420_and_stays_without_a_did(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("refuses-init", did=None)
    scene.hub.answer = unknown
    await scene.connects()
    await scene.ask("/device/param_set", INIT)
    (response,) = await scene.answers()
    assert response.code == 420
    assert [param.did for param in await scene.connects(2)] == [None, None]


# CommandResults


async def test_slow_takes_3_seconds_and_answers_several_at_a_time(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("slow")
    await scene.connects()
    started = trio.current_time()
    for _ in range(4):
        await scene.ask("/person/query", {"pid": "1"})
    await scene.hub.until(lambda: sum(isinstance(f, Response) for f in scene.hub.frames) == 4)
    assert trio.current_time() - started == pytest.approx(3)


def test_late_answers_when_a_light_command_is_given_up(responder: Start) -> None:
    wait, said = steps(responder("late"), SET_FACE)
    assert isinstance(wait, Wait)
    assert SET_FACE.seconds < wait.seconds < FILE_READ.seconds
    assert isinstance(said, Send)


def test_silent_never_answers_a_command(responder: Start) -> None:
    for command in DIALECT.commands:
        assert steps(responder("silent"), command) == ()
    # Its initial parameters are no command.
    given = Request("m1", "/device/param_set", msgspec.Raw(msgspec.json.encode(INIT)))
    assert messages(responder("silent").respond(given))


def test_refuses_answers_420_and_does_nothing(cameras: tuple[CameraIdentity, ...]) -> None:
    state, asked = device(cameras[0], quirks_of(["refuses"]))
    for command in DIALECT.commands:
        assert answer(asked, command)["code"] == 420
    assert state.face is None


def test_other_uri_is_named_in_each_answer(responder: Start) -> None:
    for command in (SET_FACE, RECORD_LIST):
        assert answer(responder("other-uri"), command)["uri"] == "/device/other"


def test_success_0_is_answered_to_settings_too(responder: Start) -> None:
    assert answer(responder(), SET_FACE)["code"] == 200
    assert answer(responder("success-0"), SET_FACE)["code"] == 0
    assert answer(responder("success-0"), SET_RECORDING)["code"] == 0


def test_success_200_is_answered_to_lists_too(responder: Start) -> None:
    assert answer(responder(), RECORD_LIST)["code"] == 0
    assert answer(responder("success-200"), RECORD_LIST)["code"] == 200


def people(responder: Responder, page: int) -> list[str]:
    listed = answer(responder, PERSON_LIST, page_num=page, page_size=5, category=None)
    return [row["pid"] for row in listed["result"]["list"]]


def bodies(responder: Responder, page: int) -> list[str]:
    listed = answer(responder, PERSON_HISTORY, page_num=page, page_size=5, **WEEK)
    return [row["jpeg_url_frame"] for row in listed["result"]["list"]]


def test_first_page_0_skips_a_page_where_1_is_documented(responder: Start) -> None:
    assert people(responder("first-page-0"), 1) == people(responder(), 2)
    assert bodies(responder("first-page-0"), 0) == bodies(responder(), 0)


def test_first_page_1_repeats_a_page_where_0_is_documented(responder: Start) -> None:
    odd = responder("first-page-1")
    assert bodies(odd, 0) == bodies(odd, 1) == bodies(responder(), 0)
    assert people(odd, 1) == people(responder(), 1)


def test_endless_pages_always_have_rows_that_are_new(responder: Start) -> None:
    odd = responder("endless-pages")
    pages = [people(odd, number) for number in range(1, 40)]
    assert all(pages)
    pids = [pid for page in pages for pid in page]
    assert len(set(pids)) == len(pids)
    assert people(responder(), 4) == []


def test_repeated_pages_gives_its_last_one_again_and_again(responder: Start) -> None:
    odd = responder("repeated-pages")
    assert people(odd, 3) == people(odd, 4) == people(odd, 400) == people(responder(), 3)
    # Its total promises more.
    assert answer(odd, PERSON_LIST, category=None)["result"]["total"] > len(POPULATION.known)


def test_missing_results_is_success_without_a_result(responder: Start) -> None:
    for command in (RECORD_BY_MONTH, RECORD_LIST, PERSON_LIST):
        data = answer(responder("missing-results"), command)
        assert (data["code"], "result" in data) == (0, False)


def test_wrong_types_has_the_right_keys_with_other_values(responder: Start) -> None:
    odd = responder("wrong-types")
    result = answer(odd, PERSON_LIST)["result"]
    assert set(result) == {"total", "list"}
    assert not isinstance(result["total"], int | str)
    assert not isinstance(result["list"], list)
    assert not isinstance(answer(odd, RECORD_BY_MONTH, year=2025, month=10)["result"], list)
    assert not isinstance(answer(odd, PERSON_QUERY, pid="100001")["result"]["name"], str)


def test_huge_lists_have_20000_entries(responder: Start) -> None:
    odd = responder("huge-lists")
    assert len(answer(odd, PERSON_LIST)["result"]["list"]) == 20_000
    assert len(answer(odd, RECORD_BY_MONTH, year=2025, month=10)["result"]) == 20_000
    assert len(answer(odd, FACE_HISTORY, name="nobody", **WEEK)["result"]["face_list"]) == 20_000


def test_text_numbers_are_digits_in_quotes(responder: Start) -> None:
    result = answer(responder("text-numbers"), PERSON_QUERY, pid="100001")["result"]
    assert (result["age"], result["category"]) == ("52", "1")
    counts = answer(responder("text-numbers"), RECORD_BY_MONTH, year=2025, month=10)["result"]
    assert counts[0]["day"].isdigit()


def test_old_uri_knows_1_5_by_its_second_uri_alone(cameras: tuple[CameraIdentity, ...]) -> None:
    state, asked = device(cameras[0], quirks_of(["old-uri"]))
    assert answer(asked, SET_FACE)["code"] == 404
    assert state.face is None
    param = encode_param(SET_FACE, SET_FACE.example)
    (said,) = messages(asked.respond(Request("m1", SET_FACE.uris[1], param)))
    assert json.loads(said)["data"]["code"] == 200
    assert state.face == SET_FACE.example


def test_no_pictures_is_404_for_each(responder: Start) -> None:
    assert answer(responder(), FILE_READ, path=PHOTO_PATH)["code"] == 0
    assert answer(responder("no-pictures"), FILE_READ, path=PHOTO_PATH)["code"] == 404


def test_bad_pictures_are_none(responder: Start) -> None:
    result = answer(responder("bad-pictures"), FILE_READ, path=PHOTO_PATH)["result"]
    assert result == {"path": PHOTO_PATH, "base64": "bm8gcGljdHVyZQ=="}


# Connections


async def test_drop_on_connect_hangs_up_every_other_time(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("drop-on-connect")
    await scene.hub.until(lambda: bool(scene.hub.requests("/heartbeat")))
    assert len(scene.hub.sockets) == len(scene.hub.requests("/connect")) == 2
    await scene.hub.hang_up()
    await scene.hub.until(lambda: len(scene.hub.sockets) == 4)


async def test_drop_on_command_hangs_up_without_an_answer(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("drop-on-command")
    await scene.connects()
    await scene.ask("/person/query", {"pid": "1"})
    await scene.connects(2)
    assert not any(isinstance(frame, Response) for frame in scene.hub.frames)


async def test_drop_in_answer_sends_no_whole_one(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("drop-in-answer")
    await scene.connects()
    await scene.ask("/person/query", {"pid": "1"})
    await scene.connects(2)
    assert not any(isinstance(frame, Response) for frame in scene.hub.frames)
    (done,) = steps(device(scene.camera.identity, scene.camera.quirks)[1], SET_FACE)
    assert isinstance(done, SendTruncated)


async def test_drop_in_upload_sends_the_same_again(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("drop-in-upload")
    await scene.camera.wait_reported()
    connections = scene.hub.http_connections
    assert (await scene.camera.upload(CAPTURE)).code == 200
    await scene.camera.aclose()
    # The first attempt breaks off in the body, and is no request.
    assert [body for _, _, body, _ in scene.hub.posts] == [CAPTURE.body]
    assert scene.hub.http_connections > connections


async def test_drop_before_reply_sends_the_same_again(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("drop-before-reply")
    assert (await scene.camera.upload(CAPTURE)).code == 200
    await scene.camera.aclose()
    assert [body for _, _, body, _ in scene.hub.posts] == [CAPTURE.body] * 2


async def test_duplicates_sends_all_twice(camera: StartScene, autojump_clock: MockClock) -> None:
    scene = camera("duplicates")
    await scene.camera.upload(CAPTURE)
    await scene.ask("/person/query", {"pid": "1"})
    await scene.hub.until(lambda: sum(isinstance(f, Response) for f in scene.hub.frames) == 2)
    first, second = scene.hub.requests("/connect")
    assert first == second
    assert [body for _, _, body, _ in scene.hub.posts] == [CAPTURE.body] * 2
    await scene.camera.aclose()


def test_floods_comes_before_the_answer(responder: Start) -> None:
    *flood, said = messages(steps(responder("floods"), SET_FACE))
    assert json.loads(said)["msgid"] == "m1"
    assert len(flood) == 300
    assert all(isinstance(decode_frame(one, max_depth=8), Response) for one in flood)


def test_half_frames_are_followed_by_the_whole(responder: Start) -> None:
    half, whole = messages(steps(responder("half-frames"), SET_FACE))
    assert str(whole).startswith(str(half))
    with pytest.raises(BadFrame):
        decode_frame(half, max_depth=64)


def test_fragments_are_of_the_same_answer(responder: Start) -> None:
    (done,) = steps(responder("fragments"), SET_FACE)
    assert isinstance(done, SendFragmented)
    assert done.message == messages(steps(responder(), SET_FACE))[0]


def test_garbage_is_no_message_and_the_answer_follows(responder: Start) -> None:
    *garbage, said = messages(steps(responder("garbage"), SET_FACE))
    assert json.loads(said)["msgid"] == "m1"
    assert any(isinstance(one, bytes) for one in garbage)
    for one in garbage:
        with pytest.raises(BadFrame):
            decode_frame(one, max_depth=64)


async def test_reboots_comes_back_with_2_2_each_time(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("reboots")
    await scene.hub.until(lambda: [path for path, _ in scene.hub.reports].count(INFO) == 3)
    assert 2 * 20 + 5 <= trio.current_time() < 70
    assert len(scene.hub.sockets) == 3
    await scene.camera.aclose()


# Uploads and upgrades


async def test_real_camera_has_no_did_and_no_address(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("real-camera")
    (param,) = await scene.connects()
    assert (param.did, param.ip) == (None, None)
    assert scene.camera.quirks.bodies == "real"
    # How its uploads are written is held by test_bodies.
    await scene.camera.wait_reported()
    assert json.loads(scene.hub.reports[0][1])["did"] == ""
    await scene.camera.aclose()


async def test_no_token_uploads_with_its_serial_number_alone(
    camera: StartScene, autojump_clock: MockClock
) -> None:
    scene = camera("no-token")
    await scene.camera.wait_reported()
    await scene.camera.upload(CAPTURE)
    await scene.camera.aclose()
    assert scene.hub.posts[0][3] == ""
    assert json.loads(scene.hub.reports[0][1])["sn"] == scene.camera.identity.sn
