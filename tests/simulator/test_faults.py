"""Each named fault changes what a camera sends, as its description says."""

from __future__ import annotations

import json
from collections.abc import Callable

import msgspec
import pybase64
import pytest
import trio

from hub.errors import BadParameter, DeviceNotRegistered, HubError
from hub.simulator.camera import Timing
from hub.simulator.device.actions import Send, SendFragmented, SendTruncated, Wait
from hub.simulator.device.responder import Responder
from hub.simulator.faults import FAULTLESS, FAULTS, NO_FAULT, Quirks, quirks_of
from hub.simulator.identity import CameraIdentity
from hub.simulator.uploads import UploadRequest
from hub.wire import signing
from hub.wire.commands.answers import Person as PersonRow
from hub.wire.commands.dialect import (
    DIALECT,
    FACE_HISTORY,
    FILE_READ,
    PERSON_ADD,
    PERSON_DELETE,
    PERSON_HISTORY,
    PERSON_LIST,
    PERSON_QUERY,
    RECORD_BY_MONTH,
    RECORD_LIST,
    SET_FACE,
    SET_RECORDING,
)
from hub.wire.commands.params import encode_param
from hub.wire.envelope import BadFrame, Request, Response, decode_frame
from hub.wire.session import ConnectParam, InitParam
from tests.simulator import test_firmware_upgrade
from tests.simulator.commands import POPULATION, WEEK, actions, answer, device, messages, person
from tests.simulator.running_camera import NOW, RunningCamera
from tests.support.fake_hub import INFO
from tests.support.signatures import connect_sign_form

pytestmark = pytest.mark.jumping_clock

CAPTURE = UploadRequest("POST", "/api/v1/adapter/lenfocus/face/capture", b'{"time":1764028800}')
INIT = InitParam("12", "o", "a", "s")
PHOTO_PATH = f"data/facelib/{POPULATION.known[0].uuid}.jpg"


StartCamera = Callable[..., RunningCamera]
MakeResponder = Callable[..., Responder]


@pytest.fixture
def start_camera(nursery: trio.Nursery, cameras: tuple[CameraIdentity, ...]) -> StartCamera:
    """Start a camera with the named faults."""

    def start(*names: str, did: str | None = "12") -> RunningCamera:
        identity = msgspec.structs.replace(cameras[0], did=did)
        timing = Timing(restart_seconds=5)
        return RunningCamera(nursery, identity, quirks_of(names), timing)

    return start


@pytest.fixture
def responder(cameras: tuple[CameraIdentity, ...]) -> MakeResponder:
    """Make the responder of a camera with the named faults."""
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


# The table of faults


def test_every_fault_has_a_test() -> None:
    tests = [*globals(), *vars(test_firmware_upgrade)]
    for fault in FAULTS:
        prefix = f"test_{fault.name.replace('-', '_')}_"
        assert any(name.startswith(prefix) for name in tests), fault.name


def test_every_fault_sets_a_quirk_and_has_a_description() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    for fault in FAULTS:
        assert quirks_of([fault.name]) != FAULTLESS
        assert 10 < len(fault.description) < 75
        assert fault.name != NO_FAULT


def test_faults_combine_unless_they_contradict_each_other() -> None:
    assert quirks_of(["slow", "no-ip"]) == Quirks(delay=3.0, tells_ip=False)
    assert quirks_of(["real-camera", "no-did"]) == quirks_of(["real-camera"])
    assert quirks_of([NO_FAULT]) == FAULTLESS
    with pytest.raises(BadParameter, match="contradicts"):
        quirks_of(["success-0", "success-200"])
    with pytest.raises(BadParameter, match='no fault "sloth"'):
        quirks_of(["sloth"])


# Connect and initial parameters


async def test_wrong_code_signs_with_another_code(start_camera: StartCamera) -> None:
    running = start_camera("wrong-code")
    (param,) = await running.wait_connects()
    assert not signs_with(running.camera.identity, param, running.camera.identity.code)
    assert signs_with(running.camera.identity, param, f"not {running.camera.identity.code}")


