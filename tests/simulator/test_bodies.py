"""What simulated cameras upload is what the hub reads, in the manner of real ones (D8)."""

from __future__ import annotations

import json
import random
from zoneinfo import ZoneInfo

import msgspec

from hub.simulator.bodies import device_info, upload_of
from hub.simulator.cast import Cast
from hub.simulator.day import AccessGranted, CarSeen, EventSeen, FaceSeen
from hub.simulator.identity import CameraIdentity
from hub.wire import uploads
from hub.wire.records import AccessDetail, EventDetail, FaceDetail, VehicleDetail

AT = 1764028800.25
Cameras = tuple[CameraIdentity, ...]


def chance() -> random.Random:
    return random.Random(1)


def test_a_capture_is_read_with_all_its_pictures(cameras: Cameras, cast: Cast) -> None:
    person = cast.known[0]
    sent = upload_of(cameras[0], FaceSeen(person, 1, 0.5), AT, chance())
    assert (sent.method, sent.path) == ("POST", "/api/v1/adapter/lenfocus/face/capture")
    upload = uploads.decode_face(sent.body, max_depth=64)
    assert (upload.did, upload.sn, upload.occurred_at) == (None, cameras[0].sn, 1764028800000)
    assert upload.detail == FaceDetail(
        name=person.name, age=person.age, gender=person.gender, uuid=person.uuid, category=1
    )
    assert [picture.name for picture in upload.pictures] == ["face", "body", "background"]
    extra = json.loads(bytes(upload.extra))
    assert extra["department"] == person.department
    assert "feature" not in extra


def test_a_capture_is_written_as_real_cameras_write_it(cameras: Cameras, cast: Cast) -> None:
    sent = upload_of(cameras[0], FaceSeen(cast.strangers[0], 1, 0.5), AT, chance())
    assert b"=" not in sent.body
    assert b'"did":""' in sent.body
    assert b'"feature":[' in sent.body
    stranger = uploads.decode_face(sent.body, max_depth=64).detail
    assert isinstance(stranger, FaceDetail)
    assert (stranger.name, stranger.uuid, stranger.category) == (None, None, 0)


def test_a_camera_that_was_given_a_did_sends_it(cameras: Cameras, cast: Cast) -> None:
    camera = msgspec.structs.replace(cameras[0], did="12")
    sent = upload_of(camera, FaceSeen(cast.known[0], 1, 0.5), AT, chance())
    assert uploads.decode_face(sent.body, max_depth=64).did == "12"


def test_events_are_read_with_and_without_somebody(cameras: Cameras, cast: Cast) -> None:
    for number, person in ((12, cast.known[1]), (8, None), (3, None)):
        sent = upload_of(cameras[4], EventSeen(number, person, 0, 0.2), AT, chance())
        upload = uploads.decode_event(sent.body, max_depth=64, keep_unknown=False)
        assert isinstance(upload.detail, EventDetail)
        assert upload.detail.type == number
        assert upload.occurred_at == 1764028800250
        assert upload.detail.name == (person.name if person else None)
        assert upload.pictures[-1].name == "background"


def test_vehicles_are_read_with_their_plates(cameras: Cameras, cast: Cast) -> None:
    for car in cast.cars:
        sent = upload_of(cameras[2], CarSeen(car), AT, chance())
        upload = uploads.decode_vehicle(sent.body, max_depth=64)
        assert isinstance(upload.detail, VehicleDetail)
        assert upload.detail.plate.id == car.plate
        assert upload.detail.vehicle.brand == car.brand
        assert [picture.name for picture in upload.pictures] == ["full", "vehicle", "plate"]
    assert any(car.plate == "粤B54896" for car in cast.cars)


def test_an_access_is_read(cameras: Cameras, cast: Cast) -> None:
    sent = upload_of(cameras[1], AccessGranted(cast.known[2], 36.6), AT, chance())
    assert (sent.method, sent.path) == ("PUT", "/api/v1/access/record")
    upload = uploads.decode_access(sent.body, max_depth=64, zone=ZoneInfo("UTC"))
    (entry,) = upload.entries
    assert upload.sn == cameras[1].sn
    assert isinstance(entry.detail, AccessDetail)
    assert (entry.detail.uuid, entry.detail.temperature) == (cast.known[2].uuid, 36.6)


def test_device_information_is_read(cameras: Cameras) -> None:
    info = uploads.decode_device_info(device_info(cameras[0]).body, max_depth=64)
    assert (info.sn, info.dev_name) == (cameras[0].sn, "Main gate")
    assert info.fw_ver is not None


def test_no_two_captures_are_the_same_bytes(cameras: Cameras, cast: Cast) -> None:
    seen = FaceSeen(cast.known[0], 1, 0.5)
    dice = chance()
    first = upload_of(cameras[0], seen, AT, dice)
    assert upload_of(cameras[0], seen, AT, dice) != first
