"""The hub decodes what simulated cameras upload: as documented, and in real format (D8)."""

from __future__ import annotations

import json
import random
from zoneinfo import ZoneInfo

import msgspec
import pytest

from hub.simulator.device.state import FACTORY_VERSIONS
from hub.simulator.identity import CameraIdentity
from hub.simulator.scenario.schedule import AccessGranted, CarSeen, EventSeen, FaceSeen, Sighting
from hub.simulator.uploads import Observation, UploadRequest, device_info, upload_of
from hub.wire.uploads import bodies
from hub.wire.uploads.records import AccessDetail, EventDetail, FaceDetail, VehicleDetail
from tests.simulator.commands import POPULATION

AT = 1764028800.25
Cameras = tuple[CameraIdentity, ...]

both = pytest.mark.parametrize("real", [False, True], ids=["documented", "real"])


def sent(camera: CameraIdentity, seen: Sighting, *, real: bool) -> UploadRequest:
    return upload_of(
        Observation(camera, seen, AT, "sdcard/20251125/00/0000_7", real), random.Random(1)
    )


@both
def test_a_capture_is_decoded_with_all_its_pictures(cameras: Cameras, real: bool) -> None:
    person = POPULATION.known[0]
    upload = sent(cameras[0], FaceSeen(person, 1, 0.5), real=real)
    assert (upload.method, upload.path) == ("POST", "/api/v1/adapter/lenfocus/face/capture")
    read = bodies.decode_face(upload.body, max_depth=64)
    assert (read.did, read.sn, read.occurred_at) == (None, cameras[0].sn, 1764028800000)
    assert read.detail == FaceDetail(
        name=person.name,
        age=person.age,
        gender=person.gender,
        uuid=person.uuid,
        category=1 if real else None,
        attributes={"helmet": "no", "smoking": "no", "carrying": "no"} if real else {},
    )
    assert [picture.name for picture in read.pictures] == ["face", "body", "background"]


def test_a_documented_capture_has_the_fields_of_2_1(cameras: Cameras) -> None:
    body = json.loads(sent(cameras[0], FaceSeen(POPULATION.known[0], 1, 0.5), real=False).body)
    assert set(body) == {"did", "sn", "time", "age", "gender", "name", "uuid", "data"}
    assert body["data"]["face_data"].startswith("data:image/jpeg;base64,/9j/")
    stranger = json.loads(
        sent(cameras[0], FaceSeen(POPULATION.strangers[0], 1, 0.5), real=False).body
    )
    assert not {"name", "uuid"} & set(stranger)


def test_a_real_capture_has_the_format_of_real_cameras(cameras: Cameras) -> None:
    upload = sent(cameras[0], FaceSeen(POPULATION.strangers[0], 1, 0.5), real=True)
    assert b"=" not in upload.body
    assert rb"\u003d" in upload.body
    assert b'"did":""' in upload.body
    assert b'"feature":[' in upload.body
    read = bodies.decode_face(upload.body, max_depth=64)
    assert isinstance(read.detail, FaceDetail)
    assert (read.detail.name, read.detail.uuid, read.detail.category) == (None, None, 0)
    extra = json.loads(bytes(read.extra))
    assert extra["helmet"] in (0, 1)
    assert "feature" not in extra


@both
def test_a_camera_sends_its_did(cameras: Cameras, real: bool) -> None:
    camera = msgspec.structs.replace(cameras[0], did="12")
    upload = sent(camera, FaceSeen(POPULATION.known[0], 1, 0.5), real=real)
    assert bodies.decode_face(upload.body, max_depth=64).did == "12"


@both
def test_events_are_decoded_with_and_without_a_person(cameras: Cameras, real: bool) -> None:
    for number, person in ((12, POPULATION.known[1]), (8, None), (3, None)):
        upload = sent(cameras[4], EventSeen(number, person, 0, 0.2), real=real)
        read = bodies.decode_event(upload.body, max_depth=64, keep_unknown=False)
        assert isinstance(read.detail, EventDetail)
        assert read.detail.type == number
        # D8: real cameras send seconds here.
        assert read.occurred_at == (1764028800000 if real else 1764028800250)
        assert read.detail.name == (person.name if person and real else None)
        assert read.pictures[-1].name == "background"
        assert b'"jpeg_url_frame":"sdcard/20251125/00/0000_7_bg.jpg"' in upload.body


@both
def test_vehicles_are_decoded_with_their_plates(cameras: Cameras, real: bool) -> None:
    for car in POPULATION.cars:
        read = bodies.decode_vehicle(sent(cameras[2], CarSeen(car), real=real).body, max_depth=64)
        assert isinstance(read.detail, VehicleDetail)
        assert read.detail.plate.id == car.plate
        assert read.detail.vehicle.brand == car.brand
        assert [picture.name for picture in read.pictures] == ["full", "vehicle", "plate"]
    assert any(car.plate == "粤B54896" for car in POPULATION.cars)


@both
def test_an_access_record_is_decoded(cameras: Cameras, real: bool) -> None:
    upload = sent(cameras[1], AccessGranted(POPULATION.known[2], 36.6), real=real)
    assert (upload.method, upload.path) == ("PUT", "/api/v1/access/record")
    read = bodies.decode_access(upload.body, max_depth=64, zone=ZoneInfo("UTC"))
    (entry,) = read.entries
    assert read.sn == cameras[1].sn
    assert isinstance(entry.detail, AccessDetail)
    assert (entry.detail.uuid, entry.detail.temperature) == (POPULATION.known[2].uuid, 36.6)


def test_device_information_is_decoded(cameras: Cameras) -> None:
    info = bodies.decode_device_info(device_info(cameras[0], FACTORY_VERSIONS).body, max_depth=64)
    assert (info.sn, info.dev_name) == (cameras[0].sn, "Main gate")
    assert (info.fw_ver, info.hw_ver) == (FACTORY_VERSIONS.fw_ver, FACTORY_VERSIONS.hw_ver)


def test_two_real_captures_of_one_sighting_differ(cameras: Cameras) -> None:
    observation = Observation(
        cameras[0], FaceSeen(POPULATION.known[0], 1, 0.5), AT, is_real_format=True
    )
    rng = random.Random(1)
    assert upload_of(observation, rng) != upload_of(observation, rng)