async def test_no_signature_sends_none(start_camera: StartCamera) -> None:
    (param,) = await start_camera("no-signature").wait_connects()
    assert param.sign is None


async def test_replays_sends_the_same_connect_again(start_camera: StartCamera) -> None:
    running = start_camera("replays")
    running.hub.answer = unknown
    first, second = await running.wait_connects(2)
    assert first == second


async def test_clock_skewed_signs_a_time_two_hours_ahead(start_camera: StartCamera) -> None:
    running = start_camera("clock-skewed")
    (param,) = await running.wait_connects()
    assert param.ts == NOW + 7200
    assert signs_with(running.camera.identity, param, running.camera.identity.code)
    assert running.camera.state.clock().timestamp() >= NOW + 7200


async def test_no_did_accepts_a_did_and_never_sends_it(start_camera: StartCamera) -> None:
    running = start_camera("no-did")
    (param,) = await running.wait_connects()
    assert param.did is None
    await running.command("/device/param_set", INIT)
    (response,) = await running.wait_answers()
    assert response.code == 200
    await running.hub.drop_connections()
    assert [param.did for param in await running.wait_connects(2)] == [None, None]


async def test_forgets_did_sends_none_on_a_new_connection(start_camera: StartCamera) -> None:
    running = start_camera("forgets-did")
    running.hub.answer = unknown
    await running.wait_connects()
    await running.command("/device/param_set", INIT)
    await running.wait_connects(2)
    await running.hub.drop_connections()
    dids = [param.did for param in await running.wait_connects(3)]
    assert dids == [None, "12", None]


async def test_no_ip_sends_no_address(start_camera: StartCamera) -> None:
    running = start_camera("no-ip")
    (param,) = await running.wait_connects()
    assert param.ip is None
    await running.hub.until(lambda: bool(running.hub.requests("/heartbeat")))
    assert b'"ip"' not in bytes(running.hub.requests("/heartbeat")[0].param)


async def test_refuses_init_answers_420_and_has_no_did(start_camera: StartCamera) -> None:
    running = start_camera("refuses-init", did=None)
    running.hub.answer = unknown
    await running.wait_connects()
    await running.command("/device/param_set", INIT)
    (response,) = await running.wait_answers()
    assert response.code == 420
    assert [param.did for param in await running.wait_connects(2)] == [None, None]


# Answers to commands


async def test_slow_answers_several_commands_at_once_after_3_seconds(
    start_camera: StartCamera,
) -> None:
    running = start_camera("slow")
    await running.wait_connects()
    started = trio.current_time()
    for _ in range(4):
        await running.command("/person/query", {"pid": "1"})
    await running.wait_answers(4)
    assert trio.current_time() - started == pytest.approx(3)


def test_late_answers_after_the_timeout_of_a_light_command(responder: MakeResponder) -> None:
    wait, message = actions(responder("late"), SET_FACE)
    assert isinstance(wait, Wait)
    assert SET_FACE.seconds < wait.seconds < FILE_READ.seconds
    assert isinstance(message, Send)


def test_silent_never_answers_a_command(responder: MakeResponder) -> None:
    for command in DIALECT.commands:
        assert actions(responder("silent"), command) == ()
    # Initial parameters are not a command.
    given = Request("m1", "/device/param_set", msgspec.Raw(msgspec.json.encode(INIT)))
    assert messages(responder("silent").respond(given))


def test_refuses_answers_420_and_does_nothing(cameras: tuple[CameraIdentity, ...]) -> None:
    state, responder = device(cameras[0], quirks_of(["refuses"]))
    for command in DIALECT.commands:
        assert answer(responder, command)["code"] == 420
    assert state.face is None


def test_other_uri_is_in_every_answer(responder: MakeResponder) -> None:
    for command in (SET_FACE, RECORD_LIST):
        assert answer(responder("other-uri"), command)["uri"] == "/device/other"


def test_success_0_is_also_answered_to_settings(responder: MakeResponder) -> None:
    assert answer(responder(), SET_FACE)["code"] == 200
    assert answer(responder("success-0"), SET_FACE)["code"] == 0
    assert answer(responder("success-0"), SET_RECORDING)["code"] == 0


