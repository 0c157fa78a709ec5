"""A simulated camera of each edition (D12): what it connects with, answers and uploads."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import msgspec
import pybase64
import pytest
from msgspec import Raw
from PIL import Image

from hub.simulator.credentials import Credentials
from hub.simulator.drawing.pen import to_jpeg
from hub.simulator.drawing.people import face_jpeg
from hub.simulator.drawing.scenes import SCENE_SIZE
from hub.simulator.faults import FAULTLESS, Quirks, with_editions
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.schedule import CarSeen, EventSeen, FaceSeen
from hub.simulator.uploads import Observation, UploadRequest, device_info, upload_of
from hub.wire.commands import edition_3_commands as edition_3
from hub.wire.commands.capabilities import EDITIONS, Edition
from hub.wire.commands.dialect import (
    DIALECT,
    PERSON_ADD,
    PERSON_QUERY,
    SET_FACE,
    SET_RECORDING,
    Command,
)
from hub.wire.commands.edition_3_commands import EDITION_3
from hub.wire.commands.edition_3_params import PhotoSearch
from hub.wire.commands.params import encode_param
from hub.wire.commands.results import decode_answer
from hub.wire.commands.settings import to_edition
from hub.wire.envelope import Request, Response, decode_frame
from hub.wire.uploads import bodies
from hub.wire.uploads.records import FaceDetail, VehicleDetail
from tests.simulator.commands import NOON, POPULATION, device, messages, photo

CAMERAS = {edition: Quirks(edition=edition) for edition in EDITIONS}


def ask(responder: Any, uri: str, param: bytes) -> Response:
    (message,) = messages(responder.respond(Request("m1", uri, Raw(param))))
    frame = decode_frame(message, max_depth=64)
    assert isinstance(frame, Response)
    assert frame.msgid == "m1"
    return frame


def answer(responder: Any, command: Command[Any, Any], param: Any = None) -> Any:
    """The decoded result of a command that must succeed."""
    encoded = encode_param(command, command.example if param is None else param)
    response = ask(responder, command.uri, encoded)
    assert response.code in command.ok_codes, response.msg
    return decode_answer(command, response.result)


def codes_of(edition: Edition, identity: CameraIdentity) -> dict[str, int]:
    _, responder = device(identity, CAMERAS[edition])
    return {
        command.uri: ask(responder, command.uri, encode_param(command, command.example)).code
        for command in EDITION_3.commands
    }


@pytest.mark.parametrize(
    ("edition", "fields"),
    [(1, {"sn", "ts", "sign", "ip", "did"}), (2, {"sn", "ts", "sign", "ip"}), (3, {"sn", "ts"})],
)
def test_what_it_connects_with(
    cameras: tuple[CameraIdentity, ...], edition: Edition, fields: set[str]
) -> None:
    identity = msgspec.structs.replace(cameras[0], did="7")
    credentials = Credentials(identity, CAMERAS[edition], NOON.timestamp)
    credentials.set_did("7")
    assert set(credentials.connect_param()) == fields
    assert ("did" in credentials.who()) == (edition == 1)


def test_only_edition_3_knows_all_later_commands(cameras: tuple[CameraIdentity, ...]) -> None:
    assert set(codes_of(1, cameras[0]).values()) == {404}
    known = {uri for uri, code in codes_of(2, cameras[0]).items() if code != 404}
    assert known == {"/person/update", "/person/clear", "/person/search_picture"}
    of_3 = codes_of(3, cameras[0])
    assert {uri for uri, code in of_3.items() if code == 404} == set()


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("said", EDITIONS)
def test_it_takes_face_parameters_in_its_own_words(
    cameras: tuple[CameraIdentity, ...], edition: Edition, said: Edition
) -> None:
    state, responder = device(cameras[0], CAMERAS[edition])
    param = msgspec.structs.replace(SET_FACE.example, push_vip=False, relay=True, record_face=True)
    sent = to_edition(SET_FACE, encode_param(SET_FACE, param), said)
    code = ask(responder, sent.uri, bytes(sent.param)).code
    # The uri of edition 2 occurs in the document of edition 1, too (D4).
    if said != edition and (edition, said) != (1, 2):
        assert code == 404
        assert state.face is None
    elif said == edition:
        assert code == 200
        assert state.face is not None
        assert state.face.reg_threshold == param.reg_threshold
        assert state.face.push_vip is (None if edition == 1 else False)
        assert state.face.relay is (None if edition == 1 else True)
        assert state.face.record_face is (True if edition == 3 else None)


def test_it_takes_recording_in_its_own_words(cameras: tuple[CameraIdentity, ...]) -> None:
    state, responder = device(cameras[0], CAMERAS[3])
    sent = to_edition(SET_RECORDING, encode_param(SET_RECORDING, SET_RECORDING.example), 3)
    assert ask(responder, sent.uri, bytes(sent.param)).code == 0
    assert state.recording is not None
    assert state.recording.normal_record
    flat = encode_param(SET_RECORDING, SET_RECORDING.example)
    assert ask(responder, sent.uri, flat).code == 420


def test_what_later_editions_dropped_is_404(cameras: tuple[CameraIdentity, ...]) -> None:
    for edition, uris in (
        (2, ("/storage/record_set", "/storage/get_record_list", "/person/get_cap_history")),
        (3, ("/storage/record_by_month", "/person/get_cap_history")),
    ):
        _, responder = device(cameras[0], Quirks(edition=edition))
        for uri in uris:
            command = DIALECT.by_uri(uri)
            param = encode_param(command, command.example)
            assert ask(responder, uri, param).code == 404


def test_it_takes_no_initial_parameters_in_later_editions(
    cameras: tuple[CameraIdentity, ...],
) -> None:
    for edition in (2, 3):
        _, responder = device(cameras[0], Quirks(edition=edition))
        assert ask(responder, "/device/param_set", b'{"did": "7"}').code == 404


def test_it_says_what_it_is(cameras: tuple[CameraIdentity, ...]) -> None:
    _, responder = device(cameras[0], CAMERAS[3])
    info = answer(responder, edition_3.GET_INFO)
    assert (info.sn, info.auth_code) == (cameras[0].sn, cameras[0].code)
    assert (info.devid, info.firmware) == (cameras[0].devid, "1.1.57_sim")
    found = answer(responder, edition_3.GET_INTERFACES)
    assert (found.eth.mac, found.eth.addr) == (cameras[0].mac, cameras[0].ip)


def test_people_are_updated_found_and_cleared(cameras: tuple[CameraIdentity, ...]) -> None:
    state, responder = device(cameras[0], CAMERAS[3])
    person = POPULATION.known[0]
    new = msgspec.structs.replace(PERSON_ADD.example, pid=person.uuid, name="New", photo=photo())
    update = edition_3.PERSON_UPDATE.param(**msgspec.structs.asdict(new))
    answer(responder, edition_3.PERSON_UPDATE, update)
    assert answer(responder, PERSON_QUERY, PERSON_QUERY.param(pid=person.uuid)).name == "New"
    unknown = msgspec.structs.replace(update, pid="999999")
    param = encode_param(edition_3.PERSON_UPDATE, unknown)
    assert ask(responder, edition_3.PERSON_UPDATE.uri, param).code == 426
    answer(responder, edition_3.PERSON_CLEAR)
    assert len(state.people) == 0
    nobody = answer(responder, edition_3.PHOTO_SEARCH, edition_3.PHOTO_SEARCH.param(photo=photo()))
    assert nobody.name is None


def test_who_a_photo_shows_is_found(cameras: tuple[CameraIdentity, ...]) -> None:
    _, responder = device(cameras[0], CAMERAS[3])
    found = answer(responder, edition_3.PHOTO_SEARCH, edition_3.PHOTO_SEARCH.param(photo=photo(0)))
    assert found.name == POPULATION.known[0].name
    assert found.jpeg_url == f"data/facelib/{POPULATION.known[0].uuid}.jpg"


@pytest.mark.parametrize(
    ("setter", "getter"),
    [
        (edition_3.SET_STREAMS, edition_3.GET_STREAMS),
        (edition_3.SET_AUDIO_INPUT, edition_3.GET_AUDIO_INPUT),
        (edition_3.SET_AUDIO_OUTPUT, edition_3.GET_AUDIO_OUTPUT),
        (edition_3.SET_OSD, edition_3.GET_OSD),
        (edition_3.SET_EXPOSURE, edition_3.GET_EXPOSURE),
        (edition_3.SET_PRIVACY, edition_3.GET_PRIVACY),
    ],
    ids=lambda command: command.name,
)
def test_what_was_set_is_read_back(
    cameras: tuple[CameraIdentity, ...], setter: Command[Any, Any], getter: Command[Any, Any]
) -> None:
    _, responder = device(cameras[0], CAMERAS[3])
    answer(responder, getter)
    answer(responder, setter)
    read = msgspec.to_builtins(answer(responder, getter))
    told = msgspec.to_builtins(setter.example)
    told = told.get("region", told)
    assert {name: told[name] for name in read if name in told} == {
        name: read[name] for name in read if name in told
    }
    assert set(read) & set(told)


def test_a_patrol_is_made_and_run(cameras: tuple[CameraIdentity, ...]) -> None:
    _, responder = device(cameras[0], CAMERAS[3])
    number = answer(responder, edition_3.PATROL_CREATE).patrolid
    answer(responder, edition_3.PRESET_SET, edition_3.PRESET_SET.param(presetno=2, name="Door"))
    for preset in (1, 2):
        answer(
            responder,
            edition_3.PATROL_ADD_NODE,
            edition_3.PATROL_ADD_NODE.param(patrolid=number, presetno=preset, staySeconds=5),
        )
    of = edition_3.GET_PATROLS.param(patrolid=number)
    nodes = answer(responder, edition_3.GET_PATROL_NODES, of).patrolNodesList
    assert [node.preset.presetno for node in nodes] == [1, 2]
    answer(responder, edition_3.PATROL_START, of)
    (patrol,) = answer(responder, edition_3.GET_PATROLS, of).patrolsList
    assert (patrol.bStart, [stop.name for stop in patrol.preset]) == (True, ["Gate", "Door"])
    answer(responder, edition_3.PATROL_STOP)
    assert answer(responder, edition_3.GET_PATROLS, of).patrolsList[0].bStart is False


def test_its_answers_have_the_misprint_of_the_document(cameras: tuple[CameraIdentity, ...]) -> None:
    _, responder = device(cameras[0], CAMERAS[3])
    (message,) = messages(responder.respond(Request("m1", edition_3.GET_INFO.uri, Raw(b"{}"))))
    assert list(json.loads(message)) == ["msgid ", "data"]


# -- uploads -------------------------------------------------------------------------------------


def upload(identity: CameraIdentity, sighting: Any, edition: Edition) -> UploadRequest:
    seen = Observation(
        identity=identity,
        sighting=sighting,
        observed_at=NOON.timestamp(),
        is_real_format=edition > 1,
        edition=edition,
    )
    return upload_of(seen, random.Random(1))


def test_a_known_person_of_edition_3(cameras: tuple[CameraIdentity, ...]) -> None:
    person = POPULATION.known[0]
    sent = upload(cameras[0], FaceSeen(person, 0, 0.5), 3)
    assert sent.path == "//api/v1/adapter/lenfocus/face/capture"
    taken = bodies.decode_face(sent.body, max_depth=64)
    detail = taken.detail
    assert isinstance(detail, FaceDetail)
    assert (taken.edition, taken.did, taken.sn) == (3, None, cameras[0].sn)
    assert (detail.name, detail.uuid, detail.age) == (person.name, person.uuid, person.age)
    assert (detail.width, detail.height) == SCENE_SIZE
    assert detail.attributes["headwear"] in ("none", "hat", "helmet")
    assert b"feature" not in bytes(taken.extra)
    assert b"race" not in bytes(taken.extra)


def test_a_capture_of_edition_2_has_its_attributes(cameras: tuple[CameraIdentity, ...]) -> None:
    sent = upload(cameras[0], FaceSeen(POPULATION.known[0], 0, 0.5), 2)
    taken = bodies.decode_face(sent.body, max_depth=64)
    assert isinstance(taken.detail, FaceDetail)
    assert taken.edition == 2
    assert set(taken.detail.attributes) == {"helmet", "smoking", "carrying"}


def test_a_vehicle_of_edition_3_is_flat(cameras: tuple[CameraIdentity, ...]) -> None:
    for car in POPULATION.cars:
        sent = upload(cameras[0], CarSeen(car), 3)
        assert sent.path == "//api/v1/adapter/lenfocus/vehicle/capture"
        taken = bodies.decode_vehicle(sent.body, max_depth=64)
        assert isinstance(taken.detail, VehicleDetail)
        assert (taken.edition, taken.detail.plate.id) == (3, car.plate)
        assert taken.detail.vehicle.colour is not None
        assert {picture.name for picture in taken.pictures} == {"full", "vehicle", "plate"}


def test_an_event_of_edition_3_is_in_milliseconds(cameras: tuple[CameraIdentity, ...]) -> None:
    sent = upload(cameras[0], EventSeen(1, None, 0, 0.0), 3)
    body = json.loads(sent.body)
    assert (body["did"], body["time"]) == ("", NOON.timestamp() * 1000)


def test_the_report_of_edition_3(cameras: tuple[CameraIdentity, ...]) -> None:
    state, _ = device(cameras[0], CAMERAS[3])
    body = json.loads(device_info(cameras[0], state.versions, 3).body)
    assert body == {
        "did": "",
        "sn": cameras[0].sn,
        "fwVer": "1.1.57_sim",
        "devName": cameras[0].name,
    }


def who(responder: Any, shown: bytes) -> tuple[str | None, str | None]:
    """The name and the picture that the camera finds for a photo."""
    found = answer(responder, edition_3.PHOTO_SEARCH, PhotoSearch(photo=encode_photo(shown)))
    return found.name, found.jpeg_url


def encode_photo(picture: bytes) -> str:
    return pybase64.b64encode(picture).decode()


def stored_again(picture: bytes) -> bytes:
    """The same picture, smaller and in other bytes."""
    with Image.open(io.BytesIO(picture)) as image:
        return to_jpeg(image.resize((200, 250)))


def test_it_says_whom_a_photo_of_its_library_shows(
    cameras: tuple[CameraIdentity, ...],
) -> None:
    _, responder = device(cameras[0], CAMERAS[3])
    ann, bob = (msgspec.structs.replace(PERSON_ADD.example, pid=pid, name=pid) for pid in "78")
    faces = [face_jpeg(person, 0) for person in POPULATION.strangers]
    for person, face in ((ann, faces[0]), (bob, faces[1])):
        added = msgspec.structs.replace(person, photo=encode_photo(face))
        assert ask(responder, PERSON_ADD.uri, encode_param(PERSON_ADD, added)).code == 0
    for name, face in (("7", faces[0]), ("8", faces[1])):
        assert who(responder, face) == (name, f"data/facelib/{name}.jpg")
    # Another picture of the same face, as a phone takes it.
    assert who(responder, stored_again(faces[1]))[0] == "8"
    assert who(responder, to_jpeg(Image.new("RGB", (90, 90), "green"))) == (None, None)
    # People whom it has known from the start are drawn.
    assert who(responder, face_jpeg(POPULATION.known[2], 0))[0] == POPULATION.known[2].name


def test_a_file_that_is_no_picture_shows_nobody(cameras: tuple[CameraIdentity, ...]) -> None:
    _, responder = device(cameras[0], CAMERAS[2])
    param = encode_param(edition_3.PHOTO_SEARCH, PhotoSearch(photo=encode_photo(b"no picture")))
    assert ask(responder, edition_3.PHOTO_SEARCH.uri, param).code == 420


def test_editions_go_round_with_the_faults() -> None:
    slow = Quirks(delay=3.0)
    mixed = with_editions((FAULTLESS, slow), "mixed")
    assert [(one.edition, one.delay) for one in mixed] == [
        (1, 0),
        (2, 3.0),
        (3, 0),
        (1, 3.0),
        (2, 0),
        (3, 3.0),
    ]
    assert with_editions((slow,), "2") == (Quirks(edition=2, delay=3.0),)