def test_success_200_is_also_answered_to_lists(responder: MakeResponder) -> None:
    assert answer(responder(), RECORD_LIST)["code"] == 0
    assert answer(responder("success-200"), RECORD_LIST)["code"] == 200


def people(responder: Responder, page: int) -> list[str]:
    listed = answer(responder, PERSON_LIST, page_num=page, page_size=5, category=None)
    return [row["pid"] for row in listed["result"]["list"]]


def bodies(responder: Responder, page: int) -> list[str]:
    listed = answer(responder, PERSON_HISTORY, page_num=page, page_size=5, **WEEK)
    return [row["jpeg_url_frame"] for row in listed["result"]["list"]]


def test_first_page_0_skips_a_page_where_1_is_documented(responder: MakeResponder) -> None:
    assert people(responder("first-page-0"), 1) == people(responder(), 2)
    assert bodies(responder("first-page-0"), 0) == bodies(responder(), 0)


def test_first_page_1_repeats_a_page_where_0_is_documented(responder: MakeResponder) -> None:
    odd = responder("first-page-1")
    assert bodies(odd, 0) == bodies(odd, 1) == bodies(responder(), 0)
    assert people(odd, 1) == people(responder(), 1)


def test_endless_pages_always_have_new_rows(responder: MakeResponder) -> None:
    odd = responder("endless-pages")
    pages = [people(odd, number) for number in range(1, 40)]
    assert all(pages)
    pids = [pid for page in pages for pid in page]
    assert len(set(pids)) == len(pids)
    assert people(responder(), 4) == []


def test_repeated_pages_returns_the_last_page_for_every_later_one(responder: MakeResponder) -> None:
    odd = responder("repeated-pages")
    assert people(odd, 3) == people(odd, 4) == people(odd, 400) == people(responder(), 3)
    # The total claims that there are more.
    assert answer(odd, PERSON_LIST, category=None)["result"]["total"] > len(POPULATION.known)


def test_missing_results_answers_success_without_a_result(responder: MakeResponder) -> None:
    for command in (RECORD_BY_MONTH, RECORD_LIST, PERSON_LIST):
        data = answer(responder("missing-results"), command)
        assert (data["code"], "result" in data) == (0, False)


def test_wrong_types_keeps_keys_and_changes_the_types_of_values(responder: MakeResponder) -> None:
    odd = responder("wrong-types")
    result = answer(odd, PERSON_LIST)["result"]
    assert set(result) == {"total", "list"}
    assert not isinstance(result["total"], int | str)
    assert not isinstance(result["list"], list)
    assert not isinstance(answer(odd, RECORD_BY_MONTH, year=2025, month=10)["result"], list)
    assert not isinstance(answer(odd, PERSON_QUERY, pid="100001")["result"]["name"], str)


def test_huge_lists_have_20000_entries(responder: MakeResponder) -> None:
    odd = responder("huge-lists")
    assert len(answer(odd, PERSON_LIST)["result"]["list"]) == 20_000
    assert len(answer(odd, RECORD_BY_MONTH, year=2025, month=10)["result"]) == 20_000
    assert len(answer(odd, FACE_HISTORY, name="nobody", **WEEK)["result"]["face_list"]) == 20_000


def test_text_numbers_are_digits_in_quotes(responder: MakeResponder) -> None:
    result = answer(responder("text-numbers"), PERSON_QUERY, pid="100001")["result"]
    assert (result["age"], result["category"]) == ("52", "1")
    counts = answer(responder("text-numbers"), RECORD_BY_MONTH, year=2025, month=10)["result"]
    assert counts[0]["day"].isdigit()


def test_old_uri_accepts_1_5_under_its_second_uri_only(cameras: tuple[CameraIdentity, ...]) -> None:
    state, responder = device(cameras[0], quirks_of(["old-uri"]))
    assert answer(responder, SET_FACE)["code"] == 404
    assert state.face is None
    param = encode_param(SET_FACE, SET_FACE.example)
    (message,) = messages(responder.respond(Request("m1", SET_FACE.uris[1], param)))
    assert json.loads(message)["data"]["code"] == 200
    assert state.face == SET_FACE.example


def test_no_pictures_answers_404_to_file_reads(responder: MakeResponder) -> None:
    assert answer(responder(), FILE_READ, path=PHOTO_PATH)["code"] == 0
    assert answer(responder("no-pictures"), FILE_READ, path=PHOTO_PATH)["code"] == 404


def test_bad_pictures_are_not_images(responder: MakeResponder) -> None:
    result = answer(responder("bad-pictures"), FILE_READ, path=PHOTO_PATH)["result"]
    assert result == {"path": PHOTO_PATH, "base64": "bm8gcGljdHVyZQ=="}


# Connections


async def test_drop_on_connect_disconnects_after_every_other_connect(
    start_camera: StartCamera,
) -> None:
    running = start_camera("drop-on-connect")
    await running.hub.until(lambda: bool(running.hub.requests("/heartbeat")))
    assert len(running.hub.sockets) == len(running.hub.requests("/connect")) == 2
    await running.hub.drop_connections()
    await running.hub.until(lambda: len(running.hub.sockets) == 4)


async def test_drop_on_command_disconnects_without_an_answer(start_camera: StartCamera) -> None:
    running = start_camera("drop-on-command")
    await running.wait_connects()
    await running.command("/person/query", {"pid": "1"})
    await running.wait_connects(2)
    assert not running.answers()


async def test_drop_in_answer_sends_no_complete_answer(start_camera: StartCamera) -> None:
    running = start_camera("drop-in-answer")
    await running.wait_connects()
    await running.command("/person/query", {"pid": "1"})
    await running.wait_connects(2)
    assert not running.answers()
    (action,) = actions(device(running.camera.identity, running.camera.quirks)[1], SET_FACE)
    assert isinstance(action, SendTruncated)


async def test_drop_in_upload_repeats_the_upload(start_camera: StartCamera) -> None:
    running = start_camera("drop-in-upload")
    await running.camera.wait_reported()
    connections = running.hub.http_connections
    assert (await running.camera.upload(CAPTURE)).code == 200
    await running.camera.aclose()
    # The first attempt ends within the body, so the hub receives no request.
    assert [body for _, _, body, _ in running.hub.posts] == [CAPTURE.body]
    assert running.hub.http_connections > connections


async def test_drop_before_reply_repeats_the_upload(start_camera: StartCamera) -> None:
    running = start_camera("drop-before-reply")
    assert (await running.camera.upload(CAPTURE)).code == 200
    await running.camera.aclose()
    assert [body for _, _, body, _ in running.hub.posts] == [CAPTURE.body] * 2


async def test_duplicates_sends_everything_twice(start_camera: StartCamera) -> None:
    running = start_camera("duplicates")
    await running.camera.upload(CAPTURE)
    await running.command("/person/query", {"pid": "1"})
    await running.wait_answers(2)
    first, second = running.hub.requests("/connect")
    assert first == second
    assert [body for _, _, body, _ in running.hub.posts] == [CAPTURE.body] * 2
    await running.camera.aclose()


def test_floods_sends_300_answers_before_the_answer(responder: MakeResponder) -> None:
    *flood, message = messages(actions(responder("floods"), SET_FACE))
    assert json.loads(message)["msgid"] == "m1"
    assert len(flood) == 300
    assert all(isinstance(decode_frame(one, max_depth=8), Response) for one in flood)


def test_half_frames_are_followed_by_the_whole_answer(responder: MakeResponder) -> None:
    half, whole = messages(actions(responder("half-frames"), SET_FACE))
    assert str(whole).startswith(str(half))
    with pytest.raises(BadFrame):
        decode_frame(half, max_depth=64)


def test_fragments_contain_the_same_answer(responder: MakeResponder) -> None:
    (action,) = actions(responder("fragments"), SET_FACE)
    assert isinstance(action, SendFragmented)
    assert action.message == messages(actions(responder(), SET_FACE))[0]


def test_garbage_is_invalid_and_followed_by_the_answer(responder: MakeResponder) -> None:
    *garbage, message = messages(actions(responder("garbage"), SET_FACE))
    assert json.loads(message)["msgid"] == "m1"
    assert any(isinstance(one, bytes) for one in garbage)
    for one in garbage:
        with pytest.raises(BadFrame):
            decode_frame(one, max_depth=64)


async def test_reboots_reports_itself_after_each_restart(start_camera: StartCamera) -> None:
    running = start_camera("reboots")
    await running.wait_reports(INFO, 3)
    assert 2 * 20 + 5 <= trio.current_time() < 70
    assert len(running.hub.sockets) == 3
    await running.camera.aclose()


# Face library


def add_codes(responder: Responder, pids: range) -> list[int]:
    """The answers to 1.12 for these pids, each with a photo of its own."""
    fields = msgspec.structs.asdict(person())
    return [
        answer(responder, PERSON_ADD, **{**fields, "pid": str(pid), "photo": numbered_photo(pid)})[
            "code"
        ]
        for pid in pids
    ]


def numbered_photo(number: int) -> str:
    return pybase64.b64encode(b"\xff\xd8\xff" + number.to_bytes(4, "big")).decode()


def test_small_library_answers_503_once_it_is_full(cameras: tuple[CameraIdentity, ...]) -> None:
    state, responder = device(cameras[0], quirks_of(["small-library"]))
    room = 100 - len(state.people)
    assert add_codes(responder, range(1, room + 2)) == [*[0] * room, 503]


def test_deletes_first_refuses_a_person_until_it_is_deleted(responder: MakeResponder) -> None:
    odd = responder("deletes-first")
    assert add_codes(odd, range(1, 2)) == [0]
    assert add_codes(odd, range(1, 2)) == [420]
    assert answer(odd, PERSON_DELETE, pid="1")["code"] == 0
    assert add_codes(odd, range(1, 2)) == [0]


def test_picky_always_refuses_the_same_photos(responder: MakeResponder) -> None:
    codes = add_codes(responder("picky"), range(1, 200))
    assert 5 < codes.count(420) < 40
    assert codes.count(0) == 199 - codes.count(420)
    assert add_codes(responder("picky"), range(1, 200)) == codes


def test_lost_answers_takes_some_people_without_an_answer_at_first(
    cameras: tuple[CameraIdentity, ...],
) -> None:
    state, odd = device(cameras[0], quirks_of(["lost-answers"]))
    changes = [{"pid": str(pid), "photo": numbered_photo(pid)} for pid in range(1, 100)]
    lost = [change for change in changes if not actions(odd, PERSON_ADD, **change)]
    assert 3 < len(lost) < 30
    assert all(change["pid"] in state.people for change in changes)
    assert all(actions(odd, PERSON_ADD, **change) for change in lost)


async def test_forgets_people_whenever_it_connects(start_camera: StartCamera) -> None:
    running = start_camera("forgets-people", "reboots")
    await running.wait_reports(INFO, 1)
    row = PersonRow(pid="1", name="Li")
    running.camera.state.people.add(row, b"photo")
    assert "1" in running.camera.state.people
    await running.wait_reports(INFO, 2)
    assert "1" not in running.camera.state.people
    await running.camera.aclose()


# Uploads and upgrades


async def test_real_camera_sends_neither_did_nor_address(start_camera: StartCamera) -> None:
    running = start_camera("real-camera")
    (param,) = await running.wait_connects()
    assert (param.did, param.ip) == (None, None)
    assert running.camera.quirks.bodies == "real"
    # The format of its uploads is tested in test_uploads.
    await running.camera.wait_reported()
    assert json.loads(running.hub.reports[0][1])["did"] == ""
    await running.camera.aclose()


async def test_no_token_uploads_with_its_serial_number_only(start_camera: StartCamera) -> None:
    running = start_camera("no-token")
    await running.camera.wait_reported()
    await running.camera.upload(CAPTURE)
    await running.camera.aclose()
    assert running.hub.posts[0][3] == ""
    assert json.loads(running.hub.reports[0][1])["sn"] == running.camera.identity.sn
